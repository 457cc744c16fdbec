"""Programs: what evolution evolves and people read.

A program is a few named lists of instructions, its *component functions*; supervised
programs have ``setup``, ``predict`` and ``learn``. All of them share one memory of
scalars ``s0..``, vectors ``v0..`` and matrices ``m0..``.

Index:
    :class:`Instruction`: an op with its registers and constants.
    :class:`Program`: the component functions together.
    :class:`MemorySizes`: how many registers of each kind there are.
    :class:`ProgramSyntaxError`: text that is not a program.
    :data:`INSTRUCTION_DTYPE`: the array form of an instruction.
    :data:`SUPERVISED_COMPONENTS`, :data:`MAX_INSTRUCTIONS`, :data:`MAX_REGISTERS`.

What a program *does* stands in :mod:`automl_zero.reference`.
"""

from __future__ import annotations

import html
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from automl_zero._instruction import INSTRUCTION_DTYPE, MAX_REGISTERS, Instruction
from automl_zero._program_data import (
    program_from_data,
    program_from_json,
    program_to_data,
    program_to_json,
)
from automl_zero._program_text import ProgramSyntaxError, parse_program

__all__ = [
    "INSTRUCTION_DTYPE",
    "MAX_INSTRUCTIONS",
    "MAX_REGISTERS",
    "SUPERVISED_COMPONENTS",
    "Instruction",
    "MemorySizes",
    "Program",
    "ProgramSyntaxError",
]

SUPERVISED_COMPONENTS: Final = ("setup", "predict", "learn")
"""Component functions of a supervised program, in order."""

MAX_INSTRUCTIONS: Final = 1000
"""Longest component function."""

