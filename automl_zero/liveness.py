"""Live code: the instructions that can reach what the harness reads.

Most random code is dead. Its removal changes no bit of any result, so it is never run
while searching, and two programs with the same live code are one program. The
*canonical form* goes further: it also drops instructions that write zeros over zeros, and
what only names things, the numbers of registers and the order of a sum's inputs.

Index:
    :class:`Harness`, :class:`Stage`: how component functions are driven.
    :data:`SUPERVISED`: the harness of supervised programs; :data:`REGRESSION`: the same
    without the sigmoid of classification; :func:`supervised_harness` tells which.
    :func:`live_instructions`: which instructions are live.
    :func:`needed_registers`: which registers still matter, at each point of a program.
    :func:`live_program`: a program without its dead code.
    :func:`canonical_program`: the normal form that alone decides the fitness.
    :func:`can_learn`: whether a program can learn at all.
    :func:`random_ordinals`: the numbers that key the draws of random ops.

The method is the textbook backward data-flow analysis (Aho, Lam, Sethi & Ullman,
"Compilers", 2nd ed., section 9.2.5), iterated to a fixpoint over the loop that the
harness runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from automl_zero.program import MAX_REGISTERS, Instruction, Program

Register = tuple[str, int]
"""A register as (kind, number): ``("s", 1)``."""

LABEL: Final[Register] = ("s", 0)
PREDICTION: Final[Register] = ("s", 1)
FEATURES: Final[Register] = ("v", 0)

DEAD_ORDINAL: Final = 2**32
"""Dead random instructions draw from this ordinal plus their position: a stream that no
live instruction can have, so the draws of live code do not depend on dead code."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One component function as its harness drives it.

    Args:
        component: Name of the component function.
        filled: Registers that the harness fills each time before the function runs.
        read: Registers that the harness reads each time after it ran.
        followed_by: Component functions that may run next.
        zeroed: Those of ``filled`` that always get +0.
        refilled: Those of ``filled`` that get what they got before the function that ran
            before this one.
        changed: Registers that the harness may write to after the function ran.
    """

    component: str
    filled: frozenset[Register] = frozenset()
    read: frozenset[Register] = frozenset()
    followed_by: tuple[str, ...] = ()
    zeroed: frozenset[Register] = frozenset()
    refilled: frozenset[Register] = frozenset()
    changed: frozenset[Register] = frozenset()


@dataclass(frozen=True, slots=True)
class Harness:
    """What drives a program: its stages, in the order of the component functions.

    Raises:
        ValueError: If a stage is followed by one that does not exist.

    >>> SUPERVISED.components
    ('setup', 'predict', 'learn')
    >>> sorted(SUPERVISED.reserved)
    [('s', 0), ('s', 1), ('v', 0)]
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        for stage in self.stages:
            for name in stage.followed_by:
                if name not in self.components:
                    expected = ", ".join(self.components)
                    raise ValueError(
                        f"followed_by of {stage.component}: expected names of {expected}, "
                        f"received {name!r}"
                    )

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the component functions, in order."""
        return tuple(stage.component for stage in self.stages)

    def stage(self, component: str) -> Stage:
        """The stage of a component function."""
        return self.stages[self.components.index(component)]

    @property
    def reserved(self) -> frozenset[Register]:
        """Registers that mean something to the harness, so they keep their names."""
        return frozenset().union(*(stage.filled | stage.read for stage in self.stages))


def _supervised(changed: frozenset[Register]) -> Harness:
    return Harness(
        (
            Stage("setup", followed_by=("predict",)),
            # Validation runs predict after predict.
            Stage(
                "predict",
                filled=frozenset({LABEL, FEATURES}),
                read=frozenset({PREDICTION}),
                followed_by=("learn", "predict"),
                zeroed=frozenset({LABEL}),
                changed=changed,
            ),
            Stage(
                "learn",
                filled=frozenset({LABEL, FEATURES}),
                followed_by=("predict",),
                refilled=frozenset({FEATURES}),
            ),
        )
    )


SUPERVISED: Final = _supervised(changed=frozenset({PREDICTION}))
"""Setup once, then predict and learn per training example, predict per validation example.
Classification puts the sigmoid of the prediction in its place, before learn."""

REGRESSION: Final = _supervised(changed=frozenset())
"""The same, where learn finds the prediction as predict left it."""


def supervised_harness(objective: str) -> Harness:
    """What drives a program on tasks of an objective: ``"rms_error"`` or ``"accuracy"``.

    :data:`SUPERVISED` is right for both; this one may say more.
    """
    return REGRESSION if objective == "rms_error" else SUPERVISED


def live_instructions(
    program: Program, harness: Harness = SUPERVISED
) -> dict[str, tuple[bool, ...]]:
    """Which instructions can reach what the harness reads.

    Returns:
        One flag per instruction, by component function.

    Raises:
        ValueError: If the program's component functions are not the harness's.

    >>> program = Program.parse('''
    ... def Setup():
    ... def Predict():
    ...   s2 = dot(v0, v1)
    ...   s1 = s2 + s2
    ...   s2 = abs(s1)
    ... def Learn():
    ...   v1 = s0 * v0
    ...   v2 = v1 + v1
    ... ''')
    >>> live_instructions(program)
    {'setup': (), 'predict': (True, True, False), 'learn': (True, False)}
    """
    needed = needed_registers(program, harness)
    return {
        name: tuple(
            item.output in after for item, after in zip(body, needed[name][1:], strict=True)
        )
        for name, body in program.items()
    }


def needed_registers(
    program: Program, harness: Harness = SUPERVISED
) -> dict[str, tuple[frozenset[Register], ...]]:
    """The registers whose content can reach what the harness reads, at each point.

    Returns:
        By component function: the registers needed before each instruction, and at the end.

    Raises:
        ValueError: If the program's component functions are not the harness's.
    """
    if program.components != harness.components:
        raise ValueError(
            f"program: expected the component functions {', '.join(harness.components)}, "
            f"received {', '.join(program.components)}"
        )
    before: dict[str, frozenset[Register]] = {name: frozenset() for name in harness.components}
    while True:
        needed = {}
        found = {}
        for stage in harness.stages:
            after = stage.read.union(*(before[name] for name in stage.followed_by))
            needed[stage.component] = _backward(program[stage.component], after)
            # What the harness fills holds nothing from before.
            found[stage.component] = needed[stage.component][0] - stage.filled
        if found == before:
            return needed
        before = found


def live_program(program: Program, harness: Harness = SUPERVISED) -> Program:
    """The program without dead code and without ``NO_OP``; registers keep their numbers.

    Raises:
        ValueError: If the program's component functions are not the harness's.
    """
    flags = live_instructions(program, harness)
    return Program(
        **{
            name: [item for item, live in zip(body, flags[name], strict=True) if live]
            for name, body in program.items()
        }
    )


def canonical_program(program: Program, harness: Harness = SUPERVISED) -> Program:
    """The live code with its free choices made one way: the key of the fitness.

    Memory starts at +0, and most ops give +0 if all their inputs are +0. Instructions that
    write +0 where nothing else can be are dropped, and registers that are always +0 become
    one. Registers that the harness does not know are renumbered by first appearance (inputs
    before output, in the order of the component functions), from the lowest number that
    is not reserved. Inputs of a commutative op are sorted by their new numbers; of two
    registers that have none yet, the lower old number comes first.

    The canonical form of a canonical form is itself.

    Raises:
        ValueError: If the program's component functions are not the harness's.

    >>> program = Program.parse('''
    ... def Setup():
    ...   s9 = 0.5
    ... def Predict():
    ...   s1 = s9 + s0
    ... def Learn():
    ... ''')
    >>> print(canonical_program(program))
    def Setup():
      s2 = 0.5
    def Predict():
      s1 = s0 + s2
    def Learn():
    """
    live = live_program(program, harness)
    setup = harness.components[0]
    live = live_program(live.replace(**{setup: _without_zeros(live[setup])}), harness)
    changing = _changing_registers(live, harness)
    names = _Names(harness.reserved, changing)
    return Program(
        **{
            name: [names.rename(item) for item in body if item.output in changing]
            for name, body in live.items()
        }
    )


def can_learn(program: Program) -> bool:
    """Whether the prediction can depend on an example's features and on the labels before it.

    It cannot if the live code does not read the features in ``predict``, or the label in
    ``learn``. No program that passes is sure to learn; one that fails never does.

    Raises:
        ValueError: If the program is no supervised one.

    >>> program = Program.parse('''
    ... def Setup():
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   v1 = s0 * v0
    ... ''')
    >>> can_learn(program), can_learn(program.replace(learn=[]))
    (True, False)
    """
    needed = needed_registers(canonical_program(program))
    return FEATURES in needed["predict"][0] and LABEL in needed["learn"][0]


def random_ordinals(program: Program, harness: Harness = SUPERVISED) -> dict[str, dict[int, int]]:
    """The ordinal of every random instruction: by component function, by position.

    Live ones count from 0 within their function; dead ones get a number that no live one
    can have, from :data:`DEAD_ORDINAL` on.

    Raises:
        ValueError: If the program's component functions are not the harness's.
    """
    flags = live_instructions(program, harness)
    ordinals: dict[str, dict[int, int]] = {}
    for name, body in program.items():
        ordinals[name] = {}
        live_count = 0
        for position, (instruction, live) in enumerate(zip(body, flags[name], strict=True)):
            if instruction.op.random:
                ordinals[name][position] = live_count if live else DEAD_ORDINAL + position
                live_count += live
    return ordinals


def _backward(
    body: tuple[Instruction, ...], after: frozenset[Register]
) -> tuple[frozenset[Register], ...]:
    """The registers needed before each instruction of one component function, and after all."""
    points = [after]
    for instruction in reversed(body):
        needed = points[-1]
        if instruction.output in needed:
            if not instruction.op.keeps_output:
                needed -= {instruction.output}
            needed = needed.union(instruction.inputs)
        points.append(needed)
    return tuple(reversed(points))


def _without_zeros(setup: tuple[Instruction, ...]) -> list[Instruction]:
    """The function that runs first, on zero memory, without writes of zeros over zeros."""
    nonzero: set[Register] = set()
    kept = []
    for instruction in setup:
        output = instruction.output
        zero = instruction.op.keeps_zero and nonzero.isdisjoint(instruction.inputs)
        if zero and output not in nonzero:
            continue
        kept.append(instruction)
        if zero:
            nonzero.discard(output)
        elif output is not None:
            nonzero.add(output)
    return kept


def _changing_registers(program: Program, harness: Harness) -> frozenset[Register]:
    """Registers that something else than +0 may be written to, by program or harness."""
    changing = set(harness.reserved)
    while True:
        before = len(changing)
        for _, body in program.items():
            for instruction in body:
                zero = instruction.op.keeps_zero and changing.isdisjoint(instruction.inputs)
                if not zero and instruction.output is not None:
                    changing.add(instruction.output)
        if len(changing) == before:
            return frozenset(changing)


class _Names:
    """New register numbers, given out in the order in which registers appear.

    Of the registers that never change from +0, the lowest of the kind stands for all.
    """

    def __init__(self, reserved: frozenset[Register], changing: frozenset[Register]) -> None:
        self._new = {(kind, number): number for kind, number in reserved}
        self._changing = changing

    def _stand_in(self, register: Register) -> Register:
        kind = register[0]
        if register in self._changing:
            return register
        return kind, next(n for n in range(MAX_REGISTERS) if (kind, n) not in self._changing)

    def _number(self, register: Register) -> int:
        if register not in self._new:
            kind = register[0]
            taken = {number for (old, _), number in self._new.items() if old == kind}
            self._new[register] = next(n for n in range(len(taken) + 1) if n not in taken)
        return self._new[register]

    def rename(self, instruction: Instruction) -> Instruction:
        inputs = [self._stand_in(register) for register in instruction.inputs]
        if instruction.op.commutative:
            inputs.sort(key=lambda register: (self._new.get(register, 255), register[1]))
        numbers = [self._number(register) for register in inputs]
        registers = dict(zip(("in1", "in2"), numbers, strict=False))
        if instruction.output is not None:
            registers["out"] = self._number(instruction.output)
        constants = {field: getattr(instruction, field) for field in instruction.op.constant_fields}
        return Instruction(instruction.op, **registers, **constants)
