"""Learned optimizers: networks that turn gradients into updates, meta-trained to do it well.

To train with one
    LearnedOptimizer    a network as a torch.optim.Optimizer
    shipped_networks    names of those that are trained

Networks
    CoordinatewiseLSTM  an LSTM for every coordinate
    RNNProp             the same on what Adam sees
    HierarchicalRNN     recurrent networks of coordinates, tensors and the problem
    SmallMLP            a small network on running averages, around Adam
    PolicyOptimizer     a policy, trained by policy gradient
    LearnedOptimizerNetwork     their base class, for networks of your own
    Layout              which coordinates belong to which tensor
    make_network, network_kinds     by name
    save_network, load_network      in safetensors files

Problems
    Problems            a batch of them, run together
    ProblemSource       protocol: a distribution of problems
    Mixture             one of several, drawn for each batch
    Quadratics, Rastrigin       functions
    Classifiers, logistic_regression    small networks on minibatches
    ClassAdaptation     the same, pre-trained on other classes
    Examples, digits_examples, npz_examples     their data
    unroll, Unrolled    optimization as a differentiable function

Meta-training
    meta_train          the loop: resumable, validated, stops when it diverges
    MetaProgress, MetaResult    where it stands; what it did
    LearnedConfig, load_learned_config, learned_config_names, make_tasks    as data
    compare, Standing   a network beside tuned optimizers on unseen problems
    AnalyticOptimizer   gradient descent to Adam, as baselines and teachers

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AnalyticOptimizer": "_analytic",
    "ClassAdaptation": "_adaptation_tasks",
    "Classifiers": "_image_tasks",
    "CoordinatewiseLSTM": "_coordinatewise_lstm",
    "Examples": "_image_tasks",
    "HierarchicalRNN": "_hierarchical_rnn",
    "LearnedConfig": "_config",
    "Layout": "_layout",
    "LearnedOptimizer": "_optimizer",
    "LearnedOptimizerNetwork": "_network",
    "MetaProgress": "l2o._meta_training",
    "MetaResult": "l2o._meta_training",
    "Mixture": "_problems",
    "PolicyOptimizer": "_policy",
    "ProblemSource": "_problems",
    "Problems": "_problems",
    "Quadratics": "_tasks",
    "RNNProp": "_rnnprop",
    "SmallMLP": "_small_mlp",
    "Rastrigin": "_tasks",
    "Standing": "_bench",
    "Unrolled": "_unroll",
    "compare": "_bench",
    "digits_examples": "_image_tasks",
    "learned_config_names": "_config",
    "load_learned_config": "_config",
    "load_network": "_network",
    "logistic_regression": "_image_tasks",
    "make_network": "_network",
    "make_tasks": "_config",
    "meta_train": "_training",
    "network_kinds": "_network",
    "npz_examples": "_image_tasks",
    "save_network": "_network",
    "shipped_networks": "_optimizer",
    "unroll": "_unroll",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.learned' has no attribute {name!r}")
    home = _HOME[name] if "." in _HOME[name] else f"{__name__}.{_HOME[name]}"
    try:
        value = getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("torch", "safetensors"):
            raise
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
