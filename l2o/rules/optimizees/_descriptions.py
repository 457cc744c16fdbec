"""What rules are tried on, as values: small, immutable, plain data when they travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, Literal

from automl_zero._config_values import choice, integer, number

MAX_COORDINATES: Final = 100_000
"""Most parameters of an optimizee, all tensors together."""

MAX_HIDDEN_LAYERS: Final = 2

_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizee:
    """Something to minimise, described: what :func:`compile_problems` makes problems of.

    Two equal descriptions give the same data, minibatches and starts, bit for bit.

    Attributes:
        seed: Chooses what all seeds of a problem share: a matrix, the split of a data set, the
            order of minibatches. (Start and optimum differ between the seeds of a problem.)

    >>> optimizee = quadratic(10, condition=100.0)
    >>> Optimizee.from_data(optimizee.to_data()) == optimizee
    True
    """

    seed: int = 0

    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        integer("seed", self.seed, 0, 2**64 - 1)

    def to_data(self) -> dict[str, Any]:
        """The description as plain data: text, numbers and lists by name."""
        values = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }
        return {"kind": self.kind, **values}

    @staticmethod
    def from_data(data: Any) -> Optimizee:
        """The description that :meth:`to_data` gave.

        Raises:
            ValueError: If the data describe no optimizee; names the field.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"optimizee: expected a table, received {data!r}")
        kind = choice("optimizee.kind", data.get("kind"), OPTIMIZEE_KINDS)
        made = OPTIMIZEE_KINDS[kind]
        known = [field.name for field in fields(made)]
        values = {name: value for name, value in data.items() if name != "kind"}
        for name in values:
            choice("optimizee: field", name, known)
        try:
            return made(**values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"optimizee: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function(Optimizee):
    """A function of a vector."""

    size: int

    def __post_init__(self) -> None:
        Optimizee.__post_init__(self)
        integer("size", self.size, 1, MAX_COORDINATES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quadratic(_Function):
    """See :func:`quadratic`."""

    condition: float = 100.0

    kind: ClassVar[str] = "quadratic"

    def __post_init__(self) -> None:
        integer("size", self.size, 1, 1000)
        _Function.__post_init__(self)
        object.__setattr__(self, "condition", number("condition", self.condition, 1.0, 1e12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rosenbrock(_Function):
    """See :func:`rosenbrock`."""

    kind: ClassVar[str] = "rosenbrock"

    def __post_init__(self) -> None:
        _Function.__post_init__(self)
        integer("size", self.size, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rastrigin(_Function):
    """See :func:`rastrigin`."""

    kind: ClassVar[str] = "rastrigin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier(Optimizee):
    """See :func:`logistic_regression` and :func:`mlp`."""

    data: str = "digits"
    hidden: tuple[int, ...] = ()
    activation: Literal["relu", "tanh"] = "relu"
    batch: int = 32
    train: int | None = None
    held_out: int = 360

    kind: ClassVar[str] = "classifier"

    def __post_init__(self) -> None:
        Optimizee.__post_init__(self)
        if not isinstance(self.data, str) or not self.data:
            raise ValueError(
                f"data: expected the name or path of a data set, received {self.data!r}"
            )
        if not isinstance(self.hidden, list | tuple) or len(self.hidden) > MAX_HIDDEN_LAYERS:
            raise ValueError(
                f"hidden: expected at most {MAX_HIDDEN_LAYERS} layer sizes, "
                f"received {self.hidden!r}"
            )
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for position, units in enumerate(self.hidden):
            integer(f"hidden[{position}]", units, 1, MAX_COORDINATES)
        choice("activation", self.activation, ("relu", "tanh"))
        integer("batch", self.batch, 1, 65536)
        if self.train is not None:
            integer("train", self.train, 1, _LARGEST)
        integer("held_out", self.held_out, 1, _LARGEST)


OPTIMIZEE_KINDS: Final[Mapping[str, type[Optimizee]]] = {
    made.kind: made for made in (Quadratic, Rosenbrock, Rastrigin, Classifier)
}
"""Descriptions by the name that stands in their data."""


def quadratic(size: int = 20, *, condition: float = 100.0, seed: int = 0) -> Optimizee:
    """``(x - c)' A (x - c) / 2`` with a randomly rotated matrix ``A``.

    The eigenvalues of ``A`` are spaced evenly on the log scale from 1 down to
    ``1 / condition``, so that a learning rate means the same for every condition. Optimum
    ``c`` and start are standard normal, and differ between seeds: a rule that shrinks
    parameters gains nothing by that.

    Args:
        size: Dimensions, 1..1000.
        condition: Largest over smallest eigenvalue, 1..1e12.
        seed: Chooses the rotation.

    Raises:
        ValueError: If an argument has the wrong type or range.

    >>> quadratic(10, condition=1e4)
    Quadratic(seed=0, size=10, condition=10000.0)
    """
    return Quadratic(size=size, condition=condition, seed=seed)


def rosenbrock(size: int = 2, *, seed: int = 0) -> Optimizee:
    """The sum of ``100 (d[i+1] - d[i]^2)^2 + (1 - d[i])^2`` with ``d = x - c`` (Rosenbrock 1960).

    A curved, narrow valley; the optimum is at ``d = 1``. The shift ``c`` is standard normal; the
    start is at ``d`` = (-1.2, 1, -1.2, ...), as usual, plus noise of standard deviation 0.1.

    Raises:
        ValueError: If an argument has the wrong type or range.

    >>> rosenbrock(4).size
    4
    """
    return Rosenbrock(size=size, seed=seed)


def rastrigin(size: int = 10, *, seed: int = 0) -> Optimizee:
    """The sum of ``d^2 - 10 cos(2 pi d) + 10`` with ``d = x - c`` (Rastrigin 1974).

    Many local minima, one in each unit cube. The optimum ``c`` is standard normal, the start
    uniform in (-5.12, 5.12).

    Raises:
        ValueError: If an argument has the wrong type or range.

    >>> rastrigin(3).size
    3
    """
    return Rastrigin(size=size, seed=seed)


def logistic_regression(
    data: str = "digits",
    *,
    batch: int = 32,
    train: int | None = None,
    held_out: int = 360,
    seed: int = 0,
) -> Optimizee:
    """Softmax regression: weights ``[features, classes]`` and biases, by cross entropy.

    Args:
        data: What :func:`automl_zero.tasks.load_data` takes: ``"digits"`` (shipped), a
            ``.npz`` with ``x`` and ``y``, a table, ``"sklearn:NAME"``. Its test examples are not
            touched. All features are shifted and scaled alike, to mean 0 and standard deviation 1
            over the training examples.
        batch: Examples of a step.
        train: Training examples at most; None takes all that are not held out.
        held_out: Examples for the loss and the accuracy at the end.
        seed: Chooses the split, and the order of the minibatches: one random order after
            another of all training examples.

    Raises:
        ValueError: If an argument has the wrong type or range.

    >>> logistic_regression(batch=64).batch
    64
    """
    return Classifier(data=data, batch=batch, train=train, held_out=held_out, seed=seed)


def mlp(
    data: str = "digits",
    *,
    hidden: tuple[int, ...] = (32,),
    activation: Literal["relu", "tanh"] = "relu",
    batch: int = 32,
    train: int | None = None,
    held_out: int = 360,
    seed: int = 0,
) -> Optimizee:
    """A network of one or two hidden layers with a softmax on top, by cross entropy.

    Weights and biases start uniform within 1 / sqrt(inputs of the layer), as those of
    ``torch.nn.Linear``, which differs between seeds.

    Args:
        data: As for :func:`logistic_regression`.
        hidden: Units of each hidden layer.
        activation: ``"relu"`` or ``"tanh"``.
        batch: Examples of a step.
        train: Training examples at most; None takes all that are not held out.
        held_out: Examples for the loss and the accuracy at the end.
        seed: Chooses the split and the order of the minibatches.

    Raises:
        ValueError: If an argument has the wrong type or range.

    >>> mlp(hidden=(16, 16), activation="tanh").hidden
    (16, 16)
    """
    if len(hidden) < 1:
        raise ValueError("hidden: expected one or two layer sizes, received none")
    return Classifier(
        data=data, hidden=hidden, activation=activation, batch=batch, train=train,
        held_out=held_out, seed=seed,
    )  # fmt: skip
