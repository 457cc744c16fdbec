"""Registers with one meaning each: every value that lives and dies within a function by itself.

A *web* is an instruction that writes a register, and all instructions up to the next such one
that use the register or write to parts of it (Muchnick, "Advanced Compiler Design and
Implementation", section 16.3.3). If nothing needs the register after the web, its name is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from automl_zero.liveness import Harness, Register, needed_registers
from automl_zero.program import MAX_REGISTERS, Instruction, MemorySizes, Program


class _Web(NamedTuple):
    register: Register
    start: int
    """Position of the instruction that writes it."""
    last: int
    """Position of the last instruction that uses it or writes to a part of it."""


def split_registers(program: Program, harness: Harness) -> Program:
    """Live code with a register of its own for each web, while there are registers."""
    used = {register for _, body in program.items() for item in body for register in _all(item)}
    used |= harness.reserved
    needed = needed_registers(program, harness)
    bodies = {name: list(body) for name, body in program.items()}
    for name, body in program.items():
        for web in _webs(body, needed[name][-1]):
            kind = web.register[0]
            free = [n for n in range(MAX_REGISTERS) if (kind, n) not in used]
            if free:
                used.add((kind, free[0]))
                _rename(bodies[name], web, (kind, free[0]))
    return Program(**bodies)


def packed_registers(program: Program, harness: Harness, memory: MemorySizes) -> Program:
    """Live code with webs in few registers: those of ``memory``, if they suffice.

    Of the harness's registers only those are used that it does not fill, and those last:
    the prediction's register, after all others of ``memory``.
    """
    filled = frozenset().union(*(stage.filled for stage in harness.stages))
    needed = {name: list(points) for name, points in needed_registers(program, harness).items()}
    bodies = {name: list(body) for name, body in program.items()}
    for name, body in program.items():
        points = needed[name]
        for web in _webs(body, points[-1]):
            busy = frozenset().union(*points[web.start + 1 : web.last + 1]) - {web.register}
            kind, count = web.register[0], memory.count(web.register[0])
            choices = [(kind, n) for n in range(MAX_REGISTERS) if (kind, n) not in filled | busy]
            choices.sort(key=lambda r: (r[1] >= count, r in harness.reserved, r[1]))
            if choices:
                _rename(bodies[name], web, choices[0])
                for point in range(web.start + 1, web.last + 1):
                    points[point] = points[point] - {web.register} | {choices[0]}
    return Program(**bodies)


def _webs(body: tuple[Instruction, ...], needed: frozenset[Register]) -> Iterable[_Web]:
    """The webs of a function after which nothing needs their register.

    Args:
        body: Live code.
        needed: Registers needed after the function.
    """
    for start, item in enumerate(body):
        register = item.output
        if register is None or item.op.keeps_output:
            continue
        last = start
        for position in range(start + 1, len(body)):
            later = body[position]
            if register in later.inputs:
                last = position
            if later.output == register:
                if not later.op.keeps_output:
                    break
                last = position
        else:
            if register in needed:
                continue
        yield _Web(register, start, last)


def _rename(body: list[Instruction], web: _Web, name: Register) -> None:
    """Put the web into another register."""
    for position in range(web.start, web.last + 1):
        item = body[position]
        is_written = position == web.start or (
            item.output == web.register and item.op.keeps_output
        )
        inputs = [
            name if register == web.register and position > web.start else register
            for register in item.inputs
        ]
        body[position] = with_registers(item, inputs, name if is_written else item.output)


def with_registers(
    item: Instruction, inputs: Iterable[Register], output: Register | None
) -> Instruction:
    """The instruction on other registers of the same kinds."""
    numbers = {
        field: number for field, (_, number) in zip(("in1", "in2"), inputs, strict=False)
    }
    if output is not None:
        numbers["out"] = output[1]
    constants = {field: getattr(item, field) for field in item.op.constant_fields}
    return Instruction(item.op, **numbers, **constants)


def _all(item: Instruction) -> tuple[Register, ...]:
    return (*item.inputs, *([item.output] if item.output is not None else []))
