"""HALO: learned optimizers that generalise better and spend less energy.

    HALONetwork         the hierarchical network, updating some tensors at each step
    HALO                a HALONetwork as a torch.optim.Optimizer, whose skipped tensors cost nothing
    SkipSchedule        how many tensors are skipped when
    TrainingCost        multiply-accumulates and bytes of a training step
    training_cost       counts them for a module, its inputs and an optimizer
    Energies            picojoules per operation; HOROWITZ_45_NM
    HOROWITZ_45_NM      those of a 45 nm process

The meta-loss's regulariser is ``gradient_penalty`` of :func:`l2o.learned.meta_train`.

Li, Chen et al., "HALO: Hardware-Aware Learning to Optimize", ECCV 2020. They need the extra
``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2o.halo._energy import HOROWITZ_45_NM, Energies, TrainingCost, training_cost
    from l2o.halo._network import HALONetwork
    from l2o.halo._optimizer import HALO
    from l2o.halo._schedule import SkipSchedule

_HOME = {
    "Energies": "_energy",
    "HALO": "_optimizer",
    "HALONetwork": "_network",
    "HOROWITZ_45_NM": "_energy",
    "SkipSchedule": "_schedule",
    "TrainingCost": "_energy",
    "training_cost": "_energy",
}

__all__ = [
    "HALO",
    "HOROWITZ_45_NM",
    "Energies",
    "HALONetwork",
    "SkipSchedule",
    "TrainingCost",
    "training_cost",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"l2o.halo.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
