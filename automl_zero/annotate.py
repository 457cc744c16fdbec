"""Programs with a comment on every line whose role is certain.

Index:
    :func:`annotate`: the text, with aligned comments.
    :func:`line_comments`: the comments alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from automl_zero import _roles
from automl_zero.liveness import SUPERVISED, live_instructions, live_program
from automl_zero.program import Program

if TYPE_CHECKING:
    from automl_zero.inspection import Ablation

NO_EFFECT = "no effect"
"""Comment of a line that cannot reach the prediction."""

__all__ = ["NO_EFFECT", "annotate", "line_comments"]


def annotate(program: Program, ablation: Iterable[Ablation] = ()) -> str:
    """The program's text with aligned comments; ``Program.parse`` reads it back.

    Named are the prediction, the error, what is learnt (weights, biases) and how, the
    learning rate and hidden layers, and lines without effect. A role that does not
    follow with certainty from the program gets no comment. Programs with other component
    functions than ``setup``, ``predict``, ``learn`` come back without comments.

    Args:
        program: Any program.
        ablation: What :func:`automl_zero.inspection.ablation` found of this program: each
            comment of a live line then starts with the change of the fitness without it.

    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 0.1
    ... def Predict():
    ...   s1 = dot(v1, v0)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s3 * s2
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> print(annotate(program))
    def Setup():
      s2 = 0.1          # learning rate
    def Predict():
      s1 = dot(v1, v0)  # prediction = weights · features
    def Learn():
      s3 = s0 - s1      # error = label - prediction
      s3 = s3 * s2      # error × learning rate
      v2 = s3 * v0      # error × learning rate × features
      v1 = v1 + v2      # weights += error × learning rate × features
    """
    comments = line_comments(program)
    worth = {(row.component, row.position): row for row in ablation}
    lines: list[tuple[str, str]] = []
    for name, body in program.items():
        lines.append((f"def {name.capitalize()}():", ""))
        for position, (item, comment) in enumerate(zip(body, comments[name], strict=True)):
            row = worth.get((name, position))
            if row is not None and row.is_live:
                without = f"{row.difference:+.3f} without"
                comment = f"{without}: {comment}" if comment else without
            lines.append((f"  {item}", comment))
    width = max((len(line) for line, comment in lines if comment), default=0)
    return "\n".join(
        f"{line.ljust(width)}  # {comment}" if comment else line for line, comment in lines
    )


def line_comments(program: Program) -> dict[str, tuple[str, ...]]:
    """Comments of the lines by component function; empty where the role is uncertain."""
    if program.components != SUPERVISED.components:
        return {name: ("",) * len(body) for name, body in program.items()}
    flags = live_instructions(program)
    found = _roles.comments(live_program(program))
    result = {}
    for name in program.components:
        position = iter(range(len(program[name])))
        result[name] = tuple(
            found.get((name, next(position)), "") if live else NO_EFFECT for live in flags[name]
        )
    return result
