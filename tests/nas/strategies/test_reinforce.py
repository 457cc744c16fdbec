"""REINFORCE: its gradient, and that it learns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from automl_zero.evolution import evolution_stream
from nas.spaces import Architecture, ChoiceSpace, Decision
from nas.strategies import Reinforce
from nas.strategies._table_policy import TablePolicy
from tests.nas.toy import SPACE, mean_of, mean_of_random

UNEVEN = ChoiceSpace([Decision("a", ("x",)), Decision("b", ("x", "y", "z")), Decision("c", "xy")])


def test_the_table_ascends_the_gradient_of_advantage_log_p_plus_entropy() -> None:
    random = np.random.default_rng(3)
    policy = TablePolicy(UNEVEN, learning_rate=1.0, entropy_weight=0.3)
    logits = np.where(policy._exists, random.normal(size=policy._exists.shape), 0.0)
    architecture, advantage, step = (0, 2, 1), -1.7, 1e-6

    def target(logits: np.ndarray) -> float:
        policy._logits = logits
        p = policy.probabilities()
        chosen = sum(np.log(p[i, option]) for i, option in enumerate(architecture))
        return float(advantage * chosen - 0.3 * (p[p > 0] * np.log(p[p > 0])).sum())

    numeric = np.zeros_like(logits)
    for place in zip(*np.nonzero(policy._exists), strict=True):
        up, down = logits.copy(), logits.copy()
        up[place] += step
        down[place] -= step
        numeric[place] = (target(up) - target(down)) / (2 * step)
    policy._logits = logits.copy()
    policy.learn(architecture, advantage)
    assert policy._logits - logits == pytest.approx(numeric, abs=1e-8)


def test_the_table_draws_options_as_often_as_it_says() -> None:
    policy = TablePolicy(UNEVEN, 0.1, 0.0)
    policy._logits[1] = np.log([0.2, 0.5, 0.3])
    stream = evolution_stream(1)
    drawn = np.array([policy.sample(stream) for _ in range(4000)])
    assert np.bincount(drawn[:, 1]) / 4000 == pytest.approx([0.2, 0.5, 0.3], abs=0.03)
    assert set(drawn[:, 0]) == {0}


def test_the_unit_of_the_objective_does_not_matter() -> None:
    def trials(scale: float) -> list[Architecture]:
        strategy, found = Reinforce(SPACE, seed=2), []
        for _ in range(60):
            trial = strategy.ask()
            found.append(trial.architecture)
            strategy.tell(trial, scale * trial.architecture.count(1))
        return found

    assert trials(1.0) == trials(2.0**-7)


def test_it_beats_random_search() -> None:
    assert mean_of(lambda seed: Reinforce(SPACE, seed=seed), 300) > mean_of_random(300) + 0.5


@pytest.mark.slow
def test_the_lstm_beats_random_search_and_learns_what_depends_on_earlier_choices() -> None:
    pytest.importorskip("torch")
    found = mean_of(lambda seed: Reinforce(SPACE, policy="lstm", seed=seed), 300, seeds=2)
    assert found > mean_of_random(300)

    # Each decision must be the one before it; which one, does not matter. A table cannot tell.
    space = ChoiceSpace([Decision(f"layer {i}", ("a", "b")) for i in range(4)])
    strategy = Reinforce(space, policy="lstm", learning_rate=0.02, entropy_weight=0.1, seed=3)
    late = []
    for number in range(600):
        trial = strategy.ask()
        choices = trial.architecture
        same = sum(a == b for a, b in zip(choices, choices[1:], strict=False)) / 3
        strategy.tell(trial, same)
        if number >= 500:
            late.append(same)
    assert np.mean(late) > 0.9


def test_without_torch_only_the_lstm_is_missing() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from nas.spaces import *; from nas.strategies import *\n"
        "space = ChoiceSpace([Decision('a', 'xy')])\n"
        "print(len(Reinforce(space).ask().architecture))\n"
        "try: Reinforce(space, policy='lstm')\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "1", "policy 'lstm' needs PyTorch: pip install 'automl-zero[torch]'"
    ]  # fmt: skip
