"""Plug-and-play ADMM: a denoiser where a penalty would stand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from automl_zero._config_values import boolean, integer, number
from l2o.unrolled._denoiser import Denoiser


@dataclass(frozen=True, slots=True)
class PlugAndPlayResult:
    """What :class:`PlugAndPlayADMM` reached.

    Args:
        images: ``(batch, height, width)``.
        changes: Distance of the iterates of each two iterations, root mean square over all
            pixels, ``(iterations,)``.
    """

    images: Tensor
    changes: Tensor


class PlugAndPlayADMM:
    """Recover images from ``b = K x + noise`` (Venkatakrishnan et al. 2013; Ryu et al. 2019).

    ``x ← H(z - u)``, ``z ← argmin α|K z - b|²/2 + |z - x - u|²/2``, ``u ← u + x - z``. It
    converges if ``|K z - b|²/2`` is μ-strongly convex, ``H - I`` has a Lipschitz constant ε < 1
    and ``α > ε / ((1 + ε - 2ε²) μ)`` (Ryu et al. 2019, theorem 2). μ is the smallest eigenvalue of
    KᵀK, ε is the bound of the denoiser's layers. With fewer measurements than pixels μ is 0, and
    nothing is guaranteed.

    Args:
        operator: K, ``(measurements, height width)``.
        denoiser: Trained; used as it is at this moment.
        alpha: Weight of the data; None takes 1.1 times the bound.
        check: Refuse an alpha for which convergence is not guaranteed.

    Raises:
        ValueError: If the condition does not hold and ``check`` is true.

    Example:
        >>> admm = PlugAndPlayADMM(torch.eye(64), Denoiser((8, 8), epsilon=0.5))
        >>> round(admm.least_alpha, 2)
        0.5
        >>> admm.solve(torch.rand(2, 64), iterations=3).images.shape
        torch.Size([2, 8, 8])
    """

    def __init__(
        self,
        operator: Tensor,
        denoiser: Denoiser,
        *,
        alpha: float | None = None,
        check: bool = True,
    ) -> None:
        pixels = denoiser.shape[0] * denoiser.shape[1]
        if operator.ndim != 2 or operator.shape[1] != pixels:
            raise ValueError(
                f"operator: expected the shape (measurements, {pixels}), "
                f"received {list(operator.shape)}"
            )
        gram = operator.double().T @ operator.double()
        values = torch.linalg.eigvalsh(gram)
        # Below the rounding of the eigenvalues it is zero.
        strong = float(values[0]) if float(values[0]) > 1e-12 * float(values[-1]) else 0.0
        epsilon = denoiser.lipschitz()
        #: The bound that alpha must be above; inf if no alpha is.
        self.least_alpha = float("inf")
        if strong > 0 and epsilon < 1:
            self.least_alpha = epsilon / ((1 + epsilon - 2 * epsilon**2) * strong)
        if alpha is None:
            if self.least_alpha == float("inf"):
                raise ValueError(
                    f"alpha: expected a number where convergence is not guaranteed (strong "
                    f"convexity {strong:.3g}, Lipschitz constant {epsilon:.3g}), received None"
                )
            alpha = 1.1 * self.least_alpha
        self.alpha = number("alpha", alpha, 1e-12)
        #: Whether the theorem's condition holds.
        self.guaranteed = self.alpha > self.least_alpha
        if boolean("check", check) and not self.guaranteed:
            raise ValueError(
                f"alpha: expected a number > {self.least_alpha:.4g} (strong convexity "
                f"{strong:.3g}, Lipschitz constant {epsilon:.3g}), received {alpha}"
            )
        self._denoiser = denoiser
        self._data = self.alpha * operator.double().T
        system = self.alpha * gram + torch.eye(pixels, dtype=torch.float64)
        self._factor = torch.linalg.cholesky(system)

    def solve(self, measurements: Tensor, *, iterations: int = 200) -> PlugAndPlayResult:
        """Recover images from measurements, ``(batch, measurements)``."""
        integer("iterations", iterations, 1)
        if measurements.ndim != 2 or measurements.shape[1] != self._data.shape[1]:
            raise ValueError(
                f"measurements: expected the shape (batch, {self._data.shape[1]}), "
                f"received {list(measurements.shape)}"
            )
        shape = (len(measurements), *self._denoiser.shape)
        data = self._data @ measurements.double().T
        with torch.no_grad():
            weights = [weight.double() for weight in self._denoiser.normalised()]
            z = torch.cholesky_solve(data, self._factor).T
            u, x = torch.zeros_like(z), z
            changes = []
            for _ in range(iterations):
                before, noisy = x, z - u
                found = self._denoiser.residual(noisy.reshape(shape), weights)
                x = noisy - found.reshape(len(noisy), -1)
                z = torch.cholesky_solve(data + (x + u).T, self._factor).T
                u = u + x - z
                changes.append((x - before).square().mean().sqrt())
        images = x.reshape(shape).to(measurements.dtype)
        return PlugAndPlayResult(images, torch.stack(changes))


def blur_operator(kernel: Tensor, shape: tuple[int, int]) -> Tensor:
    """Circular blur as a matrix, ``(height width, height width)``.

    Args:
        kernel: Odd height and width, of the centre pixel's neighbourhood.
        shape: Height and width of the images.

    Raises:
        ValueError: If the kernel's sizes are not odd.

    Example:
        >>> blur_operator(torch.tensor([[1.0]]), (2, 2)).equal(torch.eye(4))
        True
    """
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise ValueError(f"kernel: expected odd sizes, received the shape {list(kernel.shape)}")
    pixels = shape[0] * shape[1]
    unit = torch.eye(pixels, dtype=kernel.dtype).reshape(pixels, *shape)
    blurred = torch.zeros_like(unit)
    middle = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            move = (row - middle[0], column - middle[1])
            blurred += kernel[row, column] * unit.roll(move, (1, 2))
    return blurred.reshape(pixels, pixels).T.contiguous()
