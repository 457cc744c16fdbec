"""Gradients of a validation loss by what training was told to do.

Through a training run (Maclaurin, Duvenaud & Adams 2015)
    reversible_sgd          train; the final weights are differentiable by learning rates,
                            momenta, initial weights and hyperparameters of the loss
    ReversibleSGD           SGD with momentum that runs backwards, bit for bit
    BitStore                what a multiplication by a fraction loses, kept to undo it
    TrainingDivergedError   a number left the range

At a minimum (implicit function theorem)
    implicit_solution       the minimum, differentiable by hyperparameters of the loss
    conjugate_gradients     solves with products of a matrix and vectors alone

``ReversibleSGD`` and ``BitStore`` need NumPy alone, the others the extra ``torch``:
``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2o.hypergrad._fixed_point import BitStore
    from l2o.hypergrad._implicit import conjugate_gradients, implicit_solution
    from l2o.hypergrad._reversible_sgd import ReversibleSGD, TrainingDivergedError
    from l2o.hypergrad._training import reversible_sgd

_HOME = {
    "BitStore": "_fixed_point",
    "ReversibleSGD": "_reversible_sgd",
    "TrainingDivergedError": "_reversible_sgd",
    "conjugate_gradients": "_implicit",
    "implicit_solution": "_implicit",
    "reversible_sgd": "_training",
}

__all__ = [
    "BitStore",
    "ReversibleSGD",
    "TrainingDivergedError",
    "conjugate_gradients",
    "implicit_solution",
    "reversible_sgd",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.hypergrad' has no attribute {name!r}")
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
