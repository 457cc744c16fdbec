"""Copies and element writes that nothing needs, on live code."""

from __future__ import annotations

from automl_zero.inspection._rewriting import NO_OP, is_copy
from automl_zero.liveness import Harness, Register, needed_registers
from automl_zero.program import Instruction, Program


def without_copies(program: Program, harness: Harness) -> Program:
    """The program without ``r = copy of x`` where ``r`` can be computed instead of ``x``.

    That is where ``x`` is computed earlier in the same function, nobody needs ``x`` after the
    copy, and nobody uses ``r`` in between.
    """
    for name in program.components:
        position = 0
        while position < len(program[name]):
            needed = needed_registers(program, harness)[name]
            body = _coalesced(list(program[name]), position, needed[position + 1])
            if body is None:
                position += 1
            else:
                program = program.replace(**{name: body})
    return program


def without_overwritten_elements(program: Program) -> Program:
    """The program without element writes that the next use of the register writes again."""
    bodies = {}
    for name, body in program.items():
        bodies[name] = [
            item for position, item in enumerate(body) if not _is_overwritten(body, position)
        ]
    return Program(**bodies)


def _coalesced(
    body: list[Instruction], position: int, needed: frozenset[Register]
) -> list[Instruction] | None:
    """The function without the copy at ``position``; None if it has to stay."""
    copy = body[position]
    if not is_copy(copy) or copy.output is None:
        return None
    source, target = copy.inputs[0], copy.output
    if source == target or source in needed:
        return None
    for start in reversed(range(position)):
        item = body[start]
        if item.output == source:
            break
        if target in (item.output, *item.inputs):
            return None
    else:
        return None
    if body[start].op.keeps_output:
        return None
    moved = [_with_registers(body[start], output=target)]
    moved += [_with_registers(item, (source, target)) for item in body[start + 1 : position]]
    return body[:start] + moved + body[position + 1 :]


def _with_registers(
    item: Instruction,
    renamed: tuple[Register, Register] | None = None,
    output: Register | None = None,
) -> Instruction:
    """The instruction with one input register renamed, or another output."""
    if item == NO_OP:
        return item
    fields = {}
    for field, register in zip(("in1", "in2"), item.inputs, strict=False):
        fields[field] = (renamed[1] if renamed and register == renamed[0] else register)[1]
    out = output or item.output
    constants = {field: getattr(item, field) for field in item.op.constant_fields}
    return Instruction(item.op, out=out[1] if out else 0, **fields, **constants)


def _is_overwritten(body: tuple[Instruction, ...], position: int) -> bool:
    item = body[position]
    if not item.op.keeps_output:
        return False
    for later in body[position + 1 :]:
        if item.output in later.inputs:
            return False
        if later.output == item.output:
            *place, _ = item.constants.values()
            return later.op is item.op and list(later.constants.values())[:-1] == place
    return False
