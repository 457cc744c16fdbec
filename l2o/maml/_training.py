"""The loop of meta-training: resumable, shows itself, and stops when it diverges."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from automl_zero._config_values import choice, integer, number
from automl_zero.evolution.runs._json import plain_mapping
from automl_zero.streams import Stream, stream_key
from l2o import _checkpoint as checkpoint
from l2o.maml._learner import MetaLearner
from l2o.maml._tasks import TaskBatch, TaskSource

OPTIMIZERS: Final = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
_SMOOTHING: Final = 0.98


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
    """What :func:`meta_train` did.

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


def meta_train(
    learner: MetaLearner,
    tasks: TaskSource,
    *,
    iterations: int,
    batch_size: int = 32,
    lr: float = 1e-3,
    optimizer: str = "adam",
    decay: str = "none",
    seed: int = 0,
    validation: TaskSource | None = None,
    validation_tasks: int = 200,
    validate_every: int = 500,
    folder: str | Path | None = None,
    checkpoint_every: int = 500,
    divergence_factor: float = 10.0,
    progress: Callable[[MetaProgress], None] | None = None,
) -> MetaResult:
    """Meta-train a learner, in place.

    The tasks of iteration i depend on ``seed`` and i alone, so a training that was killed and
    is called again with the same arguments and folder ends with the same bytes as one that
    was not.

    A training diverges when a meta-loss or a weight is no longer finite, or when the averaged
    loss is above ``divergence_factor`` times the lowest it had at a checkpoint and above
    where it began. Then it stops with a warning, and the learner gets the last good
    weights: the best on validation, without validation those of the last checkpoint.

    Args:
        learner: What to train; its weights are changed.
        tasks: Where tasks come from.
        iterations: Steps of the meta-optimizer.
        batch_size: Tasks of an iteration.
        lr: Rate of the meta-optimizer.
        optimizer: ``"adam"`` or ``"sgd"``; Reptile's paper uses SGD with ``lr`` 1 and linear
            decay.
        decay: ``"none"``, ``"linear"`` or ``"cosine"``: the rate falls to 0 at the end.
        seed: Of the tasks.
        validation: Tasks to choose the weights by; None keeps the last ones.
        validation_tasks: How many of them, the same ones each time.
        validate_every: Iterations between validations.
        folder: Where to keep checkpoints (safetensors, JSON), to go on from; None keeps none.
        checkpoint_every: Iterations between checkpoints.
        divergence_factor: See above; ``inf`` looks for non-finite numbers only.
        progress: Called after every iteration.

    Returns:
        What was done. The learner holds the best weights on validation, else the last.

    Raises:
        ValueError: If an argument is wrong, or the folder holds another or a damaged training.

    Example:
        >>> from l2o.maml import MAML, SinusoidTasks, sinusoid_net
        >>> learner = MAML(sinusoid_net(8), inner_lr=0.01, loss=torch.nn.functional.mse_loss)
        >>> meta_train(learner, SinusoidTasks(), iterations=3, batch_size=4).stopped_by
        'iterations'
    """
    if not isinstance(learner, MetaLearner):
        raise ValueError(f"learner: expected a MetaLearner, received {type(learner).__name__}")
    settings = {
        "iterations": integer("iterations", iterations, 1),
        "batch_size": integer("batch_size", batch_size, 1),
        "lr": number("lr", lr, 0.0),
        "optimizer": choice("optimizer", optimizer, OPTIMIZERS),
        "decay": choice("decay", decay, ("none", "linear", "cosine")),
        "seed": integer("seed", seed, -(1 << 63), (1 << 64) - 1),
        "validation_tasks": integer("validation_tasks", validation_tasks, 1),
        "validate_every": integer("validate_every", validate_every, 1),
        # Divergence is looked for at checkpoints, so they decide what a training does.
        "checkpoint_every": integer("checkpoint_every", checkpoint_every, 1),
        "divergence_factor": number("divergence_factor", divergence_factor, 1.0),
    } | learner.settings()
    training = _Training(learner, settings, None if folder is None else Path(folder))
    held_out = None
    if validation is not None:
        stream = Stream(stream_key(seed, "meta-validation"))
        held_out = validation.sample(validation_tasks, stream)
    begun = time.monotonic()
    while training.stopped_by is None:
        batch = tasks.sample(batch_size, Stream(stream_key(seed, "meta-train", training.iteration)))
        training.step(batch)
        ended = training.iteration == iterations
        if held_out is not None and (ended or training.iteration % validate_every == 0):
            training.validate(held_out)
        if ended or training.iteration % checkpoint_every == 0:
            training.check_and_keep()
        if progress is not None:
            progress(training.progress(time.monotonic() - begun))
    return training.finish()


class _Training:
    """State of a meta-training: what a checkpoint holds."""

    def __init__(self, learner: MetaLearner, settings: dict[str, Any], folder: Path | None) -> None:
        self.learner = learner
        self.settings = settings
        self.folder = folder
        self.weights = [value for value in learner.parameters() if value.requires_grad]
        self.optimizer = OPTIMIZERS[settings["optimizer"]](self.weights, lr=settings["lr"])
        self.iteration = 0
        self.loss = math.nan
        self.first_loss = math.nan
        self.lowest = math.inf
        self.history: list[tuple[int, float]] = []
        self.best: float | None = None
        self.good_iteration = 0
        self.good = self._copy()
        self.stopped_by: str | None = None
        self.reason = ""  # of a divergence in this call
        if folder is not None:
            checkpoint.claim_folder(folder, plain_mapping("settings", settings))
            if (folder / checkpoint.STATE_FILE).exists():
                self._resume(folder / checkpoint.STATE_FILE)

    def step(self, batch: TaskBatch) -> None:
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

    def validate(self, tasks: TaskBatch) -> None:
        """Score the weights; the best so far are good ones."""
        if self.stopped_by:
            return
        scores = self.learner.evaluate(tasks)
        is_loss = scores.accuracies is None
        score = scores.loss if is_loss else scores.accuracy
        self.history.append((self.iteration, score))
        if not math.isfinite(score):
            self._diverge(f"validation {score}")
        elif self.best is None or (score < self.best if is_loss else score > self.best):
            self.best = score
            self._keep_good()

    def check_and_keep(self) -> None:
        """Look for divergence; if there is none, write a checkpoint."""
        limit = self.settings["divergence_factor"] * self.lowest
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
            "stopped_by": self.stopped_by,
        }
        checkpoint.write_tensors(folder / checkpoint.STATE_FILE, self._tensors(), state)

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
            self.stopped_by = state["stopped_by"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: state: expected that of a meta-training: {error}") from None
        if any(name.startswith("optimizer/") for name in tensors):
            # One step of zeros makes the optimizer's tensors, which are then filled.
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight)
            self.optimizer.step()
        checkpoint.fill(path, self._tensors(), tensors)
