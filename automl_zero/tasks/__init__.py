"""Tasks: what programs are trained on and judged by.

Values
    Task                    training and validation examples, seed, epochs, objective
    TaskBatch               tasks of one shape, stacked for running in lockstep
    TaskSpec                plain configuration from which a set of tasks is made
    DataSet                 a classification data set in memory

Synthetic regression
    linear                  y = w·x
    affine                  y = w·x + b
    two_layer_nn            y = w2·max(0, W1·x)
    regression_tasks        several of one kind, by seeds

Classification of two classes
    projected_binary_tasks  pairs of classes of a data set, randomly projected
    HELD_OUT_PAIRS          the pairs kept for final tasks

Data sources
    load_data               by name or path: npz, CSV, Parquet, Arrow, scikit-learn
    load_digits_data        the embedded handwritten digits

Limits and choices
    MAX_FEATURES            largest feature count F
    OBJECTIVES              "rms_error", "accuracy"
    TASK_KINDS              kinds a TaskSpec can make
"""

from automl_zero.tasks._dataset import DataSet
from automl_zero.tasks._projected_binary import HELD_OUT_PAIRS, projected_binary_tasks
from automl_zero.tasks._regression import affine, linear, regression_tasks, two_layer_nn
from automl_zero.tasks._sources import load_data, load_digits_data
from automl_zero.tasks._spec import TASK_KINDS, TaskSpec
from automl_zero.tasks._task import MAX_FEATURES, OBJECTIVES, Task
from automl_zero.tasks._task_batch import TaskBatch

__all__ = [
    "HELD_OUT_PAIRS",
    "MAX_FEATURES",
    "OBJECTIVES",
    "TASK_KINDS",
    "DataSet",
    "Task",
    "TaskBatch",
    "TaskSpec",
    "affine",
    "linear",
    "load_data",
    "load_digits_data",
    "projected_binary_tasks",
    "regression_tasks",
    "two_layer_nn",
]
