"""Unrolled solvers: iterative algorithms of a few layers, whose numbers are learned.

Problems
    SparseCoding        measurements of sparse codes, as in the papers, from a seed
    nmse_db             normalised mean squared error in dB

Sparse coding without learning
    ista                iterative soft thresholding
    fista               the same with momentum

Solvers, each a module that gives the codes after every layer
    LISTA               all weights learned
    LISTACP             coupled weights
    LISTACPSS           coupled weights and support selection
    ALISTA              weights from a formula, two learned numbers a layer
    TISTA               pseudo-inverse and posterior mean, one learned number a layer
    LAMP                learned approximate message passing
    GLISTA              gain and overshoot gates
    UnrolledSolver      their base class
    analytic_weights    the formula of ALISTA
    soft_threshold      shrinks towards zero
    select_support      the same, but the largest entries pass

Training and use
    train_layerwise     layer after layer, resumable
    TrainingProgress    where it stands
    TrainingResult      what it did
    save_solver         a solver as one safetensors file; load_solver reads it
    load_solver         a solver from a file
    UnrolledCoder       scikit-learn transformer: fit, transform
    safeguarded         a solver's steps where they help, FISTA's otherwise

Images
    PlugAndPlayADMM     recovery with a denoiser, its convergence condition checked
    PlugAndPlayResult   what it reached
    Denoiser            a small DnCNN with a bound of its residual's Lipschitz constant
    train_denoiser      trains one
    blur_operator       circular blur as a matrix

Swarms
    LearnedSwarm        particles moved by one LSTM
    SwarmResult         what a swarm found
    train_swarm         training by evolution strategies
    restarted_adam      the rival with as many gradients
    Rastrigin           shifted functions to minimize

Games of two players
    TwinOptimizer       an LSTM for each player of a minimax game
    TwinResult          where they arrived
    train_twin          trains them
    optimistic          optimistic gradient, the analytic rival; extragradient
    extragradient       the same with a step ahead
    MatrixGames         x'Ay
    SeesawGames         not convex in x
    Game                protocol, for games of your own

They need the extra ``torch``: ``pip install 'automl-zero[torch]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from l2o.unrolled._alista import ALISTA, TISTA, analytic_weights
    from l2o.unrolled._classical import fista, ista
    from l2o.unrolled._coder import UnrolledCoder
    from l2o.unrolled._denoiser import Denoiser, train_denoiser
    from l2o.unrolled._files import load_solver, save_solver
    from l2o.unrolled._games import Game, MatrixGames, SeesawGames, extragradient, optimistic
    from l2o.unrolled._lamp import GLISTA, LAMP
    from l2o.unrolled._lista import LISTA, LISTACP, LISTACPSS
    from l2o.unrolled._plug_and_play import PlugAndPlayADMM, PlugAndPlayResult, blur_operator
    from l2o.unrolled._problems import SparseCoding, nmse_db
    from l2o.unrolled._safeguard import safeguarded
    from l2o.unrolled._solver import UnrolledSolver, select_support, soft_threshold
    from l2o.unrolled._swarm import (
        LearnedSwarm,
        Rastrigin,
        SwarmResult,
        restarted_adam,
        train_swarm,
    )
    from l2o.unrolled._training import TrainingProgress, TrainingResult, train_layerwise
    from l2o.unrolled._twin import TwinOptimizer, TwinResult, train_twin

_HOME = {
    "ALISTA": "_alista",
    "Denoiser": "_denoiser",
    "GLISTA": "_lamp",
    "Game": "_games",
    "LAMP": "_lamp",
    "LISTA": "_lista",
    "LISTACP": "_lista",
    "LISTACPSS": "_lista",
    "LearnedSwarm": "_swarm",
    "MatrixGames": "_games",
    "PlugAndPlayADMM": "_plug_and_play",
    "PlugAndPlayResult": "_plug_and_play",
    "Rastrigin": "_swarm",
    "SeesawGames": "_games",
    "SparseCoding": "_problems",
    "SwarmResult": "_swarm",
    "TISTA": "_alista",
    "TrainingProgress": "_training",
    "TrainingResult": "_training",
    "TwinOptimizer": "_twin",
    "TwinResult": "_twin",
    "UnrolledCoder": "_coder",
    "UnrolledSolver": "_solver",
    "analytic_weights": "_alista",
    "blur_operator": "_plug_and_play",
    "extragradient": "_games",
    "fista": "_classical",
    "ista": "_classical",
    "load_solver": "_files",
    "nmse_db": "_problems",
    "optimistic": "_games",
    "restarted_adam": "_swarm",
    "safeguarded": "_safeguard",
    "save_solver": "_files",
    "select_support": "_solver",
    "soft_threshold": "_solver",
    "train_denoiser": "_denoiser",
    "train_layerwise": "_training",
    "train_swarm": "_swarm",
    "train_twin": "_twin",
}

__all__ = [
    "ALISTA",
    "Denoiser",
    "GLISTA",
    "Game",
    "LAMP",
    "LISTA",
    "LISTACP",
    "LISTACPSS",
    "LearnedSwarm",
    "MatrixGames",
    "PlugAndPlayADMM",
    "PlugAndPlayResult",
    "Rastrigin",
    "SeesawGames",
    "SparseCoding",
    "SwarmResult",
    "TISTA",
    "TrainingProgress",
    "TrainingResult",
    "TwinOptimizer",
    "TwinResult",
    "UnrolledCoder",
    "UnrolledSolver",
    "analytic_weights",
    "blur_operator",
    "extragradient",
    "fista",
    "ista",
    "load_solver",
    "nmse_db",
    "optimistic",
    "restarted_adam",
    "safeguarded",
    "save_solver",
    "select_support",
    "soft_threshold",
    "train_denoiser",
    "train_layerwise",
    "train_swarm",
    "train_twin",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.unrolled' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("torch", "safetensors", "sklearn"):
            raise
        extra = "sklearn" if error.name == "sklearn" else "torch"
        advice = f"pip install 'automl-zero[{extra}]'"
        raise ImportError(f"{name} needs {error.name}: {advice}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
