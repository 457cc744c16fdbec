"""An unrolled solver as a scikit-learn transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from automl_zero._config_values import choice
from l2o.unrolled._files import SOLVERS, load_solver, save_solver
from l2o.unrolled._problems import SparseCoding
from l2o.unrolled._training import train_layerwise

_PRIOR: Final = 0.1


class UnrolledCoder(TransformerMixin, BaseEstimator):
    """Sparse codes of samples for a fixed dictionary, as ``sklearn.decomposition.SparseCoder``.

    ``fit`` trains the solver on problems drawn for the dictionary: it looks at the samples'
    number of features only. The atoms must have length 1, codes be of about size 1.

    Args:
        dictionary: Atoms in rows, ``(n_components, n_features)``, as in scikit-learn.
        solver: Name of a solver class.
        layers: How many.
        density: Part of the codes that is not zero.
        snr_db: Signal to noise of the samples in dB, None without noise.
        iterations: The most of each training phase.
        random_state: Seed of the training.

    Attributes:
        solver_: The trained module.
        n_features_in_: Features of a sample.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> atoms = rng.standard_normal((30, 15))
        >>> atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        >>> coder = UnrolledCoder(atoms, layers=2, iterations=5)
        >>> coder.fit_transform(atoms[:4]).shape
        (4, 30)
    """

    def __init__(
        self,
        dictionary: ArrayLike,
        *,
        solver: str = "ALISTA",
        layers: int = 16,
        density: float = _PRIOR,
        snr_db: float | None = None,
        iterations: int = 300,
        random_state: int = 0,
    ) -> None:
        self.dictionary = dictionary
        self.solver = solver
        self.layers = layers
        self.density = density
        self.snr_db = snr_db
        self.iterations = iterations
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> UnrolledCoder:  # noqa: N803
        """Train the solver.

        Args:
            X: Samples, ``(n_samples, n_features)``.
            y: Not used.

        Raises:
            ValueError: If an argument is wrong, or atoms do not have length 1.
        """
        atoms = np.asarray(self.dictionary, dtype=np.float64)
        samples = validate_data(self, X)
        if atoms.ndim != 2 or atoms.shape[1] != samples.shape[1]:
            raise ValueError(
                f"dictionary: expected {samples.shape[1]} features in each atom, "
                f"received the shape {list(atoms.shape)}"
            )
        lengths = np.linalg.norm(atoms, axis=1)
        if not np.allclose(lengths, 1.0, atol=1e-4):
            raise ValueError(
                f"dictionary: expected atoms of length 1, received {lengths.min():.4g} to "
                f"{lengths.max():.4g}"
            )
        kind = SOLVERS[choice("solver", self.solver, SOLVERS)]
        problem = SparseCoding(
            atoms.shape[1],
            atoms.shape[0],
            density=self.density,
            snr_db=self.snr_db,
            seed=self.random_state,
            dictionary=torch.from_numpy(atoms.T.copy()),
        )
        extra: dict[str, Any] = {}
        if self.solver == "TISTA":
            extra = {"density": self.density, "noise_std": problem.noise_std}
        self.solver_ = kind(problem.dictionary, self.layers, **extra)
        rate = 0.05 if self.solver in ("ALISTA", "TISTA") else 0.01
        train_layerwise(
            self.solver_,
            problem,
            iterations=self.iterations,
            scalar_lr=rate,
            validate_every=50,
            seed=self.random_state,
        )
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Codes of samples, ``(n_samples, n_components)``."""
        check_is_fitted(self)
        samples = validate_data(self, X, reset=False)
        y = torch.as_tensor(samples, dtype=self.solver_.dictionary.dtype)
        with torch.no_grad():
            return self.solver_(y)[-1].double().numpy()

    def save(self, path: str | Path) -> None:
        """Write the trained solver to a safetensors file."""
        check_is_fitted(self)
        save_solver(path, self.solver_)

    @classmethod
    def load(cls, path: str | Path) -> UnrolledCoder:
        """A fitted coder from a file of :meth:`save` or ``save_solver``.

        Raises:
            ValueError: If the file is damaged or foreign.
        """
        solver = load_solver(path)
        atoms = solver.dictionary.T.double().numpy()
        coder = cls(atoms, solver=type(solver).__name__, layers=solver.layers)
        coder.solver_ = solver
        coder.n_features_in_ = atoms.shape[1]
        return coder
