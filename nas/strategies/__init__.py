"""Strategies: how to choose the architectures to evaluate.

Index:
    Strategy                protocol: ask and tell
    Trial                   an architecture to evaluate

    RandomSearch            independent draws
    RegularizedEvolution    tournaments, mutation, and the oldest dies
    LocalSearch             hill climbing from random starts
    BayesianOptimization    expected improvement under a Gaussian process
"""

from __future__ import annotations

from nas.strategies._bayesian_optimization import BayesianOptimization
from nas.strategies._local_search import LocalSearch
from nas.strategies._random_search import RandomSearch
from nas.strategies._regularized_evolution import RegularizedEvolution
from nas.strategies._strategy import Strategy, Trial

__all__ = [
    "BayesianOptimization",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Strategy",
    "Trial",
]
