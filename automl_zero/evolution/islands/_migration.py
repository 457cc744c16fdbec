"""Who sends individuals to whom."""

from __future__ import annotations

from automl_zero._config_values import choice
from automl_zero.config import MIGRATIONS
from automl_zero.streams import Stream, stream_key


def sources(migration: str, island: int, islands: int, *, seed: int, epoch: int) -> tuple[int, ...]:
    """The islands that an island receives individuals from.

    Args:
        migration: ``"ring"``: the island before it; ``"star"``: the first island receives
            from all others and they from it; ``"random"``: one other, drawn uniformly;
            ``"none"``.
        island: The one that receives.
        islands: How many there are.
        seed: Of the random draws.
        epoch: The epoch after which they migrate; draws differ from epoch to epoch.

    Raises:
        ValueError: If ``migration`` is none of these.

    >>> sources("ring", 0, 4, seed=0, epoch=10)
    (3,)
    >>> sources("star", 0, 4, seed=0, epoch=10), sources("star", 2, 4, seed=0, epoch=10)
    ((1, 2, 3), (0,))
    """
    choice("migration", migration, MIGRATIONS)
    if islands == 1 or migration == "none":
        return ()
    if migration == "ring":
        return ((island - 1) % islands,)
    if migration == "star":
        return tuple(range(1, islands)) if island == 0 else (0,)
    drawn = Stream(stream_key(seed, "migration", epoch, island)).below(islands - 1)
    return (drawn + (drawn >= island),)
