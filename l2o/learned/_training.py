"""Meta-training of learned optimizers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import boolean, choice, integer, number
from automl_zero.streams import Stream, stream_key
from l2o._meta_training import OPTIMIZERS, Carried, MetaProgress, MetaResult, Training
from l2o.learned import _estimators as estimators
from l2o.learned._analytic import ANALYTIC, AnalyticOptimizer
from l2o.learned._estimators import OBJECTIVES, Rollout, trained_weights
from l2o.learned._network import LearnedOptimizerNetwork
from l2o.learned._policy import PolicyOptimizer
from l2o.learned._problems import ProblemSource
from l2o.learned._reinforce import reinforce
from l2o.learned._unroll import unroll

EVOLUTION: Final = ("es", "nres", "pes")
METHODS: Final = ("tbptt", "pes", "nres", "es", "imitation", "reinforce")


def meta_train(
    network: LearnedOptimizerNetwork,
    tasks: ProblemSource,
    *,
    iterations: int,
    method: str = "tbptt",
    batch_size: int = 32,
    horizon: int = 100,
    truncation: int = 20,
    first_horizon: int | None = None,
    curriculum: float = 0.5,
    rollouts: int = 1,
    objective: str = "log",
    counted: float = 1.0,
    lr: float = 1e-3,
    optimizer: str = "adam",
    decay: str = "none",
    clip: float = 1.0,
    second_derivatives: bool = False,
    gradient_penalty: float = 0.0,
    checkpoint_every_steps: int | None = None,
    deviation: float = 0.01,
    teacher: str = "adam",
    teacher_lr: float = 0.01,
    seed: int = 0,
    validation: ProblemSource | None = None,
    validation_problems: int = 16,
    validation_steps: int | None = None,
    validate_every: int = 500,
    folder: str | Path | None = None,
    checkpoint_every: int = 500,
    divergence_factor: float = 10.0,
    progress: Callable[[MetaProgress], None] | None = None,
) -> MetaResult:
    """Meta-train a network, in place.

    Everything an iteration draws depends on ``seed`` and the iteration alone, so a training that
    was killed and is called again with the same arguments and folder ends with the same bytes
    as one that was not.

    A training diverges when a meta-gradient or a weight is no longer finite, or when the averaged
    meta-loss rises far above its lowest (``divergence_factor``; it looks at differences where
    the objective is a logarithm). Then it stops with a warning, and the network gets the last
    good weights: the best on validation, without validation those of the last checkpoint.

    Args:
        network: What to train.
        tasks: Where problems come from.
        iterations: Steps of the meta-optimizer.
        method: ``"tbptt"``: back-propagation through stretches of ``truncation`` steps, with
            what lies before taken as constant: precise, but blind to what comes later.
            ``"pes"``: persistent evolution strategies, stretches without that bias. ``"nres"``: the
            same with a perturbation for a whole optimization, less noisy where it is long.
            ``"es"``: evolution strategies over whole optimizations of ``horizon`` steps.
            ``"imitation"``: of an analytic optimizer, to begin with. ``"reinforce"``: policy
            gradient over episodes of ``horizon`` steps, for a :class:`PolicyOptimizer`.
        batch_size: Problems of an iteration; for evolution strategies pairs, each on one problem.
        horizon: Length of optimizations.
        truncation: Steps between two updates of the network.
        first_horizon: Curriculum: length of optimizations at first. Each one's length is drawn
            between this and a limit that grows to ``horizon``, evenly on the logarithmic
            scale. None makes all of them ``horizon`` long.
        curriculum: Share of the iterations in which the limit grows.
        rollouts: Batches of optimizations in progress; iterations take turns. More than one
            shows the network early and late stages side by side.
        objective: Of each problem over the steps of a stretch: ``"log"`` of the loss over its
            start, for losses above 0; ``"relative"``: that without logarithm, or ``"plain"``:
            the loss.
        counted: Share of a stretch's steps, its last ones, whose losses count. A small one, with
            stretches as long as the optimizations, is for where these end: the mean over all
            steps favours optimizers that are quick at first.
        lr: Rate of the meta-optimizer.
        optimizer: ``"adam"`` or ``"sgd"``.
        decay: Of the rate to 0: ``"none"``, ``"linear"`` or ``"cosine"``.
        clip: Longest meta-gradient; longer ones are shortened.
        second_derivatives: See :func:`unroll`.
        gradient_penalty: Weight in the meta-loss of the mean squared norm of the optimized
            gradients: HALO's regulariser, which leads to flat places (1e-3 there). It needs
            second derivatives, and back-propagation.
        checkpoint_every_steps: ``checkpoint_every`` of :func:`unroll`.
        deviation: Of the perturbations of evolution strategies.
        teacher: Of imitation: ``"sgd"``, ``"momentum"``, ``"rmsprop"`` or ``"adam"``.
        teacher_lr: Its learning rate.
        seed: Of problems and perturbations.
        validation: Problems to choose the weights by; None keeps the last ones.
        validation_problems: How many of them, the same ones each time.
        validation_steps: Length of their optimization; None takes ``horizon``.
        validate_every: Iterations between validations. The score is the mean logarithm of
            final losses, or their mean over the starts' where the objective is another; lower
            is better.
        folder: Where to keep checkpoints, to go on from; None keeps none.
        checkpoint_every: Iterations between checkpoints.
        divergence_factor: See above; ``inf`` looks for non-finite numbers only.
        progress: Called after every iteration.

    Returns:
        What was done.

    Raises:
        ValueError: If an argument is wrong, or the folder holds another or a damaged training.

    Example:
        >>> from l2o.learned import CoordinatewiseLSTM, Quadratics
        >>> network = CoordinatewiseLSTM(hidden=4)
        >>> result = meta_train(network, Quadratics(3), iterations=3, batch_size=8, horizon=10)
        >>> result.stopped_by
        'iterations'
    """
    if not isinstance(network, LearnedOptimizerNetwork):
        raise ValueError(
            f"network: expected a LearnedOptimizerNetwork, received {type(network).__name__}"
        )
    whole = integer("horizon", horizon, 1)
    settings: dict[str, Any] = {
        "iterations": integer("iterations", iterations, 1),
        "method": choice("method", method, METHODS),
        "batch_size": integer("batch_size", batch_size, 1),
        "horizon": whole,
        "truncation": min(integer("truncation", truncation, 1), whole),
        "first_horizon": (
            whole if first_horizon is None else integer("first_horizon", first_horizon, 1, whole)
        ),
        "curriculum": number("curriculum", curriculum, 0.0, 1.0),
        "rollouts": integer("rollouts", rollouts, 1),
        "objective": choice("objective", objective, OBJECTIVES),
        "lr": number("lr", lr, 0.0),
        "optimizer": choice("optimizer", optimizer, OPTIMIZERS),
        "decay": choice("decay", decay, ("none", "linear", "cosine")),
        "clip": number("clip", clip, 0.0),
        "second_derivatives": boolean("second_derivatives", second_derivatives),
        "deviation": number("deviation", deviation, 1e-8),
        "teacher": choice("teacher", teacher, ANALYTIC),
        "teacher_lr": number("teacher_lr", teacher_lr, 0.0),
        "seed": integer("seed", seed, 0),
        "validation_problems": integer("validation_problems", validation_problems, 1),
        "validation_steps": (
            whole if validation_steps is None else integer("validation_steps", validation_steps, 1)
        ),
        "validate_every": integer("validate_every", validate_every, 1),
        # Divergence is looked for at checkpoints, so they decide what a training does.
        "checkpoint_every": integer("checkpoint_every", checkpoint_every, 1),
        "divergence_factor": number("divergence_factor", divergence_factor, 1.0),
        "network": {"kind": network.kind, **network.settings()},
        "tasks": tasks.settings(),
        "validation": None if validation is None else validation.settings(),
    }
    if method == "reinforce" and not isinstance(network, PolicyOptimizer):
        raise ValueError(f"method: expected a PolicyOptimizer for reinforce, not {network.kind}")
    if number("gradient_penalty", gradient_penalty, 0.0):
        # Not among the settings without one: folders of before can go on.
        settings["gradient_penalty"] = gradient_penalty
    if number("counted", counted, 0.0, 1.0) == 0.0:
        raise ValueError("counted: expected a number above 0, received 0")
    if counted < 1.0:
        if method in ("imitation", "reinforce"):
            raise ValueError(f"counted: expected 1 for method {method!r}, received {counted}")
        settings["counted"] = counted
    if gradient_penalty and not (method == "tbptt" and second_derivatives):
        raise ValueError(
            "gradient_penalty: expected 0 without second_derivatives and method 'tbptt', "
            f"received {gradient_penalty}"
        )
    if method in EVOLUTION and objective == "plain":
        raise ValueError("objective: expected 'log' or 'relative' for evolution strategies")
    learner = _Learner(network, tasks, settings, checkpoint_every_steps)
    where = None if folder is None else Path(folder)
    training = Training(learner, settings, where, learner.carried, learner.restore)
    training.is_logarithm = objective == "log" and method not in ("imitation", "reinforce")
    begun = time.monotonic()
    while training.stopped_by is None:
        training.step(training.iteration)
        ended = training.iteration == iterations
        goes_on = training.stopped_by is None
        if (
            validation is not None
            and goes_on
            and (ended or training.iteration % validate_every == 0)
        ):
            training.validate(_score(network, validation, settings), is_loss=True)
        if ended or training.iteration % checkpoint_every == 0:
            training.check_and_keep()
        if progress is not None:
            progress(training.progress(time.monotonic() - begun))
    return training.finish()


def _score(
    network: LearnedOptimizerNetwork, source: ProblemSource, settings: Mapping[str, Any]
) -> float:
    """Final losses of the validation problems, as a number that is low for good networks."""
    stream = Stream(stream_key(settings["seed"], "meta-validation"))
    problems = source.sample(settings["validation_problems"], stream)
    with torch.no_grad():
        scale = problems.losses(problems.start).abs() + 1e-12
        done = unroll(network, problems, settings["validation_steps"])
        finals = problems.final_losses(done.parameters)
    relative = (finals / scale).nan_to_num(nan=10.0).clamp(-10.0, 10.0)
    if settings["objective"] == "log":
        return float((relative * scale).clamp_min(1e-12).log().mean())
    return float(relative.mean())


class _Learner:
    """A network and the optimizations in progress, as what a training trains."""

    def __init__(
        self,
        network: LearnedOptimizerNetwork,
        tasks: ProblemSource,
        settings: dict[str, Any],
        checkpoint_every_steps: int | None,
    ) -> None:
        self._network = network
        self._tasks = tasks
        self._settings = settings
        self._pairs = settings["method"] in EVOLUTION
        self._in_progress: dict[int, tuple[int, Rollout]] = {}
        self._unroll = {
            "gradient_penalty": settings.get("gradient_penalty", 0.0),
            "second_derivatives": settings["second_derivatives"],
            "checkpoint_every": checkpoint_every_steps,
        }

    def parameters(self) -> list[nn.Parameter]:
        """The network's."""
        return list(self._network.parameters())

    def state_dict(self) -> Mapping[str, Tensor]:
        """The network's."""
        state: Mapping[str, Tensor] = self._network.state_dict()
        return state

    def backward(self, iteration: int) -> float:
        """Add the meta-gradient of an iteration; the meta-loss."""
        settings = self._settings
        method = settings["method"]
        if method in ("imitation", "reinforce"):
            stream = self._stream("rollout", iteration)
            problems = self._tasks.sample(settings["batch_size"], stream)
        if method == "imitation":
            teacher = AnalyticOptimizer(settings["teacher"], settings["teacher_lr"])
            loss = estimators.imitate(self._network, teacher, problems, settings["truncation"])
        elif isinstance(self._network, PolicyOptimizer) and method == "reinforce":
            actions = self._stream("actions", iteration)
            loss = reinforce(self._network, problems, settings["horizon"], actions)
        else:
            loss = self._advance(iteration)
        estimators.clip(list(trained_weights(self._network).values()), settings["clip"])
        return loss

    def _advance(self, iteration: int) -> float:
        """One stretch of the rollout whose turn it is."""
        settings = self._settings
        turn = iteration % settings["rollouts"]
        begun, rollout = self._in_progress.get(turn) or (iteration, self._begin(iteration, None))
        objective = estimators.of_last(
            OBJECTIVES[settings["objective"]], settings.get("counted", 1.0)
        )
        left = rollout.horizon - rollout.step
        steps = left if settings["method"] == "es" else min(settings["truncation"], left)
        if self._pairs:
            stream = self._stream("perturbation", iteration)
            deviation = settings["deviation"]
            loss, rollout = estimators.evolve(
                self._network,
                rollout,
                steps,
                objective,
                deviation,
                stream,
                reuse=settings["method"] == "nres",
            )
        else:
            loss, rollout = estimators.backpropagate(
                self._network, rollout, steps, objective, **self._unroll
            )
        if rollout.step >= rollout.horizon:
            self._in_progress.pop(turn, None)
        else:
            self._in_progress[turn] = (begun, rollout)
        return loss

    def _begin(self, iteration: int, horizon: int | None) -> Rollout:
        """New problems; what they are depends on the iteration alone."""
        settings = self._settings
        stream = self._stream("rollout", iteration)
        problems = self._tasks.sample(settings["batch_size"], stream)
        if horizon is None:
            first, last = settings["first_horizon"], settings["horizon"]
            ramp = settings["curriculum"] * settings["iterations"]
            done = 1.0 if iteration >= ramp else iteration / ramp
            limit = done * math.log(last / first)
            share = float(self._stream("horizon", iteration).uniform())
            horizon = round(first * math.exp(share * limit))
        return Rollout.begin(self._network, problems, horizon, self._pairs)

    def _stream(self, *path: int | str) -> Stream:
        return Stream(stream_key(self._settings["seed"], "meta-train", *path))

    # Checkpoints: problems are drawn again, the rest is stored.

    def carried(self) -> Carried:
        """The rollouts as tensors and plain data."""
        tensors: dict[str, Tensor] = {}
        table = {}
        for turn, (begun, rollout) in self._in_progress.items():
            table[str(turn)] = {"begun": begun, "step": rollout.step, "horizon": rollout.horizon}
            tensors[f"{turn}/parameters"] = rollout.parameters
            tensors |= {f"{turn}/state/{name}": each for name, each in rollout.state.items()}
            if rollout.perturbation is not None:
                tensors[f"{turn}/perturbation"] = rollout.perturbation
        return tensors, table

    def restore(self, carried: Carried) -> None:
        """Take back what :meth:`carried` gave."""
        tensors, table = carried
        if not isinstance(table, Mapping):
            raise ValueError(f"expected a table of rollouts, received {table!r}")
        for key, numbers in table.items():
            turn, begun = int(key), integer("begun", numbers["begun"], 0)
            fresh = self._begin(begun, integer("horizon", numbers["horizon"], 1))
            into = {"parameters": fresh.parameters} | {
                f"state/{name}": value for name, value in fresh.state.items()
            }
            if fresh.perturbation is not None:
                into["perturbation"] = fresh.perturbation
            for name, value in into.items():
                found = tensors[f"{turn}/{name}"]
                if found.shape != value.shape:
                    raise ValueError(
                        f"{turn}/{name}: expected shape {list(value.shape)}, "
                        f"received {list(found.shape)}"
                    )
            self._in_progress[turn] = (
                begun,
                Rollout(
                    fresh.problems,
                    tensors[f"{turn}/parameters"],
                    {name: tensors[f"{turn}/state/{name}"] for name in fresh.state},
                    fresh.scale,
                    integer("step", numbers["step"], 1),
                    fresh.horizon,
                    tensors.get(f"{turn}/perturbation"),
                ),
            )
