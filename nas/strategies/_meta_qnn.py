"""Q-learning over the sequence of decisions.

Baker, Gupta, Naik & Raskar, "Designing neural network architectures using reinforcement
learning" (ICLR 2017): MetaQNN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from automl_zero._config_values import integer, number
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import AskTellStrategy, StateFields, finite
from nas.strategies._strategy import Trial

EPSILON_SCHEDULE: Final = (
    (1.0, 1500), (0.9, 100), (0.8, 100), (0.7, 100), (0.6, 150), (0.5, 150), (0.4, 150),
    (0.3, 150), (0.2, 150), (0.1, 150),
)  # fmt: skip
"""Table 2 of the paper: epsilon, and for how many models."""

_State = tuple[int, ...]
"""What the decisions before had as options, or the last few of them; with their number first."""


class MetaQNN(AskTellStrategy):
    """Q-learning with experience replay and an epsilon-greedy policy that grows greedier.

    A state is the decision to make with the options of those before it; an action is an
    option. Only the last action is rewarded, with the value of the trial. The trajectory of a
    trial that is told, and of ``replay`` more drawn with replacement from all trials told, is
    gone through from its end (equation 3 of the paper, without discount)::

        Q(s, a) += learning_rate * (max Q(s', .) - Q(s, a)),  or R - Q(s, a) at the end

    Args:
        space: Where to search.
        schedule: Epsilon, the share of decisions made at random, and for how many trials;
            the last one stays. The default is the paper's, of 2,700 trials.
        trials: Length that the schedule is stretched or shrunk to, usually the trials of the
            search. None: as it is.
        context: How many decisions back a state reaches; None: to the first. The paper's states
            tell the layer before and where it stands, which is near to 1. With fewer than
            all, what an early decision brings is mixed with what all others do there.
        learning_rate: The alpha of the equation. The paper takes 0.01, for 2,700 trials; 0.1 suits
            the hundreds that others have.
        replay: Trajectories gone through after each trial; 100 in the paper.
        initial_value: Q of what was never tried. None: the value of the first trial told, so
            that it depends on no unit; the paper takes 0.5, for accuracies below 1.
        seed: Fixes everything random.

    Raises:
        ValueError: If a number is out of range or the schedule is not as said.

    >>> from nas.spaces import ChoiceSpace, Decision
    >>> space = ChoiceSpace([Decision(f"layer {i}", ("a", "b", "c")) for i in range(4)])
    >>> strategy = MetaQNN(space, trials=200, seed=1)
    >>> for _ in range(200):
    ...     trial = strategy.ask()
    ...     strategy.tell(trial, trial.architecture.count(2) / 4)
    >>> strategy.greedy()
    (2, 2, 2, 2)
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        schedule: Sequence[tuple[float, int]] = EPSILON_SCHEDULE,
        trials: int | None = None,
        context: int | None = None,
        learning_rate: float = 0.1,
        replay: int = 100,
        initial_value: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(space, seed)
        self.schedule = _schedule(schedule)
        self.trials = None if trials is None else integer("trials", trials, 1)
        self.learning_rate = number("learning_rate", learning_rate, 0, 1)
        self.replay = integer("replay", replay, 1)
        self.initial_value = None if initial_value is None else finite(initial_value)
        self.context = None if context is None else integer("context", context, 0)
        self._sizes = [len(decision.options) for decision in space.decisions]
        self._memory: list[tuple[Architecture, float]] = []
        self._first_value = self.initial_value
        self._q: dict[_State, list[float]] = {}

    @property
    def epsilon(self) -> float:
        """Share of random decisions in the next trial."""
        total = sum(count for _, count in self.schedule)
        end = 0
        for epsilon, count in self.schedule:
            end += count
            if self._asked * total < end * (self.trials or total):
                return epsilon
        return self.schedule[-1][0]

    def greedy(self) -> Architecture:
        """What it holds for best: the decisions of the highest Q; the first on ties."""
        choices: list[int] = []
        for position in range(len(self._sizes)):
            values = self._values(self._state_at(position, choices))
            choices.append(values.index(max(values)))
        return tuple(choices)

    def _propose(self) -> tuple[Architecture, int | None]:
        epsilon, stream = self.epsilon, self._stream
        choices: list[int] = []
        for position, size in enumerate(self._sizes):
            if stream.uniform() < epsilon:
                choices.append(stream.below(size))
                continue
            values = self._values(self._state_at(position, choices))
            highest = max(values)
            best = [option for option in range(size) if values[option] == highest]
            choices.append(best[stream.below(len(best))])
        return tuple(choices), None

    def _learn(self, trial: Trial, value: float) -> None:
        if self._first_value is None:
            self._first_value = value
        self._memory.append((trial.architecture, value))
        self._update(trial.architecture, value)
        for _ in range(self.replay):
            self._update(*self._memory[self._stream.below(len(self._memory))])

    def _update(self, architecture: Architecture, target: float) -> None:
        for position in range(len(architecture) - 1, -1, -1):
            state = self._state_at(position, architecture)
            values = self._q.get(state)
            if values is None:
                values = self._q[state] = self._values(state)
            option = architecture[position]
            values[option] += self.learning_rate * (target - values[option])
            target = max(values)

    def _state_at(self, position: int, choices: Sequence[int]) -> _State:
        start = 0 if self.context is None else max(position - self.context, 0)
        return (position, *choices[start:position])

    def _values(self, state: _State) -> list[float]:
        known = self._q.get(state)
        return [self._first_value or 0.0] * self._sizes[state[0]] if known is None else known

    def _own_state(self) -> dict[str, Any]:
        return {
            "q": [[list(state), values] for state, values in self._q.items()],
            "first_value": self._first_value,
            "memory": [[self.space.to_data(item), value] for item, value in self._memory],
        }

    def _read_own_state(self, fields: StateFields) -> Callable[[], None]:
        q = fields.read("q", lambda items: dict(self._row(*item) for item in items))
        first_value = fields.read("first_value", lambda x: None if x is None else finite(x))
        memory = fields.read(
            "memory", lambda items: [(self.space.from_data(a), finite(v)) for a, v in items]
        )

        def apply() -> None:
            self._q, self._first_value, self._memory = q, first_value, memory

        return apply

    def _row(self, state: Any, values: Any) -> tuple[_State, list[float]]:
        position, *before = (integer("state", item, 0) for item in state)
        row = [finite(value) for value in values]
        if len(row) != self._sizes[position]:
            raise ValueError(f"expected {self._sizes[position]} numbers, received {len(row)}")
        return (position, *before), row


def _schedule(schedule: Any) -> tuple[tuple[float, int], ...]:
    try:
        pairs = tuple((epsilon, count) for epsilon, count in schedule)
    except (TypeError, ValueError):
        pairs = ()
    if not pairs:
        raise ValueError(
            f"schedule: expected pairs of epsilon and number of trials, received {schedule!r}"
        )
    return tuple(
        (number("schedule: epsilon", epsilon, 0, 1), integer("schedule: trials", count, 1))
        for epsilon, count in pairs
    )
