"""Evolve machine learning algorithms from basic mathematical operations.

Programs
    Program, Instruction, MemorySizes   immutable values with a text form
    ProgramSyntaxError                  text that is not a program
    OPS, OP_BY_NAME, Op                 the op table
    register_op                         ops of your own; see automl_zero.custom_ops

Running them
    evaluate                            fitness of programs on tasks, compiled
    trace                               the same, example by example
    automl_zero.reference               what a program means, in plain NumPy
    Task, TaskBatch, TaskSpec           see automl_zero.tasks for generators and data

Understanding them
    simplify, ablation                  shorter programs; what each line is worth: see
                                        automl_zero.inspection
    automl_zero.report                  comments, LaTeX, dataflow graphs

Searching
    ProgramSearch, RegularizedEvolution see automl_zero.evolution
    ExperimentConfig, load_config       experiments as TOML

Names load on first use, so that importing the package stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "ExperimentConfig": "automl_zero.config",
    "Instruction": "automl_zero.program",
    "MemorySizes": "automl_zero.program",
    "OPS": "automl_zero.ops",
    "OP_BY_NAME": "automl_zero.ops",
    "Op": "automl_zero.ops",
    "Program": "automl_zero.program",
    "ProgramSearch": "automl_zero.evolution",
    "ProgramSyntaxError": "automl_zero.program",
    "RegularizedEvolution": "automl_zero.evolution",
    "Task": "automl_zero.tasks",
    "TaskBatch": "automl_zero.tasks",
    "TaskSpec": "automl_zero.tasks",
    "ablation": "automl_zero.inspection",
    "evaluate": "automl_zero.evaluation",
    "load_config": "automl_zero.config",
    "register_op": "automl_zero.custom_ops",
    "simplify": "automl_zero.inspection",
    "trace": "automl_zero.evaluation",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
