"""Sparse codes to recover: problems with known answers, fresh from a seed."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key


class SparseCoding:
    """Measurements ``y = A x + noise`` of sparse codes x, as in Chen et al. 2018, section 4.1.

    The dictionary A has Gaussian entries and columns of length 1. An entry of x is not zero with
    probability ``density``, and then standard normal.

    Args:
        measurements: Rows of A, m.
        codes: Columns of A, n.
        density: 0.1 in the papers.
        snr_db: Power of A x over that of the noise in dB; None is without noise.
        seed: Of the dictionary and the codes.
        dtype: Of everything drawn. An NMSE of -75 dB is far above the rounding of float32.
        dictionary: A given one, ``(m, n)`` with columns of length 1, instead of a drawn one.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> problem = SparseCoding(20, 40, seed=3)
        >>> y, x = problem.sample(5, "test")
        >>> y.shape, x.shape
        (torch.Size([5, 20]), torch.Size([5, 40]))
        >>> bool(torch.allclose(y, x @ problem.dictionary.T, atol=1e-5))
        True
    """

    def __init__(
        self,
        measurements: int = 256,
        codes: int = 512,
        *,
        density: float = 0.1,
        snr_db: float | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        dictionary: Tensor | None = None,
    ) -> None:
        integer("measurements", measurements, 1)
        integer("codes", codes, 1)
        self.density = number("density", density, 1e-6, 1.0)
        self.snr_db = None if snr_db is None else number("snr_db", snr_db, -100.0, 300.0)
        self.seed = integer("seed", seed, -(1 << 63), (1 << 64) - 1)
        self.dtype = dtype
        if dictionary is None:
            generator = torch.Generator().manual_seed(stream_key(seed, "unrolled-dictionary"))
            entries = torch.randn(measurements, codes, dtype=torch.float64, generator=generator)
        else:
            entries = dictionary.double()
            if entries.shape != (measurements, codes):
                raise ValueError(
                    f"dictionary: expected the shape {[measurements, codes]}, "
                    f"received {list(entries.shape)}"
                )
        #: A, ``(m, n)``.
        self.dictionary = (entries / entries.norm(dim=0)).to(dtype)
        #: Standard deviation of the noise of a measurement.
        self.noise_std = 0.0
        if self.snr_db is not None:
            power = self.density * codes / measurements  # of an entry of A x: the columns are 1
            self.noise_std = math.sqrt(power * 10 ** (-self.snr_db / 10))

    def sample(self, count: int, *key: int | str) -> tuple[Tensor, Tensor]:
        """Draw problems: measurements ``(count, m)`` and codes ``(count, n)``.

        Args:
            count: How many.
            *key: Names of the draw: the same ones with the same seed give the same problems.
        """
        integer("count", count, 1)
        (m, n), dtype = self.dictionary.shape, self.dtype
        generator = torch.Generator().manual_seed(stream_key(self.seed, "unrolled-codes", *key))
        chosen = torch.rand(count, n, generator=generator, dtype=dtype) < self.density
        codes = torch.randn(count, n, generator=generator, dtype=dtype) * chosen
        measurements = codes @ self.dictionary.T
        if self.noise_std > 0.0:
            noise = torch.randn(count, m, generator=generator, dtype=dtype)
            measurements = measurements + self.noise_std * noise
        return measurements, codes

    def settings(self) -> dict[str, Any]:
        """What makes the problem, as plain data."""
        return {
            "measurements": self.dictionary.shape[0],
            "codes": self.dictionary.shape[1],
            "density": self.density,
            "snr_db": self.snr_db,
            "seed": self.seed,
            "dtype": str(self.dtype),
        }


def nmse_db(estimates: Tensor, codes: Tensor) -> float:
    """Normalised mean squared error in dB: 10 log10(E|x̂ - x|² / E|x|²).

    Args:
        estimates: ``(count, n)``.
        codes: The true ones, ``(count, n)``.

    Raises:
        ValueError: If the shapes differ or the true codes are all zero.
    """
    if estimates.shape != codes.shape:
        raise ValueError(
            f"estimates: expected the shape {list(codes.shape)}, received {list(estimates.shape)}"
        )
    power = float(codes.double().square().sum())
    if power == 0.0:
        raise ValueError("codes: expected codes that are not all zero")
    error = float((estimates.double() - codes.double()).square().sum())
    return 10 * math.log10(error / power) if error > 0 else (-math.inf if error == 0 else math.nan)
