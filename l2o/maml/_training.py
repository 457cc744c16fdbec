"""The loop of meta-training: resumable, shows itself, and stops when it diverges."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from automl_zero._config_values import choice, integer, number
from automl_zero.streams import Stream, stream_key
from l2o._meta_training import OPTIMIZERS, MetaProgress, MetaResult, Training
from l2o.maml._learner import MetaLearner
from l2o.maml._tasks import TaskSource


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
        >>> import torch
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
    training = Training(learner, settings, None if folder is None else Path(folder))
    held_out = None
    if validation is not None:
        stream = Stream(stream_key(seed, "meta-validation"))
        held_out = validation.sample(validation_tasks, stream)
    begun = time.monotonic()
    while training.stopped_by is None:
        batch = tasks.sample(batch_size, Stream(stream_key(seed, "meta-train", training.iteration)))
        training.step(batch)
        ended = training.iteration == iterations
        goes_on = training.stopped_by is None
        if held_out is not None and goes_on and (ended or training.iteration % validate_every == 0):
            scores = learner.evaluate(held_out)
            is_loss = scores.accuracies is None
            training.validate(scores.loss if is_loss else scores.accuracy, is_loss=is_loss)
        if ended or training.iteration % checkpoint_every == 0:
            training.check_and_keep()
        if progress is not None:
            progress(training.progress(time.monotonic() - begun))
    return training.finish()
