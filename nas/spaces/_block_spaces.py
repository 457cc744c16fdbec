"""Factorised spaces of blocks: each stage of a network chooses its block and repeats it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from automl_zero._config_values import choice, integer
from nas.spaces._block_plan import Block, BlockPlan, divisible
from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision

ACTIVATIONS: Final = ("relu", "relu6", "hswish", "swish")
GATES: Final = ("sigmoid", "hsigmoid")


@dataclass(frozen=True, slots=True)
class Stage:
    """What there is to choose for one stage of a network.

    Args:
        widths: Channels behind each of its blocks.
        repeats: How many blocks; all but the first have stride 1.
        operations: ``"conv"``; ``"sep"``, a depthwise separable convolution; ``"mbconv6"``, an
            inverted bottleneck that widens its input 6 times (any number).
        kernels: Sizes of kernels: ``"3"``; ``"3.5.7"`` mixes three in one depthwise
            convolution.
        se: Ratios of squeeze-and-excitation; 0 is none.
        skips: ``"skip"`` adds the input where the shapes allow it, ``"noskip"`` never.
        stride: Of the first block.
        activation: ``"relu"``, ``"relu6"``, ``"hswish"`` or ``"swish"``.

    Raises:
        ValueError: If an option is none of these.
    """

    widths: tuple[int, ...]
    repeats: tuple[int, ...] = (1,)
    operations: tuple[str, ...] = ("mbconv3", "mbconv6")
    kernels: tuple[str, ...] = ("3", "5")
    se: tuple[float, ...] = (0.0,)
    skips: tuple[str, ...] = ("skip",)
    stride: int = 1
    activation: str = "relu"

    def __post_init__(self) -> None:
        choice("activation", self.activation, ACTIVATIONS)
        integer("stride", self.stride, 1, 2)
        for width in self.widths:
            integer("widths", width, 1)
        for repeat in self.repeats:
            integer("repeats", repeat, 1)
        for operation in self.operations:
            _expansion(operation)
        for kernel in self.kernels:
            _sizes(kernel)
        for ratio in self.se:
            if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio <= 1:
                raise ValueError(f"se: expected ratios in 0..1, received {ratio!r}")
        for skip in self.skips:
            choice("skips", skip, ("skip", "noskip"))

    def decisions(self, number: int) -> list[Decision]:
        """What is chosen for the stage; the options are the parts of its word in the text."""
        return [
            Decision(f"stage {number} operation", self.operations),
            Decision(f"stage {number} kernel", tuple(f"k{kernel}" for kernel in self.kernels)),
            Decision(f"stage {number} se", tuple(f"se{ratio:g}" for ratio in self.se)),
            Decision(f"stage {number} width", tuple(f"c{width}" for width in self.widths)),
            Decision(f"stage {number} repeats", tuple(f"r{repeat}" for repeat in self.repeats)),
            Decision(f"stage {number} skip", self.skips),
        ]


_DECISIONS_PER_STAGE: Final = 6


class BlockSpace(ChoiceSpace):
    """Networks of stages, each of which chooses its block, and how often it stands there.

    Tan et al., "MnasNet: Platform-aware neural architecture search for mobile" (CVPR 2019):
    layers may differ from stage to stage, but not within one. The text form has a word for each
    stage; :func:`mnasnet_space` and the others give the spaces of papers.

    Args:
        stages: First to last.
        stem: Channels of the first convolution.
        last: Channels of the 1x1 convolution before the pooling.
        hidden: Width of the linear layer behind the pooling; 0 for none.
        activation: Of stem and head.
        gate: Of squeeze-and-excitation: ``"sigmoid"`` or ``"hsigmoid"``.
        squeeze_from: What the ratios of squeeze-and-excitation are ratios of: the block's
            ``"input"`` channels (MnasNet) or its ``"hidden"`` ones (MobileNetV3).

    Raises:
        ValueError: If there is no stage, or an argument is none of these.

    >>> stages = [Stage((16, 24), repeats=(1, 2)), Stage((32,), stride=2, se=(0.0, 0.25))]
    >>> space = BlockSpace(stages, stem=16, last=64)
    >>> space.size
    128
    >>> space.to_text((1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0))
    'mbconv6_k3_se0_c24_r2_skip mbconv3_k5_se0.25_c32_r1_skip'
    >>> print(*space.plan((1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0)).blocks)
    mbconv_k3_s1_h96_c24_relu mbconv_k3_s1_h144_c24_relu_skip mbconv_k5_s2_h72_c32_q6_relu
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        stem: int = 32,
        last: int = 1280,
        hidden: int = 0,
        activation: str = "relu",
        gate: str = "sigmoid",
        squeeze_from: str = "input",
    ) -> None:
        self.stages = tuple(stages)
        self.stem = integer("stem", stem, 1)
        self.last = integer("last", last, 1)
        self.hidden = integer("hidden", hidden, 0)
        self.activation = choice("activation", activation, ACTIVATIONS)
        self.gate = choice("gate", gate, GATES)
        self.squeeze_from = choice("squeeze_from", squeeze_from, ("input", "hidden"))
        super().__init__(
            [item for number, stage in enumerate(stages, 1) for item in stage.decisions(number)]
        )

    def plan(self, genome: Architecture) -> BlockPlan:
        """The network's blocks, with all channels counted out."""
        blocks: list[Block] = []
        channels = self.stem
        for number, stage in enumerate(self.stages):
            start = number * _DECISIONS_PER_STAGE
            operation, kernel, se, width, repeats, skip = genome[start : start + 6]
            for repeat in range(stage.repeats[repeats]):
                block = self._block(
                    stage,
                    channels,
                    stage.operations[operation],
                    _sizes(stage.kernels[kernel]),
                    stage.se[se],
                    stage.widths[width],
                    stage.stride if repeat == 0 else 1,
                    stage.skips[skip] == "skip",
                )
                blocks.append(block)
                channels = block.width
        return BlockPlan(
            self.stem, tuple(blocks), self.last, self.hidden, self.activation, self.gate
        )

    def _block(
        self,
        stage: Stage,
        inputs: int,
        operation: str,
        kernels: tuple[int, ...],
        ratio: float,
        width: int,
        stride: int,
        skip: bool,
    ) -> Block:
        if operation == "conv":
            # It has no depthwise part to mix or to squeeze.
            size = max(kernels)
            return Block("conv", inputs, width, width, (size,), stride, 0, stage.activation, skip)
        expansion = _expansion(operation)
        hidden = inputs if expansion == 1 else divisible(inputs * expansion)
        squeeze = 0
        if ratio and self.squeeze_from == "input":
            squeeze = max(1, int(inputs * ratio))
        elif ratio:
            squeeze = divisible(hidden * ratio)
        return Block(
            "mbconv", inputs, hidden, width, kernels, stride, squeeze, stage.activation, skip
        )

    def key(self, genome: Architecture) -> str:
        """The blocks: choices that make no difference to a network make none to its key."""
        return " ".join(map(str, self.plan(genome).blocks))

    def to_text(self, genome: Architecture) -> str:
        """A word for each stage; :meth:`from_text` reads it."""
        options = [item.options[i] for item, i in zip(self.decisions, genome, strict=True)]
        starts = range(0, len(options), _DECISIONS_PER_STAGE)
        return " ".join("_".join(options[start : start + 6]) for start in starts)

    def from_text(self, text: str) -> Architecture:
        """The architecture of :meth:`to_text`.

        Raises:
            ValueError: If the text is none of this space; names the decision.
        """
        words = text.split() if isinstance(text, str) else []
        parts = [word.split("_") for word in words]
        if len(parts) != len(self.stages) or any(len(p) != _DECISIONS_PER_STAGE for p in parts):
            raise ValueError(
                f"architecture: expected {len(self.stages)} words like "
                f"{self.to_text((0,) * len(self.decisions)).split()[0]!r}, received {text!r}"
            )
        flat = [part for word in parts for part in word]
        genome = []
        for decision, part in zip(self.decisions, flat, strict=True):
            if part not in decision.options:
                raise ValueError(
                    f"architecture: {decision.name}: expected one of "
                    f"{', '.join(decision.options)}, received {part!r}"
                )
            genome.append(decision.options.index(part))
        return tuple(genome)


