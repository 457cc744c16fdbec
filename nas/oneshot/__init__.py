"""One-shot search: one network that contains all others, and the methods that search it.

The network
    Supernet            every operation on every edge; runs one path, or a mixture
    Layout, layout_of   its edges, and which of them an architecture uses

Methods, all with one contract
    OneShotTrainer      step, derive, evaluate; state_dict and load_state_dict
    RandomSharing       random search with weight sharing (Li & Talwalkar 2019)
    ENAS                a controller that learns by REINFORCE (Pham et al. 2018)
    DARTS               gradient descent on a mixture, first and second order (Liu et al.
                        2019); with partial channels it is PC-DARTS (Xu et al. 2020)
    GDAS                one path with a Gumbel gradient (Dong & Yang 2019)
    SNAS                the concrete relaxation (Xie et al. 2019)
    ProxylessNAS        binary gates, two paths at a time (Cai et al. 2019)
    unrolled_gradient   what DARTS descends, for any two losses

Running them
    run_trainer         all steps, with checkpoints and progress
    save_trainer, load_trainer      the state in a file
    TrainingProgress    what is reported
    TrainingDiverged    the error when the loss is no number

Collapse to skip connections
    dominant_eigenvalue     how sharp the mixture's minimum is
    EigenvalueStop          ends a search in time (R-DARTS, Zela et al. 2020)

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.oneshot._bilevel import unrolled_gradient
    from nas.oneshot._checkpoint import TrainingProgress, load_trainer, run_trainer, save_trainer
    from nas.oneshot._collapse import EigenvalueStop, dominant_eigenvalue
    from nas.oneshot._darts import DARTS
    from nas.oneshot._gdas import GDAS, SNAS
    from nas.oneshot._layout import Layout, layout_of
    from nas.oneshot._proxyless_nas import ProxylessNAS
    from nas.oneshot._sampling_methods import ENAS, RandomSharing
    from nas.oneshot._supernet import Supernet
    from nas.oneshot._trainer import OneShotTrainer, TrainingDiverged

_HOME = {
    "DARTS": "_darts",
    "ENAS": "_sampling_methods",
    "EigenvalueStop": "_collapse",
    "GDAS": "_gdas",
    "Layout": "_layout",
    "OneShotTrainer": "_trainer",
    "ProxylessNAS": "_proxyless_nas",
    "RandomSharing": "_sampling_methods",
    "SNAS": "_gdas",
    "Supernet": "_supernet",
    "TrainingDiverged": "_trainer",
    "TrainingProgress": "_checkpoint",
    "dominant_eigenvalue": "_collapse",
    "layout_of": "_layout",
    "load_trainer": "_checkpoint",
    "run_trainer": "_checkpoint",
    "save_trainer": "_checkpoint",
    "unrolled_gradient": "_bilevel",
}

__all__ = [
    "DARTS",
    "ENAS",
    "EigenvalueStop",
    "GDAS",
    "Layout",
    "OneShotTrainer",
    "ProxylessNAS",
    "RandomSharing",
    "SNAS",
    "Supernet",
    "TrainingDiverged",
    "TrainingProgress",
    "dominant_eigenvalue",
    "layout_of",
    "load_trainer",
    "run_trainer",
    "save_trainer",
    "unrolled_gradient",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas.oneshot' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "torch":
            raise
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
