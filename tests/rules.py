"""Random update rules, and ways of running them that tests compare."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from automl_zero.ops import OPS, Op
from automl_zero.program import Instruction, MemorySizes, Program
from l2o.rules import _reference
from l2o.rules.optimizees import Problem
from tests import strategies
from tests.engine import Single, compiled_functions

RULE_OPS = tuple(op for op in OPS if op.output and "m" not in op.inputs + op.output)
"""All that a rule may use."""

MEMORY = MemorySizes(7, 6, 0)
"""Few registers beside those that the harness fills."""


@st.composite
def rules(draw: st.DrawFn, ops: Sequence[Op] = RULE_OPS, max_size: int = 10) -> Program:
    """Any update rule of a few instructions, most often one that changes the parameters."""
    setup = draw(st.lists(strategies.instructions(MEMORY, ops), max_size=3))
    update = draw(st.lists(strategies.instructions(MEMORY, ops), max_size=max_size))
    ending = draw(st.sampled_from(["v2 = v0 + v2", "v2 = v3 * v0", "v2 = sign(v3)", ""]))
    if ending:
        update += Program.parse(f"def A():\n  {ending}", ["a"])["a"]
    return Program(setup=setup, update=update)


def by_reference(
    rule: Program, problem: Problem, rate: float, decay: float, seed: int, steps: int
) -> tuple[Any, ...]:
    """Losses, final loss and accuracy by the reference, with the compiled functions."""
    with compiled_functions(), _compiled_losses():
        return _reference.evaluate_rule(
            rule, problem.arrays, learning_rate=rate, weight_decay=decay, seed=seed, steps=steps
        )


@contextlib.contextmanager
def _compiled_losses() -> Iterator[None]:
    """The reference's losses with the compiled elementary functions."""
    exp, log, sin, cos = (
        Single(name) for name in
        ("VECTOR_EXP_OP", "SCALAR_LOG_OP", "SCALAR_SIN_OP", "SCALAR_COS_OP")
    )  # fmt: skip

    def each(function: Single) -> Any:
        return lambda x: np.array([function(value) for value in np.ravel(x)]).reshape(np.shape(x))

    def exponential(x: Any) -> Any:
        return exp(np.ravel(x), features=np.size(x)).reshape(np.shape(x)).copy()

    replaced = {"_exp": exponential, "_log": each(log), "_sin": each(sin), "_cos": each(cos)}
    with mock.patch.multiple(_reference, **replaced):
        yield


def item(text: str) -> Instruction:
    """The instruction of a line."""
    return Program.parse(f"def A():\n  {text}", ["a"])["a"][0]
