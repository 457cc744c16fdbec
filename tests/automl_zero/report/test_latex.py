"""Programs as LaTeX: every op, read by a TeX math parser."""

from __future__ import annotations

import re

import matplotlib
import pytest
from hypothesis import given, settings
from matplotlib.mathtext import MathTextParser

from automl_zero.evolution import hand_built_program
from automl_zero.ops import OPS
from automl_zero.program import Instruction, Program
from automl_zero.report import to_latex
from automl_zero.report._latex import latex_line
from tests.strategies import programs

matplotlib.use("Agg")


def reads(formula):
    """Whether the formula is TeX math, balanced braces and known commands included."""
    MathTextParser("path").parse(f"${formula}$")
    return True


@pytest.mark.parametrize("op", [op for op in OPS if op.output], ids=lambda op: op.name)
def test_every_op_is_tex_math_with_all_that_it_uses(op):
    registers = dict(zip(("in1", "in2")[: op.arity], (2, 3), strict=False))
    constants = dict(zip(op.constant_fields, (0.25, 0.5, 0.75), strict=False))
    line = latex_line(Instruction(op, out=4, **registers, **constants))
    assert reads(line)
    for register in [2, 3][: op.arity] + [4]:
        assert f"_{{{register}}}" in line
    for constant in constants.values():
        assert str(constant) in line
    assert re.search(r"\\sim" if op.random else r"\\leftarrow", line)


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("s2 = 1e-300", r"s_{2} \leftarrow 1 \times 10^{-300}"),
        ("s2 = -inf", r"s_{2} \leftarrow -\infty"),
        ("s2 = nan", r"s_{2} \leftarrow \mathrm{NaN}"),
        ("s2 = 0.123456789", r"s_{2} \leftarrow 0.1235"),
        ("v2 = gaussian(0, -0.1, n_features)",
         r"\mathbf{v}_{2} \sim \mathcal{N}(0, (-0.1)^2)^F"),
        ("m1[0.25, 0.5] = 1.0",
         r"(\mathbf{M}_{1})_{\lfloor 0.25 F \rfloor, \lfloor 0.5 F \rfloor} \leftarrow 1"),
        ("s1 = dot(v0, v1)", r"\hat{y} \leftarrow \mathbf{x}^\top \mathbf{v}_{1}"),
    ],
)  # fmt: skip
def test_numbers_and_names(text, latex):
    program = Program.parse(f"def Setup():\ndef Predict():\n  {text}\ndef Learn():")
    document = to_latex(program, comments=False)
    assert latex in document.replace("&", "")
    assert reads(latex)


def test_all_digits_can_be_shown():
    program = Program.parse("def Setup():\n  s2 = 0.123456789\ndef Predict():\ndef Learn():")
    assert "0.123456789" in to_latex(program, digits=None)
    with pytest.raises(ValueError, match="digits: expected a positive integer or None"):
        to_latex(program, digits=0)


def test_comments_are_text_with_math_signs():
    document = to_latex(hand_built_program("linear"))
    assert r"&& \text{weights $+\!=$ learning rate $\times$ error $\times$ features}" in document
    assert document.isascii()
    assert to_latex(hand_built_program("neural_net")).isascii()


@given(programs())
@settings(max_examples=50)
def test_any_program_is_a_balanced_document(program):
    document = to_latex(program)
    assert document.count(r"\begin{align*}") == document.count(r"\end{align*}")
    for line in document.splitlines():
        assert line.count("{") == line.count("}")
        if line.startswith("  "):
            assert line.replace("&&", "").count("&") == 1


def test_other_component_functions_have_plain_names():
    program = Program.parse("def Setup():\ndef Update():\n  s1 = s0 + s2", None)
    assert r"s_{1} &\leftarrow s_{0} + s_{2}" in to_latex(program)
