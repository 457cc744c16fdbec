"""Two texts side by side, with what differs."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MOST_LINES: Final = 3100
"""A program has at most 3,003 lines; comparing longer texts could take minutes."""

_CONTEXT: Final = 4
_SHORT: Final = 70
"""Lines of a text that is shown whole; of longer ones, what is around the changes."""

_LONGEST_LINE: Final = 400
_MOST_TOKENS: Final = 40
"""Of a line that is compared token by token; an instruction has up to 25. It takes the cube."""

_MOST_COMPARED: Final = 100
"""Pairs of lines of two texts that are compared token by token; more would not be read."""

_TOKEN: Final = re.compile(r"\w+(?:\.\w+)?|.")


class Piece(NamedTuple):
    """A part of a line, and whether it differs from the other side."""

    text: str
    is_changed: bool


class Row(NamedTuple):
    """A line on each side.

    Attributes:
        kind: ``"same"``, ``"changed"``, ``"removed"``, ``"added"`` or ``"gap"``.
        left: Pieces of the line, None where the other side has one more.
        right: As ``left``.
    """

    kind: str
    left: list[Piece] | None
    right: list[Piece] | None


def side_by_side(old: str, new: str) -> list[Row]:
    """The lines of two texts, those that belong together beside each other.

    Lines beyond :data:`MOST_LINES` and long lines' ends are left out.

    >>> for row in side_by_side("a\\ns1 = s2\\nb", "a\\ns1 = s3\\nb"):
    ...     print(row.kind, row.left)
    same [Piece(text='a', is_changed=False)]
    changed [Piece(text='s1 = ', is_changed=False), Piece(text='s2', is_changed=True)]
    same [Piece(text='b', is_changed=False)]
    """
    left, right = _lines(old), _lines(new)
    matcher = difflib.SequenceMatcher(None, left, right)
    is_long = max(len(left), len(right)) > _SHORT
    groups = [matcher.get_opcodes()]
    if is_long:
        groups = list(matcher.get_grouped_opcodes(_CONTEXT))  # type: ignore[arg-type]
    rows: list[Row] = []
    end = 0
    for number, group in enumerate(groups):
        if number or (is_long and group[0][1]):
            rows.append(Row("gap", None, None))
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                rows += [Row("same", _plain(line), _plain(line)) for line in left[start:end]]
            else:
                rows += _changes(left[start:end], right[new_start:new_end])
    if is_long and end < len(left):
        rows.append(Row("gap", None, None))
    return rows


def _changes(left: list[str], right: list[str]) -> Iterator[Row]:
    both = min(len(left), len(right))
    for number, (old, new) in enumerate(zip(left[:both], right[:both], strict=True)):
        if number < _MOST_COMPARED:
            yield Row("changed", *_pieces(old, new))
        else:
            yield Row("changed", [Piece(old, True)], [Piece(new, True)])
    yield from (Row("removed", _plain(line), None) for line in left[both:])
    yield from (Row("added", None, _plain(line)) for line in right[both:])


def _pieces(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Both lines, cut where they begin or cease to differ."""
    left, right = _TOKEN.findall(old), _TOKEN.findall(new)
    if max(len(left), len(right)) < 3 and len(old) == len(new):  # such as bit strings
        return _letters(old, new), _letters(new, old)
    if max(len(left), len(right)) > _MOST_TOKENS:
        return [Piece(old, True)], [Piece(new, True)]
    pieces: tuple[list[Piece], list[Piece]] = ([], [])
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        for side, found in zip(
            pieces, (left[start:end], right[new_start:new_end]), strict=True
        ):
            if found:
                side.append(Piece("".join(found), tag != "equal"))
    return pieces


def _letters(text: str, other: str) -> list[Piece]:
    """A text in pieces, by whether its letters are those of the other one."""
    pairs = zip(text, other, strict=True)
    return [
        Piece("".join(letter for letter, _ in group), is_changed)
        for is_changed, group in itertools.groupby(pairs, lambda pair: pair[0] != pair[1])
    ]


def _plain(line: str) -> list[Piece]:
    return [Piece(line, False)]


def _lines(text: str) -> list[str]:
    lines = text.splitlines()
    kept = [
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
        for line in lines[:MOST_LINES]
    ]
    return kept if len(lines) <= MOST_LINES else [*kept, "…"]
