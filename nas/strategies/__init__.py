"""Strategies: how to choose the architectures to evaluate.

Contract
    Strategy     protocol: ask and tell
    Trial        an architecture to evaluate
    AskTellStrategy     base class: numbers of trials, checks, state

Black box: an architecture goes in, a number comes out
    RandomSearch            independent draws
    RegularizedEvolution    aging evolution, the core's
    LocalSearch             hill climbing from random starts
    BayesianOptimization    expected improvement under a Gaussian process

Reinforcement learning
    Reinforce    a controller, trained by REINFORCE: a table or an LSTM
    MetaQNN      Q-learning over the sequence of decisions

Budgets
    ASHA         asynchronous successive halving
    Hyperband    successive halving at several degrees of haste

Several objectives
    NSGA2        evolution with non-dominated sorting

Nothing here needs torch, but ``Reinforce(policy="lstm")``.
"""

from __future__ import annotations

from nas.strategies._asha import ASHA
from nas.strategies._ask_tell import AskTellStrategy
from nas.strategies._bayesian_optimization import BayesianOptimization
from nas.strategies._hyperband import Hyperband
from nas.strategies._local_search import LocalSearch
from nas.strategies._meta_qnn import EPSILON_SCHEDULE, MetaQNN
from nas.strategies._nsga2 import NSGA2
from nas.strategies._random_search import RandomSearch
from nas.strategies._regularized_evolution import RegularizedEvolution
from nas.strategies._reinforce import Reinforce
from nas.strategies._strategy import Strategy, Trial

__all__ = [
    "ASHA",
    "EPSILON_SCHEDULE",
    "NSGA2",
    "AskTellStrategy",
    "BayesianOptimization",
    "Hyperband",
    "LocalSearch",
    "MetaQNN",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "Strategy",
    "Trial",
]