def _expansion(operation: str) -> float:
    """How much an operation widens its input."""
    if operation in ("conv", "sep"):
        return 1.0
    if isinstance(operation, str) and operation.startswith("mbconv"):
        try:
            expansion = float(operation.removeprefix("mbconv"))
        except ValueError:
            expansion = 0.0
        if 1.0 < expansion < 1000.0:
            return expansion
    raise ValueError(
        f"operations: expected conv, sep, or mbconv with a number over 1, received {operation!r}"
    )


def _sizes(kernel: str) -> tuple[int, ...]:
    """Kernel sizes of an option like ``"3.5.7"``."""
    parts = kernel.split(".") if isinstance(kernel, str) else []
    if not parts or not all(part.isdecimal() and int(part) % 2 for part in parts):
        raise ValueError(f"kernels: expected odd numbers like '3' or '3.5', received {kernel!r}")
    return tuple(map(int, parts))


def mnasnet_space() -> BlockSpace:
    """MnasNet's space: its seven stages, with widths and repeats around MobileNetV2's.

    Section 4.1 of the paper: operation, kernel, squeeze-and-excitation, skip, width x 0.75, 1 or
    1.25, and one layer less or more. ``MNASNET_A1`` and ``MNASNET_B1``, whose repeats and
    widths are those of the published networks, are in it; pooling in place of a skip is not.
    """
    operations = ("conv", "sep", "mbconv3", "mbconv6")
    stages = []
    for base, repeats, stride in (
        (16, 1, 1), (24, 3, 2), (40, 3, 2), (80, 4, 2), (96, 2, 1), (192, 4, 2), (320, 1, 1),
    ):  # fmt: skip
        widths = {divisible(base * factor) for factor in (0.75, 1.0, 1.25)}
        widths |= {96: {112}, 192: {160}}.get(base, set())
        stages.append(
            Stage(
                tuple(sorted(widths)),
                tuple(range(max(1, repeats - 1), repeats + 2)),
                operations,
                se=(0.0, 0.25),
                skips=("skip", "noskip"),
                stride=stride,
            )
        )
    return BlockSpace(stages)


