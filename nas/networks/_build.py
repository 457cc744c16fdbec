"""The network of an architecture, for every built-in space."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from torch import nn

from automl_zero._config_values import integer
from nas.networks._block_network import block_network
from nas.networks._genotype_network import GenotypeCell, GenotypeNetwork
from nas.networks._nas_bench_201 import NasBench201Cell, NasBench201Network
from nas.networks._rand_wire import WiredNetwork
from nas.networks._seeding import seeded_weights
from nas.spaces import (
    NAS_BENCH_201_EDGES,
    Architecture,
    BlockSpace,
    ChoiceSpace,
    Genotype,
    GenotypeSpace,
    NasBench201Space,
    NasBenchMacroSpace,
    RandWireSpace,
)
from nas.spaces._live_edges import LiveEdge, live_edges
from nas.spaces._macro_plan import macro_plan


@dataclass(frozen=True, slots=True)
class Skeleton:
    """What a space leaves open about its networks; None is the paper's number.

    Args:
        in_channels: Channels of the images.
        classes: Of the classifier.
        width: Channels of the first cells or stage. NAS-Bench-201 16, DARTS and NASNet 36,
            RandWire 78; block spaces and NAS-Bench-Macro decide on their widths themselves.
        depth: NAS-Bench-201: cells in each of the three stages, 5. DARTS and NASNet: cells, 20.
        stem_stride: Of the first convolutions of block and RandWire networks: 2 for large
            images as in the papers, 1 for small ones, as in NAS-Bench-Macro.

    Raises:
        ValueError: If a number is out of range.
    """

    in_channels: int = 3
    classes: int = 10
    width: int | None = None
    depth: int | None = None
    stem_stride: int | None = None

    def __post_init__(self) -> None:
        integer("in_channels", self.in_channels, 1)
        integer("classes", self.classes, 1)
        for name in ("width", "depth"):
            if getattr(self, name) is not None:
                integer(name, getattr(self, name), 1)
        if self.stem_stride is not None:
            integer("stem_stride", self.stem_stride, 1, 2)

    def of(self, space: ChoiceSpace) -> Skeleton:
        """With the paper's numbers filled in.

        Raises:
            ValueError: If the space has no such setting, or is no built-in one.
        """
        kind = next((kind for kind in _DEFAULTS if isinstance(space, kind)), None)
        if kind is None:
            names = ", ".join(kind.__name__ for kind in _DEFAULTS)
            raise ValueError(f"space: expected one of {names}, received {type(space).__name__}")
        numbers = []
        for name in ("width", "depth", "stem_stride"):
            given, default = getattr(self, name), _DEFAULTS[kind].get(name)
            if given is not None and default is None:
                raise ValueError(
                    f"{name}: expected None for a {kind.__name__}, which has no such setting, "
                    f"received {given}"
                )
            numbers.append(default if given is None else given)
        return Skeleton(self.in_channels, self.classes, *numbers)


_DEFAULTS: dict[type[ChoiceSpace], dict[str, int]] = {
    NasBench201Space: {"width": 16, "depth": 5},
    GenotypeSpace: {"width": 36, "depth": 20},
    BlockSpace: {"stem_stride": 2},
    NasBenchMacroSpace: {"stem_stride": 1},
    RandWireSpace: {"width": 78, "stem_stride": 2},
}


def build_network(
    space: ChoiceSpace, architecture: Architecture, *, seed: int = 0, **skeleton: int | None
) -> nn.Module:
    """The network of an architecture, with weights drawn from a seed.

    Parts that cannot change the output, such as edges of a NAS-Bench-201 cell that lead
    nowhere, are left out; the benchmark itself counts their parameters too.

    Args:
        space: A space of :mod:`nas.spaces`.
        architecture: One of its architectures.
        seed: Of the first weights. The same seed gives the same bits.
        **skeleton: ``in_channels`` (3), ``classes`` (10), ``width``, ``depth``,
            ``stem_stride``: as :class:`Skeleton` has them.

    Returns:
        A module from images ``[N, in_channels, H, W]`` to logits ``[N, classes]``.

    Raises:
        ValueError: If the space has no networks here, the architecture is none of its own, or
            a number is out of range.

    >>> from nas.spaces import NasBench201Space
    >>> space = NasBench201Space()
    >>> network = build_network(space, (3, 3, 3, 3, 3, 3))
    >>> sum(parameter.numel() for parameter in network.parameters())
    1531546
    """
    filled = Skeleton(**skeleton).of(space)  # type: ignore[arg-type]
    architecture = space.from_data(architecture)
    with seeded_weights(seed):
        return _network(space, architecture, filled)


def cell_edges(space: NasBench201Space, architecture: Architecture) -> list[LiveEdge]:
    """The edges of a NAS-Bench-201 cell that matter, with their operations."""
    names = [
        decision.options[option]
        for decision, option in zip(space.decisions, architecture, strict=True)
    ]
    return live_edges(names, NAS_BENCH_201_EDGES)


def _network(space: ChoiceSpace, architecture: Architecture, skeleton: Skeleton) -> nn.Module:
    ends = skeleton.in_channels, skeleton.classes
    width, depth = skeleton.width or 0, skeleton.depth or 0
    stem_stride = skeleton.stem_stride or 0
    if isinstance(space, NasBench201Space):
        make_cell = functools.partial(NasBench201Cell, cell_edges(space, architecture))
        return NasBench201Network(make_cell, *ends, width, depth)
    if isinstance(space, GenotypeSpace):
        genotype = space.to_genotype(architecture)
        outputs = len(genotype.normal.concat), len(genotype.reduce.concat)
        return GenotypeNetwork(
            functools.partial(_genotype_cell, genotype), outputs, *ends, width, depth
        )
    plan = None
    if isinstance(space, BlockSpace):
        plan = space.plan(architecture)
    elif isinstance(space, NasBenchMacroSpace):
        plan = macro_plan(architecture)
    if plan is not None:
        return block_network(
            plan,
            in_channels=skeleton.in_channels,
            classes=skeleton.classes,
            stem_stride=stem_stride,
        )
    if isinstance(space, RandWireSpace):
        return WiredNetwork(space.nodes, space.graphs(architecture), *ends, width, stem_stride)
    raise ValueError(f"space: expected a built-in one, received {type(space).__name__}")


def _genotype_cell(
    genotype: Genotype,
    inputs: tuple[int, int],
    channels: int,
    reduction: bool,
    after_reduction: bool,
) -> nn.Module:
    cell = genotype.reduce if reduction else genotype.normal
    return GenotypeCell(cell, inputs, channels, reduction, after_reduction)
