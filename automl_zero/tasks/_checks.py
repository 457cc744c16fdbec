"""Argument checks: each returns the value in its plain type or raises a ``ValueError``."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def integer(name: str, value: Any, minimum: int = 1, maximum: int | None = None) -> int:
    """``value`` as an int within the bounds; bools, floats and text are refused."""
    wanted = (
        f"an integer of at least {minimum}"
        if maximum is None
        else (f"an integer from {minimum} to {maximum}")
    )
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name}: expected {wanted}, received {value!r}")
    if value < minimum or (maximum is not None and value > maximum):
        raise ValueError(f"{name}: expected {wanted}, received {value}")
    return int(value)


def seed(name: str, value: Any) -> int:
    """``value`` as an unsigned 64-bit seed."""
    return integer(name, value, 0, 2**64 - 1)


def choice(name: str, value: Any, options: Sequence[str]) -> Any:
    """``value`` if it is one of ``options``; the error names the nearest one."""
    if isinstance(value, str) and value in options:
        return value
    listed = ", ".join(repr(option) for option in options)
    raise ValueError(
        f"{name}: expected one of {listed}, received {value!r}{nearest(value, options)}"
    )


def nearest(word: Any, options: Sequence[str]) -> str:
    """``" (did you mean 'x'?)"`` for the option closest to ``word``, or nothing."""
    found = (
        difflib.get_close_matches(word, options, n=1, cutoff=0.5) if isinstance(word, str) else []
    )
    return f" (did you mean {found[0]!r}?)" if found else ""


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """``array`` as a read-only C-ordered array that nobody else can write to.

    Shared without a copy only when it and all it is a view of are read-only already.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        owner = owner.base
    if owner is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C")
        array.setflags(write=False)
    return array


def available_memory_bytes() -> int | None:
    """Memory that can be used without swapping; None where the system does not say.

    Linux counts reclaimable page cache as available, and ``os.sysconf`` does not: so the
    kernel's own figure is read where there is one. Elsewhere it is all physical memory.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def require_memory(name: str, needed: int, limit: int | None = None) -> None:
    """Refuse what cannot fit, before it is allocated.

    Args:
        name: What needs the memory, for the message.
        needed: Bytes.
        limit: Bytes allowed; None for what the machine has available.

    Raises:
        ValueError: If ``needed`` exceeds the limit.
    """
    allowed = available_memory_bytes() if limit is None else integer("memory_limit_bytes", limit, 0)
    if allowed is not None and needed > allowed:
        raise ValueError(
            f"{name}: expected to fit in {_size(allowed)} of memory, received {_size(needed)}"
        )


def _size(count: int) -> str:
    """Bytes for people, with decimal prefixes."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}"