_COMPONENT_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class MemorySizes:
    """How many registers of each kind a memory has.

    The defaults are the largest memory. A small one is only worth while for search:
    fewer registers make it likelier that random instructions connect.

    Args:
        scalars: 2..20 (label ``s0`` and prediction ``s1`` always exist).
        vectors: 1..20 (the features ``v0`` always exist).
        matrices: 0..20.

    Raises:
        ValueError: If a size is outside its range.

    >>> MemorySizes(4, 3, 1)
    MemorySizes(scalars=4, vectors=3, matrices=1)
    """

    scalars: int = MAX_REGISTERS
    vectors: int = MAX_REGISTERS
    matrices: int = MAX_REGISTERS

    def __post_init__(self) -> None:
        for name, smallest in (("scalars", 2), ("vectors", 1), ("matrices", 0)):
            value = getattr(self, name)
            try:
                number = operator.index(value)
            except TypeError:
                number = -1
            if not smallest <= number <= MAX_REGISTERS:
                raise ValueError(
                    f"{name}: expected an integer in {smallest}..{MAX_REGISTERS}, "
                    f"received {value!r}"
                )
            object.__setattr__(self, name, number)

    def count(self, kind: str) -> int:
        """Number of registers of kind ``"s"``, ``"v"`` or ``"m"``."""
        return {"s": self.scalars, "v": self.vectors, "m": self.matrices}[kind]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Program:
    """Component functions in a fixed order: an immutable value with equality and hash.

    Args:
        **components: Instructions of each component function. The keywords are the
            functions' names (lower case) and their order counts.

    Raises:
        ValueError: If there is no component function, a name is no lower-case word, an
            element is no :class:`Instruction`, or a function is longer than
            :data:`MAX_INSTRUCTIONS`.

    >>> program = Program(
    ...     setup=[],
    ...     predict=[Instruction("VECTOR_INNER_PRODUCT_OP", in1=0, in2=1, out=1)],
    ...     learn=[],
    ... )
    >>> print(program)
    def Setup():
    def Predict():
      s1 = dot(v0, v1)
    def Learn():
    >>> Program.parse(str(program)) == program
    True
    >>> program.required_memory()
    MemorySizes(scalars=2, vectors=2, matrices=0)
    """

    components: tuple[str, ...]
    _functions: tuple[tuple[Instruction, ...], ...]

    def __init__(self, /, **components: Iterable[Instruction]) -> None:
        if not components:
            raise ValueError("components: expected at least one component function, received none")
        functions = []
        for name, instructions in components.items():
            if not _COMPONENT_NAME.fullmatch(name):
                raise ValueError(f"components: expected lower-case names, received {name!r}")
            functions.append(_checked_function(name, instructions))
        object.__setattr__(self, "components", tuple(components))
        object.__setattr__(self, "_functions", tuple(functions))

    def __getitem__(self, component: str) -> tuple[Instruction, ...]:
        """Instructions of one component function.

        Raises:
            KeyError: If there is none of that name.
        """
        if component not in self.components:
            raise KeyError(f"{component!r}: this program has {', '.join(self.components)}")
        return self._functions[self.components.index(component)]

    def __len__(self) -> int:
        """Number of instructions of all component functions together."""
        return sum(map(len, self._functions))

    def __bool__(self) -> bool:
        """True: a program without instructions is a program too."""
        return True

    def items(self) -> Iterator[tuple[str, tuple[Instruction, ...]]]:
        """Pairs of name and instructions, in order."""
        return zip(self.components, self._functions, strict=True)

    def replace(self, **components: Iterable[Instruction]) -> Program:
        """A copy with the instructions of some component functions exchanged.

        Raises:
            ValueError: If the program has no such function, or as the constructor does.
        """
        for name in components:
            if name not in self.components:
                expected = ", ".join(self.components)
                raise ValueError(f"components: expected names of {expected}, received {name!r}")
        return Program(**{**dict(self.items()), **components})

    # Text --------------------------------------------------------------------------

    def __str__(self) -> str:
        """The program as text: one ``def`` line per function, instructions below it."""
        lines = []
        for name, instructions in self.items():
            lines.append(f"def {name.capitalize()}():")
            lines += [f"  {instruction}" for instruction in instructions]
        return "\n".join(lines)

    def __repr__(self) -> str:
        functions = ", ".join(f"{name}=[{len(body)}]" for name, body in self.items())
        return f"<Program {functions}>"

    def _repr_html_(self) -> str:
        """The text form with comments on lines whose role is certain, for notebooks."""
        # Not at the top: annotations are made of programs.
        from automl_zero.annotate import NO_EFFECT, annotate

        lines = []
        for line in annotate(self).splitlines():
            code, sign, comment = line.partition("  # ")
            text, note = html.escape(code), html.escape(sign + comment)
            if comment == NO_EFFECT:
                lines.append(f'<span style="opacity: 0.5">{text}{note}</span>')
            else:
                lines.append(f'{text}<span style="color: #2e8b57">{note}</span>' if sign else text)
        return '<pre class="automl-zero-program">' + "\n".join(lines) + "</pre>"

    @classmethod
    def parse(cls, text: str, components: Sequence[str] | None = SUPERVISED_COMPONENTS) -> Program:
        """The program that ``text`` shows; the inverse of ``str(program)``.

        Comments (``# ...``), blank lines, any indentation and any decimals are fine.

        Args:
            text: Program text.
            components: Component functions that the text must define, each once, in any
                order; the program has them in this order. None takes those of the text
                in its order.

        Raises:
            ProgramSyntaxError: If the text is not a program; names line, column and what
                was expected.
            ValueError: If a function is longer than :data:`MAX_INSTRUCTIONS`.
        """
        if not isinstance(text, str):
            raise ValueError(f"text: expected a str, received {type(text).__name__}")
        return cls(**parse_program(text, components))

    # Plain data --------------------------------------------------------------------

    def to_data(self) -> dict[str, Any]:
        """The program as plain dicts, lists, strings and numbers, ready for JSON.

        Non-finite constants are the strings ``"nan"``, ``"inf"``, ``"-inf"``.
        """
        return program_to_data(self.items())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Program:
        """The program of :meth:`to_data`.

        Raises:
            ValueError: If something is missing, unknown or out of range; names where.
        """
        return cls(**program_from_data(data))

    def to_json(self) -> str:
        """:meth:`to_data` as one line of JSON."""
        return program_to_json(self.items())

    @classmethod
    def from_json(cls, text: str) -> Program:
        """The program of :meth:`to_json`.

        Raises:
            ValueError: If ``text`` is not JSON, or as :meth:`from_data` does.
        """
        return cls(**program_from_json(text))

    # Arrays ------------------------------------------------------------------------

    def to_arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The program as the compiled interpreter takes it.

        Returns:
            All instructions in one array of :data:`INSTRUCTION_DTYPE`, shape ``[len(self)]``,
            and int32 offsets, shape ``[components + 1]``: function ``c`` is
            ``instructions[offsets[c]:offsets[c + 1]]``.
        """
        rows = b"".join(item._bytes() for body in self._functions for item in body)
        offsets = np.zeros(len(self.components) + 1, np.int32)
        np.cumsum([len(body) for body in self._functions], out=offsets[1:])
        return np.frombuffer(rows, INSTRUCTION_DTYPE).copy(), offsets

    @classmethod
    def from_arrays(
        cls,
        instructions: np.ndarray,
        offsets: np.ndarray,
        components: Sequence[str] = SUPERVISED_COMPONENTS,
    ) -> Program:
        """The program in two arrays as :meth:`to_arrays` makes them.

        Fields that an op does not use are taken as 0, whatever they hold.

        Raises:
            ValueError: If an array has the wrong dtype or shape, the offsets do not
                partition the instructions, or an instruction is not valid; names it.
        """
        if not isinstance(instructions, np.ndarray) or instructions.dtype != INSTRUCTION_DTYPE:
            kind = getattr(instructions, "dtype", type(instructions).__name__)
            raise ValueError(f"instructions: expected INSTRUCTION_DTYPE, received {kind}")
        if instructions.ndim != 1:
            raise ValueError(
                f"instructions: expected one dimension, received shape {instructions.shape}"
            )
        edges = np.asarray(offsets)
        if edges.shape != (len(components) + 1,) or edges.dtype.kind not in "iu":
            raise ValueError(
                f"offsets: expected integers of shape ({len(components) + 1},), received "
                f"{edges.dtype} of shape {edges.shape}"
            )
        limits = [int(edge) for edge in edges]
        if limits[0] != 0 or limits[-1] != len(instructions) or limits != sorted(limits):
            raise ValueError(
                f"offsets: expected rising numbers from 0 to {len(instructions)}, received {limits}"
            )
        functions: dict[str, list[Instruction]] = {}
        for name, start, stop in zip(components, limits[:-1], limits[1:], strict=True):
            functions[name] = []
            for position, record in enumerate(instructions[start:stop]):
                try:
                    functions[name].append(Instruction.from_array(record))
                except ValueError as error:
                    raise ValueError(f"{name}[{position}].{error}") from None
        return cls(**functions)

    # Memory ------------------------------------------------------------------------

    def required_memory(self) -> MemorySizes:
        """The smallest memory that the program runs in."""
        sizes = {"s": 2, "v": 1, "m": 0}
        for body in self._functions:
            for instruction in body:
                for kind, number in _registers(instruction):
                    sizes[kind] = max(sizes[kind], number + 1)
        return MemorySizes(sizes["s"], sizes["v"], sizes["m"])

    def check(self, memory: MemorySizes) -> None:
        """Make sure that every register of the program exists in ``memory``.

        Raises:
            ValueError: If one does not; names the instruction.
        """
        for name, body in self.items():
            for position, instruction in enumerate(body):
                for kind, number in _registers(instruction):
                    if number >= memory.count(kind):
                        raise ValueError(
                            f"{name}[{position}] '{instruction}': expected registers of {memory}, "
                            f"received {kind}{number}"
                        )


def _registers(instruction: Instruction) -> tuple[tuple[str, int], ...]:
    """All registers of an instruction, read or written."""
    output = instruction.output
    return instruction.inputs + ((output,) if output else ())


def _checked_function(name: str, instructions: Iterable[Instruction]) -> tuple[Instruction, ...]:
    body = tuple(instructions)
    for position, instruction in enumerate(body):
        if not isinstance(instruction, Instruction):
            raise ValueError(
                f"{name}[{position}]: expected an Instruction, received {instruction!r}"
            )
    if len(body) > MAX_INSTRUCTIONS:
        raise ValueError(
            f"{name}: expected at most {MAX_INSTRUCTIONS} instructions, received {len(body)}"
        )
    return body
