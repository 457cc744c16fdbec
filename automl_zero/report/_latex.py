"""Programs as LaTeX."""

from __future__ import annotations

import math
import re
from typing import Final

from automl_zero._instruction import constant_text
from automl_zero.annotate import line_comments
from automl_zero.liveness import FEATURES, LABEL, PREDICTION, SUPERVISED, Register
from automl_zero.ops import STD
from automl_zero.program import Instruction, Program

_NAMES: Final = {LABEL: "y", PREDICTION: r"\hat{y}", FEATURES: r"\mathbf{x}"}
_LETTERS: Final = {"s": "s", "v": r"\mathbf{v}", "m": r"\mathbf{M}"}
_RELATION: Final = re.compile(r"(\\leftarrow|\\sim) ")
_COMMENT_SIGNS: Final = {
    "×": r"$\times$", "·": r"$\cdot$", ">": "$>$", "+=": "$+\\!=$", "-=": "$-\\!=$",
}  # fmt: skip


def to_latex(program: Program, *, comments: bool = True, digits: int | None = 4) -> str:
    r"""The program in LaTeX: for each component function its name and an ``align*``.

    Needs the package ``amsmath``. In supervised programs the label is :math:`y`, the prediction
    :math:`\hat{y}` and the features :math:`\mathbf{x}`, as registers: a program that keeps
    something else in ``s1`` keeps it in :math:`\hat{y}`. :math:`\odot` and :math:`\oslash` go
    element by element, ``[x > 0]`` is 1 where it is true, :math:`F` is the number of features.

    Args:
        program: Any program.
        comments: Whether to add those of :func:`~automl_zero.report.annotate`.
        digits: Significant digits of constants; None shows all.

    Raises:
        ValueError: If ``digits`` is less than 1.

    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 1e-5
    ... def Predict():
    ...   s1 = dot(v1, v0)
    ... def Learn():
    ... ''')
    >>> print(to_latex(program, comments=False))
    \textbf{Setup}
    \begin{align*}
      s_{2} &\leftarrow 1 \times 10^{-5}
    \end{align*}
    \textbf{Predict}
    \begin{align*}
      \hat{y} &\leftarrow \mathbf{v}_{1}^\top \mathbf{x}
    \end{align*}
    \textbf{Learn}: nothing.
    """
    if digits is not None and digits < 1:
        raise ValueError(f"digits: expected a positive integer or None, received {digits}")
    names = _NAMES if program.components == SUPERVISED.components else {}
    texts = line_comments(program)
    parts = []
    for component, body in program.items():
        title = rf"\textbf{{{component.capitalize()}}}".replace("_", r"\_")
        lines = []
        for item, comment in zip(body, texts[component], strict=True):
            if item.output is None:
                continue
            line = _RELATION.sub(r"&\1 ", latex_line(item, names, digits), count=1)
            lines.append(f"  {line}{_comment(comment) if comments and comment else ''}")
        if lines:
            joined = " \\\\\n".join(lines)
            parts.append(f"{title}\n\\begin{{align*}}\n{joined}\n\\end{{align*}}")
        else:
            parts.append(f"{title}: nothing.")
    return "\n".join(parts)


def latex_line(
    item: Instruction, names: dict[Register, str] | None = None, digits: int | None = None
) -> str:
    """One instruction in LaTeX math; ``NO_OP`` is empty.

    Args:
        item: The instruction.
        names: What to call registers; ``s_{2}`` and so on where nothing is given.
        digits: Significant digits of constants; None shows all.
    """
    words = {}
    for word, register in zip("ab", item.inputs, strict=False):
        words[word] = _register(register, names or {})
    if item.output is not None:
        words["out"] = _register(item.output, names or {})
    for role, field in zip(item.op.constants, item.op.constant_fields, strict=True):
        number = _number(field, getattr(item, field), digits)
        # A standard deviation is squared.
        is_plain = role is not STD or number.replace(".", "").isdigit()
        words[role.name] = number if is_plain else f"({number})"
    return item.op.latex.format(**words)


def _register(register: Register, names: dict[Register, str]) -> str:
    return names.get(register) or f"{_LETTERS[register[0]]}_{{{register[1]}}}"


def _number(field: str, value: float, digits: int | None) -> str:
    if math.isnan(value):
        return r"\mathrm{NaN}"
    if math.isinf(value):
        return r"\infty" if value > 0 else r"-\infty"
    text = constant_text(field, value) if digits is None else f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa


def _comment(text: str) -> str:
    words = [_COMMENT_SIGNS.get(word, word) for word in text.replace("(", "( ").split(" ")]
    return rf" && \text{{{' '.join(words).replace('( ', '(')}}}"
