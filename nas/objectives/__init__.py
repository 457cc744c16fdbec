"""Objectives: what makes an architecture good, alone and against others.

Several objectives, all maximised
    pareto_front            the points that no other point dominates
    nondominated_fronts     all points, front after front
    crowding_distance       how much room a point has on its front
    hypervolume             how much a front dominates
"""

from __future__ import annotations

from nas.objectives._pareto import (
    crowding_distance,
    hypervolume,
    nondominated_fronts,
    pareto_front,
)

__all__ = ["crowding_distance", "hypervolume", "nondominated_fronts", "pareto_front"]
