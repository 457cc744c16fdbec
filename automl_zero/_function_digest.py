"""What a Python function computes, as one short text: equal for equal code.

Public through :mod:`automl_zero.custom_ops`.
"""

from __future__ import annotations

import dis
import hashlib
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np

_PLAIN: Final = (bool, int, float, complex, str, bytes, tuple, type(None), np.generic)


def function_digest(function: FunctionType) -> str:
    """BLAKE2 of the byte code and of the values from outside that it uses.

    File, line and names of variables do not count, so a cell of a notebook that runs again
    gives the same. Other versions of Python have other byte code.

    Raises:
        ValueError: If the function uses something else than numbers, modules and functions, or
            it or one of those has a ``raise`` or ``assert``, which compiled code cannot obey.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in _of_function(function, []):
        digest.update(f"{len(part)}:{part};".encode())
    return digest.hexdigest()


def _of_function(function: FunctionType, seen: list[FunctionType]) -> Iterator[str]:
    if function in seen:
        yield f"function {seen.index(function)}"  # recursion
        return
    seen.append(function)
    if any(item.opname == "RAISE_VARARGS" for item in dis.get_instructions(function)):
        raise ValueError(
            f"function: expected no raise and no assert, received some in {function.__name__}"
        )
    yield from _of_code(function.__code__)
    for value in (*(function.__defaults__ or ()), *_cells(function)):
        yield from _of_value(value, seen)
    for name in sorted(_global_names(function.__code__) & set(function.__globals__)):
        yield name
        yield from _of_value(function.__globals__[name], seen)


def _of_code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        else:
            yield f"{type(constant).__name__} {constant!r}"


def _of_value(value: Any, seen: list[FunctionType]) -> Iterator[str]:
    value = python_function(value)
    if isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif isinstance(value, ModuleType):
        yield f"module {value.__name__}"
    elif isinstance(value, BuiltinFunctionType | np.ufunc | type):
        yield f"{getattr(value, '__module__', '')}.{value.__name__}"
    elif isinstance(value, _PLAIN):
        yield f"{type(value).__name__} {value!r}"
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    else:
        raise ValueError(
            f"function: expected it to use numbers, modules and functions only, received a "
            f"{type(value).__name__}"
        )


def python_function(value: Any) -> Any:
    """The Python function in one that Numba has compiled; anything else as it is."""
    return getattr(value, "py_func", value)


def _cells(function: FunctionType) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]


def _global_names(code: CodeType) -> set[str]:
    names = {item.argval for item in dis.get_instructions(code) if item.opname == "LOAD_GLOBAL"}
    return names.union(*(_global_names(c) for c in code.co_consts if isinstance(c, CodeType)))
