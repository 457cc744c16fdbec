"""Inspection: what a found program does, and why.

    simplify                the program in fewer instructions, same fitness to the last bit
    pruned                  the program without what its fitness does not need
    ablation, Ablation      what each instruction is worth
    trace_registers         what each instruction writes, on a training example
    RegisterStep            one register written

How programs are shown: :mod:`automl_zero.report`.

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.inspection._ablation import Ablation, ablation
    from automl_zero.inspection._pruning import pruned
    from automl_zero.inspection._register_trace import RegisterStep, trace_registers
    from automl_zero.inspection._simplify import simplify

_HOME = {
    "Ablation": "_ablation",
    "RegisterStep": "_register_trace",
    "ablation": "_ablation",
    "pruned": "_pruning",
    "simplify": "_simplify",
    "trace_registers": "_register_trace",
}

__all__ = ["Ablation", "RegisterStep", "ablation", "pruned", "simplify", "trace_registers"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.inspection' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
