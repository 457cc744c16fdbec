"""Fitness of update rules: each at its best settings, against tuned baselines."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl_zero._config_values import integer, number
from automl_zero.program import Program
from automl_zero.streams import stream_key
from l2o.rules._evaluation import RuleResult, evaluate_rule
from l2o.rules._hand_written import hand_written_rule
from l2o.rules._tasks import RuleTasks
from l2o.rules.optimizees import Problem, compile_problems

PROBE_STEPS: Final = 6
"""Steps of the probe: the losses before them show the first five updates."""

_SMALLEST: Final = 1e-300
_DIGITS: Final = {"float64": 10, "float32": 5}
"""Digits of the losses that a fingerprint tells: rules that differ by rounding alone have one."""


@dataclass(frozen=True, slots=True)
class TunedRun:
    """A rule on one task, at the settings that are best for it.

    Attributes:
        learning_rate: The best one of the grid.
        weight_decay: Likewise.
        log_loss: Mean over variants and seeds of the log of the final loss; infinite if every
            setting diverged.
        final: Final loss, as the tasks' ``measure`` says, shape ``[variants * seeds]``.
        accuracy: On held-out data, likewise; NaN for tasks without classes.
        curve: Training loss before each step, mean over variants and seeds, shape ``[steps]``.
        is_at_edge: Whether the learning rate is the lowest or highest of the grid.
    """

    learning_rate: float
    weight_decay: float
    log_loss: float
    final: NDArray[np.float64] = field(repr=False)
    accuracy: NDArray[np.float64] = field(repr=False)
    curve: NDArray[np.float64] = field(repr=False)
    is_at_edge: bool


def tuned_runs(rule: Program, tasks: RuleTasks, seed: int) -> list[TunedRun]:
    """A rule on each task, at the best settings of the grid.

    The settings are those of the lowest mean log loss over the seeds. Every rule gets the same
    initial values and batches, and as many settings as any other.

    Args:
        rule: The rule.
        tasks: The tasks, and the grid.
        seed: Of initial values and batches.

    Raises:
        ValueError: If ``rule`` is no update rule, or the data of a task are missing.
    """
    return list(_runs(rule, tasks, seed))


def _runs(rule: Program, tasks: RuleTasks, seed: int) -> Iterator[TunedRun]:
    for variants in _problems(tasks, seed):
        results = [
            evaluate_rule(
                rule,
                problem,
                learning_rates=tasks.learning_rates,
                weight_decays=tasks.weight_decays,
                schedule=tasks.schedule,
            )
            for problem in variants
        ]
        final = np.concatenate([_final(result, tasks) for result in results], axis=1)
        log_loss = _log_losses(final)
        best = int(np.argmin(log_loss))
        rate, decay = divmod(best, len(tasks.weight_decays))
        yield TunedRun(
            learning_rate=tasks.learning_rates[rate],
            weight_decay=tasks.weight_decays[decay],
            log_loss=float(log_loss[best]),
            final=final[best],
            accuracy=np.concatenate([result.accuracy[best] for result in results]),
            curve=np.mean([result.loss[best].mean(axis=0) for result in results], axis=0),
            is_at_edge=rate in (0, len(tasks.learning_rates) - 1),
        )


class RuleFitness:
    """Fitness of update rules on tasks: how much lower the loss is than a tuned baseline's.

    A rule's score on a task is ``bound * tanh(x / bound)``, where ``x`` is the log of the
    baseline's final loss over the rule's, both at their best settings of the same grid (mean
    over the seeds of the log). 0 is as good as the baseline, 0.1 about 10 % less loss; a rule that
    diverges at every setting gets ``-bound``. Fitness is the mean over the tasks. The log makes
    tasks with losses of any size count alike, the bound keeps one task from outweighing the
    others.

    It is a pure function of the rule, and small: what it needs is made anew in each process.

    Args:
        tasks: What to learn, and the grid of settings.
        seed: Of initial values and batches.
        baseline: The rule to compare to; None stands for AdamW.
        bound: Highest score of a task, its negative the lowest.
        hurdle: A rule whose mean score is below after a task does not run on the rest, and that
            mean is its fitness: an approximation, of rules that are worse than the baseline. Most
            mutants of a good rule are far worse than it, so this saves most of the work if the
            first task is the cheapest. None: no hurdle.

    Raises:
        ValueError: If ``bound`` is not positive.

    >>> from l2o.rules.optimizees import quadratic
    >>> tasks = RuleTasks(optimizees=(quadratic(),), steps=20, seeds=1)
    >>> fitness = RuleFitness(tasks)
    >>> fitness(hand_written_rule("adamw"))
    0.0
    """

    def __init__(
        self,
        tasks: RuleTasks,
        seed: int = 0,
        *,
        baseline: Program | None = None,
        bound: float = 1.0,
        hurdle: float | None = None,
    ) -> None:
        self.tasks = tasks
        self.seed = integer("seed", seed, 0, 2**64 - 1)
        self.baseline = hand_written_rule("adamw") if baseline is None else baseline
        self.bound = number("bound", bound, 1e-6, 1e6)
        self.hurdle = -math.inf if hurdle is None else number("hurdle", hurdle, -1e6, 1e6)

    def __call__(self, rule: Program) -> float:
        """The mean score: of all tasks, or of those up to the hurdle."""
        runs: list[TunedRun] = []
        for run in _runs(rule, self.tasks, self.seed):
            runs.append(run)
            mean = float(np.mean(self.scores_of(runs)))
            if mean < self.hurdle:
                break
        return mean

    def scores(self, rule: Program) -> NDArray[np.float64]:
        """The score on each task, shape ``[tasks]``."""
        return self.scores_of(tuned_runs(rule, self.tasks, self.seed))

    def scores_of(self, runs: Sequence[TunedRun]) -> NDArray[np.float64]:
        """The score of each run, as :meth:`scores`; of the first tasks, if those are all."""
        baseline = np.array(_baseline_log_losses(self.baseline, self.tasks, self.seed)[: len(runs)])
        gain = baseline - np.array([run.log_loss for run in runs])
        return np.where(np.isnan(gain), 0.0, self.bound * np.tanh(gain / self.bound))

    def probe(self, rule: Program) -> str | float:
        """What the rule does in the first steps of the first task.

        Returns:
            A fingerprint of the losses at the lowest and a middle learning rate; or, if the lowest
            one leads to no finite loss on any seed, the lowest fitness.
        """
        rates = self.tasks.learning_rates
        result = evaluate_rule(
            rule,
            _problems(self.tasks, self.seed)[0][0],
            learning_rates=(rates[0], rates[len(rates) // 2]),
            weight_decays=(self.tasks.weight_decays[-1],),
            steps=min(PROBE_STEPS, self.tasks.steps),
        )
        if not np.isfinite(result.loss[0]).all(axis=-1).any():
            return -self.bound
        digits = _DIGITS[self.tasks.precision]
        text = " ".join(f"{loss:.{digits}g}" for loss in result.loss.ravel())
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _final(result: RuleResult, tasks: RuleTasks) -> NDArray[np.float64]:
    """The loss that a training is judged by, shape ``[settings, seeds]``."""
    if tasks.measure == "held_out":
        return result.final
    return result.loss[:, :, -max(tasks.steps // 4, 1) :].mean(axis=-1)


def _log_losses(final: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the seeds of the log of the loss, by setting; infinite where one diverged."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.maximum(final, _SMALLEST))
    return np.where(np.isfinite(final).all(axis=1), logs.mean(axis=1), math.inf)


@functools.lru_cache(maxsize=8)
def _problems(tasks: RuleTasks, seed: int) -> list[list[Problem]]:
    """The variants of each problem, made once per process."""
    seeds = [stream_key(seed, "lane", lane) for lane in range(tasks.seeds)]
    return [
        compile_problems(
            [
                replace(optimizee, seed=stream_key(seed, "variant", optimizee.seed, variant))
                for variant in range(tasks.variants)
            ],
            seeds=seeds,
            steps=tasks.steps,
            precision=tasks.precision,
        )
        for optimizee in tasks.optimizees
    ]


@functools.lru_cache(maxsize=32)
def _baseline_log_losses(rule: Program, tasks: RuleTasks, seed: int) -> tuple[float, ...]:
    return tuple(run.log_loss for run in tuned_runs(rule, tasks, seed))
