"""The edges of a cell that matter."""

from __future__ import annotations

from collections.abc import Sequence

LiveEdge = tuple[int, int, str]
"""Source, target and operation."""


def live_edges(operations: Sequence[str], edges: Sequence[tuple[int, int]]) -> list[LiveEdge]:
    """The edges that carry something from the first node to the last, in their order."""
    used = [(a, b, name) for (a, b), name in zip(edges, operations, strict=True) if name != "none"]
    reached = {0}
    for source, target, _ in sorted(used):
        if source in reached:
            reached.add(target)
    needed = {max(target for _, target in edges)}
    for source, target, _ in sorted(used, key=lambda edge: -edge[1]):
        if target in needed:
            needed.add(source)
    live = reached & needed
    return [edge for edge in used if edge[0] in live and edge[1] in live]
