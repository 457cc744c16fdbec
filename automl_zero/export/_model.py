"""Programs as models on arrays, by the functions that the exporters write."""

from __future__ import annotations

import copy
import functools
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automl_zero._config_values import choice, integer
from automl_zero.export._numba_source import to_numba_source
from automl_zero.export._numpy_source import to_numpy_source
from automl_zero.export._prepared import prepare
from automl_zero.program import Program

BACKENDS: Final = ("numba", "numpy")

_LARGEST_SEED: Final = 2**64 - 1


class ProgramModel:
    """A program that trains and predicts on arrays, and its memory.

    Made by :func:`compile_numba` or :func:`compile_numpy`. It sees one example after the
    other, in order: predict, then learn, as in a search, except that large errors do not
    stop it. Can be pickled and copied.

    Attributes:
        program: What runs: the canonical form of the program given.
        objective: ``"rms_error"`` or ``"accuracy"``.
        backend: ``"numba"`` or ``"numpy"``.
        seed: Seed of the task: keys the draws of random ops.

    >>> model = compile_numpy('''
    ... def Setup():
    ...   s2 = 0.1
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s2 * s3
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> x = np.random.default_rng(0).normal(size=(1000, 3))
    >>> model.fit(x, x @ [1.0, 2.0, 3.0]).predict([[1.0, 1.0, 1.0]]).round(6)
    array([6.])
    >>> model.memory["v"][1].round(6)
    array([1., 2., 3.])
    """

    def __init__(self, program: Program, objective: str, backend: str, seed: int) -> None:
        self.program = program
        self.objective = objective
        self.backend = backend
        self.seed = seed
        self._model = self._fresh()

    def fit(
        self, x: ArrayLike, y: ArrayLike, epochs: int = 1, order: ArrayLike | None = None
    ) -> ProgramModel:
        """Run setup on empty memory, then train.

        Args:
            x: Features ``[n, F]``.
            y: Labels ``[n]``; 0 and 1 if the objective is accuracy.
            epochs: Passes over the examples.
            order: Row numbers, ``[n]`` for every epoch or ``[epochs, n]``. None takes the
                rows as they come; a :class:`~automl_zero.tasks.Task` shuffles later epochs.

        Returns:
            Itself.

        Raises:
            ValueError: If shapes disagree or a row number is out of range.
        """
        self._model = self._fresh()
        return self.partial_fit(x, y, epochs, order)

    def partial_fit(
        self, x: ArrayLike, y: ArrayLike, epochs: int = 1, order: ArrayLike | None = None
    ) -> ProgramModel:
        """Go on training with the memory there is; arguments as :meth:`fit`."""
        self._model.partial_fit(x, y, integer("epochs", epochs, 1), order)
        return self

    def predict(self, x: ArrayLike) -> NDArray[np.float64]:
        """Predictions ``[n]`` of features ``[n, F]``; the memory stays as training left it.

        If the objective is accuracy, class 1 is a prediction above 0. A program whose predict
        function keeps something from example to example sees the rows in their order.

        Raises:
            ValueError: If nothing has been fitted or the feature count differs.
        """
        predictions: NDArray[np.float64] = self._model.predict(x)
        return predictions

    @property
    def memory(self) -> dict[str, NDArray[np.float64]]:
        """Registers by kind: ``"s"`` ``[S]``, ``"v"`` ``[V, F]``, ``"m"`` ``[M, F, F]``.

        A register that nothing reads before it is written again may hold anything.

        Raises:
            ValueError: If nothing has been fitted.
        """
        if self._model.s is None:
            raise ValueError("memory: expected a call of fit before, received none")
        return {"s": self._model.s, "v": self._model.v, "m": self._model.m}

    def on_backend(self, backend: str) -> ProgramModel:
        """The same model, with a copy of its memory, run by another backend.

        Raises:
            ValueError: If there is no such backend.
        """
        choice("backend", backend, BACKENDS)
        other = ProgramModel(self.program, self.objective, backend, self.seed)
        if self._model.s is not None:
            kept = ("s", "v", "m", "predict_step", "learn_step")
            copies = {name: copy.copy(getattr(self._model, name)) for name in kept}
            vars(other._model).update(copies)
        return other

    def _fresh(self) -> Any:
        module = _module(str(self.program), self.objective, self.backend)
        is_random = any(item.op.random for _, body in self.program.items() for item in body)
        return module["Model"](self.seed) if is_random else module["Model"]()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "program": str(self.program), "_model": dict(vars(self._model))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.program = Program.parse(state["program"])
        self._model = self._fresh()
        vars(self._model).update(state["_model"])

    def __repr__(self) -> str:
        return f"<ProgramModel {self.program!r} {self.objective} {self.backend}>"


def compile_numba(
    program: Program | str, *, objective: str = "rms_error", seed: int = 0
) -> ProgramModel:
    """A program compiled to machine code, for any number of features and examples.

    Compiling takes a second or two, at the first call, and is done once per program and
    process. Results are the reference interpreter's: additions in the same order, nothing
    reordered (no fast-math), elementary functions within a few units in the last place.

    Args:
        program: A supervised program, or its text.
        objective: ``"accuracy"`` for a classifier of two classes.
        seed: Seed of the task, 0 to 2**64 - 1: keys the draws of random ops.

    Raises:
        ValueError: If an argument is wrong.
    """
    return _compiled(program, objective, "numba", seed)


def compile_numpy(
    program: Program | str, *, objective: str = "rms_error", seed: int = 0
) -> ProgramModel:
    """The same without compiling: for few examples. Arguments as :func:`compile_numba`."""
    return _compiled(program, objective, "numpy", seed)


def _compiled(program: Program | str, objective: str, backend: str, seed: int) -> ProgramModel:
    integer("seed", seed, 0, _LARGEST_SEED)
    choice("backend", backend, BACKENDS)
    return ProgramModel(prepare(program, objective, True).program, objective, backend, seed)


@functools.lru_cache(maxsize=64)
def _module(text: str, objective: str, backend: str) -> dict[str, Any]:
    """Names of the exported module of a program.

    The source that runs is written by this package out of a checked program: op table text,
    register numbers and numbers.
    """
    write = to_numba_source if backend == "numba" else to_numpy_source
    source = write(text, objective=objective)
    names: dict[str, Any] = {"__name__": f"automl_zero.export.{backend}_program"}
    exec(compile(source, f"<{backend} program>", "exec"), names)
    return names
