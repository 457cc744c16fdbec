"""Fronts and hypervolumes against the definition and against pymoo."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nas.objectives import (
    crowding_distance,
    hypervolume,
    nondominated_fronts,
    pareto_front,
)

Points = NDArray[np.float64]


@st.composite
def points(draw: Any, most: int = 12) -> Points:
    """Small whole numbers: many ties."""
    objectives = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 4)] * objectives), min_size=1, max_size=most))
    return np.array(rows, float)


def dominates(one: Points, other: Points) -> bool:
    return bool((one >= other).all() and (one > other).any())


@given(points())
def test_a_front_is_what_nothing_dominates(values: Points) -> None:
    expected = [
        row
        for row in range(len(values))
        if not any(dominates(other, values[row]) for other in values)
    ]
    assert pareto_front(values).tolist() == expected


@given(points())
def test_each_front_dominates_the_next_and_they_hold_every_row_once(values: Points) -> None:
    fronts = nondominated_fronts(values)
    assert sorted(np.concatenate(fronts).tolist()) == list(range(len(values)))
    for better, worse in zip(fronts, fronts[1:], strict=False):
        for row in worse:
            assert any(dominates(values[other], values[row]) for other in better)


@given(points(most=6))
@settings(deadline=None)
def test_hypervolume_counts_the_unit_boxes_below_the_points(values: Points) -> None:
    corners = np.indices((4,) * values.shape[1]).reshape(values.shape[1], -1).T + 1
    count = sum(any((corner <= row).all() for row in values) for corner in corners)
    assert hypervolume(values, np.zeros(values.shape[1])) == count


def test_points_that_are_not_above_the_reference_count_nothing() -> None:
    assert hypervolume([[3, 3], [9, 1], [0.5, 9]], [1, 1]) == 4
    assert hypervolume([[1, 1]], [1, 0]) == 0


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_fronts_crowding_and_volume_are_pymoos(objectives: int) -> None:
    pytest.importorskip("pymoo")
    from pymoo.indicators.hv import Hypervolume
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    random = np.random.default_rng(objectives)
    for _ in range(5):
        values = random.random((30, objectives))  # pymoo minimises
        theirs = NonDominatedSorting().do(-values)
        fronts = nondominated_fronts(values)
        assert [front.tolist() for front in fronts] == [sorted(front) for front in theirs]
        # pymoo divides by the number of objectives, the paper does not.
        crowding = crowding_distance(values[fronts[0]]) / objectives
        assert crowding == pytest.approx(calc_crowding_distance(-values[fronts[0]]))
        volume = Hypervolume(ref_point=np.zeros(objectives))(-values)
        assert hypervolume(values, np.zeros(objectives)) == pytest.approx(volume)


@pytest.mark.parametrize("values", [[1, 2], [[1, float("nan")]], [[1, 2], [3]], "front", [[]]])
def test_what_are_no_points_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="values: expected a row of finite numbers"):
        pareto_front(values)


def test_a_reference_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="reference: expected 2 finite numbers"):
        hypervolume([[1, 2]], [0])
