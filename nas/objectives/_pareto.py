"""Several objectives at once: fronts, crowding and hypervolume. All are maximised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def pareto_front(values: ArrayLike) -> NDArray[np.intp]:
    """Which rows no other row dominates.

    A row dominates another if it is nowhere lower and somewhere higher. Equal rows do not
    dominate each other: all of them are there.

    Args:
        values: Shape ``[rows, objectives]``.

    Returns:
        Numbers of the rows, ascending.

    Raises:
        ValueError: If ``values`` is no matrix of finite numbers.

    >>> pareto_front([[1, 5], [2, 4], [2, 3], [4, 1]]).tolist()
    [0, 1, 3]
    """
    points = _matrix(values)
    # Sorted so that a row can only be dominated by one before it.
    order = np.lexsort(-points.T[::-1])
    kept: list[int] = []
    for row in order:
        others = points[kept]
        beaten = (others >= points[row]).all(axis=1) & (others > points[row]).any(axis=1)
        if not beaten.any():
            kept.append(int(row))
    return np.sort(np.array(kept, np.intp))


def nondominated_fronts(values: ArrayLike) -> list[NDArray[np.intp]]:
    """The Pareto front, the front of the rows without it, and so on.

    The ranks of Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic
    algorithm: NSGA-II" (IEEE Transactions on Evolutionary Computation, 2002), section III-A.

    Args:
        values: Shape ``[rows, objectives]``.

    Returns:
        Numbers of the rows of each front, ascending.

    Raises:
        ValueError: As :func:`pareto_front`.

    >>> [front.tolist() for front in nondominated_fronts([[1, 5], [2, 4], [2, 3], [4, 1]])]
    [[0, 1, 3], [2]]
    """
    points = _matrix(values)
    left = np.arange(len(points))
    fronts = []
    while len(left):
        front = pareto_front(points[left])
        fronts.append(left[front])
        left = np.delete(left, front)
    return fronts


def crowding_distance(values: ArrayLike) -> NDArray[np.float64]:
    """How much room each row of a front has around it.

    The sum over the objectives of the distance between both neighbours, each objective scaled
    to its range; infinite for the lowest and the highest of an objective (NSGA-II paper,
    section III-B). An objective that is the same everywhere counts nothing.

    Args:
        values: Shape ``[rows, objectives]``.

    Raises:
        ValueError: As :func:`pareto_front`.

    >>> crowding_distance([[0, 4], [1, 3], [4, 0]]).tolist()
    [inf, 2.0, inf]
    """
    points = _matrix(values)
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if len(order) else 0.0
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
            distance[order[[0, -1]]] = np.inf
    return distance


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """How much of the space above a reference point the rows dominate.

    Exact. With two objectives a sweep; with more, the volume is cut into slices along the last
    objective, and each slice has one dimension less (Fonseca, Paquete & López-Ibáñez, "An
    improved dimension-sweep algorithm for the hypervolume indicator", CEC 2006, without its
    data structures): a hundred points in three dimensions take milliseconds, but each further
    dimension takes as many times longer as there are points.

    Args:
        values: Shape ``[rows, objectives]``. What is not above the reference counts nothing.
        reference: Shape ``[objectives]``: the worst that counts.

    Raises:
        ValueError: As :func:`pareto_front`, or if the reference has another shape.

    >>> hypervolume([[1, 5], [2, 4], [4, 1]], [0, 0])
    11.0
    >>> hypervolume([[1, 1, 1], [2, 1, 1]], [0, 0, 0])
    2.0
    """
    points = _matrix(values)
    origin = np.asarray(reference, np.float64)
    if origin.shape != points.shape[1:] or not np.isfinite(origin).all():
        raise ValueError(
            f"reference: expected {points.shape[1]} finite numbers, received {reference!r}"
        )
    above = points[(points > origin).all(axis=1)] - origin
    return _volume(above[pareto_front(above)]) if len(above) else 0.0


def _volume(points: NDArray[np.float64]) -> float:
    """Of the union of the boxes between 0 and each of the points, all positive."""
    if points.shape[1] == 1:
        return float(points.max())
    points = points[np.argsort(-points[:, -1], kind="stable")]
    bounds = np.append(points[:, -1], 0.0)
    if points.shape[1] == 2:
        return float(np.maximum.accumulate(points[:, 0]) @ (bounds[:-1] - bounds[1:]))
    volume = 0.0
    for count in range(1, len(points) + 1):
        height = bounds[count - 1] - bounds[count]
        if height > 0:
            slab = points[:count, :-1]
            volume += height * _volume(slab[pareto_front(slab)])
    return float(volume)


def _matrix(values: Any) -> NDArray[np.float64]:
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        points = np.array(np.nan)
    if points.ndim != 2 or points.shape[1] < 1 or not np.isfinite(points).all():
        raise ValueError(
            "values: expected a row of finite numbers for each point, all as long, received "
            f"{values!r:.200}"
        )
    return points
