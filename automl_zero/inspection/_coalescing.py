"""Copies and element writes that nothing needs, on live code."""

from __future__ import annotations

from automl_zero.inspection._rewriting import is_copy
from automl_zero.inspection._webs import with_registers
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
            body = None
            if is_copy(program[name][position]):
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
    source, target = body[position].inputs[0], body[position].output
    if target is None or source == target or source in needed:
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
    moved = [with_registers(body[start], body[start].inputs, target)]
    for item in body[start + 1 : position]:
        inputs = [target if register == source else register for register in item.inputs]
        moved.append(with_registers(item, inputs, item.output))
    return body[:start] + moved + body[position + 1 :]


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
