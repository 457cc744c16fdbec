"""Networks as rows of blocks: MnasNet, MobileNetV3, MixNet, EfficientNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from nas.spaces import Block, BlockPlan


def activation_function(name: str) -> nn.Module:
    """ReLU, ReLU6, h-swish (Howard et al. 2019) or swish (Ramachandran et al. 2017)."""
    kinds = {"relu": nn.ReLU, "relu6": nn.ReLU6, "hswish": nn.Hardswish, "swish": nn.SiLU}
    return kinds[name]()


class ConvBN(nn.Sequential):
    """Convolution, batch norm and, if named, an activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        activation: str | None = None,
    ) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            *([activation_function(activation)] if activation else []),
        )


class MixedDepthwise(nn.Module):
    """A depthwise convolution whose channels share several kernel sizes (Tan & Le 2019).

    Channels are divided evenly; what remains goes to the first size.
    """

    def __init__(self, channels: int, kernels: Sequence[int], stride: int = 1) -> None:
        super().__init__()
        share = channels // len(kernels)
        self.shares = [channels - share * (len(kernels) - 1)] + [share] * (len(kernels) - 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(part, part, kernel, stride, kernel // 2, groups=part, bias=False)
            for part, kernel in zip(self.shares, kernels, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = torch.split(x, self.shares, 1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], 1)


class SqueezeExcite(nn.Module):
    """Scales channels by what all of the image says (Hu, Shen & Sun 2018)."""

    def __init__(self, channels: int, squeeze: int, activation: str, gate: str = "sigmoid") -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeeze, 1)
        self.activation = activation_function(activation)
        self.expand = nn.Conv2d(squeeze, channels, 1)
        self.gate = nn.Hardsigmoid() if gate == "hsigmoid" else nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = self.activation(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * self.gate(self.expand(scale))


class ConvBlock(nn.Module):
    """A convolution with batch norm and activation; the input is added if the shapes allow it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        activation: str = "relu",
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv = ConvBN(in_channels, out_channels, kernel, stride, activation)
        self.residual = residual

    def extra_repr(self) -> str:
        return f"residual={self.residual}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


class MBConv(nn.Module):
    """Inverted bottleneck: widen, depthwise convolution, squeeze-and-excitation, narrow.

    Sandler et al., "MobileNetV2" (CVPR 2018). ``hidden`` equal to ``in_channels`` needs no
    widening: a depthwise separable convolution. ``squeeze`` 0 is no squeeze-and-excitation,
    whose own activation is ReLU unless the block's is swish.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        out_channels: int,
        kernels: Sequence[int],
        stride: int = 1,
        squeeze: int = 0,
        activation: str = "relu",
        gate: str = "sigmoid",
        residual: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hidden != in_channels:
            layers.append(ConvBN(in_channels, hidden, activation=activation))
        if len(kernels) > 1:
            layers.append(MixedDepthwise(hidden, kernels, stride))
        else:
            pad = kernels[0] // 2
            layers.append(
                nn.Conv2d(hidden, hidden, kernels[0], stride, pad, groups=hidden, bias=False)
            )
        layers += [
            nn.BatchNorm2d(hidden),
            activation_function(activation),
        ]
        if squeeze:
            inner = "swish" if activation == "swish" else "relu"
            layers.append(SqueezeExcite(hidden, squeeze, inner, gate))
        layers.append(ConvBN(hidden, out_channels))
        self.layers = nn.Sequential(*layers)
        self.residual = residual

    def extra_repr(self) -> str:
        return f"residual={self.residual}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class BlockNetwork(nn.Module):
    """Stem, blocks, a 1x1 convolution, pooling and classifier."""

    def __init__(
        self,
        blocks: Sequence[nn.Module],
        stem: int,
        width: int,
        last: int,
        hidden: int = 0,
        activation: str = "relu",
        dropout: float = 0.0,
        in_channels: int = 3,
        classes: int = 10,
        stem_stride: int = 2,
    ) -> None:
        super().__init__()
        self.stem = ConvBN(in_channels, stem, 3, stem_stride, activation)
        self.blocks = nn.Sequential(*blocks)
        self.last = ConvBN(width, last, activation=activation)
        layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        if hidden:
            layers += [nn.Linear(last, hidden), activation_function(activation)]
        layers += [nn.Dropout(dropout), nn.Linear(hidden or last, classes)]
        self.head = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.last(self.blocks(self.stem(x))))


def block_module(block: Block, gate: str) -> nn.Module:
    """The module of a block."""
    if block.kind == "identity":
        return ConvBN(block.inputs, block.width, stride=block.stride)
    if block.kind == "conv":
        return ConvBlock(
            block.inputs, block.width, block.kernels[0], block.stride, block.activation,
            block.residual,
        )  # fmt: skip
    return MBConv(
        block.inputs, block.hidden, block.width, block.kernels, block.stride, block.squeeze,
        block.activation, gate, block.residual,
    )  # fmt: skip


def block_network(
    plan: BlockPlan, *, in_channels: int = 3, classes: int = 1000, stem_stride: int = 2
) -> BlockNetwork:
    """The network of a plan, on images ``[N, in_channels, H, W]``.

    Args:
        plan: Of :meth:`nas.spaces.BlockSpace.plan` or :func:`nas.networks.efficientnet_plan`.
        in_channels: Of the images.
        classes: Of the classifier.
        stem_stride: 2 for ImageNet; 1 for small images.

    >>> from nas.spaces import MNASNET_B1, mnasnet_space
    >>> space = mnasnet_space()
    >>> network = block_network(space.plan(space.from_text(MNASNET_B1)))
    >>> sum(parameter.numel() for parameter in network.parameters())
    4383312
    """
    return BlockNetwork(
        [block_module(block, plan.gate) for block in plan.blocks],
        plan.stem,
        plan.blocks[-1].width,
        plan.last,
        plan.hidden,
        plan.activation,
        plan.dropout,
        in_channels,
        classes,
        stem_stride,
    )
