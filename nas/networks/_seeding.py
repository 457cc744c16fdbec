"""Initial weights from a seed, with PyTorch's global generator left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from automl_zero.streams import stream_key


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """What is drawn from PyTorch's global CPU generator inside depends on the seed alone.

    Modules draw their first weights from that generator and from no other. It is put back
    afterwards, so a caller's own random numbers stay the same.

    >>> with seeded_weights(3):
    ...     first = torch.nn.Linear(2, 2)
    >>> with seeded_weights(3):
    ...     second = torch.nn.Linear(2, 2)
    >>> torch.equal(first.weight, second.weight)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_key(seed, "weights"))
        yield
