"""Which registers hold equal values, at each point of a program, and shorter ways to say them.

Component functions are straight lines, so within one every register's value follows from
the values at its start. Where functions follow one another in a loop, those are found as
the greatest fixpoint over the harness's graph: assume that all registers which are equal, or
known numbers, after the first function stay so; drop what the others contradict, until nothing
is contradicted (Alpern, Wegman & Zadeck, "Detecting equality of variables in programs",
POPL 1988).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from automl_zero.inspection._values import ALL_FACTS, Facts, Value, Values, bits, pair, pair_of
from automl_zero.inspection._webs import with_registers
from automl_zero.liveness import Harness, Register, Stage
from automl_zero.program import Instruction, Program

Registers = dict[Register, Value]

NO_OP: Final = Instruction("NO_OP")
_COPY: Final = {"s": "SCALAR_MAX_OP", "v": "VECTOR_MAX_OP", "m": "MATRIX_MAX_OP"}


class _Known(NamedTuple):
    """What is assumed of a register where functions meet."""

    group: int
    """Registers of one group hold the same."""
    number: bytes | None
    """Bits of the number that it is, if that is known."""
    facts: Facts


def rewritten(
    program: Program, harness: Harness, exact: bool, prefer_reserved: bool = False
) -> Program:
    """The program with each instruction in its simplest form; positions stay.

    Every register holds the same as in ``program`` at every point (in real arithmetic, if
    not ``exact``), so any choice between old and new instructions is right. An instruction
    becomes ``NO_OP`` if its register holds the result already, a constant if the
    result is one, a copy if another register holds it; inputs are read from the register
    that has held them longest (of the harness's registers, if ``prefer_reserved``, as those
    may have to be written anyway). All this leaves other instructions without effect.
    """
    return _Rewriting(program, harness, exact).program(prefer_reserved)


def is_copy(instruction: Instruction) -> bool:
    """Whether it is a copy as :func:`rewritten` makes them."""
    op = instruction.op
    return op.name == _COPY.get(op.output) and instruction.in1 == instruction.in2


class _Rewriting:
    def __init__(self, program: Program, harness: Harness, exact: bool) -> None:
        self._program = program
        self._harness = harness
        self._exact = exact
        self._registers = sorted(
            harness.reserved.union(
                register
                for _, body in program.items()
                for item in body
                for register in (*item.inputs, *([item.output] if item.output else []))
            )
        )
        self._before: dict[str, list[Stage]] = {
            stage.component: [s for s in harness.stages if stage.component in s.followed_by]
            for stage in harness.stages
        }
        self._assumed: dict[str, dict[Register, _Known]] = {}

    def program(self, prefer_reserved: bool) -> Program:
        while True:
            exits = self._walk(lambda *_: None)
            found = {
                stage.component: self._meet(stage, exits)
                for stage in self._harness.stages
                if self._is_join(stage)
            }
            if found == self._assumed:
                break
            self._assumed = found
        bodies: dict[str, list[Instruction]] = {name: [] for name in self._program.components}
        preferred = self._harness.reserved if prefer_reserved else frozenset()
        since: dict[Register, int] = {}
        count = 0

        def rewrite(
            component: str, item: Instruction, registers: Registers, result: Value | None
        ) -> None:
            nonlocal count
            count += 1
            if not bodies[component] and self._is_join(self._harness.stage(component)):
                since.clear()
            ages = {r: (r not in preferred, since.get(r, 0), r) for r in registers}
            new = _simplest(item, registers, result, ages)
            bodies[component].append(new)
            if new.output is not None:
                since[new.output] = count

        self._walk(rewrite)
        return Program(**bodies)

    # The fixpoint ------------------------------------------------------------------

    def _is_join(self, stage: Stage) -> bool:
        """Whether what registers hold before it comes from more than one place."""
        before = self._before[stage.component]
        return len(before) > 1 or before == [stage]

    def _walk(
        self, visit: Callable[[str, Instruction, Registers, Value | None], None]
    ) -> dict[str, Registers]:
        """Run all functions on values; returns what registers hold after each.

        ``visit`` is called before each instruction takes effect.
        """
        values = Values(self._exact)
        entries: dict[str, Registers] = {}
        exits: dict[str, Registers] = {}
        for stage in self._harness.stages:
            name = stage.component
            registers = self._entry(stage, values, entries, exits)
            entries[name] = dict(registers)
            for item in self._program[name]:
                result = None
                if item.output is not None:
                    inputs = [registers[register] for register in item.inputs]
                    if item.op.keeps_output:
                        inputs.append(registers[item.output])
                    result = values.apply(item, inputs)
                visit(name, item, registers, result)
                if item.output is not None and result is not None:
                    registers[item.output] = result
            for register in stage.changed:
                registers[register] = values.unknown(register[0])
            exits[name] = registers
        return exits

    def _entry(
        self,
        stage: Stage,
        values: Values,
        entries: dict[str, Registers],
        exits: dict[str, Registers],
    ) -> Registers:
        """What registers hold before a function runs."""
        before = self._before[stage.component]
        if not before:
            registers = {register: values.zero(register[0]) for register in self._registers}
        elif self._is_join(stage):
            registers = self._assumption(stage, values, exits)
        else:
            registers = dict(exits[before[0].component])
        for register in stage.filled:
            if register in stage.zeroed:
                registers[register] = values.zero(register[0])
            elif register in stage.refilled and len(before) == 1:
                registers[register] = entries[before[0].component][register]
            else:
                registers[register] = values.unknown(register[0])
        return registers

    def _assumption(self, stage: Stage, values: Values, exits: dict[str, Registers]) -> Registers:
        """The assumed values where functions meet; at first those after the earlier ones."""
        assumed = self._assumed.get(stage.component) or self._meet(stage, exits)
        groups: dict[int, Value] = {}
        registers = {}
        for register, known in assumed.items():
            kind = register[0]
            if known.number is not None:
                registers[register] = values.number(kind, pair_of(known.number))
            else:
                value = groups.setdefault(known.group, values.unknown(kind, known.facts))
                registers[register] = value
        return registers

    def _meet(self, stage: Stage, exits: dict[str, Registers]) -> dict[Register, _Known]:
        """What holds after each function before ``stage``, and was assumed so far."""
        sources = [
            exits[other.component]
            for other in self._before[stage.component]
            if other.component in exits
        ]
        assumed = self._assumed.get(stage.component, {})
        groups: dict[object, int] = {}
        found = {}
        for register in self._registers:
            values = [source[register] for source in sources]
            earlier = assumed.get(register)
            key = (register[0], earlier and earlier.group, *map(id, values))
            numbers = {bits(v.number) if v.number is not None else None for v in values}
            if earlier is not None:
                numbers.add(earlier.number)
            facts = earlier.facts if earlier is not None else ALL_FACTS
            for value in values:
                facts &= value.facts
            found[register] = _Known(
                groups.setdefault(key, len(groups)),
                numbers.pop() if len(numbers) == 1 else None,
                facts,
            )
        return found


def _simplest(
    item: Instruction,
    registers: Registers,
    result: Value | None,
    order: dict[Register, tuple[bool, int, Register]],
) -> Instruction:
    """The simplest instruction of the same effect where registers hold ``registers``.

    Of registers that hold the same, the first one in ``order`` is read.
    """
    output = item.output
    if output is None or result is None or registers[output] is result:
        return NO_OP
    constant = _constant(result, output)
    if constant is not None:
        return constant

    def holder(value: Value) -> Register | None:
        holding = [register for register, held in registers.items() if held is value]
        return min(holding, key=order.__getitem__, default=None)

    source = holder(result)
    if source is not None:
        copied = source[1]
        return Instruction(_COPY[output[0]], in1=copied, in2=copied, out=output[1])
    inputs = [holder(registers[register]) or register for register in item.inputs]
    return with_registers(item, inputs, output)


def _constant(value: Value, output: Register) -> Instruction | None:
    """The instruction that sets a scalar to a known number; None if none does.

    It stores a float64, which float32 evaluation rounds: that has to be the number
    which float32 evaluation would have computed.
    """
    if value.kind != "s" or value.number is None:
        return None
    if bits(pair(value.number[0])) != bits(value.number):
        return None
    return Instruction("SCALAR_CONST_SET_OP", act=value.number[0], out=output[1])
