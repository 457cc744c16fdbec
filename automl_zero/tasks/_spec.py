"""A set of tasks as plain configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from automl_zero.streams import stream_key
from automl_zero.tasks import _checks
from automl_zero.tasks._dataset import DataSet
from automl_zero.tasks._projected_binary import (
    HELD_OUT_PAIRS,
    PAIR_CHOICES,
    ROW_CHOICES,
    projected_binary_tasks,
)
from automl_zero.tasks._regression import (
    DEFAULT_DATA_SEEDS,
    DEFAULT_PARAM_SEEDS,
    REGRESSION_KINDS,
    check_shape,
    listed_seeds,
    regression_tasks,
)
from automl_zero.tasks._sources import load_data
from automl_zero.tasks._task import MAX_FEATURES, Task

TASK_KINDS: Final = (*REGRESSION_KINDS, "projected_binary")

_SHARED: Final = ("kind", "count", "features", "train", "valid", "epochs", "seed")
_REGRESSION_ONLY: Final = ("labels", "randomize_seeds", "data_seeds", "param_seeds")
_PROJECTED_ONLY: Final = (
    "data",
    "label",
    "header",
    "pairs",
    "held_out_pairs",
    "projection",
    "swapped_twins",
    "valid_from",
    "test_fraction",
)


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """Everything needed to make a set of tasks, as plain values; checked at once.

    A search has three: the tasks it evolves on, those it selects the best program by,
    and the final ones that nothing was chosen by.

    Args:
        kind: One of :data:`TASK_KINDS`.
        count: Number of tasks; 10 as in the published demo.
        features: Feature count F. None stands for 4 (regression), 16 (projected), or all
            raw features (without projection).
        train: Training examples per task.
        valid: Validation examples per task.
        epochs: Passes over the training examples.
        seed: Fixes the set: used instead of the seed that :meth:`make` is given.
        labels: Regression only: ``"real"`` or ``"binary"``.
        randomize_seeds: Regression only: draw all task seeds from the set's seed. False
            takes them from the lists below. None: False if a list is given, else True.
        data_seeds: Regression only: seeds of the features; None for the published ones.
        param_seeds: Regression only: seeds of the weights; None for the published ones.
        data: ``"projected_binary"`` only, like all that follow: what :func:`load_data`
            takes, or several of it, from which the tasks come in turn: a program that suits
            two data sets is less likely to be a habit of one. Paths are relative to the
            working directory.
        label: Label column of a table, by name or position; None for the last.
        header: Whether the first line of a CSV file holds names; None finds out.
        pairs: ``"search"``, ``"held_out"`` or pairs of labels.
        held_out_pairs: Pairs of labels that ``"search"`` leaves out.
        projection: False keeps the raw features, standardised.
        swapped_twins: Every second task is the one before with its labels swapped, so that
            only programs that learn from labels can score above 0.5.
        valid_from: ``"test"`` validates on the test examples of the data.
        test_fraction: Share of each class set apart as test examples, the same ones for
            every set with the same share. 0 for none. Data that bring test examples of
            their own keep those instead.

    Raises:
        ValueError: If a value is out of bounds or does not apply to the kind.

    >>> spec = TaskSpec.from_data({"kind": "affine", "count": 3, "features": 8})
    >>> [task.train_x.shape for task in spec.make(seed=1)]
    [(100, 8), (100, 8), (100, 8)]
    >>> TaskSpec.from_data({"kind": "linear", "trian": 50})
    Traceback (most recent call last):
    ValueError: trian: expected a key of a task set, received 'trian' (did you mean 'train'?)
    """

    kind: str
    count: int = 10
    features: int | None = None
    train: int = 100
    valid: int = 100
    epochs: int = 1
    seed: int | None = None
    labels: str = "real"
    randomize_seeds: bool | None = None
    data_seeds: tuple[int, ...] | None = None
    param_seeds: tuple[int, ...] | None = None
    data: str | tuple[str, ...] = "digits"
    label: str | int | None = None
    header: bool | None = None
    pairs: str | tuple[tuple[str | int, str | int], ...] = "search"
    held_out_pairs: tuple[tuple[str | int, str | int], ...] = HELD_OUT_PAIRS
    projection: bool = True
    swapped_twins: bool = False
    valid_from: str = "train"
    test_fraction: float = 0.0

    def __post_init__(self) -> None:
        _checks.choice("kind", self.kind, TASK_KINDS)
        for name in ("data_seeds", "param_seeds", "data", "pairs", "held_out_pairs"):
            object.__setattr__(self, name, _as_tuples(getattr(self, name)))
        foreign = _PROJECTED_ONLY if self._is_regression else _REGRESSION_ONLY
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in foreign and value != field.default:
                raise ValueError(
                    f"{field.name}: expected none for tasks of kind {self.kind}, received {value!r}"
                )
        _checks.integer("count", self.count)
        if self.seed is not None:
            _checks.seed("seed", self.seed)
        if self._is_regression:
            self._check_regression()
        else:
            self._check_projected()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> TaskSpec:
        """A spec from plain data: a mapping such as a table of a TOML file.

        Raises:
            ValueError: If a key is unknown (the message names the nearest right one),
                ``kind`` is missing, or a value is wrong.
        """
        if not isinstance(data, Mapping):
            raise ValueError(f"task set: expected a table of keys, received {data!r}")
        known = [field.name for field in fields(cls)]
        for key in data:
            if key not in known:
                raise ValueError(
                    f"{key}: expected a key of a task set, "
                    f"received {key!r}{_checks.nearest(key, known)}"
                )
        if "kind" not in data:
            raise ValueError(f"kind: expected one of {', '.join(TASK_KINDS)}, received none")
        return cls(**data)

    def to_data(self) -> dict[str, Any]:
        """The keys that apply to this kind as plain data, lists for tuples, None left out.

        ``TaskSpec.from_data(spec.to_data()) == spec``.

        >>> TaskSpec(kind="linear", seed=3).to_data()["seed"]
        3
        """
        names = (*_SHARED, *(_REGRESSION_ONLY if self._is_regression else _PROJECTED_ONLY))
        values = {name: _as_lists(getattr(self, name)) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    def make(self, seed: int = 0, data: Sequence[DataSet] | DataSet | None = None) -> list[Task]:
        """The tasks.

        Args:
            seed: Draws the set, unless the spec fixes it. Search, selection and final
                tasks need different seeds, e.g. ``stream_key(run_seed, "search_tasks")``.
            data: What :meth:`load_data` has read before: one data set for each of
                :attr:`sources`.

        Raises:
            ValueError: As :func:`regression_tasks`, :func:`projected_binary_tasks` and
                :func:`load_data`.
            FileNotFoundError: If the data file does not exist.
        """
        _checks.seed("seed", seed)
        chosen = seed if self.seed is None else self.seed
        shape = {
            "count": self.count,
            "features": self.features,
            "train": self.train,
            "valid": self.valid,
            "epochs": self.epochs,
        }
        if self._is_regression:
            return regression_tasks(
                self.kind,  # type: ignore[arg-type]
                **shape,  # type: ignore[arg-type]
                data_seeds=self.data_seeds,
                param_seeds=self.param_seeds,
                seed=chosen if self.randomize_seeds else None,
                labels=self.labels,  # type: ignore[arg-type]
            )
        if data is None:
            data = [self.load_data(index) for index in range(len(self.sources))]
        elif isinstance(data, DataSet):
            data = [data]
        if len(data) != len(self.sources):
            raise ValueError(
                f"data: expected {len(self.sources)} data sets, one for each source, "
                f"received {len(data)}"
            )
        sets = []
        for index, item in enumerate(data):
            shape["count"] = len(range(index, self.count, len(data)))
            sets.append(
                projected_binary_tasks(
                    item,
                    **shape,  # type: ignore[arg-type]
                    # Equal seeds would pair, split and project all sources alike.
                    seed=chosen if len(data) == 1 else stream_key(chosen, "source", index),
                    pairs=self.pairs,  # type: ignore[arg-type]
                    held_out_pairs=self.held_out_pairs,
                    projection=self.projection,
                    swapped_twins=self.swapped_twins,
                    valid_from=self.valid_from,  # type: ignore[arg-type]
                )
            )
        return [sets[place % len(sets)][place // len(sets)] for place in range(self.count)]

    @property
    def sources(self) -> tuple[str, ...]:
        """The names or paths in ``data``; none for regression.

        >>> TaskSpec(kind="projected_binary", data=["digits", "sklearn:wine"]).sources
        ('digits', 'sklearn:wine')
        """
        if self._is_regression:
            return ()
        return (self.data,) if isinstance(self.data, str) else self.data

    def load_data(self, source: int = 0) -> DataSet:
        """The data of a projected spec, with its test examples set apart.

        Args:
            source: Which of :attr:`sources`, by position.

        Raises:
            ValueError: As :func:`automl_zero.tasks.load_data`; also if the kind has no data.
            FileNotFoundError: If the file does not exist.
        """
        if self._is_regression:
            raise ValueError(
                f"kind: expected 'projected_binary' to load data, received {self.kind!r}"
            )
        if not 0 <= source < len(self.sources):
            raise ValueError(
                f"source: expected a position below {len(self.sources)}, received {source!r}"
            )
        data = load_data(self.sources[source], label=self.label, header=self.header)
        if not self.test_fraction or data.is_test.any():
            return data
        return data.with_test_rows(self.test_fraction)

    @property
    def _is_regression(self) -> bool:
        return self.kind in REGRESSION_KINDS

    def _check_regression(self) -> None:
        if self.features is None:
            object.__setattr__(self, "features", 4)
        features: Any = self.features
        check_shape(self.kind, features, self.train, self.valid, self.epochs, self.labels)
        has_list = self.data_seeds is not None or self.param_seeds is not None
        if self.randomize_seeds is None:
            object.__setattr__(self, "randomize_seeds", not has_list)
        elif not isinstance(self.randomize_seeds, bool):
            raise ValueError(
                f"randomize_seeds: expected true or false, received {self.randomize_seeds!r}"
            )
        if self.randomize_seeds and has_list:
            raise ValueError(
                "randomize_seeds: expected false, as data_seeds or param_seeds are listed, "
                "received true"
            )
        if not self.randomize_seeds and self.seed is not None:
            raise ValueError(
                f"seed: expected none, as randomize_seeds is false, received {self.seed}"
            )
        listed_seeds("data_seeds", self.data_seeds, DEFAULT_DATA_SEEDS, self.count)
        listed_seeds("param_seeds", self.param_seeds, DEFAULT_PARAM_SEEDS, self.count)

    def _check_projected(self) -> None:
        for name in ("train", "valid"):
            _checks.integer(name, getattr(self, name), 2)
        _checks.integer("epochs", self.epochs)
        if not isinstance(self.projection, bool):
            raise ValueError(f"projection: expected true or false, received {self.projection!r}")
        if not isinstance(self.swapped_twins, bool):
            raise ValueError(
                f"swapped_twins: expected true or false, received {self.swapped_twins!r}"
            )
        if self.features is not None:
            _checks.integer("features", self.features, 1, MAX_FEATURES)
        elif self.projection:
            object.__setattr__(self, "features", 16)
        names = (self.data,) if isinstance(self.data, str) else self.data
        if not (isinstance(names, tuple) and names and all(isinstance(it, str) for it in names)):
            raise ValueError(
                "data: expected a name or path, or a list of them, "
                f"received {_as_lists(self.data)!r}"
            )
        if self.count < len(names):
            raise ValueError(
                f"count: expected at least {len(names)}, a task from each of data, "
                f"received {self.count}"
            )
        _checks.choice("valid_from", self.valid_from, ROW_CHOICES)
        share = self.test_fraction
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise ValueError(
                f"test_fraction: expected a number from 0 to below 1, received {share!r}"
            )
        if isinstance(self.pairs, str):
            _checks.choice("pairs", self.pairs, PAIR_CHOICES)
        else:
            _check_pairs("pairs", self.pairs)
        _check_pairs("held_out_pairs", self.held_out_pairs)


def _check_pairs(name: str, pairs: Any) -> None:
    """Shape only: whether the labels exist is known once the data are read."""
    is_right = isinstance(pairs, tuple) and all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and all(isinstance(label, str | int) and not isinstance(label, bool) for label in pair)
        for pair in pairs
    )
    if not is_right:
        raise ValueError(
            f"{name}: expected a list of pairs of labels, received {_as_lists(pairs)!r}"
        )


def _as_tuples(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return tuple(_as_tuples(item) for item in value)


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value
