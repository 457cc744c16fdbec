"""Found programs used elsewhere.

Source code, which does not need this project
    to_numpy_source         a NumPy module: readable, one line per instruction
    to_numba_source         a module that Numba compiles: fast

Running a program on your data here
    compile_numpy           the NumPy functions, as a ProgramModel
    compile_numba           the same, compiled to machine code
    ProgramModel            fit, partial_fit, predict, and the memory

Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "ProgramModel": "_model",
    "compile_numba": "_model",
    "compile_numpy": "_model",
    "to_numba_source": "_numba_source",
    "to_numpy_source": "_numpy_source",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.export' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
