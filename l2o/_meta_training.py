"""State of a meta-training, whatever is trained: progress, divergence, checkpoints."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from automl_zero._config_values import integer
from automl_zero.evolution.runs._json import plain_mapping, read_json
from l2o import _checkpoint as checkpoint

OPTIMIZERS: Final = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
_SMOOTHING: Final = 0.98
_CARRIED: Final = "carried/"

Carried = tuple[dict[str, torch.Tensor], Any]


@dataclass(frozen=True, slots=True)
class MetaProgress:
    """Where a meta-training stands.

    Args:
        iteration: Finished iterations.
        iterations: How many there will be.
        loss: Meta-loss, exponentially averaged over about 50 iterations.
        validation: The last validation score, None before the first: accuracy (higher is
            better) of classification, loss (lower is better) of regression.
        seconds: Of this call, whatever came before a resumption not counted.
    """

    iteration: int
    iterations: int
    loss: float
    validation: float | None
    seconds: float

    def __str__(self) -> str:
        score = "" if self.validation is None else f", validation {self.validation:.4f}"
        rate = f"{self.iteration:,} of {self.iterations:,} iterations"
        return f"{rate}, meta-loss {self.loss:.4f}{score}, {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class MetaResult:
    """What a meta-training did.

    Args:
        iteration: Iterations that were finished, resumed ones included.
        loss: Averaged meta-loss at the end.
        best_validation: Best validation score, None without validation.
        best_iteration: Where it was; the learner holds those weights. Without validation,
            the iteration of the learner's weights.
        stopped_by: ``"iterations"`` or ``"divergence"``.
        history: Validation scores as ``(iteration, score)``.
    """

    iteration: int
    loss: float
    best_validation: float | None
    best_iteration: int
    stopped_by: str
    history: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What the checkpoint of a meta-training tells.

    Args:
        iteration: Finished iterations.
        iterations: How many there will be.
        losses: Averaged meta-loss at each checkpoint, with its iteration.
        validation: Validation scores, likewise.
        good_iteration: Where the good weights are from.
        stopped_by: ``"iterations"``, ``"divergence"``, or None before the end.
    """

    iteration: int
    iterations: int
    losses: tuple[tuple[int, float], ...]
    validation: tuple[tuple[int, float], ...]
    good_iteration: int
    stopped_by: str | None


