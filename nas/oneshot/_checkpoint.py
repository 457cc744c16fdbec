"""A trainer's state in a file, and training that goes on from it."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from automl_zero._config_values import integer
from nas.oneshot._trainer import OneShotTrainer

_STATE: Final = "state.json"


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands.

    Attributes:
        method: Name of the method.
        step: Steps done; ``steps`` is all of them.
        loss: Mean training loss since the last report.
        seconds_left: At the pace so far.
    """

    method: str
    step: int
    steps: int
    loss: float
    seconds_left: float

    def __str__(self) -> str:
        return (
            f"{self.method}: step {self.step}/{self.steps}, loss {self.loss:.3f}, "
            f"{self.seconds_left:.0f} s left"
        )


def save_trainer(trainer: OneShotTrainer, path: str | os.PathLike[str]) -> None:
    """Write a trainer's state: a zip archive of JSON and NumPy arrays, whole or not at all."""
    state = trainer.state_dict()
    tensors = state.pop("tensors")
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w") as archive:
        archive.writestr(_STATE, json.dumps({**state, "names": list(tensors)}))
        for number, tensor in enumerate(tensors.values()):
            buffer = io.BytesIO()
            np.save(buffer, tensor.numpy(), allow_pickle=False)
            archive.writestr(f"{number}.npy", buffer.getvalue())
    partial.replace(path)


def load_trainer(trainer: OneShotTrainer, path: str | os.PathLike[str]) -> None:
    """Let a trainer, made with the same arguments, go on from what :func:`save_trainer` wrote.

    Raises:
        ValueError: If the file is damaged or of another trainer; names it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state = json.loads(archive.read(_STATE))
            state["tensors"] = {
                name: torch.from_numpy(
                    np.load(io.BytesIO(archive.read(f"{number}.npy")), allow_pickle=False)
                )
                for number, name in enumerate(state.pop("names"))
            }
    except FileNotFoundError:
        raise
    except Exception as error:  # whatever a damaged archive makes of zipfile, json and NumPy
        raise ValueError(f"{path}: expected a trainer's state: {error}") from None
    try:
        trainer.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def run_trainer(
    trainer: OneShotTrainer,
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 100,
    progress: Callable[[TrainingProgress], Any] | None = None,
    stop: Callable[[OneShotTrainer], bool] | None = None,
) -> OneShotTrainer:
    """Do all steps of a trainer, or what is left of them.

    Args:
        trainer: What to run.
        checkpoint: A file for its state; if it is there, the training goes on from it.
        every: Steps between checkpoints, reports and questions to ``stop``.
        progress: Called with where it stands; ``print`` will do.
        stop: Called with the trainer; true ends the training. :class:`EigenvalueStop` is one.

    Returns:
        The trainer.

    Raises:
        ValueError: If the checkpoint is damaged or of another trainer.
        TrainingDiverged: If the loss is not finite.
    """
    integer("every", every, 1)
    if checkpoint is not None and os.path.exists(checkpoint):
        load_trainer(trainer, checkpoint)
    start, first, losses = time.monotonic(), trainer.steps_done, []
    stopped = False
    while not (trainer.finished or stopped):
        losses.append(trainer.step())
        if trainer.steps_done % every and not trainer.finished:
            continue
        done = trainer.steps_done
        stopped = stop is not None and stop(trainer)
        if checkpoint is not None:
            save_trainer(trainer, checkpoint)
        if progress is not None:
            left = (time.monotonic() - start) / (done - first) * (trainer.steps - done)
            loss = sum(losses) / len(losses)
            progress(TrainingProgress(trainer.method, done, trainer.steps, loss, left))
        losses.clear()
    return trainer
