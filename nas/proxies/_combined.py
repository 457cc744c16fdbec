"""Several scores as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def combined_score(scores: Mapping[str, Sequence[float]]) -> NDArray[np.float64]:
    """The mean rank of each network over several proxies: higher is better.

    Ranks, because proxies have scales that nothing makes comparable. Equal scores share their
    mean rank; a score that is no number, or minus infinity, ranks last.

    Args:
        scores: For each proxy the scores of all networks, in one order.

    Returns:
        Mean ranks divided by the number of networks less one: 0 for last in everything, 1 for
        first, shape ``[networks]``.

    Raises:
        ValueError: If there is no proxy or network, or proxies have different numbers of them.

    >>> combined_score({"synflow": [1e9, 1e3, 1e5], "naswot": [7.0, 7.5, 8.0]}).tolist()
    [0.5, 0.25, 0.75]
    """
    counts = {len(values) for values in scores.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            "scores: expected one or more proxies with as many scores each, received "
            f"{ {name: len(values) for name, values in scores.items()} }"
        )
    ranks = np.zeros(counts.pop())
    for values in scores.values():
        array = np.asarray(values, np.float64)
        array = np.where(np.isnan(array), -np.inf, array)
        _, position, count = np.unique(array, return_inverse=True, return_counts=True)
        ranks += (np.cumsum(count) - (count + 1) / 2)[position]
    return ranks / (len(scores) * max(len(ranks) - 1, 1))
