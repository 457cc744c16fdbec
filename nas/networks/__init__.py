"""Networks of architectures, in PyTorch.

The built-in spaces of :mod:`nas.spaces`
    build_network       the network of an architecture
    export_source       the same as source code that needs PyTorch alone
    Skeleton            what a space leaves open: width, depth, classes

EfficientNet (needs no torch)
    efficientnet_plan       a BlockPlan of any depth and width
    published_efficientnet  those of B0 to B7; EFFICIENTNETS has their numbers
    CompoundScaling         depth, width and resolution that grow together
    EFFICIENTNET_SCALING    the published one
    scaling_grid, grid_search       how it was found

Your own spaces, written as modules
    Choice, choice_value    what is chosen: a module, a value
    space_of            the search space of a function that makes such a module
    ModuleSpace         that space
    build               the module of an architecture, without choices
    choices_of          the options that are chosen now
    to_standalone       a module that loads without this package

Building blocks
    operation           a candidate operation of a cell, by its name in the literature
    OPERATIONS          the names of all of them
    block_network       the network of a BlockPlan
    seeded_weights      first weights from a seed, PyTorch's own generator left alone

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.networks._block_network import block_network
    from nas.networks._build import Skeleton, build_network
    from nas.networks._choices import (
        Choice,
        ModuleSpace,
        build,
        choice_value,
        choices_of,
        space_of,
    )
    from nas.networks._efficientnet import (
        EFFICIENTNET_SCALING,
        EFFICIENTNETS,
        CompoundScaling,
        efficientnet_plan,
        grid_search,
        published_efficientnet,
        scaling_grid,
    )
    from nas.networks._export import export_source
    from nas.networks._operations import OPERATIONS, operation
    from nas.networks._seeding import seeded_weights
    from nas.networks._standalone import to_standalone

_HOME = {
    "Choice": "_choices",
    "CompoundScaling": "_efficientnet",
    "EFFICIENTNETS": "_efficientnet",
    "EFFICIENTNET_SCALING": "_efficientnet",
    "ModuleSpace": "_choices",
    "OPERATIONS": "_operations",
    "Skeleton": "_build",
    "block_network": "_block_network",
    "build": "_choices",
    "build_network": "_build",
    "choice_value": "_choices",
    "choices_of": "_choices",
    "efficientnet_plan": "_efficientnet",
    "export_source": "_export",
    "grid_search": "_efficientnet",
    "operation": "_operations",
    "published_efficientnet": "_efficientnet",
    "scaling_grid": "_efficientnet",
    "seeded_weights": "_seeding",
    "space_of": "_choices",
    "to_standalone": "_standalone",
}

__all__ = [
    "EFFICIENTNETS",
    "EFFICIENTNET_SCALING",
    "OPERATIONS",
    "Choice",
    "CompoundScaling",
    "ModuleSpace",
    "Skeleton",
    "block_network",
    "build",
    "build_network",
    "choice_value",
    "choices_of",
    "efficientnet_plan",
    "export_source",
    "grid_search",
    "operation",
    "published_efficientnet",
    "scaling_grid",
    "seeded_weights",
    "space_of",
    "to_standalone",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'nas.networks' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "torch":
            raise
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
