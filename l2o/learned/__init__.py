"""Learned optimizers: networks that turn gradients into updates, meta-trained to do it well.

To train with one
    LearnedOptimizer    a network as a torch.optim.Optimizer; shipped ones by name

Networks
    CoordinatewiseLSTM  an LSTM for every coordinate
    RNNProp             the same on what Adam sees
    HierarchicalRNN     recurrent networks of coordinates, tensors and the problem
    SmallMLP            a small network on running averages
    LearnedOptimizerNetwork     their base class, for networks of your own
    Layout              which coordinates belong to which tensor
    make_network, network_kinds     by name
    save_network, load_network      in safetensors files

Problems
    Problems            a batch of them, run together
    ProblemSource       protocol: a distribution of problems
    Quadratics, Rastrigin       functions
    unroll, Unrolled    optimization as a differentiable function

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "CoordinatewiseLSTM": "_coordinatewise_lstm",
    "Layout": "_layout",
    "LearnedOptimizerNetwork": "_network",
    "ProblemSource": "_problems",
    "Problems": "_problems",
    "Quadratics": "_tasks",
    "RNNProp": "_rnnprop",
    "SmallMLP": "_small_mlp",
    "Rastrigin": "_tasks",
    "Unrolled": "_unroll",
    "load_network": "_network",
    "make_network": "_network",
    "network_kinds": "_network",
    "save_network": "_network",
    "unroll": "_unroll",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.learned' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("torch", "safetensors"):
            raise
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
