"""The program parser: text to instructions, derived from the op table.

Each op's ``text`` is cut into tokens once. A line is matched token by token against
all ops at the same time; when no op is left, what those of the step before could have
gone on with is what the error says was expected.

Public from :mod:`automl_zero.program`: :class:`ProgramSyntaxError`; the entry point is
:meth:`automl_zero.program.Program.parse`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from automl_zero._instruction import MAX_REGISTERS, Instruction, checked_constant
from automl_zero.ops import OPS, ConstantRole, Op

_NUMBER: Final = r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?:inf|nan)\b)"
_REGISTER: Final = re.compile(r"([svm])(0|[1-9][0-9]*)")
_TOKEN: Final = re.compile(
    rf"\s*(?:(?P<slot>\{{\w+\}})|(?P<number>{_NUMBER})|(?P<word>[A-Za-z_]\w*)|(?P<sign>\S))",
    re.ASCII,
)
_KIND_WORDS: Final = {"s": "scalar", "v": "vector", "m": "matrix"}


class ProgramSyntaxError(ValueError):
    """Program text that is not a program.

    Attributes:
        line: Line of the error, from 1.
        column: Column of the error, from 1.
        expected: What could have stood there.
    """

    def __init__(self, line: int, column: int, expected: str, received: str) -> None:
        super().__init__(f"line {line}, column {column}: expected {expected}, received {received}")
        self.line = line
        self.column = column
        self.expected = expected
        self.received = received

    def __reduce__(self) -> tuple[type, tuple[int, int, str, str]]:
        # Exceptions travel between processes by their arguments, not by their message.
        return type(self), (self.line, self.column, self.expected, self.received)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int

    def __str__(self) -> str:
        return "the end of the line" if self.kind == "end" else repr(self.text)


@dataclass(frozen=True, slots=True)
class _Slot:
    """One token of an op's text: a register, a constant, or fixed text."""

    token: _Token
    field: str = ""
    register: str = ""
    role: ConstantRole | None = None

    def accepts(self, token: _Token) -> bool:
        if self.register:
            match = _REGISTER.fullmatch(token.text)
            return bool(match and match[1] == self.register and int(match[2]) < MAX_REGISTERS)
        if self.role is not None:
            return token.kind == "number"
        if self.token.kind == token.kind == "number":  # "1" and "1.0" are one number
            return float(self.token.text) == float(token.text)
        return self.token.text == token.text

    def __str__(self) -> str:
        if self.register:
            kind = self.register
            return f"a {_KIND_WORDS[kind]} register ({kind}0..{kind}{MAX_REGISTERS - 1})"
        if self.role is not None:
            return "a number"
        return str(self.token)


def parse_program(text: str, components: Sequence[str] | None) -> dict[str, list[Instruction]]:
    """The instruction lists that ``text`` declares.

    Args:
        text: Program text; see :meth:`automl_zero.program.Program.parse`.
        components: Component functions that must all be there, or None to take those
            of the text.

    Raises:
        ProgramSyntaxError: If the text is not a program.
    """
    functions: dict[str, list[Instruction]] = {}
    current: list[Instruction] | None = None
    number = 0
    for number, line in enumerate(text.splitlines(), start=1):
        tokens = _tokens(line.split("#", 1)[0])
        if len(tokens) == 1:
            continue
        if tokens[0].text == "def":
            current = functions.setdefault(
                _function_name(tokens, number, functions, components), []
            )
        elif current is None:
            raise ProgramSyntaxError(
                number, tokens[0].column, _definitions(components, functions), str(tokens[0])
            )
        else:
            current.append(_instruction(tokens, number))
    missing = [name for name in components or () if name not in functions]
    if missing or not functions:
        expected = _definitions(components, functions)
        raise ProgramSyntaxError(number + 1, 1, expected, "the end of the text")
    return {name: functions[name] for name in components or functions}


def _tokens(line: str) -> list[_Token]:
    """The line cut into tokens, with an end token behind them."""
    tokens = []
    for match in _TOKEN.finditer(line):
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
    return [*tokens, _Token("end", "", len(line.rstrip()) + 1)]


def _function_name(
    tokens: list[_Token],
    line: int,
    functions: dict[str, list[Instruction]],
    components: Sequence[str] | None,
) -> str:
    """The component function that a ``def`` line opens."""
    for position, wanted in enumerate(("def", "", "(", ")", ":", "end")):
        token = tokens[position]
        if wanted == "":
            fits = token.kind == "word"
        else:
            fits = token.text == wanted or (token.kind == wanted == "end")
        if not fits:
            expected = {"": "a function name", "end": "the end of the line"}.get(wanted)
            raise ProgramSyntaxError(line, token.column, expected or repr(wanted), str(token))
    token = tokens[1]
    name = token.text[0].lower() + token.text[1:]
    known = name.islower() if components is None else name in components
    if name in functions:
        raise ProgramSyntaxError(line, token.column, "a function name not used before", str(token))
    if not known or token.text != name.capitalize():
        expected = "a capitalised word" if components is None else _names(components)
        raise ProgramSyntaxError(line, token.column, expected, str(token))
    return name


def _names(components: Sequence[str]) -> str:
    return " or ".join(name.capitalize() for name in components)


