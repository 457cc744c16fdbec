"""EfficientNet: a network found by search, and compound scaling of its size.

Tan & Le, "EfficientNet: Rethinking model scaling for convolutional neural networks" (ICML 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from automl_zero._config_values import choice, number
from nas.spaces import Block, BlockPlan
from nas.spaces._block_plan import divisible

BlockRow = tuple[int, int, int, int, int]
"""Kernel, expansion, channels, blocks, stride of the first block."""

B0_ROWS: Final[tuple[BlockRow, ...]] = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
"""Table 1 of the paper."""


@dataclass(frozen=True, slots=True)
class CompoundScaling:
    """How fast depth, width and resolution grow together: equation 3 of the paper.

    Args:
        depth: alpha, at least 1.
        width: beta, at least 1.
        resolution: gamma, at least 1.

    Raises:
        ValueError: If a number is below 1.

    >>> scaling = CompoundScaling(1.2, 1.1, 1.15)
    >>> round(scaling.growth, 3)
    1.92
    >>> [round(factor, 3) for factor in scaling.at(2)]
    [1.44, 1.21, 1.322]
    """

    depth: float
    width: float
    resolution: float

    def __post_init__(self) -> None:
        for name in ("depth", "width", "resolution"):
            number(name, getattr(self, name), 1.0)

    @property
    def growth(self) -> float:
        """By how much the operations of a network grow with each step: alpha beta² gamma²."""
        return self.depth * self.width**2 * self.resolution**2

    def at(self, phi: float) -> tuple[float, float, float]:
        """Factors of depth, width and resolution after ``phi`` steps."""
        return self.depth**phi, self.width**phi, self.resolution**phi


EFFICIENTNET_SCALING: Final = CompoundScaling(1.2, 1.1, 1.15)
"""What the paper's grid search on B0 found."""


def scaling_grid(
    growth: float = 2.0, *, step: float = 0.05, tolerance: float = 0.1
) -> list[CompoundScaling]:
    """The scalings on a grid that grow a network by about ``growth`` with each step.

    Args:
        growth: What alpha beta² gamma² should be; the paper takes 2.
        step: Of the grid, which begins at 1 for each factor.
        tolerance: How far alpha beta² gamma² may be from it. The paper's own choice misses 2
            by 0.08.

    Raises:
        ValueError: If a number is out of range.

    >>> grid = scaling_grid()
    >>> len(grid), EFFICIENTNET_SCALING in grid
    (109, True)
    """
    number("growth", growth, 1.0)
    number("tolerance", tolerance, 0.0)
    number("step", step, 1e-3)
    largest = growth + tolerance

    def factors(limit: float) -> list[float]:
        return [round(1.0 + i * step, 10) for i in range(int((limit - 1.0) / step + 1e-9) + 1)]

    found = []
    for depth in factors(largest):
        for width in factors(math.sqrt(largest / depth)):
            for resolution in factors(math.sqrt(largest / depth) / width):
                scaling = CompoundScaling(depth, width, resolution)
                if abs(scaling.growth - growth) <= tolerance:
                    found.append(scaling)
    return found


def grid_search(
    evaluate: Callable[[CompoundScaling], float], candidates: Sequence[CompoundScaling]
) -> list[tuple[CompoundScaling, float]]:
    """Evaluate the scalings of a grid at phi = 1; the best comes first.

    Step 1 of the paper's method; step 2 is to take the best one :meth:`CompoundScaling.at`
    larger phi.

    Args:
        evaluate: Accuracy of the base network scaled by one step.
        candidates: Such as :func:`scaling_grid` gives.

    Raises:
        ValueError: If there is no candidate.
    """
    if not candidates:
        raise ValueError("candidates: expected at least one, received none")
    found = [(scaling, evaluate(scaling)) for scaling in candidates]
    return sorted(found, key=lambda pair: -pair[1])


EFFICIENTNETS: Final[dict[str, tuple[float, float, int, float]]] = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.1, 1.0, 240, 0.2),
    "b2": (1.2, 1.1, 260, 0.3),
    "b3": (1.4, 1.2, 300, 0.3),
    "b4": (1.8, 1.4, 380, 0.4),
    "b5": (2.2, 1.6, 456, 0.4),
    "b6": (2.6, 1.8, 528, 0.5),
    "b7": (3.1, 2.0, 600, 0.5),
}
"""The published networks: factors of depth and width, resolution, dropout. They are rounded by
hand, so they are near :meth:`CompoundScaling.at` whole phi, but not at it."""


def efficientnet_plan(
    depth: float = 1.0,
    width: float = 1.0,
    *,
    rows: Sequence[BlockRow] = B0_ROWS,
    stem: int = 32,
    last: int = 1280,
    dropout: float = 0.2,
) -> BlockPlan:
    """An EfficientNet of any depth and width; :func:`nas.networks.block_network` makes it.

    Args:
        depth: Factor of the blocks in each row, rounded up.
        width: Factor of all channels, rounded to multiples of 8.
        rows: What is scaled.
        stem: Channels of the first convolution, before scaling.
        last: Channels of the last convolution, before scaling.
        dropout: Before the classifier.

    Raises:
        ValueError: If a number is out of range.

    >>> from nas.networks import block_network
    >>> network = block_network(efficientnet_plan())
    >>> sum(parameter.numel() for parameter in network.parameters())
    5288548
    """
    for name, value in (("depth", depth), ("width", width)):
        if number(name, value, 0.0) == 0.0:
            raise ValueError(f"{name}: expected a positive number, received {value}")
    number("dropout", dropout, 0.0, 1.0)
    blocks: list[Block] = []
    stem = channels = divisible(stem * width)
    for kernel, expansion, base, repeats, stride in rows:
        wide = divisible(base * width)
        # Without the rounding, 1.1 * 10 would be one block more than 11.
        for repeat in range(math.ceil(round(repeats * depth, 9))):
            block = Block(
                "mbconv",
                channels,
                channels * expansion,
                wide,
                (kernel,),
                stride if repeat == 0 else 1,
                max(1, channels // 4),
                "swish",
            )
            blocks.append(block)
            channels = wide
    return BlockPlan(
        stem, tuple(blocks), divisible(last * width), activation="swish", dropout=dropout
    )


def published_efficientnet(name: str) -> BlockPlan:
    """The plan of ``"b0"`` to ``"b7"``.

    Raises:
        ValueError: If the name is unknown.
    """
    depth, width, _, dropout = EFFICIENTNETS[choice("name", name, EFFICIENTNETS)]
    return efficientnet_plan(depth, width, dropout=dropout)
