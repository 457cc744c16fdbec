"""Tries a compiled element function where arithmetic is special. See :mod:`.custom_ops`."""

from __future__ import annotations

from types import FunctionType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.kernels import _engine

PROBES: Final = (
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 0.1, -0.7, 2.0, -2.5, 3.0, -3.0, 7.0, 10.0, -10.0, 42.5,
    100.0, -100.0, 1e4, -1e8, 1e-3, 1e-8, 5e-324, -1e-310, 1e-160, 1e160, -1e160, 1.7e308,
    -1.7e308, np.inf, -np.inf, np.nan,
)  # fmt: skip
"""Whole blocks of 64 bytes in both precisions. The first is +0."""


def probe(address: int, dtype: Any, arity: int) -> NDArray[Any]:
    """Results of compiled code on all probes, ``[32]``, or on all pairs, ``[32, 32]``.

    Raises:
        ValueError: If a second call gives other results.
    """
    with np.errstate(over="ignore"):
        values = np.array(PROBES).astype(dtype)
    a, b = np.meshgrid(values, values, indexing="ij") if arity == 2 else (values, values)
    first, second = np.empty_like(a), np.empty_like(a)
    for out in (first, second):
        raw = [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (a, b, out)]
        _engine.call_element_function(address, *raw)
    if first.tobytes() != second.tobytes():
        raise ValueError("function: expected the same numbers whenever it is called")
    return first


def require_agreement(function: FunctionType, compiled: NDArray[np.float64]) -> None:
    """Make sure that compiled code and Python function mean the same.

    Their elementary functions may round differently, which cancellation amplifies.

    Raises:
        ValueError: If the Python function fails or gives something else; says where.
    """
    for index in np.ndindex(compiled.shape):
        numbers = [np.float64(PROBES[i]) for i in index]
        where = f"{function.__name__}({', '.join(map(str, numbers))})"
        try:
            with np.errstate(all="ignore"):
                result = float(function(*numbers))
        except Exception as error:
            raise ValueError(
                f"function: expected a number of {where}, received {type(error).__name__}: {error} "
                f"(NumPy's functions give NaN and infinities where others raise)"
            ) from None
        if not np.isclose(compiled[index], result, rtol=1e-6, atol=1e-9, equal_nan=True):
            raise ValueError(
                f"function: expected the same of {where} in Python and compiled, received "
                f"{result} and {compiled[index]}"
            )


def require_commutative(compiled: NDArray[Any]) -> None:
    """Make sure that swapping the operands changes no bit.

    Raises:
        ValueError: If it does; says where.
    """
    for i, j in np.ndindex(compiled.shape):
        x, y = compiled[i, j], compiled[j, i]
        if x.tobytes() != y.tobytes() and not (np.isnan(x) and np.isnan(y)):
            raise ValueError(
                f"commutative: expected the same for ({PROBES[i]}, {PROBES[j]}) in either order, "
                f"received {x} and {y}"
            )


def keeps_zero(compiled: NDArray[Any]) -> bool:
    """Whether the function of +0, or of two of them, is +0."""
    return compiled.flat[0].tobytes() == bytes(compiled.itemsize)