def _definitions(components: Sequence[str] | None, functions: dict[str, list[Instruction]]) -> str:
    """What a definition that is missing would have looked like."""
    missing = [name for name in components or ("setup",) if name not in functions]
    return " or ".join(f"'def {name.capitalize()}():'" for name in missing)


def _instruction(tokens: list[_Token], line: int) -> Instruction:
    """The instruction of one line."""
    candidates: list[tuple[Op, tuple[_Slot, ...]]] = _BY_SHAPE.get(_shape(tokens), _TEMPLATES)
    for position, token in enumerate(tokens):
        if token.kind == "end":
            fitting = [(op, slots) for op, slots in candidates if len(slots) == position]
        else:
            fitting = [
                (op, slots)
                for op, slots in candidates
                if len(slots) > position and slots[position].accepts(token)
            ]
        if not fitting:
            _fail([slots[position:] for _, slots in candidates], token, line)
        candidates = fitting
    op, slots = candidates[0]
    fields: dict[str, float] = {}
    for slot, token in zip(slots, tokens, strict=False):
        if slot.register:
            fields[slot.field] = int(token.text[1:])
        elif slot.role is not None:
            try:
                fields[slot.field] = checked_constant(slot.role, slot.field, float(token.text))
            except ValueError as error:
                expected, received = str(error).split("expected ", 1)[1].rsplit(", received ", 1)
                raise ProgramSyntaxError(line, token.column, expected, received) from None
    return Instruction(op, **fields)  # type: ignore[arg-type]


def _fail(rests: list[tuple[_Slot, ...]], token: _Token, line: int) -> NoReturn:
    """Say what could have stood where ``token`` stands."""
    words = sorted({rest[0].token.text for rest in rests if rest and rest[0].token.kind == "word"})
    choices = [str(rest[0]) if rest else "the end of the line" for rest in rests]
    choices = [choice for choice in choices if choice.strip("'") not in words]
    if len(words) > 1:
        choices.append("a function (" + ", ".join(words) + ")")
    else:
        choices += [repr(word) for word in words]
    expected = " or ".join(dict.fromkeys(choices))
    received = str(token)
    near = difflib.get_close_matches(token.text, words, n=1) if token.kind == "word" else []
    if near:
        received += f" (did you mean {near[0]!r}?)"
    raise ProgramSyntaxError(line, token.column, expected, received)


def _template(op: Op) -> tuple[_Slot, ...]:
    """The op's text as a sequence of slots."""
    meanings: dict[str, dict[str, Any]] = {"{out}": {"field": "out", "register": op.output}}
    for word, field, kind in zip(("{a}", "{b}"), ("in1", "in2"), op.inputs, strict=False):
        meanings[word] = {"field": field, "register": kind}
    for role, field in zip(op.constants, op.constant_fields, strict=True):
        meanings[f"{{{role.name}}}"] = {"field": field, "role": role}
    return tuple(_Slot(token, **meanings.get(token.text, {})) for token in _tokens(op.text)[:-1])


def _shape(tokens: Sequence[_Token]) -> tuple[str, ...]:
    """What a line looks like without the numbers of its registers and constants."""
    return tuple(
        "#"
        if token.kind == "number"
        else token.text[0]
        if token.kind == "word" and _REGISTER.fullmatch(token.text)
        else token.text
        for token in tokens
    )


def _template_shape(slots: Sequence[_Slot]) -> tuple[str, ...]:
    """The shape of the lines that fit a template, the end token included."""
    kinds = (
        slot.register or ("#" if slot.role or slot.token.kind == "number" else slot.token.text)
        for slot in slots
    )
    return (*kinds, "")


_TEMPLATES: Final = [(op, _template(op)) for op in OPS]

# A line has the shape of one op or of none: matching that one is quicker than matching all.
# What fits none goes through all, for the message's sake.
_BY_SHAPE: Final[dict[tuple[str, ...], list[tuple[Op, tuple[_Slot, ...]]]]] = {}
for _item in _TEMPLATES:
    _BY_SHAPE.setdefault(_template_shape(_item[1]), []).append(_item)


def add_template(op: Op) -> None:
    """Let the parser know an op beside the table's.

    Raises:
        ValueError: If its lines would not be read back, or look like another op's.
    """
    slots = _template(op)
    shape = _template_shape(slots)
    for numbers in ((0, 0, 0), (1, 2, 3), (19, 18, 17)):
        fields = dict(zip(("out", "in1", "in2")[: 1 + op.arity], numbers, strict=False))
        line = str(Instruction(op, **fields))
        tokens = _tokens(line.split("#", 1)[0])
        read = zip(slots, tokens, strict=False)
        if (
            len(line.splitlines()) != 1
            or slots[0].field != "out"
            or _shape(tokens) != shape
            or {slot.field: int(token.text[1:]) for slot, token in read if slot.register} != fields
        ):
            raise ValueError(
                f"text: expected a line that begins with {{out}} and can be read back, "
                f"received {op.text!r}"
            )
    for other, _ in _BY_SHAPE.get(shape, ()):
        raise ValueError(f"text: expected another one than {other.name}'s, received {op.text!r}")
    _TEMPLATES.append((op, slots))
    _BY_SHAPE[shape] = [(op, slots)]
