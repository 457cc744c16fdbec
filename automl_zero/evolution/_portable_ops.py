"""Users' own ops in the bytes of instructions: ids in one process, names in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from automl_zero.ops import MAX_CUSTOM_OPS, OP_BY_NAME, OPS, ORIGINAL_OPS, known_ops
from automl_zero.program import INSTRUCTION_DTYPE

FIRST_CUSTOM_OP: Final = len(OPS)
"""Where users' own ops begin; a file says it, because the op table may grow."""

FORMER_FIRST_CUSTOM_OP: Final = len(ORIGINAL_OPS)
"""Where they begin in files that do not say it."""


def portable_ops(*codes: bytes | bytearray) -> tuple[list[str], list[bytes | bytearray]]:
    """Instruction bytes in which users' own ops are numbered by their names' order.

    Returns:
        The names, sorted, and the bytes: the ids behind the op table count the names.
    """
    largest = max(max(code[:: INSTRUCTION_DTYPE.itemsize], default=0) for code in codes)
    if largest < FIRST_CUSTOM_OP:
        return [], list(codes)
    used = {number for code in codes for number in code[:: INSTRUCTION_DTYPE.itemsize]}
    ops = known_ops()
    names = sorted(ops[number].name for number in used if number >= FIRST_CUSTOM_OP)
    ids = {OP_BY_NAME[name].id: FIRST_CUSTOM_OP + position for position, name in enumerate(names)}
    return names, [_renumbered(code, ids) for code in codes]


def local_ops(names: Any, code: bytes, first: Any = FIRST_CUSTOM_OP) -> bytes:
    """The bytes of :func:`portable_ops` with the ids of this process.

    Args:
        names: Of the users' own ops.
        code: The bytes.
        first: Id of the first of these ops in the bytes.

    Raises:
        ValueError: If a name is not that of an op declared here, or an id counts none.
    """
    if not isinstance(names, Sequence) or isinstance(names, str) or len(names) > MAX_CUSTOM_OPS:
        raise ValueError(f"custom_ops: expected a list of op names, received {names!r}")
    for name in names:
        if name not in OP_BY_NAME or OP_BY_NAME[name].id < FIRST_CUSTOM_OP:
            raise ValueError(f"custom_ops: expected ops that are declared, received {name!r}")
    if type(first) is not int or not FORMER_FIRST_CUSTOM_OP <= first <= FIRST_CUSTOM_OP:
        raise ValueError(f"first_custom_op: expected the id of an op, received {first!r}")
    if max(code[:: INSTRUCTION_DTYPE.itemsize], default=0) >= first + len(names):
        raise ValueError("code: expected the ops of the table or of custom_ops, received others")
    if not names:
        return code
    ids = {first + position: OP_BY_NAME[name].id for position, name in enumerate(names)}
    return _renumbered(code, ids)


def _renumbered(code: bytes | bytearray, ids: dict[int, int]) -> bytes:
    table = np.arange(256, dtype=np.uint8)
    table[list(ids)] = list(ids.values())
    instructions = np.frombuffer(code, INSTRUCTION_DTYPE).copy()
    instructions["op"] = table[instructions["op"]]
    return instructions.tobytes()
