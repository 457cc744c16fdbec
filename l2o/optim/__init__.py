"""Update rules in PyTorch training (extra ``torch``).

Index:
    EvolvedOptimizer     an update rule as a torch.optim.Optimizer
    export_optimizer     the same as source that needs PyTorch alone
    train_with_rule      train a module with a rule, or any optimizer; gives the losses
    save_state, load_state      an optimizer's state in a safetensors file

Names load on first use; export_optimizer works without PyTorch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "EvolvedOptimizer": "_evolved_optimizer",
    "export_optimizer": "_export",
    "load_state": "_state_files",
    "save_state": "_state_files",
    "train_with_rule": "_training",
}

_EXTRAS = {"safetensors": "torch", "torch": "torch"}
"""The extra that brings a package."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.optim' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        advice = f"pip install 'automl-zero[{extra}]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
