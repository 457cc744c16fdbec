"""Search spaces: what architectures there are. They are plain data and need no PyTorch.

Index:
    ChoiceSpace      architectures as sequences of choices; all spaces derive from it
    Decision         one thing to choose
    Architecture     the choices: a tuple of option numbers

    NasBench201Space        cells of NAS-Bench-201: six edges, five ops
    NAS_BENCH_201_OPS       the ops, NAS_BENCH_201_EDGES the edges
    NasBenchMacroSpace      networks of NAS-Bench-Macro: eight layers, three blocks
    NAS_BENCH_MACRO_BLOCKS  the blocks

    DartsSpace              normal and reduction cells of DARTS
    NasNetSpace             normal and reduction cells of NASNet and AmoebaNet
    DARTS_OPERATIONS, NASNET_OPERATIONS, AMOEBANET_OPERATIONS       what edges can be
    Genotype, CellGenotype  the cells of an architecture, and their text form
    DARTS_V1, DARTS_V2, NASNET_A, AMOEBANET_A       published cells

    BlockSpace              stages that choose a block and repeat it; Stage is one of them
    mnasnet_space, mobilenet_v3_space, mixnet_space     those of papers
    BlockPlan, Block        the blocks of an architecture
    MNASNET_A1, MNASNET_B1, MOBILENET_V3_LARGE      published networks

    RandWireSpace           randomly wired networks (needs networkx)
    RANDOM_GRAPHS           the generators of their graphs

    draw_cell               a picture of an architecture, as SVG (needs networkx)
"""

from __future__ import annotations

from nas.spaces._block_plan import Block, BlockPlan
from nas.spaces._block_spaces import (
    MNASNET_A1,
    MNASNET_B1,
    MOBILENET_V3_LARGE,
    BlockSpace,
    Stage,
    mixnet_space,
    mnasnet_space,
    mobilenet_v3_space,
)
from nas.spaces._choice_space import Architecture, ChoiceSpace, Decision
from nas.spaces._drawing import draw_cell
from nas.spaces._genotype import CellGenotype, Genotype
from nas.spaces._genotype_spaces import (
    AMOEBANET_A,
    AMOEBANET_OPERATIONS,
    DARTS_OPERATIONS,
    DARTS_V1,
    DARTS_V2,
    NASNET_A,
    NASNET_OPERATIONS,
    DartsSpace,
    GenotypeSpace,
    NasNetSpace,
)
from nas.spaces._nas_bench_201 import NAS_BENCH_201_EDGES, NAS_BENCH_201_OPS, NasBench201Space
from nas.spaces._nas_bench_macro import NAS_BENCH_MACRO_BLOCKS, NasBenchMacroSpace
from nas.spaces._rand_wire import RANDOM_GRAPHS, RandWireSpace

__all__ = [
    "AMOEBANET_A",
    "AMOEBANET_OPERATIONS",
    "DARTS_OPERATIONS",
    "DARTS_V1",
    "DARTS_V2",
    "MNASNET_A1",
    "MNASNET_B1",
    "MOBILENET_V3_LARGE",
    "NASNET_A",
    "NASNET_OPERATIONS",
    "NAS_BENCH_201_EDGES",
    "NAS_BENCH_201_OPS",
    "NAS_BENCH_MACRO_BLOCKS",
    "RANDOM_GRAPHS",
    "Architecture",
    "Block",
    "BlockPlan",
    "BlockSpace",
    "CellGenotype",
    "ChoiceSpace",
    "DartsSpace",
    "Decision",
    "Genotype",
    "GenotypeSpace",
    "NasBench201Space",
    "NasBenchMacroSpace",
    "NasNetSpace",
    "RandWireSpace",
    "Stage",
    "draw_cell",
    "mixnet_space",
    "mnasnet_space",
    "mobilenet_v3_space",
]
