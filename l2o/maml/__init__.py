"""Meta-learning: starts from which a network learns a new task in a few steps.

Learners, each a module whose parameters meta-training changes
    MAML                differentiates through the adaptation, or takes it as constant
    FirstOrderMAML      the second of these
    ANIL                only the head adapts
    MetaSGD             learns a learning rate for every parameter
    Reptile             moves the start towards the adapted weights
    MetaLearner         their base class
    TaskScores          what ``evaluate`` gives: loss and accuracy of each task

Meta-training
    meta_train          the loop: resumable, validated, stops when it diverges
    MetaProgress        where it stands
    MetaResult          what it did
    load_weights        a learner's weights from a file; save_weights writes one

Tasks
    Task, TaskBatch     examples to adapt to and to be judged by
    TaskSource          protocol: what draws batches of tasks
    ClassTasks          N-way K-shot tasks from any class-indexed array
    ClassSplit          fixed classes for meta-training, validation and test
    load_omniglot       Omniglot from an npz file, with its split
    SinusoidTasks       sine waves to fit

Networks
    conv4               the four-layer network of few-shot learning
    sinusoid_net        two layers of 40 units

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2o._checkpoint import load_weights, save_weights
    from l2o._meta_training import MetaProgress, MetaResult
    from l2o.maml._class_tasks import ClassSplit, ClassTasks, load_omniglot
    from l2o.maml._learner import MetaLearner, TaskScores
    from l2o.maml._maml import ANIL, MAML, FirstOrderMAML, MetaSGD
    from l2o.maml._networks import conv4, sinusoid_net
    from l2o.maml._reptile import Reptile
    from l2o.maml._sinusoids import SinusoidTasks
    from l2o.maml._tasks import Task, TaskBatch, TaskSource
    from l2o.maml._training import meta_train

_HOME = {
    "ANIL": "_maml",
    "ClassSplit": "_class_tasks",
    "ClassTasks": "_class_tasks",
    "FirstOrderMAML": "_maml",
    "MAML": "_maml",
    "MetaLearner": "_learner",
    "MetaProgress": "l2o._meta_training",
    "MetaResult": "l2o._meta_training",
    "MetaSGD": "_maml",
    "Reptile": "_reptile",
    "SinusoidTasks": "_sinusoids",
    "Task": "_tasks",
    "TaskBatch": "_tasks",
    "TaskScores": "_learner",
    "TaskSource": "_tasks",
    "conv4": "_networks",
    "load_omniglot": "_class_tasks",
    "load_weights": "l2o._checkpoint",
    "meta_train": "_training",
    "save_weights": "l2o._checkpoint",
    "sinusoid_net": "_networks",
}

__all__ = [
    "ANIL",
    "ClassSplit",
    "ClassTasks",
    "FirstOrderMAML",
    "MAML",
    "MetaLearner",
    "MetaProgress",
    "MetaResult",
    "MetaSGD",
    "Reptile",
    "SinusoidTasks",
    "Task",
    "TaskBatch",
    "TaskScores",
    "TaskSource",
    "conv4",
    "load_omniglot",
    "load_weights",
    "meta_train",
    "save_weights",
    "sinusoid_net",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.maml' has no attribute {name!r}")
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