MNASNET_B1: Final = (
    "sep_k3_se0_c16_r1_noskip mbconv3_k3_se0_c24_r3_skip mbconv3_k5_se0_c40_r3_skip "
    "mbconv6_k5_se0_c80_r3_skip mbconv6_k3_se0_c96_r2_skip mbconv6_k5_se0_c192_r4_skip "
    "mbconv6_k3_se0_c320_r1_skip"
)
"""MnasNet-B1, of :func:`mnasnet_space`: 4,383,312 parameters with 1,000 classes."""

MNASNET_A1: Final = (
    "sep_k3_se0_c16_r1_noskip mbconv6_k3_se0_c24_r2_skip mbconv3_k5_se0.25_c40_r3_skip "
    "mbconv6_k3_se0_c80_r4_skip mbconv6_k3_se0.25_c112_r2_skip mbconv6_k5_se0.25_c160_r3_skip "
    "mbconv6_k3_se0_c320_r1_skip"
)
"""MnasNet-A1, of :func:`mnasnet_space`: 3,887,038 parameters with 1,000 classes."""


def mobilenet_v3_space() -> BlockSpace:
    """Blocks of MobileNetV3-Large, each with its own kernel, expansion and squeeze-and-excitation.

    Widths, strides and activations are those of Howard et al., "Searching for MobileNetV3"
    (ICCV 2019), table 1; ``MOBILENET_V3_LARGE`` is in it.
    """
    operations = ("mbconv2.3", "mbconv2.5", "mbconv3", "mbconv4", "mbconv6")
    stages = [Stage((16,), operations=("sep",), se=(0.0, 0.25))]
    for width, repeats, stride, activation in (
        (24, 2, 2, "relu"), (40, 3, 2, "relu"), (80, 4, 2, "hswish"), (112, 2, 1, "hswish"),
        (160, 3, 2, "hswish"),
    ):  # fmt: skip
        for repeat in range(repeats):
            stages.append(
                Stage(
                    (width,),
                    operations=operations,
                    se=(0.0, 0.25),
                    stride=stride if repeat == 0 else 1,
                    activation=activation,
                )
            )
    return BlockSpace(
        stages, stem=16, last=960, hidden=1280, activation="hswish", gate="hsigmoid",
        squeeze_from="hidden",
    )  # fmt: skip


MOBILENET_V3_LARGE: Final = " ".join(
    f"{operation}_k{kernel}_se{se}_c{width}_r1_skip"
    for operation, kernel, se, width in (
        ("sep", 3, 0, 16),
        ("mbconv4", 3, 0, 24), ("mbconv3", 3, 0, 24),
        ("mbconv3", 5, 0.25, 40), ("mbconv3", 5, 0.25, 40), ("mbconv3", 5, 0.25, 40),
        ("mbconv6", 3, 0, 80), ("mbconv2.5", 3, 0, 80), ("mbconv2.3", 3, 0, 80),
        ("mbconv2.3", 3, 0, 80),
        ("mbconv6", 3, 0.25, 112), ("mbconv6", 3, 0.25, 112),
        ("mbconv6", 5, 0.25, 160), ("mbconv6", 5, 0.25, 160), ("mbconv6", 5, 0.25, 160),
    )
)  # fmt: skip
"""MobileNetV3-Large, of :func:`mobilenet_v3_space`: 5,483,032 parameters with 1,000 classes."""


def mixnet_space() -> BlockSpace:
    """Stages whose depthwise convolutions mix kernel sizes.

    Tan & Le, "MixConv: Mixed depthwise convolutional kernels" (BMVC 2019), section 3.3, in the
    stages of MixNet-S. The grouped 1x1 convolutions of the published MixNets are left out.
    """
    kernels = ("3", "3.5", "3.5.7", "3.5.7.9", "3.5.7.9.11")
    stages = [Stage((16,), operations=("sep",), kernels=("3",))]
    for width, repeats, stride, activation in (
        (24, 2, 2, "relu"), (40, 4, 2, "swish"), (80, 3, 2, "swish"), (120, 3, 1, "swish"),
        (200, 3, 2, "swish"),
    ):  # fmt: skip
        stages.append(
            Stage(
                (width,),
                (repeats - 1, repeats, repeats + 1),
                kernels=kernels,
                se=(0.0, 0.25, 0.5),
                stride=stride,
                activation=activation,
            )
        )
    return BlockSpace(stages, stem=16, last=1536)
