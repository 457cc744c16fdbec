"""Timing of small pieces of work on a machine that does other things too.

A *block* is one timed stretch of a piece of work, long enough for the clock. Blocks of
different pieces take turns, so that a disturbance of a second spoils one block of each
piece and not all blocks of one; the median over a piece's blocks is its time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

BLOCK_SECONDS = 0.03

Name = TypeVar("Name", bound=Hashable)


def median_seconds(
    pieces: Mapping[Name, Callable[[], None]], blocks: int, block_seconds: float = BLOCK_SECONDS
) -> dict[Name, float]:
    """Processor seconds of one call of each piece, in this thread: medians over blocks.

    Args:
        pieces: What to time, by name.
        blocks: Blocks per piece.
        block_seconds: Least length of a block; sets how many calls it takes.
    """
    calls = {name: _calls_per_block(piece, block_seconds) for name, piece in pieces.items()}
    seconds: dict[Name, list[float]] = {name: [] for name in pieces}
    for _ in range(blocks):
        for name, piece in pieces.items():
            seconds[name].append(_block(piece, calls[name]) / calls[name])
    return {name: statistics.median(values) for name, values in seconds.items()}


def _calls_per_block(piece: Callable[[], None], block_seconds: float) -> int:
    piece()  # the first call also pays for pages and caches
    once = max(_block(piece, 1), 1e-6)
    return max(1, round(block_seconds / once))


def _block(piece: Callable[[], None], calls: int) -> float:
    start = time.thread_time()
    for _ in range(calls):
        piece()
    return time.thread_time() - start
