"""Ops of a user's own that tests run, for each kind of registers."""

from __future__ import annotations

import numpy as np

from automl_zero.custom_ops import register_op
from automl_zero.ops import Op

KINDS = {"s": "SCALAR", "v": "VECTOR", "m": "MATRIX"}


def leak(x):
    return x if x > 0.0 else 0.25 * x


def shift(x):
    return x * 0.5 + 1.0


def blend(x, y):
    return x * 0.3 + y * 0.7


def spread(x, y):
    return (x - y) * (x - y)


def swish(x):
    return x / (1.0 + np.exp(-x))


def register_all() -> tuple[Op, ...]:
    """Declare each function as an op on each kind of registers."""
    ops = []
    for kind, word in KINDS.items():
        for function in (leak, shift, blend, spread, swish):
            arity = function.__code__.co_argcount
            ops.append(
                register_op(
                    f"{word}_{function.__name__.upper()}_OP",
                    function,
                    inputs=kind * arity,
                    commutative=function is spread,
                )
            )
    return tuple(ops)


OPS = register_all()
EXACT_OPS = tuple(op for op in OPS if "SWISH" not in op.name)
"""Those without elementary functions: compiled and Python agree on them to the bit."""
