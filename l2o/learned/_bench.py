"""A learned optimizer beside tuned ones on problems it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from automl_zero._config_values import integer, number
from automl_zero.streams import Stream, stream_key
from l2o.learned._analytic import ANALYTIC, AnalyticOptimizer
from l2o.learned._network import LearnedOptimizerNetwork
from l2o.learned._problems import ProblemSource
from l2o.learned._unroll import unroll

RATES: Final = tuple(10 ** (step / 4 - 4) for step in range(17))
"""Learning rates that are tried by default: 0.0001 to 1, four a decade."""

_UNLUCKY: Final = 1e30  # in place of a loss that is not finite


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """How one optimizer did.

    Args:
        name: ``"learned"``, or the method.
        lr: Its tuned learning rate; None for the learned one.
        finals: Final loss of each problem, ``[P]``; not finite where it diverged.
        losses: Loss before the first step and after each, ``[steps + 1, P]``.
    """

    name: str
    lr: float | None
    finals: Tensor
    losses: Tensor

    @property
    def mean(self) -> float:
        """Mean final loss."""
        return float(self.finals.mean())

    @property
    def median(self) -> float:
        """Median final loss; diverged problems count as the worst."""
        return float(self.finals.nan_to_num(_UNLUCKY, _UNLUCKY).median())


def compare(
    network: LearnedOptimizerNetwork,
    source: ProblemSource,
    *,
    steps: int,
    problems: int = 32,
    methods: Sequence[str] = ANALYTIC,
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[Standing]:
    """Optimize the same problems with a network and with tuned optimizers.

    A learning rate is chosen for each optimizer by the mean final loss on as many other
    problems.

    Args:
        network: The learned optimizer.
        source: Where problems come from.
        steps: Of each optimization.
        problems: How many.
        methods: Those of :class:`AnalyticOptimizer` to compare with.
        rates: Learning rates to try.
        seed: Of the problems.

    Returns:
        The network's standing, then the methods' in their order.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> from l2o.learned import Quadratics, make_network
        >>> found = compare(
        ...     make_network("rnnprop"), Quadratics(3), steps=10, problems=4,
        ...     methods=["adam"], rates=[0.01, 0.1],
        ... )
        >>> [(each.name, each.lr) for each in found]
        [('learned', None), ('adam', 0.1)]
    """
    integer("steps", steps, 1)
    integer("problems", problems, 1)
    rates = [number("rates", rate, 0.0) for rate in rates]
    if not rates:
        raise ValueError("rates: expected at least one, received none")
    tuning = source.sample(problems, Stream(stream_key(seed, "bench-tuning")))
    unseen = source.sample(problems, Stream(stream_key(seed, "bench")))
    chosen: list[tuple[str, float | None, LearnedOptimizerNetwork]] = [("learned", None, network)]
    with torch.no_grad():
        for method in methods:
            scores = []
            for rate in rates:
                done = unroll(AnalyticOptimizer(method, rate), tuning, steps)
                finals = tuning.final_losses(done.parameters)
                scores.append((float(finals.nan_to_num(_UNLUCKY, _UNLUCKY).mean()), rate))
            best = min(scores)[1]
            chosen.append((method, best, AnalyticOptimizer(method, best)))
        standings = []
        for name, lr, optimizer in chosen:
            done = unroll(optimizer, unseen, steps)
            finals = unseen.final_losses(done.parameters)
            standings.append(Standing(name, lr, finals, done.losses))
    return standings
