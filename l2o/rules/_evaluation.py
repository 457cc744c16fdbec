"""Update rules at work: one rule trains a problem's seeds with several settings at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import choice, integer, number
from automl_zero.program import Program
from l2o.rules._harness import check_rule
from l2o.rules.optimizees._problems import Problem

Float64Array = NDArray[np.float64]

Schedule = Literal["constant", "linear"]
SCHEDULES: Final = ("constant", "linear")


@dataclass(frozen=True, slots=True, eq=False)
class RuleResult:
    """What a rule did on a problem.

    Settings are all pairs of a learning rate and a weight decay, the decay changing fastest.

    Attributes:
        loss: ``[settings, seeds, steps]``, the training loss before each update; NaN after the
            first loss that is not finite: the run had diverged.
        final: ``[settings, seeds]``, after the last update: the loss on held-out examples, or
            the function's value; NaN or infinite if the run diverged.
        accuracy: ``[settings, seeds]``, of a classifier on held-out examples; NaN where there is
            none.
        learning_rates: ``[settings]``.
        weight_decays: ``[settings]``.
    """

    loss: Float64Array
    final: Float64Array
    accuracy: Float64Array
    learning_rates: Float64Array
    weight_decays: Float64Array


def evaluate_rule(
    rule: Program,
    problem: Problem,
    *,
    learning_rates: Sequence[float],
    weight_decays: Sequence[float] = (0.0,),
    steps: int | None = None,
    schedule: Schedule = "constant",
) -> RuleResult:
    """Train with a rule, from each seed of a problem, at each setting.

    Same rule, problem and settings give the same bits, whatever seeds and settings are tried
    beside; a seed and a setting give the same on any number of them. The compiled
    code runs without the GIL.

    Args:
        rule: An update rule; see :func:`l2o.rules.parse_rule`. Dead code is not run.
        problem: From :func:`l2o.rules.optimizees.compile_problems`.
        learning_rates: Any finite numbers, at least one.
        weight_decays: What the rule finds in ``s3``; each is tried with each learning rate.
        steps: Updates, at most the problem's; None for all of them. The schedule position ``s1``
            is their share that lies behind.
        schedule: ``"constant"`` learning rates, or ``"linear"``: times the share of the training
            that lies ahead. Networks are trained with a decay in practice; and without one, rules
            that decay by themselves (they see ``s1``) have an advantage over all published ones.

    Raises:
        ValueError: If the rule is none, or an argument has the wrong type or range.

    >>> from l2o.rules import parse_rule
    >>> from l2o.rules.optimizees import compile_problems, quadratic
    >>> gradient_descent = parse_rule('''
    ... def Setup():
    ... def Update():
    ...   s4 = 1.0
    ...   v2 = s4 * v0
    ... ''')
    >>> (problem,) = compile_problems([quadratic(5, condition=4.0)], seeds=[1, 2], steps=100)
    >>> result = evaluate_rule(gradient_descent, problem, learning_rates=[0.1, 1.0, 3.0])
    >>> result.loss.shape, result.final.shape
    ((3, 2, 100), (3, 2))
    >>> bool((result.final[1] < 1e-12).all()), bool((result.final[2] > 1e6).all())
    (True, True)
    """
    check_rule(rule)
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: expected a Problem, received {type(problem).__name__}")
    steps = problem.steps if steps is None else integer("steps", steps, 1, problem.steps)
    rates = _numbers("learning_rates", learning_rates)
    decays = _numbers("weight_decays", weight_decays)
    settings = np.array(list(itertools.product(rates, decays)))
    rate, decay = (np.ascontiguousarray(column) for column in settings.T)
    seeds = len(problem.seeds)
    loss = np.empty((len(settings), seeds, steps))
    final, accuracy = np.empty((len(settings), seeds)), np.empty((len(settings), seeds))
    factors = schedule_factors(schedule, steps)
    instructions, offsets = rule.to_arrays()
    raw = np.ascontiguousarray(instructions).view(np.uint8).reshape(-1)
    problem.compiled.try_rule(raw, int(offsets[1]), rate, decay, factors, loss, final, accuracy)
    return RuleResult(loss, final, accuracy, rate, decay)


def schedule_factors(schedule: str, steps: int) -> Float64Array:
    """What the learning rate is multiplied by at each step, shape ``[steps]``.

    Raises:
        ValueError: If there is no schedule of that name.
    """
    choice("schedule", schedule, SCHEDULES)
    if schedule == "constant":
        return np.ones(steps)
    return 1.0 - np.arange(steps) / steps


def _numbers(name: str, values: Sequence[float]) -> list[float]:
    if isinstance(values, str) or not np.iterable(values) or len(values) == 0:
        raise ValueError(f"{name}: expected at least one number, received {values!r}")
    largest = float(np.finfo(np.float64).max)
    return [
        number(f"{name}[{i}]", float(x) if isinstance(x, np.number) else x, -largest, largest)
        for i, x in enumerate(values)
    ]
