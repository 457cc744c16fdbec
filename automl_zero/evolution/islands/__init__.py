"""Islands: several populations that evolve side by side and exchange individuals.

    EpochFunction   protocol: one epoch of one island, a pure function
    EpochResult     what an epoch gives back
    Migrant         an individual on its way to another island
    Archipelago     all islands of an experiment, on an executor
    CommittedEpoch  an epoch of theirs, in the order that does not depend on the workers
    EpochLost       workers died again and again on the same epoch
    sources         which islands send to which

Nothing here knows what a genome is.
"""

from automl_zero.evolution.islands._archipelago import Archipelago, CommittedEpoch, EpochLost
from automl_zero.evolution.islands._epoch import EpochFunction, EpochResult, Migrant
from automl_zero.evolution.islands._migration import sources

__all__ = [
    "Archipelago",
    "CommittedEpoch",
    "EpochFunction",
    "EpochLost",
    "EpochResult",
    "Migrant",
    "sources",
]
