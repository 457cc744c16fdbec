"""Latencies of networks as sums over their blocks."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from automl_zero._config_values import integer, number
from nas.networks._block_network import BlockNetwork
from nas.networks._nas_bench_201 import NasBench201Network
from nas.networks._rand_wire import WiredNetwork
from nas.objectives._costs import _zeros, evaluation_mode, measure_latency

_FORMAT = "latency table 1"


class LatencyTable:
    """Measures each block once, and predicts the latency of any network made of such blocks.

    As in MnasNet and ProxylessNAS (Cai, Zhu & Han 2019, appendix B): a search measures a few
    hundred blocks instead of every network. A block is known by its structure and the size of
    its input. It takes networks whose parts run one after the other: those of block spaces, of
    NAS-Bench-201 and of RandWire.

    Args:
        path: A JSON file; if it is there, its latencies are taken. None keeps them in memory.
        measure: Latency of a block on images of a shape, in milliseconds; None is
            :func:`measure_latency`.

    Raises:
        ValueError: If the file is damaged; names the field.

    Latencies depend on the machine: keep a file for each. The doctest counts instead:

    >>> from nas.networks import build_network
    >>> from nas.spaces import NasBench201Space
    >>> table = LatencyTable(measure=lambda block, shape: 1.0)
    >>> table.predict(build_network(NasBench201Space(), (3,) * 6, depth=2), (3, 8, 8))
    10.0
    >>> len(table)  # stem, head, two reductions, one kind of cell at each of three sizes
    7
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        measure: Callable[[nn.Module, tuple[int, ...]], float] | None = None,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._measure = measure_latency if measure is None else measure
        self._known: dict[str, float] = {}
        self._shapes: dict[str, list[int]] = {}
        if self._path is not None and self._path.exists():
            self._read(self._path)

    def __len__(self) -> int:
        return len(self._known)

    def predict(self, network: nn.Module, shape: Sequence[int]) -> float:
        """The sum of the latencies of the network's parts, in milliseconds.

        Parts that the table does not know are measured, and the file is written anew.

        Args:
            network: One of the kinds above.
            shape: Of one image: channels, height, width.

        Raises:
            ValueError: If the network is of another kind.
        """
        total, before = 0.0, len(self._known)
        x = _zeros(shape, 1)
        for part in network_parts(network):
            size = tuple(x.shape[1:])
            key = hashlib.blake2b(f"{part!r} {size}".encode(), digest_size=12).hexdigest()
            if key not in self._known:
                self._known[key] = float(self._measure(part, size))
            if key not in self._shapes:
                # Only the shape is needed, and the part tells it best.
                with evaluation_mode(part):
                    self._shapes[key] = list(part(x).shape[1:])
            total += self._known[key]
            x = x.new_zeros(1, *self._shapes[key])
        if len(self._known) > before:
            self._write()
        return total

    def _write(self) -> None:
        if self._path is None:
            return
        rows = [
            {"part": key, "output": self._shapes[key], "milliseconds": value}
            for key, value in self._known.items()
        ]
        partial = self._path.with_name(self._path.name + ".partial")
        partial.write_text(json.dumps({"format": _FORMAT, "parts": rows}, indent=1) + "\n")
        partial.replace(self._path)

    def _read(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: expected JSON: {error}") from None
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError(f"{path}: format: expected {_FORMAT!r}")
        rows = data.get("parts")
        if not isinstance(rows, list):
            raise ValueError(f"{path}: parts: expected a list")
        for index, row in enumerate(rows):
            try:
                self._read_row(row)
            except ValueError as error:
                raise ValueError(f"{path}: parts[{index}]: {error}") from None

    def _read_row(self, row: Any) -> None:
        row = row if isinstance(row, dict) else {}
        key, output = row.get("part"), row.get("output")
        if not isinstance(key, str):
            raise ValueError(f"part: expected a digest, received {key!r}")
        if not isinstance(output, list) or not 1 <= len(output) <= 3:
            raise ValueError(f"output: expected one to three sizes, received {output!r}")
        self._shapes[key] = [integer("output", size, 1) for size in output]
        self._known[key] = number("milliseconds", row.get("milliseconds"), 0.0)


def network_parts(network: nn.Module) -> list[nn.Module]:
    """The parts of a network that run one after the other.

    Raises:
        ValueError: If it is no network of this kind.
    """
    if isinstance(network, BlockNetwork):
        return [network.stem, *network.blocks, network.last, network.head]
    if isinstance(network, NasBench201Network):
        return [network.stem, *network.cells, network.head]
    if isinstance(network, WiredNetwork):
        return [network.stem, *network.stages, network.head]
    raise ValueError(
        "network: expected one of a BlockSpace, NasBench201Space or RandWireSpace, received "
        f"{type(network).__name__}"
    )
