"""Small supernets, images and trainers that the tests share."""

import numpy as np
import pytest

pytest.importorskip("torch")

from nas.objectives import ImageData  # noqa: E402
from nas.oneshot import (  # noqa: E402
    DARTS,
    ENAS,
    GDAS,
    SNAS,
    ProxylessNAS,
    RandomSharing,
    Supernet,
)
from nas.spaces import DartsSpace, NasBench201Space  # noqa: E402

METHODS = {
    "random sharing": (RandomSharing, {"candidates": 4}),
    "ENAS": (ENAS, {"candidates": 4, "warmup": 1}),
    "DARTS": (DARTS, {}),
    "DARTS second order": (DARTS, {"order": "second"}),
    "GDAS": (GDAS, {}),
    "SNAS": (SNAS, {}),
    "ProxylessNAS": (ProxylessNAS, {}),
}

SPACES = {"nas-bench-201": NasBench201Space(), "darts": DartsSpace(nodes=2)}


def stripes(count=90, size=8, seed=0):
    """Images of three classes: horizontal, vertical, and no stripes, under noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.normal(0, 0.5, (count, 1, size, size))
    wave = np.where(np.arange(size) % 2, 1.0, -1.0)
    images[labels == 0] += wave[:, None]
    images[labels == 1] += wave[None, :]
    return ImageData.split(images, labels)


def trainer(method, space="nas-bench-201", steps=4, partial=1, **settings):
    kind, own = METHODS[method]
    supernet = Supernet(
        SPACES[space], in_channels=1, classes=3, width=4, depth=1 if space != "darts" else 3,
        partial=partial, seed=1,
    )  # fmt: skip
    settings = {"batch": 20, "seed": 2, **own, **settings}
    return kind(supernet, stripes(), steps=steps, **settings)
