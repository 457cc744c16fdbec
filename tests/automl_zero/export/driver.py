"""Programs run by the reference interpreter the way a model trains and predicts."""

from __future__ import annotations

import numpy as np

from automl_zero.liveness import FEATURES, LABEL, PREDICTION, random_ordinals
from automl_zero.program import Program
from automl_zero.reference import Memory, run_component, sigmoid


class ReferenceModel:
    """``fit`` and ``predict`` as exported models have them, by the reference interpreter."""

    def __init__(self, program: Program, objective: str = "rms_error", seed: int = 0) -> None:
        self.program = program
        self.squashes = objective == "accuracy"
        self.seed = seed
        self.ordinals = random_ordinals(program)

    def fit(self, x, y, epochs=1):
        self.cells = Memory(self.program.required_memory(), x.shape[1])
        self.step = 0
        self._run("setup", 0)
        for _ in range(epochs):
            for features, label in zip(x, y, strict=True):
                self._fill(features, 0.0)
                self._run("predict", self.step)
                if self.squashes:
                    with np.errstate(all="ignore"):
                        self.cells[PREDICTION] = sigmoid(self.cells[PREDICTION])
                self._fill(features, label)
                self._run("learn", self.step)
                self.step += 1
        return self

    def predict(self, x):
        """Goes on from the memory; may be called once."""
        predictions = []
        for row, features in enumerate(x):
            self._fill(features, 0.0)
            self._run("predict", self.step + row)
            predictions.append(float(self.cells[PREDICTION]))
        return np.array(predictions)

    def _fill(self, features, label):
        self.cells[FEATURES] = features
        self.cells[LABEL] = label

    def _run(self, component, step):
        run_component(
            self.program, component, self.cells, seed=self.seed, step=step,
            ordinals=self.ordinals[component],
        )  # fmt: skip


def same(found, expected, rtol=0.0):
    """Equal, NaN as NaN, infinities and (if rtol is 0) the sign of zero too."""
    if rtol == 0.0:
        nan = np.isnan(found) & np.isnan(expected)
        return bool((nan | (found.view(np.int64) == expected.view(np.int64))).all())
    return bool(np.allclose(found, expected, rtol=rtol, atol=1e-300, equal_nan=True))
