"""Programs with names instead of registers."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from automl_zero.evolution import hand_built_program
from automl_zero.program import Program
from automl_zero.report import to_names
from tests.workloads import random_programs


def test_the_network_is_read_by_its_names() -> None:
    text = to_names(hand_built_program("neural_net"))
    for word in ("def predict(features):", "prediction = ", "label - prediction", "learning_rate"):
        assert word in text
    assert not re.search(r"\b(s0|v0)\b", text)


def test_a_register_that_holds_several_things_keeps_its_name() -> None:
    text = to_names(
        Program.parse(
            "def Setup():\ndef Predict():\n  s1 = dot(v0, v1)\ndef Learn():\n"
            "  s1 = s0 - s1\n  v2 = s1 * v0\n  v1 = v1 + v2\n"
        )
    )
    assert "prediction =" not in text
    assert "  s1 = label - s1" in text


def test_other_programs_keep_their_registers() -> None:
    program = Program.parse("def Update():\n  s1 = s2 + s0", components=None)
    assert to_names(program) == "def update():\n  s1 = s2 + s0"


@given(seed=st.integers(0, 10_000))
def test_every_program_has_a_line_for_each_live_instruction(seed: int) -> None:
    from automl_zero.liveness import live_program

    (program,) = random_programs(seed, 1)
    live = live_program(program)
    expected = sum(1 + len(body) for _, body in live.items())
    assert len(to_names(program).splitlines()) == expected
