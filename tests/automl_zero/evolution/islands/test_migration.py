"""Who sends individuals to whom."""

from __future__ import annotations

from collections import Counter

import pytest

from automl_zero.evolution.islands import sources


def all_sources(migration: str, islands: int, epoch: int = 10) -> list[tuple[int, ...]]:
    return [sources(migration, i, islands, seed=1, epoch=epoch) for i in range(islands)]


def test_on_a_ring_each_island_receives_from_the_one_before() -> None:
    assert all_sources("ring", 4) == [(3,), (0,), (1,), (2,)]
    assert all_sources("ring", 2) == [(1,), (0,)]


def test_in_a_star_the_first_island_exchanges_with_all() -> None:
    assert all_sources("star", 4) == [(1, 2, 3), (0,), (0,), (0,)]


def test_random_sources_differ_from_epoch_to_epoch_and_are_never_the_island_itself() -> None:
    counts: Counter[tuple[int, int]] = Counter()
    for epoch in range(600):
        for island, (source,) in enumerate(all_sources("random", 4, epoch)):
            assert source != island and 0 <= source < 4
            counts[island, source] += 1
    assert len(counts) == 12
    assert min(counts.values()) > 150
    assert all_sources("random", 4, 7) == all_sources("random", 4, 7)


@pytest.mark.parametrize("migration", ["ring", "star", "random", "none"])
def test_one_island_alone_receives_nothing(migration: str) -> None:
    assert all_sources(migration, 1) == [()]


def test_none_is_no_migration() -> None:
    assert all_sources("none", 3) == [(), (), ()]


def test_an_unknown_topology_is_refused() -> None:
    with pytest.raises(ValueError, match="migration: expected one of ring, star, random, none"):
        sources("rings", 0, 2, seed=0, epoch=1)
