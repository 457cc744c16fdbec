"""Evolution: the core that every search shares, and the search for programs.

The core, for genomes of any kind
    SearchSpace             protocol: how to draw, mutate, identify and store genomes
    RegularizedEvolution    ask, tell; an aging ring and tournaments
    Individual, Birth       a genome with its number and fitness; where it comes from
    Improvement             a new best individual and its parent
    PopulationStatistics    where a regularized evolution stands
    BitStringSpace          the smallest search space
    HarnessSpace            programs of any harness, drawn and mutated in Python
    RandomStream            the numbers a space draws; evolution_stream makes one from a seed
    GenomeSearch            islands of any genomes, from settings to result
    GenomeResult            what it found
    GenomeEpoch             an epoch of one of its islands

Programs
    ProgramSpace            a search space of supervised programs
    ProgramEvolution        regularized evolution of programs, compiled
    BestProgram             the fittest program of an evolution
    Statistics              what it counted; MutationOutcome, by mutation type
    found_program           programs that searches of this project found
    hand_built_program      linear model, two-layer network, ... as programs
    ProgramSearch           islands of programs: what a configuration describes
    SearchResult            what it found
    ProgramEpoch            an epoch of one of its islands

While a search runs
    Progress                where it stands
    EpochReport             an epoch that it has taken in
    TensorBoardCallback     writes the epochs as TensorBoard scalars

Rooms
    automl_zero.evolution.islands       epochs, migration, and the order of both
    automl_zero.evolution.executors     processes, clusters: what epochs run on
    automl_zero.evolution.runs          the run directory: checkpoints, events, results

Names load on first use: the core needs neither tasks nor configurations.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.evolution._bit_strings import BitStringSpace
    from automl_zero.evolution._genome_epoch import GenomeEpoch
    from automl_zero.evolution._genome_search import GenomeResult, GenomeSearch
    from automl_zero.evolution._harness_space import HarnessSpace
    from automl_zero.evolution._initial_programs import (
        FOUND_PROGRAMS,
        HAND_BUILT_PROGRAMS,
        found_program,
        hand_built_program,
    )
    from automl_zero.evolution._lineage import Birth, Improvement
    from automl_zero.evolution._population_statistics import PERCENTILES, PopulationStatistics
    from automl_zero.evolution._program_epoch import ProgramEpoch
    from automl_zero.evolution._program_evolution import BestProgram, ProgramEvolution
    from automl_zero.evolution._program_search import ProgramSearch, SearchResult
    from automl_zero.evolution._program_space import ProgramSpace
    from automl_zero.evolution._progress import EpochReport, Progress
    from automl_zero.evolution._regularized_evolution import Individual, RegularizedEvolution
    from automl_zero.evolution._search_space import RandomStream, SearchSpace, evolution_stream
    from automl_zero.evolution._statistics import MutationOutcome, Statistics
    from automl_zero.evolution._tensorboard import TensorBoardCallback
    from automl_zero.evolution.islands import EpochLost

_HOME = {
    "BestProgram": "_program_evolution",
    "Birth": "_lineage",
    "BitStringSpace": "_bit_strings",
    "EpochLost": "islands",
    "EpochReport": "_progress",
    "GenomeEpoch": "_genome_epoch",
    "GenomeResult": "_genome_search",
    "GenomeSearch": "_genome_search",
    "FOUND_PROGRAMS": "_initial_programs",
    "HAND_BUILT_PROGRAMS": "_initial_programs",
    "HarnessSpace": "_harness_space",
    "Improvement": "_lineage",
    "Individual": "_regularized_evolution",
    "MutationOutcome": "_statistics",
    "PERCENTILES": "_population_statistics",
    "PopulationStatistics": "_population_statistics",
    "ProgramEpoch": "_program_epoch",
    "ProgramEvolution": "_program_evolution",
    "ProgramSearch": "_program_search",
    "ProgramSpace": "_program_space",
    "Progress": "_progress",
    "RandomStream": "_search_space",
    "RegularizedEvolution": "_regularized_evolution",
    "SearchResult": "_program_search",
    "SearchSpace": "_search_space",
    "Statistics": "_statistics",
    "TensorBoardCallback": "_tensorboard",
    "evolution_stream": "_search_space",
    "found_program": "_initial_programs",
    "hand_built_program": "_initial_programs",
}

__all__ = [
    "BestProgram",
    "Birth",
    "BitStringSpace",
    "EpochLost",
    "EpochReport",
    "GenomeEpoch",
    "GenomeResult",
    "GenomeSearch",
    "FOUND_PROGRAMS",
    "HAND_BUILT_PROGRAMS",
    "HarnessSpace",
    "Improvement",
    "Individual",
    "MutationOutcome",
    "PERCENTILES",
    "PopulationStatistics",
    "ProgramEpoch",
    "ProgramEvolution",
    "ProgramSearch",
    "ProgramSpace",
    "Progress",
    "RandomStream",
    "RegularizedEvolution",
    "SearchResult",
    "SearchSpace",
    "Statistics",
    "TensorBoardCallback",
    "evolution_stream",
    "found_program",
    "hand_built_program",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.evolution' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
