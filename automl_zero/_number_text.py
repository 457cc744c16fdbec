"""Counts and times for people."""

from __future__ import annotations


def count_text(number: float) -> str:
    """A count in three digits: ``1.24M``.

    >>> count_text(950), count_text(1_240_000)
    ('950', '1.24M')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"


def seconds_text(seconds: float) -> str:
    """A time for people.

    >>> seconds_text(3.21), seconds_text(200)
    ('3.2 s', '3 min 20 s')
    """
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