def training_log(folder: Path) -> TrainingLog:
    """What the checkpoint in a folder tells; nothing was done before the first.

    Raises:
        ValueError: If a file is missing or damaged; names file and field.
    """
    settings = read_json(folder / checkpoint.SETTINGS_FILE)
    try:
        iterations = integer("iterations", settings["iterations"], 1)
    except (KeyError, TypeError, ValueError) as error:
        what = error if isinstance(error, ValueError) else "iterations: expected a number"
        raise ValueError(f"{folder / checkpoint.SETTINGS_FILE}: {what}") from None
    path = folder / checkpoint.STATE_FILE
    if not path.exists():
        return TrainingLog(0, iterations, (), (), 0, None)
    _, state = checkpoint.read_tensors(path)
    try:
        losses, validation = (
            tuple((int(at), float.fromhex(value)) for at, value in state.get(name, []))
            for name in ("losses", "history")
        )
        return TrainingLog(
            integer("iteration", state["iteration"], 0), iterations, losses, validation,
            integer("good_iteration", state["good_iteration"], 0), state["stopped_by"],
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: state: expected that of a meta-training: {error}") from None


class Learner(Protocol):
    """What :class:`Training` trains."""

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Weights to train, and others."""

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        """All that a file of weights holds."""

    def backward(self, batch: Any) -> float:
        """Add the meta-gradient of a batch to ``parameters()``'s ``grad``; the meta-loss."""


class Training:
    """State of a meta-training: what a checkpoint holds.

    Args:
        learner: What is trained.
        settings: Of the meta-optimizer (``iterations``, ``lr``, ``optimizer``, ``decay``,
            ``divergence_factor``), and whatever else tells one training from another.
        folder: Of the checkpoints; None keeps none. If it holds one, the training goes on.
        carried: Gives more tensors and plain data for a checkpoint, such as optimizations in
            progress; ``restore`` takes them back.
        restore: See ``carried``.

    Raises:
        ValueError: If the folder holds another or a damaged training.
    """

    def __init__(
        self,
        learner: Learner,
        settings: dict[str, Any],
        folder: Path | None,
        carried: Callable[[], Carried] | None = None,
        restore: Callable[[Carried], None] | None = None,
    ) -> None:
        self.learner = learner
        self.settings = settings
        self.folder = folder
        self.is_logarithm = False  # of a loss: then divergence is a difference
        self._carried = carried
        self._restore = restore
        self.weights = [value for value in learner.parameters() if value.requires_grad]
        self.optimizer = OPTIMIZERS[settings["optimizer"]](self.weights, lr=settings["lr"])
        self.iteration = 0
        self.loss = math.nan
        self.first_loss = math.nan
        self.lowest = math.inf
        self.history: list[tuple[int, float]] = []
        self.losses: list[tuple[int, float]] = []  # averaged, at each checkpoint
        self.best: float | None = None
        self.good_iteration = 0
        self.good = self._copy()
        self.stopped_by: str | None = None
        self.reason = ""  # of a divergence in this call
        if folder is not None:
            checkpoint.claim_folder(folder, plain_mapping("settings", settings))
            if (folder / checkpoint.STATE_FILE).exists():
                self._resume(folder / checkpoint.STATE_FILE)

    def step(self, batch: Any) -> None:
        """One iteration."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * self._decay()
        self.optimizer.zero_grad()
        loss = self.learner.backward(batch)
        finite = math.isfinite(loss) and all(
            value.grad is None or bool(value.grad.isfinite().all()) for value in self.weights
        )
        self.iteration += 1
        if not finite:
            self._diverge(f"meta-loss {loss}, or its gradient not finite")
            return
        self.optimizer.step()
        if math.isnan(self.loss):
            self.loss = self.first_loss = loss
        else:
            # A short average at first: the loss of iteration 1 must not linger.
            keep = min(_SMOOTHING, 1 - 1 / self.iteration)
            self.loss = keep * self.loss + (1 - keep) * loss

    def validate(self, score: float, *, is_loss: bool) -> None:
        """Take note of a score of the weights; the best so far are good ones."""
        if self.stopped_by:
            return
        self.history.append((self.iteration, score))
        if not math.isfinite(score):
            self._diverge(f"validation {score}")
        elif self.best is None or (score < self.best if is_loss else score > self.best):
            self.best = score
            self._keep_good()

    def check_and_keep(self) -> None:
        """Look for divergence; if there is none, write a checkpoint."""
        factor = self.settings["divergence_factor"]
        # Not factor * lowest: a loss may be negative.
        rise = math.log(factor) if self.is_logarithm else (factor - 1) * abs(self.lowest)
        limit = self.lowest + rise
        if self.stopped_by is None:
            if not all(bool(value.isfinite().all()) for value in self.weights):
                self._diverge("weights not finite")
            elif self.loss > max(limit, self.first_loss):
                self._diverge(f"averaged meta-loss {self.loss:.4g}, once {self.lowest:.4g}")
        if self.stopped_by is None:
            self.lowest = min(self.lowest, self.loss)
            if self.best is None:
                self._keep_good()
            if self.iteration == self.settings["iterations"]:
                self.stopped_by = "iterations"
        self.losses.append((self.iteration, self.loss))
        if self.folder is not None:
            self._write(self.folder)

    def progress(self, seconds: float) -> MetaProgress:
        """Where the training stands."""
        score = self.history[-1][1] if self.history else None
        iterations = self.settings["iterations"]
        return MetaProgress(self.iteration, iterations, self.loss, score, seconds)

    def finish(self) -> MetaResult:
        """Give the learner its good weights, and keep them as a file of their own."""
        with torch.no_grad():
            for name, value in self.learner.state_dict().items():
                value.copy_(self.good[name])
        if self.folder is not None:
            checkpoint.save_weights(self.folder / checkpoint.GOOD_FILE, self.learner)
        if self.stopped_by == "divergence":
            warnings.warn(
                f"meta-training diverged by iteration {self.iteration}{self.reason}; the learner "
                f"has the good weights of iteration {self.good_iteration}",
                RuntimeWarning,
                stacklevel=3,
            )
        return MetaResult(
            self.iteration,
            self.loss,
            self.best,
            self.good_iteration,
            str(self.stopped_by),
            tuple(self.history),
        )

    def _decay(self) -> float:
        done = self.iteration / self.settings["iterations"]
        if self.settings["decay"] == "linear":
            return 1 - done
        if self.settings["decay"] == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        return 1.0

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.learner.state_dict().items()}

    def _keep_good(self) -> None:
        self.good, self.good_iteration = self._copy(), self.iteration

    def _diverge(self, what: str) -> None:
        self.stopped_by = "divergence"
        self.reason = f": {what}"
        if self.folder is not None:
            self._write(self.folder)

    # Checkpoints.

    def _tensors(self) -> dict[str, torch.Tensor]:
        """Every tensor of the state: weights, good weights, the optimizer's averages."""
        tensors = {f"weights/{name}": value for name, value in self.learner.state_dict().items()}
        tensors |= {f"good/{name}": value for name, value in self.good.items()}
        for index, weight in enumerate(self.weights):
            for name, value in self.optimizer.state[weight].items():
                tensors[f"optimizer/{index}/{name}"] = value
        return tensors

    def _write(self, folder: Path) -> None:
        state = {
            "iteration": self.iteration,
            "loss": self.loss.hex(),
            "first_loss": self.first_loss.hex(),
            "lowest": self.lowest.hex(),
            "best": None if self.best is None else self.best.hex(),
            "good_iteration": self.good_iteration,
            "history": [[at, score.hex()] for at, score in self.history],
            "losses": [[at, loss.hex()] for at, loss in self.losses],
            "stopped_by": self.stopped_by,
        }
        tensors = self._tensors()
        if self._carried is not None:
            more, state["carried"] = self._carried()
            tensors |= {f"{_CARRIED}{name}": value for name, value in more.items()}
        checkpoint.write_tensors(folder / checkpoint.STATE_FILE, tensors, state)

    def _resume(self, path: Path) -> None:
        tensors, state = checkpoint.read_tensors(path)
        try:
            self.iteration = integer("iteration", state["iteration"], 1)
            self.loss, self.first_loss, self.lowest = (
                float.fromhex(state[name]) for name in ("loss", "first_loss", "lowest")
            )
            self.best = None if state["best"] is None else float.fromhex(state["best"])
            self.good_iteration = integer("good_iteration", state["good_iteration"], 0)
            self.history = [(int(at), float.fromhex(score)) for at, score in state["history"]]
            self.losses = [(int(at), float.fromhex(loss)) for at, loss in state.get("losses", [])]
            self.stopped_by = state["stopped_by"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: state: expected that of a meta-training: {error}") from None
        if any(name.startswith("optimizer/") for name in tensors):
            # One step of zeros makes the optimizer's tensors, which are then filled.
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight)
            self.optimizer.step()
        own = {name: value for name, value in tensors.items() if not name.startswith(_CARRIED)}
        checkpoint.fill(path, self._tensors(), own)
        if self._restore is not None:
            more = {
                name.removeprefix(_CARRIED): value
                for name, value in tensors.items()
                if name.startswith(_CARRIED)
            }
            try:
                self._restore((more, state["carried"]))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: carried: {error}") from None
