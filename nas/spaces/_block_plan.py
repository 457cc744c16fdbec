"""Networks as rows of blocks: what MnasNet, MobileNetV3, MixNet and EfficientNet have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a network.

    Attributes:
        kind: ``"mbconv"``, the inverted bottleneck of MobileNetV2 (1x1 convolution to
            ``hidden`` channels, depthwise convolution, 1x1 convolution);
            ``"conv"``, a convolution; or ``"identity"``, a 1x1 convolution with batch norm and
            without activation, where only the shape changes.
        inputs: Channels before.
        hidden: Channels in the middle; as many as ``inputs``: no first convolution.
        width: Channels after.
        kernels: Sizes of the depthwise kernels; several share the channels evenly, as in
            MixNet.
        stride: 1, or 2 to halve the image.
        squeeze: Channels of the squeeze-and-excitation's bottleneck; 0 for none.
        activation: ``"relu"``, ``"relu6"``, ``"hswish"`` or ``"swish"``.
        skip: Whether the input is added, where the shapes allow it.
    """

    kind: str
    inputs: int
    hidden: int
    width: int
    kernels: tuple[int, ...]
    stride: int = 1
    squeeze: int = 0
    activation: str = "relu"
    skip: bool = True

    @property
    def residual(self) -> bool:
        """Whether the input is added."""
        return self.skip and self.stride == 1 and self.inputs == self.width

    def __str__(self) -> str:
        if self.kind == "identity":
            return f"identity_s{self.stride}_c{self.width}"
        kernels = ".".join(map(str, self.kernels))
        hidden = f"_h{self.hidden}" if self.kind == "mbconv" else ""
        squeeze = f"_q{self.squeeze}" if self.squeeze else ""
        skip = "_skip" if self.residual else ""
        return (
            f"{self.kind}_k{kernels}_s{self.stride}{hidden}_c{self.width}{squeeze}"
            f"_{self.activation}{skip}"
        )


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """A network: stem, blocks and head.

    Attributes:
        stem: Channels of the first 3x3 convolution, whose stride is 2.
        blocks: The blocks, first to last.
        last: Channels of the 1x1 convolution behind them.
        hidden: Width of the linear layer between pooling and classifier; 0 for none.
        activation: Of stem and head.
        gate: What squeeze-and-excitation scales with: ``"sigmoid"`` or ``"hsigmoid"``.
        dropout: Before the classifier.
    """

    stem: int
    blocks: tuple[Block, ...]
    last: int
    hidden: int = 0
    activation: str = "relu"
    gate: str = "sigmoid"
    dropout: float = 0.0


def divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of ``divisor`` that is not more than a tenth below ``channels``.

    The rule of the MobileNets (and of EfficientNet): vector units like round numbers.

    >>> divisible(37.5), divisible(19.2), divisible(3)
    (40, 24, 8)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
