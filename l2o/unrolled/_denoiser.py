"""A small DnCNN whose residual has a known Lipschitz constant."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number
from automl_zero.streams import stream_key


class Denoiser(nn.Module):
    """``H(x) = x - R(x)``, R a small DnCNN (Zhang et al. 2017) of bounded Lipschitz constant.

    Real spectral normalisation (Ryu et al. 2019, section 4): the norm of a convolution as an
    operator on images, not that of its reshaped weights. Padding is circular, so the operator is
    diagonal in blocks after a Fourier transform, and its norm is exact: the largest singular
    value over all frequencies. Every layer is scaled to at most ``ε^(1/layers)``.

    Args:
        shape: Height and width of the images.
        epsilon: Bound of R's Lipschitz constant. Smaller asks less of the data's weight in
            plug-and-play ADMM, larger denoises better.
        layers: Convolutions.
        width: Channels between them.
        seed: Of the initial weights.

    Raises:
        ValueError: If an argument is out of its range.

    Example:
        >>> denoiser = Denoiser((8, 8), epsilon=0.5)
        >>> denoiser.lipschitz() <= 0.5 + 1e-5
        True
    """

    def __init__(
        self,
        shape: tuple[int, int],
        *,
        epsilon: float = 0.8,
        layers: int = 4,
        width: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = (integer("shape[0]", shape[0], 3), integer("shape[1]", shape[1], 3))
        self.epsilon = number("epsilon", epsilon, 1e-6, 1.0)
        integer("layers", layers, 2)
        integer("width", width, 1)
        generator = torch.Generator().manual_seed(stream_key(seed, "unrolled-denoiser"))
        sizes = [1] + [width] * (layers - 1) + [1]
        self.weights = nn.ParameterList()
        for before, after in zip(sizes, sizes[1:], strict=False):
            scale = (2 / (9 * before)) ** 0.5
            start = torch.randn(after, before, 3, 3, generator=generator) * scale
            self.weights.append(nn.Parameter(start))

    def forward(self, images: Tensor) -> Tensor:
        """Denoise images, ``(batch, height, width)``."""
        if images.ndim != 3 or tuple(images.shape[1:]) != self.shape:
            raise ValueError(
                f"images: expected the shape (batch, {self.shape[0]}, {self.shape[1]}), "
                f"received {list(images.shape)}"
            )
        return images - self.residual(images, self.normalised())

    def normalised(self) -> list[Tensor]:
        """Weights of the layers, each with an operator norm of at most ``ε^(1/layers)``."""
        limit = self.epsilon ** (1 / len(self.weights))
        return [
            weight * (limit / convolution_norm(weight, self.shape)).clamp_max(1)
            for weight in self.weights
        ]

    def residual(self, images: Tensor, weights: list[Tensor]) -> Tensor:
        """R, the noise in images, for weights of :meth:`normalised`."""
        values = images[:, None]
        for place, weight in enumerate(weights):
            values = nn.functional.pad(values, (1, 1, 1, 1), mode="circular")
            values = nn.functional.conv2d(values, weight)
            if place < len(weights) - 1:
                values = values.relu()
        return values[:, 0]

    def lipschitz(self) -> float:
        """Bound of the Lipschitz constant of R: the product of its layers' norms."""
        with torch.no_grad():
            norms = [convolution_norm(weight, self.shape) for weight in self.normalised()]
            return float(torch.stack(norms).double().prod())


def convolution_norm(weight: Tensor, shape: tuple[int, int]) -> Tensor:
    """Operator norm of a circular convolution on images of a shape (Sedghi et al. 2019).

    Args:
        weight: ``(out, in, kernel, kernel)``.
        shape: Height and width of the images.
    """
    blocks = torch.fft.fft2(weight, s=shape).permute(2, 3, 0, 1)
    norm: Tensor = torch.linalg.matrix_norm(blocks, 2).max()
    return norm


def train_denoiser(
    denoiser: Denoiser,
    images: Tensor,
    *,
    noise_std: float = 0.1,
    iterations: int = 500,
    batch_size: int = 64,
    lr: float = 3e-3,
    seed: int = 0,
) -> list[float]:
    """Train to remove Gaussian noise, in place.

    Args:
        denoiser: What to train.
        images: Clean ones, ``(count, height, width)``, of values in about [0, 1].
        noise_std: Standard deviation of the noise.
        iterations: Steps of Adam.
        batch_size: Images of a step.
        lr: Rate of Adam.
        seed: Of batches and noise.

    Returns:
        Mean squared error of every step.

    Raises:
        ValueError: If an argument is wrong, or training diverges.

    Example:
        >>> denoiser = Denoiser((8, 8), width=4)
        >>> len(train_denoiser(denoiser, torch.rand(10, 8, 8), iterations=3))
        3
    """
    number("noise_std", noise_std, 0.0)
    number("lr", lr, 0.0)
    integer("batch_size", batch_size, 1)
    key = stream_key(seed, "unrolled-denoiser-training")
    generator = torch.Generator().manual_seed(key)
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=lr)
    losses = []
    for _ in range(integer("iterations", iterations, 1)):
        clean = images[torch.randint(len(images), (batch_size,), generator=generator)]
        noise = noise_std * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
        optimizer.zero_grad()
        loss = (denoiser(clean + noise) - clean).square().mean()
        if not bool(loss.isfinite()):
            raise ValueError(f"lr: expected one at which training converges, received {lr}")
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
