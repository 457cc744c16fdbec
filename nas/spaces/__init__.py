"""Search spaces: what architectures there are.

Index:
    ChoiceSpace      architectures as sequences of choices; all spaces derive from it
    Decision         one thing to choose
    Architecture     the choices: a tuple of option numbers

    NasBench201Space        cells of NAS-Bench-201: six edges, five ops
    NAS_BENCH_201_OPS       the ops, NAS_BENCH_201_EDGES the edges
"""

from __future__ import annotations

from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision
from nas.spaces._nas_bench_201 import NAS_BENCH_201_EDGES, NAS_BENCH_201_OPS, NasBench201Space

__all__ = [
    "NAS_BENCH_201_EDGES",
    "NAS_BENCH_201_OPS",
    "Architecture",
    "ChoiceSpace",
    "Decision",
    "NasBench201Space",
]
