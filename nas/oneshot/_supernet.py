"""One network that contains all networks of a space, with shared weights."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import nn

from automl_zero._config_values import integer
from nas.networks import seeded_weights
from nas.networks._genotype_network import GenotypeNetwork
from nas.networks._nas_bench_201 import NasBench201Network
from nas.oneshot._layout import DartsLayout, layout_of
from nas.oneshot._mixed_cells import Choice, MixedDartsCell, MixedNasBench201Cell, live
from nas.spaces import ChoiceSpace

Active = Sequence[int | Sequence[int]]
"""For each edge the number of the operation that runs, or several of them."""


class Supernet(nn.Module):
    """All networks of a cell space at once: every edge has every operation.

    All one-shot methods train this one network. It runs in three ways:

    - ``supernet(images, active=path)``: one operation on each edge, which is one architecture
      (ENAS, random search with weight sharing);
    - ``supernet(images, weights)``: all operations, weighted (DARTS, SNAS);
    - ``supernet(images, weights, path)``: one operation on each edge, times its weight, which
      is 1 in a straight-through estimate and passes a gradient on (GDAS); or several
      (ProxylessNAS).

    What cannot change the output does not run. Batch norms always use the statistics of the
    batch: means over different architectures say nothing about one of them.

    Args:
        space: A NasBench201Space or DartsSpace.
        in_channels: Of the images.
        classes: Of the classifier.
        width: Channels of the first cells.
        depth: NAS-Bench-201: cells in each of three stages; DARTS: cells. The defaults are for
            a search on a processor; the papers search with 16 channels and 5 or 8 cells.
        partial: K > 1: operations see 1/K of the channels (PC-DARTS). It is quicker, and skip
            connections gain less from it, as part of the channels skips anyway.
        seed: Of the first weights.

    Raises:
        ValueError: If the space has no supernet or a number is out of range.

    >>> from nas.spaces import NasBench201Space
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, width=4)
    >>> images = torch.zeros(2, 1, 8, 8)
    >>> supernet(images, active=supernet.layout.path((3, 3, 1, 4, 0, 2))).shape
    torch.Size([2, 10])
    >>> supernet(images, torch.full((6, 5), 0.2)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        in_channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: int | None = None,
        partial: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (
            ("in_channels", in_channels), ("classes", classes), ("width", width),
            ("partial", partial),
        ):  # fmt: skip
            integer(name, value, 1)
        self.layout = layout_of(space)
        self.in_channels, self.classes, self.partial = in_channels, classes, partial
        self._choice = Choice()
        with seeded_weights(seed):
            if isinstance(self.layout, DartsLayout):
                depth = 5 if depth is None else integer("depth", depth, 1)
                nodes = len({target for _, _, target in self.layout.edges})
                self.network: nn.Module = GenotypeNetwork(
                    functools.partial(MixedDartsCell, self.layout, self._choice, partial),
                    (nodes, nodes), in_channels, classes, width, depth,
                )  # fmt: skip
            else:
                depth = 1 if depth is None else integer("depth", depth, 1)
                self.network = NasBench201Network(
                    lambda channels: MixedNasBench201Cell(
                        self.layout, 0, channels, self._choice, partial
                    ),
                    in_channels, classes, width, depth,
                )  # fmt: skip
        _use_batch_statistics(self)

    @property
    def space(self) -> ChoiceSpace:
        """Whose networks it contains."""
        return self.layout.space

    def forward(
        self,
        images: torch.Tensor,
        weights: torch.Tensor | None = None,
        active: Active | None = None,
    ) -> torch.Tensor:
        """Logits of the chosen network.

        Args:
            images: Shape ``[N, in_channels, H, W]``.
            weights: Of the operations, ``[edges, operations]``; None: 1 for all that run.
            active: What runs on each edge; None: everything.

        Returns:
            Shape ``[N, classes]``.

        Raises:
            ValueError: If a shape is wrong or there is no such operation.
        """
        edges, operations = len(self.layout.edges), len(self.layout.operations)
        if weights is not None and tuple(weights.shape) != (edges, operations):
            raise ValueError(
                f"weights: expected shape {(edges, operations)}, received {tuple(weights.shape)}"
            )
        if active is None:
            chosen = [tuple(range(operations))] * edges
        else:
            chosen = [(item,) if isinstance(item, int) else tuple(item) for item in active]
            if len(chosen) != edges or not all(
                0 <= number < operations for numbers in chosen for number in numbers
            ):
                raise ValueError(
                    f"active: expected {edges} edges with numbers in 0..{operations - 1}, "
                    f"received {active!r}"
                )
        self._choice.active, self._choice.weights = live(self.layout, chosen), weights
        try:
            return self.network(images)
        finally:
            self._choice.weights = None


def _use_batch_statistics(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
