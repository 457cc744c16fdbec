"""A policy that makes each decision on its own: a table of logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from automl_zero.evolution import RandomStream
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import StateFields


class TablePolicy:
    """One logit for each option of each decision, all zero at the start.

    The policy of the REINFORCE baseline of NAS-Bench-201 (Dong & Yang, ICLR 2020): as the
    decisions of an architecture are independent, so are the gradients,
    ``d log p(a) / d logit = [option chosen] - p(option)``.

    Args:
        space: The space.
        learning_rate: Of plain gradient ascent.
        entropy_weight: How much the entropy of each decision counts beside the reward.
    """

    def __init__(self, space: ChoiceSpace, learning_rate: float, entropy_weight: float) -> None:
        self._sizes = np.array([len(decision.options) for decision in space.decisions])
        self._exists = np.arange(self._sizes.max()) < self._sizes[:, None]
        self._rows = np.arange(len(self._sizes))
        self._learning_rate = learning_rate
        self._entropy_weight = entropy_weight
        self._logits = np.zeros(self._exists.shape)

    def sample(self, stream: RandomStream) -> Architecture:
        """One architecture, drawn from the policy."""
        drawn = np.array([stream.uniform() for _ in self._sizes])
        chosen = (self.probabilities().cumsum(axis=1) < drawn[:, None]).sum(axis=1)
        return tuple(np.minimum(chosen, self._sizes - 1).tolist())

    def probabilities(self) -> Any:
        """Of each option of each decision, shape ``[decisions, options of the longest]``."""
        weights = np.where(self._exists, self._logits, -np.inf)
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """Make an architecture likelier by how much better it was than expected."""
        p = self.probabilities()
        gradient = -advantage * p
        gradient[self._rows, list(architecture)] += advantage
        if self._entropy_weight:
            log_p = np.log(np.where(p > 0, p, 1.0))
            entropy = -(p * log_p).sum(axis=1, keepdims=True)
            gradient -= self._entropy_weight * p * (log_p + entropy)
        self._logits += self._learning_rate * gradient

    def state(self) -> Any:
        """The logits, as plain data."""
        return [row[:size].tolist() for row, size in zip(self._logits, self._sizes, strict=True)]

    def read_state(self, fields: StateFields) -> Callable[[], None]:
        """Read field ``policy``; the function that is returned puts it in place."""
        logits = fields.read("policy", self._parsed)

        def apply() -> None:
            self._logits = logits

        return apply

    def _parsed(self, data: Any) -> Any:
        logits = np.zeros(self._exists.shape)
        if len(data) != len(self._sizes):
            raise ValueError(f"expected {len(self._sizes)} rows, received {len(data)}")
        for row, size, values in zip(logits, self._sizes, data, strict=True):
            row[:size] = np.asarray(values, np.float64).reshape(size)
        if not np.isfinite(logits).all():
            raise ValueError("expected finite logits, received others")
        return logits
