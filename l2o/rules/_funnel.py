"""The funnel: found rules against tuned baselines, on larger and longer tasks stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_zero._config_values import integer
from automl_zero.program import Program
from automl_zero.streams import stream_key
from l2o.rules._config_sections import Stage
from l2o.rules._fitness import RuleFitness, TunedRun, tuned_runs


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule on the tasks of a stage, tuned.

    Attributes:
        name: What the rule is called.
        scores: On each task, as of :class:`~l2o.rules.RuleFitness`.
        learning_rates: The best one for each task.
        weight_decays: Likewise.
        losses: On each task, geometric mean over the seeds of the loss after the last step;
            None where every setting diverged.
    """

    name: str
    scores: tuple[float, ...]
    learning_rates: tuple[float, ...]
    weight_decays: tuple[float, ...]
    losses: tuple[float | None, ...]

    @property
    def score(self) -> float:
        """Mean over the tasks."""
        return float(np.mean(self.scores))

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "score": self.score,
            "scores": list(self.scores),
            "learning_rates": list(self.learning_rates),
            "weight_decays": list(self.weight_decays),
            "losses": list(self.losses),
        }

    @classmethod
    def of(cls, name: str, runs: Sequence[TunedRun], scores: Sequence[float]) -> Standing:
        """The standing of a rule that was run."""
        return cls(
            name,
            tuple(float(score) for score in scores),
            tuple(run.learning_rate for run in runs),
            tuple(run.weight_decay for run in runs),
            tuple(float(np.exp(r.log_loss)) if np.isfinite(r.log_loss) else None for r in runs),
        )


@dataclass(frozen=True, slots=True)
class StageResult:
    """What came of a stage.

    Attributes:
        name: Of the stage.
        rules: The found rules that were tried, by score.
        baselines: The rules to beat.
        passed: Names of the found rules that beat each baseline.
    """

    name: str
    rules: tuple[Standing, ...]
    baselines: tuple[Standing, ...]
    passed: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "rules": [item.to_data() for item in self.rules],
            "baselines": [item.to_data() for item in self.baselines],
            "passed": list(self.passed),
        }


@dataclass(frozen=True, slots=True)
class FunnelResult:
    """What came of a funnel.

    Attributes:
        winner: Name of the rule that got furthest, the best one of those.
        stages: The stages that were run.
        beats_all: Whether the winner beat the baselines at every stage.
    """

    winner: str
    stages: tuple[StageResult, ...]
    beats_all: bool

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "winner": self.winner,
            "stages": [stage.to_data() for stage in self.stages],
            "beats_all": self.beats_all,
        }


def run_funnel(
    rules: Mapping[str, Program],
    stages: Sequence[Stage],
    *,
    beat: Mapping[str, Program],
    baseline: Program | None = None,
    bound: float = 1.0,
    seed: int = 0,
    on_stage: Callable[[StageResult], None] | None = None,
) -> FunnelResult:
    """Send rules through stages; only those that beat every baseline go on.

    The last stage is for one rule only, the best of the stage before: nothing is chosen by it, so
    its scores are unbiased. With a single stage all rules enter it.

    Args:
        rules: The found rules by name, the most promising first.
        stages: Tasks of each stage.
        beat: Baselines by name; each is tuned over the same grid.
        baseline: The rule of score 0; None stands for AdamW.
        bound: Highest score of a task.
        seed: Each stage draws its initial values and batches from a stream below this one.
        on_stage: Called after each stage.

    Returns:
        The stages that were run: it ends early when no rule is left.

    Raises:
        ValueError: If there is no rule, or no baseline.
    """
    if not rules:
        raise ValueError("rules: expected at least one, received none")
    if not beat:
        raise ValueError("beat: expected at least one baseline, received none")
    integer("seed", seed, 0, 2**64 - 1)
    left, results, winner = dict(rules), [], next(iter(rules))
    for number, stage in enumerate(stages):
        if number and number == len(stages) - 1:
            left = {winner: rules[winner]}
        result = _run_stage(left, stage, beat, baseline, bound, stream_key(seed, "funnel", number))
        results.append(result)
        if on_stage is not None:
            on_stage(result)
        if result.passed:
            winner = result.passed[0]
            left = {name: rules[name] for name in result.passed}
        else:
            winner = result.rules[0].name
            break
    beats_all = bool(results) and len(results) == len(stages) and winner in results[-1].passed
    return FunnelResult(winner, tuple(results), beats_all)


def _run_stage(
    rules: Mapping[str, Program],
    stage: Stage,
    beat: Mapping[str, Program],
    baseline: Program | None,
    bound: float,
    seed: int,
) -> StageResult:
    fitness = RuleFitness(stage.tasks, seed, baseline=baseline, bound=bound)

    def standing(name: str, rule: Program) -> Standing:
        runs = tuned_runs(rule, stage.tasks, seed)
        return Standing.of(name, runs, fitness.scores_of(runs).tolist())

    baselines = tuple(standing(name, rule) for name, rule in beat.items())
    # Stable: of equal scores, the most promising before stays first.
    found = sorted((standing(*item) for item in rules.items()), key=lambda item: -item.score)
    highest = max(item.score for item in baselines)
    passed = tuple(item.name for item in found if item.score > highest)
    return StageResult(stage.name, tuple(found), baselines, passed)
