"""Objectives: what makes an architecture good, alone and against others.

Accuracy (extra ``torch``)
    TrainingObjective       validation accuracy after a short training, for searches
    train_and_validate      the same for one network; accuracy without the training
    ImageData               images to train and validate on (needs no torch)

Costs (extra ``torch``)
    count_parameters        trainable parameters
    count_flops             floating-point operations
    measure_latency         milliseconds on this machine's CPU
    LatencyTable            predicts latency from that of blocks

Accuracy and cost as one number
    mnasnet_reward          accuracy x (latency / target) ** w; SOFT and HARD are w

Several objectives, all maximised
    pareto_front            the points that no other point dominates
    nondominated_fronts     all points, front after front
    crowding_distance       how much room a point has on its front
    hypervolume             how much a front dominates

Names that need torch load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nas.objectives._image_data import ImageData
from nas.objectives._pareto import (
    crowding_distance,
    hypervolume,
    nondominated_fronts,
    pareto_front,
)
from nas.objectives._rewards import HARD, SOFT, mnasnet_reward

if TYPE_CHECKING:
    from nas.objectives._costs import count_flops, count_parameters, measure_latency
    from nas.objectives._latency_table import LatencyTable
    from nas.objectives._training import TrainingObjective, accuracy, train_and_validate

_HOME = {
    "LatencyTable": "_latency_table",
    "TrainingObjective": "_training",
    "accuracy": "_training",
    "count_flops": "_costs",
    "count_parameters": "_costs",
    "measure_latency": "_costs",
    "train_and_validate": "_training",
}

__all__ = [
    "HARD",
    "SOFT",
    "ImageData",
    "LatencyTable",
    "TrainingObjective",
    "accuracy",
    "count_flops",
    "count_parameters",
    "crowding_distance",
    "hypervolume",
    "measure_latency",
    "mnasnet_reward",
    "nondominated_fronts",
    "pareto_front",
    "train_and_validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas.objectives' has no attribute {name!r}")
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
