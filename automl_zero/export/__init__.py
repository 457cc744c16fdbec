"""Found programs used elsewhere.

Source code, which does not need this project
    to_numpy_source         a NumPy module: readable, one line per instruction
    to_numba_source         a module that Numba compiles: fast
    to_c_source             a C99 file

Running a program on your data here
    compile_numpy           the NumPy functions, as a ProgramModel
    compile_numba           the same, compiled to machine code
    ProgramModel            fit, partial_fit, predict, and the memory

scikit-learn (extra ``sklearn``)
    EvolvedClassifier       a program as a classifier, more than two classes included
    EvolvedRegressor        a program as a regressor
    AutoMLZeroClassifier    searches for a program when it fits
    AutoMLZeroRegressor     the same for regression

PyTorch (extra ``torch``)
    to_torch_module         what a trained model predicts with, as an nn.Module to fine-tune
    to_torch_source         the same as a module that needs PyTorch alone

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "AutoMLZeroClassifier": "_searching_estimators",
    "AutoMLZeroRegressor": "_searching_estimators",
    "EvolvedClassifier": "_estimators",
    "EvolvedRegressor": "_estimators",
    "ProgramModel": "_model",
    "compile_numba": "_model",
    "compile_numpy": "_model",
    "to_c_source": "_c_source",
    "to_numba_source": "_numba_source",
    "to_numpy_source": "_numpy_source",
    "to_torch_module": "_torch_source",
    "to_torch_source": "_torch_source",
}

_EXTRAS = {"sklearn": "sklearn", "torch": "torch"}
"""The extra that brings a package."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.export' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        advice = f"pip install 'automl-zero[{extra}]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
