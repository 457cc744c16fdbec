"""Optimizees: what update rules are tried on, and their problems.

Index:
    Optimizee            a description: a frozen value, plain data when it travels
    quadratic            a randomly rotated quadratic function of a given condition
    rosenbrock           the curved valley
    rastrigin            many local minima
    logistic_regression  softmax regression on a data set
    mlp                  a network of one or two hidden layers on a data set
    compile_problems     problems: optimizees with seeds, laid out for the compiled harness
    Problem              one of them
"""

from __future__ import annotations

from l2o.rules.optimizees._descriptions import (
    MAX_COORDINATES,
    Optimizee,
    logistic_regression,
    mlp,
    quadratic,
    rastrigin,
    rosenbrock,
)
from l2o.rules.optimizees._problems import Problem, compile_problems

__all__ = [
    "MAX_COORDINATES",
    "Optimizee",
    "Problem",
    "compile_problems",
    "logistic_regression",
    "mlp",
    "quadratic",
    "rastrigin",
    "rosenbrock",
]
