"""Evolution: the core that every search shares, and the search for programs.

The core, for genomes of any kind
    SearchSpace             protocol: how to draw, mutate, identify and store genomes
    RegularizedEvolution    ask, tell; an aging ring and tournaments
    Individual              a genome with its number and fitness
    PopulationStatistics    where a regularized evolution stands
    BitStringSpace          the smallest search space
    RandomStream            the numbers a space draws; evolution_stream makes one from a seed

Programs
    ProgramSpace            a search space of supervised programs
    ProgramEvolution        regularized evolution of programs, compiled
    BestProgram             the fittest program of an evolution
    Statistics              what it counted; MutationOutcome, by mutation type
    hand_built_program      linear model, two-layer network, ... as programs

Whole searches
    ProgramSearch           what a configuration describes, from tasks to result
    SearchResult, Progress  what it found; where it stands

Names load on first use: the core needs neither tasks nor configurations.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.evolution._bit_strings import BitStringSpace
    from automl_zero.evolution._initial_programs import HAND_BUILT_PROGRAMS, hand_built_program
    from automl_zero.evolution._population_statistics import PERCENTILES, PopulationStatistics
    from automl_zero.evolution._program_evolution import BestProgram, ProgramEvolution
    from automl_zero.evolution._program_search import ProgramSearch, Progress, SearchResult
    from automl_zero.evolution._program_space import ProgramSpace
    from automl_zero.evolution._regularized_evolution import Individual, RegularizedEvolution
    from automl_zero.evolution._search_space import RandomStream, SearchSpace, evolution_stream
    from automl_zero.evolution._statistics import MutationOutcome, Statistics

_HOME = {
    "HAND_BUILT_PROGRAMS": "_initial_programs",
    "PERCENTILES": "_population_statistics",
    "BestProgram": "_program_evolution",
    "BitStringSpace": "_bit_strings",
    "Individual": "_regularized_evolution",
    "MutationOutcome": "_statistics",
    "PopulationStatistics": "_population_statistics",
    "ProgramEvolution": "_program_evolution",
    "ProgramSearch": "_program_search",
    "ProgramSpace": "_program_space",
    "Progress": "_program_search",
    "RandomStream": "_search_space",
    "RegularizedEvolution": "_regularized_evolution",
    "SearchResult": "_program_search",
    "SearchSpace": "_search_space",
    "Statistics": "_statistics",
    "evolution_stream": "_search_space",
    "hand_built_program": "_initial_programs",
}

__all__ = [
    "HAND_BUILT_PROGRAMS",
    "PERCENTILES",
    "BestProgram",
    "BitStringSpace",
    "Individual",
    "MutationOutcome",
    "PopulationStatistics",
    "ProgramEvolution",
    "ProgramSearch",
    "ProgramSpace",
    "Progress",
    "RandomStream",
    "RegularizedEvolution",
    "SearchResult",
    "SearchSpace",
    "Statistics",
    "evolution_stream",
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
