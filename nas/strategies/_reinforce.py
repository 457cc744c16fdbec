"""A controller that learns which architectures are good: reinforcement learning.

Zoph & Le, "Neural architecture search with reinforcement learning" (ICLR 2017). The controller
is a distribution over architectures; REINFORCE (Williams 1992) makes likelier what was better
than usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from automl_zero._config_values import choice, integer, number
from automl_zero.streams import stream_key
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite
from nas.strategies._strategy import Trial
from nas.strategies._table_policy import TablePolicy


class Reinforce(AskTellStrategy):
    """The controller of Zoph & Le, updated by REINFORCE after each trial.

    After a trial with reward R the policy's parameters ascend (their section 3.2)

        (R - b) / s * grad log p(architecture) + w * grad entropy

    where the baseline ``b`` is the moving average of the rewards, and ``s`` that of the size of
    ``R - b``: the division, which the paper does not have, makes percent and shares of 1 the
    same to the learning rate. The gradient is taken at the policy as it is when the trial is
    told; with several outstanding it was drawn from a slightly older one.

    Args:
        space: Where to search.
        policy: ``"table"`` makes each decision on its own; it learns fast and needs no torch.
            ``"lstm"`` is the recurrent controller of the paper.
        learning_rate: Of the policy. None: 0.1 for the table, 0.005 for the LSTM.
        baseline_decay: Share of the old baseline that stays; 0.9 as in NAS-Bench-201.
        entropy_weight: How much the entropy of the policy counts; more of it explores longer.
        hidden: Size of the LSTM's state.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range, or there is no such policy.
        ImportError: If ``policy`` is ``"lstm"`` and torch is not installed.

    >>> from nas.spaces import ChoiceSpace, Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(8)])
    >>> controller = Reinforce(space, seed=1)
    >>> for _ in range(300):
    ...     trial = controller.ask()
    ...     controller.tell(trial, trial.architecture.count(2))
    >>> trial.architecture
    (2, 2, 2, 2, 2, 2, 2, 2)
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        policy: str = "table",
        learning_rate: float | None = None,
        baseline_decay: float = 0.9,
        entropy_weight: float = 0.01,
        hidden: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.policy = choice("policy", policy, ("table", "lstm"))
        if learning_rate is None:
            learning_rate = 0.1 if policy == "table" else 0.005
        self.learning_rate = number("learning_rate", learning_rate, 0)
        self.baseline_decay = number("baseline_decay", baseline_decay, 0, 1)
        self.entropy_weight = number("entropy_weight", entropy_weight, 0)
        self.hidden = integer("hidden", hidden, 1)
        self._baseline: float | None = None
        self._scale = 0.0
        self._policy: Any
        if policy == "table":
            self._policy = TablePolicy(space, self.learning_rate, self.entropy_weight)
        else:
            try:
                from nas.strategies._recurrent_policy import RecurrentPolicy
            except ImportError as error:
                raise ImportError(
                    "policy 'lstm' needs PyTorch: pip install 'automl-zero[torch]'"
                ) from error
            # Half of the keys: torch takes seeds below 2**63 only.
            weights_seed = stream_key(self.seed, "nas", "weights") >> 1
            self._policy = RecurrentPolicy(
                space, self.learning_rate, self.entropy_weight, self.hidden, weights_seed
            )

    def _propose(self) -> tuple[Architecture, int | None]:
        return self._policy.sample(self._stream), None

    def _learn(self, trial: Trial, value: float) -> None:
        if self._baseline is None:  # nothing to compare with yet
            self._baseline = value
            return
        difference = value - self._baseline
        keep = self.baseline_decay
        size = abs(difference)
        self._scale = keep * self._scale + (1 - keep) * size if self._scale else size
        self._baseline = keep * self._baseline + (1 - keep) * value
        if self._scale > 0 and math.isfinite(difference):
            self._policy.learn(trial.architecture, difference / self._scale)

    def _own_state(self) -> dict[str, Any]:
        return {"baseline": self._baseline, "scale": self._scale, "policy": self._policy.state()}

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        baseline = fields.read("baseline", lambda x: None if x is None else finite(x))
        scale = fields.read("scale", finite)
        apply_policy = self._policy.read_state(fields)

        def apply() -> None:
            self._baseline, self._scale = baseline, scale
            apply_policy()

        return apply
