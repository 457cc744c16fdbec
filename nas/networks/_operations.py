"""Candidate operations of cells: what stands on the edges of a network found by search.

This module needs PyTorch alone: :func:`nas.networks.export_source` copies classes from it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn


class Zero(nn.Module):
    """No connection: zeros, of a ``stride`` times smaller image."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Times 0, so that gradients are zeros and not missing.
        y = x[:, :, :: self.stride, :: self.stride] * 0.0
        if self.in_channels == self.out_channels:
            return y
        return y[:, :1].expand(-1, self.out_channels, -1, -1)


class ReluConvBN(nn.Sequential):
    """ReLU, convolution, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class FactorizedReduce(nn.Module):
    """Half the size by two 1x1 convolutions, one of them shifted by a pixel: no pixel is lost.

    Images of an odd size are padded with a row and column of zeros for the shifted one.
    """

    def __init__(self, in_channels: int, out_channels: int, affine: bool = True) -> None:
        super().__init__()
        half = out_channels // 2
        self.relu = nn.ReLU()
        self.conv_1 = nn.Conv2d(in_channels, half, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(in_channels, out_channels - half, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(x)
        shifted = nn.functional.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2))[:, :, 1:, 1:]
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], 1))


class SepConv(nn.Sequential):
    """Depthwise separable convolution, twice, each after a ReLU; the first has the stride."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        pad = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                in_channels, in_channels, kernel, stride, pad, groups=in_channels, bias=False
            ),
            nn.Conv2d(in_channels, in_channels, 1, bias=False),
            nn.BatchNorm2d(in_channels, affine=affine),
            nn.ReLU(),
            nn.Conv2d(in_channels, in_channels, kernel, 1, pad, groups=in_channels, bias=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class DilConv(nn.Sequential):
    """Depthwise separable convolution with dilation 2, after a ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                in_channels, in_channels, kernel, stride, kernel - 1, dilation=2,
                groups=in_channels, bias=False,
            ),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )  # fmt: skip


class FactorizedConv(nn.Sequential):
    """A 1xk convolution, then a kx1 one: a large window at a small price."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        pad = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, (1, kernel), (1, stride), (0, pad), bias=False),
            nn.Conv2d(out_channels, out_channels, (kernel, 1), (stride, 1), (pad, 0), bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class AvgPool(nn.Sequential):
    """Average of a window; a 1x1 convolution before it where channels change."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        before = []
        if in_channels != out_channels:
            before = [ReluConvBN(in_channels, out_channels, 1, affine=affine)]
        # The border's zeros do not count, as in all published cell networks.
        pool = nn.AvgPool2d(kernel, stride, kernel // 2, count_include_pad=False)
        super().__init__(*before, pool)


class MaxPool(nn.Sequential):
    """Maximum of a window; a 1x1 convolution before it where channels change."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, affine: bool = True
    ) -> None:
        before = []
        if in_channels != out_channels:
            before = [ReluConvBN(in_channels, out_channels, 1, affine=affine)]
        super().__init__(*before, nn.MaxPool2d(kernel, stride, kernel // 2))


SIZED: Final[dict[str, tuple[type[nn.Module], int]]] = {
    "nor_conv_1x1": (ReluConvBN, 1),
    "nor_conv_3x3": (ReluConvBN, 3),
    "conv_3x1_1x3": (FactorizedConv, 3),
    "conv_7x1_1x7": (FactorizedConv, 7),
    "avg_pool_3x3": (AvgPool, 3),
    "max_pool_3x3": (MaxPool, 3),
    "max_pool_5x5": (MaxPool, 5),
    "max_pool_7x7": (MaxPool, 7),
    "sep_conv_3x3": (SepConv, 3),
    "sep_conv_5x5": (SepConv, 5),
    "sep_conv_7x7": (SepConv, 7),
    "dil_conv_3x3": (DilConv, 3),
    "dil_conv_5x5": (DilConv, 5),
}
"""Operations that look at a window: class and size."""

OPERATIONS: Final = ("none", "skip_connect", *SIZED)
"""Every operation, by the name it has in the literature."""


def operation(
    name: str, in_channels: int, out_channels: int, stride: int = 1, affine: bool = True
) -> nn.Module:
    """A candidate operation on images ``[N, in_channels, H, W]``.

    Names and definitions are those of NAS-Bench-201 (Dong & Yang 2020) and DARTS (Liu et al.
    2019), which agree where they share a name; the other ones of NASNet (Zoph et al. 2018) are
    named alike. ``none`` is no connection. ``skip_connect`` is the identity; where it must halve
    the image, a factorized reduction.

    Args:
        name: One of ``OPERATIONS``.
        in_channels: Of the input.
        out_channels: Of the output.
        stride: 1 keeps height and width, 2 halves them (rounded up).
        affine: Whether batch norms have a weight and bias; supernets that relax a choice
            leave them out, so that no operation can scale itself up.

    Raises:
        ValueError: If the name is unknown.

    >>> operation("sep_conv_3x3", 8, 8, stride=2)(torch.zeros(1, 8, 6, 6)).shape
    torch.Size([1, 8, 3, 3])
    """
    if name not in OPERATIONS:
        raise ValueError(f"name: expected one of {', '.join(OPERATIONS)}, received {name!r}")
    if name == "none":
        return Zero(in_channels, out_channels, stride)
    if name != "skip_connect":
        kind, kernel = SIZED[name]
        return kind(in_channels, out_channels, kernel, stride, affine)
    if stride == 2:
        return FactorizedReduce(in_channels, out_channels, affine)
    if in_channels != out_channels:
        return ReluConvBN(in_channels, out_channels, 1, affine=affine)
    return nn.Identity()


def operation_source(name: str, channels: str, stride: int) -> str:
    """The expression that makes an operation; ``channels`` is one, of inputs and outputs."""
    if name == "skip_connect":
        return "nn.Identity()" if stride == 1 else f"FactorizedReduce({channels}, {channels})"
    kind, kernel = SIZED[name]
    tail = "" if stride == 1 else f", stride={stride}"
    return f"{kind.__name__}({channels}, {channels}, {kernel}{tail})"
