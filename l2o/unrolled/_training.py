"""Layerwise training: resumable, on fresh data, and back to good weights when it diverges."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import integer, number
from automl_zero.evolution.runs._json import plain_mapping
from l2o import _checkpoint as checkpoint
from l2o.unrolled._problems import SparseCoding, nmse_db
from l2o.unrolled._solver import State, UnrolledSolver

# Chen et al. 2018, appendix: the new layer alone, then all so far at two lower rates.
PHASES: Final = (1.0, 0.2, 0.02)
# Above its start by this much, or not a number, a phase does not come back.
_DIVERGED_DB: Final = 20.0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a layerwise training stands.

    Args:
        layer: Layers that are trained now.
        phase: 0 for the new layer alone, 1 and 2 for all layers so far.
        nmse_db: Of that layer on the validation problems.
    """

    layer: int
    phase: int
    nmse_db: float

    def __str__(self) -> str:
        return f"layer {self.layer}, phase {self.phase}: {self.nmse_db:.2f} dB"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What :func:`train_layerwise` did.

    Args:
        nmse_db: Of the last trained layer on the validation problems.
        layers: How many were trained.
        stopped_by: ``"layers"`` or ``"divergence"``.
        history: Every finished phase.
    """

    nmse_db: float
    layers: int
    stopped_by: str
    history: tuple[TrainingProgress, ...]


def train_layerwise(
    solver: UnrolledSolver,
    problem: SparseCoding,
    *,
    iterations: int = 1000,
    batch_size: int = 64,
    lr: float = 5e-4,
    scalar_lr: float = 0.01,
    validation_size: int = 1000,
    validate_every: int = 100,
    patience: int = 5,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> TrainingResult:
    """Train a solver's layers one after the other, in place (Chen et al. 2018, appendix D).

    For each layer: Adam on the new layer alone, then on all layers so far at 0.2 and at 0.02 of
    the rate, each phase until validation no longer improves. The loss is the squared error of
    that layer's codes. Each phase ends with its weights that did best on validation, so no phase
    makes a solver worse. Batches depend on the seed, the layer, the phase and the iteration alone.

    Args:
        solver: What to train; its weights are changed.
        problem: Where problems come from; its dictionary must be the solver's.
        iterations: The most of a phase.
        batch_size: Problems of an iteration.
        lr: Rate of matrices; 5e-4 as in the paper's code.
        scalar_lr: Rate of single numbers (logarithms of steps and thresholds).
        validation_size: Problems to choose the weights by.
        validate_every: Iterations between validations.
        patience: Validations without a better one that end a phase.
        seed: Of the batches.
        folder: Where to keep checkpoints (one after each phase), to go on from.
        progress: Called after every phase.

    Raises:
        ValueError: If an argument is wrong, or the folder holds another or a damaged training.

    Example:
        >>> from l2o.unrolled import ALISTA
        >>> problem = SparseCoding(20, 40)
        >>> solver = ALISTA(problem.dictionary, layers=2)
        >>> train_layerwise(solver, problem, iterations=5).layers
        2
    """
    if not isinstance(solver, UnrolledSolver):
        raise ValueError(f"solver: expected an UnrolledSolver, received {type(solver).__name__}")
    if not torch.equal(solver.dictionary, problem.dictionary):
        raise ValueError("problem: expected one with the dictionary of the solver")
    settings = {
        "iterations": integer("iterations", iterations, 1),
        "batch_size": integer("batch_size", batch_size, 1),
        "lr": number("lr", lr, 0.0),
        "scalar_lr": number("scalar_lr", scalar_lr, 0.0),
        "validation_size": integer("validation_size", validation_size, 1),
        "validate_every": integer("validate_every", validate_every, 1),
        "patience": integer("patience", patience, 1),
        "seed": integer("seed", seed, -(1 << 63), (1 << 64) - 1),
        "solver": type(solver).__name__,
        **solver.settings(),
        **{f"problem.{name}": value for name, value in problem.settings().items()},
    }
    training = _Training(solver, problem, settings, None if folder is None else Path(folder))
    while training.stopped_by is None:
        training.phase()
        if progress is not None and training.stopped_by != "divergence":
            progress(training.history[-1])
    history = tuple(training.history)
    score = history[-1].nmse_db if history else math.nan
    if training.stopped_by == "divergence":
        warnings.warn(
            f"training diverged in layer {len(history) // len(PHASES) + 1}; the solver has the "
            f"weights of the phase before it",
            RuntimeWarning,
            stacklevel=2,
        )
    return TrainingResult(score, len(history) // len(PHASES), training.stopped_by, history)


class _Training:
    """State of a training: what a checkpoint holds."""

    def __init__(
        self,
        solver: UnrolledSolver,
        problem: SparseCoding,
        settings: dict[str, Any],
        folder: Path | None,
    ) -> None:
        self.solver = solver
        self.problem = problem
        self.settings = settings
        self.folder = folder
        self.history: list[TrainingProgress] = []
        self.stopped_by: str | None = None
        self.held_out = problem.sample(settings["validation_size"], "validation")
        if folder is not None:
            checkpoint.claim_folder(folder, plain_mapping("settings", settings))
            if (folder / checkpoint.STATE_FILE).exists():
                self._resume(folder / checkpoint.STATE_FILE)

    def phase(self) -> None:
        """Train one layer in one phase, and keep its best weights."""
        index, phase = divmod(len(self.history), len(PHASES))
        if phase == 0:
            self.solver.start_layer(index)
        optimizer = self._optimizer(index, phase)
        best = self._score(index)
        before = best
        good = self._copy()
        waited = 0
        for iteration in range(1, self.settings["iterations"] + 1):
            key = (self.settings["seed"], "train", index, phase, iteration)
            y, x = self.problem.sample(self.settings["batch_size"], *key)
            optimizer.zero_grad()
            error = (self._codes(index, y, alone=phase == 0) - x).square().sum(dim=1).mean()
            if not bool(error.isfinite()):
                break
            error.backward()
            optimizer.step()
            last = iteration == self.settings["iterations"]
            if last or iteration % self.settings["validate_every"] == 0:
                score = self._score(index)
                if score < best:
                    best, good, waited = score, self._copy(), 0
                else:
                    waited += 1
                if waited == self.settings["patience"] or not score < before + _DIVERGED_DB:
                    break
        diverged = not self._score(index) < before + _DIVERGED_DB
        checkpoint.fill(Path(), self.solver.state_dict(), good)
        if diverged:
            self.stopped_by = "divergence"
        else:
            self.history.append(TrainingProgress(index + 1, phase, best))
            if len(self.history) == len(PHASES) * self.solver.layers:
                self.stopped_by = "layers"
        if self.folder is not None:
            self._write(self.folder)

    def _optimizer(self, index: int, phase: int) -> torch.optim.Adam:
        chosen = list(self.solver.layer_parameters(index))
        if phase > 0:
            chosen += [
                value for before in range(index) for value in self.solver.layer_parameters(before)
            ]
        # What layers share moves with the first layer, and later with all of them only: a new
        # layer alone must not spoil those before it.
        if phase > 0 or index == 0:
            chosen += self.solver.shared_parameters()
        groups: list[dict[str, Any]] = []
        for rate, wanted in (("lr", True), ("scalar_lr", False)):
            group: list[nn.Parameter] = [v for v in chosen if (v.ndim > 0) == wanted]
            if group:
                groups.append({"params": group, "lr": self.settings[rate] * PHASES[phase]})
        return torch.optim.Adam(groups)

    def _codes(self, index: int, y: Tensor, alone: bool) -> Tensor:
        """Codes of a layer; ``alone`` without a graph of the layers before it."""
        state: State = self.solver.begin(y)
        with torch.set_grad_enabled(not alone):
            for before in range(index):
                state = self.solver.layer(before, state, y)
        return self.solver.layer(index, state, y)[0]

    def _score(self, index: int) -> float:
        y, x = self.held_out
        with torch.no_grad():
            return nmse_db(self._codes(index, y, alone=True).detach(), x)

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.solver.state_dict().items()}

    def _write(self, folder: Path) -> None:
        state = {
            "history": [item.nmse_db.hex() for item in self.history],
            "stopped_by": self.stopped_by,
        }
        path = folder / checkpoint.STATE_FILE
        checkpoint.write_tensors(path, self.solver.state_dict(), state)

    def _resume(self, path: Path) -> None:
        tensors, state = checkpoint.read_tensors(path)
        try:
            self.history = [
                TrainingProgress(place // len(PHASES) + 1, place % len(PHASES), float.fromhex(item))
                for place, item in enumerate(state["history"])
            ]
            self.stopped_by = state["stopped_by"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: state: expected that of a training: {error}") from None
        checkpoint.fill(path, self.solver.state_dict(), tensors)
