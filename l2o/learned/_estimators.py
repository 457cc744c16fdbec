"""Meta-gradients: how the loss along an optimization depends on the optimizer's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from automl_zero.streams import Stream
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State
from l2o.learned._problems import Problems
from l2o.learned._unroll import Unrolled, loss_and_gradients, unroll

_SMALLEST_LOSS = 1e-6
_WORST = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """Optimizations in progress.

    Args:
        problems: What is optimized, ``P`` of them.
        parameters: ``[P, N]``.
        state: The network's.
        scale: Loss of each problem at its start, ``[P]``: what later ones are measured by.
        step: Steps that were made.
        horizon: When the rollout ends, and other problems begin.
        perturbation: Of evolution strategies: the sum of each pair's perturbations since the
            start, or the one that is kept, ``[pairs, weights]``.
    """

    problems: Problems
    parameters: Tensor
    state: State
    scale: Tensor
    step: int
    horizon: int
    perturbation: Tensor | None = None

    @classmethod
    def begin(
        cls, network: LearnedOptimizerNetwork, problems: Problems, horizon: int, pairs: bool
    ) -> Rollout:
        """One that made no step yet.

        Args:
            network: The optimizer.
            problems: What to optimize.
            horizon: Steps.
            pairs: Each problem twice, once for each side of a perturbation.
        """
        count, perturbation = len(problems), None
        if pairs:
            problems = problems.select([*range(count), *range(count)])
            perturbation = torch.zeros(count, weight_count(network))
        with torch.no_grad():
            scale = problems.losses(problems.start).abs() + _SMALLEST_LOSS
        state = network.begin(problems.start, problems.layout, horizon)
        return cls(problems, problems.start, state, scale, 0, horizon, perturbation)

    def after(
        self,
        network: LearnedOptimizerNetwork,
        unrolled: Unrolled,
        perturbation: Tensor | None = None,
    ) -> Rollout:
        """The rollout some steps later; problems that were lost begin again."""
        parameters = unrolled.parameters.detach()
        state = {name: value.detach() for name, value in unrolled.state.items()}
        lost = ~(parameters.isfinite().all(1) & unrolled.losses[-1].detach().isfinite())
        if perturbation is not None:
            half = lost.view(2, -1).any(0)
            lost = half.repeat(2)
            perturbation = perturbation.masked_fill(half[:, None], 0.0)
        if bool(lost.any()):
            start = self.problems.start
            parameters = torch.where(lost[:, None], start, parameters)
            begin = network.begin(start, self.problems.layout, self.horizon)
            state = {
                name: torch.where(lost.view(-1, *[1] * (value.ndim - 1)), begin[name], value)
                for name, value in state.items()
            }
        step = self.step + len(unrolled.losses) - 1
        return replace(
            self, parameters=parameters, state=state, step=step, perturbation=perturbation
        )


Objective = Callable[[Tensor, Tensor], Tensor]


def relative_losses(losses: Tensor, scale: Tensor) -> Tensor:
    """Mean over the steps of ``loss / scale``, at most 10: ``[steps, P]`` to ``[P]``."""
    return _bounded(losses / scale).mean(0)


def log_losses(losses: Tensor, scale: Tensor) -> Tensor:
    """Mean over the steps of ``log(loss / scale + 1e-6)``: ``[steps, P]`` to ``[P]``.

    Halving a small loss counts as much as halving a large one.
    """
    return (_bounded(losses / scale).clamp_min(0.0) + 1e-6).log().mean(0)


def plain_losses(losses: Tensor, scale: Tensor) -> Tensor:
    """Mean over the steps, as Andrychowicz et al. 2016: ``[steps, P]`` to ``[P]``.

    Differentiation only: nothing bounds what a perturbed optimizer that diverges would weigh.
    """
    return losses.mean(0)


OBJECTIVES = {"log": log_losses, "relative": relative_losses, "plain": plain_losses}


def of_last(objective: Objective, share: float) -> Objective:
    """An objective of the last steps of a stretch: of this share of them, at least one."""

    def counted(losses: Tensor, scale: Tensor) -> Tensor:
        return objective(losses[-math.ceil(share * len(losses)) :], scale)

    return objective if share == 1.0 else counted


def _bounded(losses: Tensor) -> Tensor:
    return losses.nan_to_num(nan=_WORST, posinf=_WORST).clamp(-_WORST, _WORST)


def backpropagate(
    network: LearnedOptimizerNetwork,
    rollout: Rollout,
    steps: int,
    objective: Objective,
    gradient_penalty: float = 0.0,
    **settings: Any,
) -> tuple[float, Rollout]:
    """Truncated backpropagation: add the gradient of the next steps to the weights' ``grad``.

    Args:
        network: The optimizer.
        rollout: Where it stands; what lies before is taken as constant.
        steps: How many.
        objective: One of :data:`OBJECTIVES`.
        gradient_penalty: Weight of the mean square of the optimized gradients' norms.
        **settings: ``second_derivatives`` and ``checkpoint_every`` of :func:`unroll`.

    Returns:
        The meta-loss, and where the rollout stands then.
    """
    done = unroll(
        network, rollout.problems, steps, parameters=rollout.parameters, state=rollout.state,
        first_step=rollout.step, **settings,
    )  # fmt: skip
    loss = objective(done.losses[1:], rollout.scale).mean()
    if gradient_penalty:
        loss = loss + gradient_penalty * done.gradient_norms.mean()
    loss.backward()
    return float(loss.detach()), rollout.after(network, done)


def imitate(
    network: LearnedOptimizerNetwork,
    teacher: LearnedOptimizerNetwork,
    problems: Problems,
    steps: int,
) -> float:
    """Add the gradient of the distance to a teacher's updates, along the teacher's way.

    The distance is the squared difference over the squared update, of each problem over all
    steps (imitation of analytic optimizers: Chen et al., NeurIPS 2020, "Training stronger
    baselines for learning to optimize").

    Args:
        network: The optimizer that learns.
        teacher: The one that is imitated.
        problems: What the teacher optimizes.
        steps: How many, from the start.

    Returns:
        The distance.
    """
    layout, parameters = problems.layout, problems.start
    own = network.begin(parameters, layout, steps)
    state = teacher.initial_state(parameters, layout)
    difference = size = torch.zeros(len(problems))
    for step in range(steps):
        with torch.no_grad():
            loss, gradients = loss_and_gradients(problems, parameters, step)
            target, state = teacher(gradients, parameters, state, layout, loss)
        update, own = network(gradients, parameters, own, layout, loss)
        difference = difference + (update - target).square().sum(1)
        size = size + target.square().sum(1)
        parameters = parameters + target
    distance = (difference / (size + 1e-20)).mean()
    distance.backward()
    return float(distance.detach())


def evolve(
    network: LearnedOptimizerNetwork,
    rollout: Rollout,
    steps: int,
    objective: Objective,
    deviation: float,
    stream: Stream,
    reuse: bool = False,
) -> tuple[float, Rollout]:
    """Evolution strategies on stretches: add an estimate of the meta-gradient to ``grad``.

    Pairs of perturbed networks go on from where their own earlier perturbations led. In
    persistent evolution strategies (Vicol, Metz & Sohl-Dickstein, ICML 2021, algorithm 2) each
    stretch has a perturbation of its own, and the difference of the losses is weighed with the
    sum of those so far, which makes the estimate unbiased however short the stretch. With
    ``reuse`` a pair keeps its perturbation to the end (NRES: Li et al., NeurIPS 2023, "Noise-reuse
    in online evolution strategies"): unbiased too, and where the loss forgets what was long ago
    with less variance, which does not grow with the number of stretches. From the start to the
    end in one stretch both are plain evolution strategies with antithetic pairs.

    Args:
        network: The optimizer.
        rollout: Of pairs.
        steps: Of the stretch.
        objective: One of :data:`OBJECTIVES`.
        deviation: Standard deviation of the perturbations.
        stream: Where they come from.
        reuse: Keep a pair's perturbation to the end.

    Returns:
        The meta-loss, the mean over the pairs, and where the rollout stands then.
    """
    assert rollout.perturbation is not None
    pairs, size = rollout.perturbation.shape
    noise = deviation * torch.from_numpy(stream.normal((pairs, size))).float()
    if reuse:
        # Lost pairs, of zeros, get another one.
        fresh = (rollout.perturbation == 0).all(1, keepdim=True)
        perturbation = noise = torch.where(fresh, noise, rollout.perturbation)
    else:
        perturbation = rollout.perturbation + noise
    population = _Population(network, torch.cat([noise, -noise]))
    with torch.no_grad():
        done = unroll(
            population, rollout.problems, steps, parameters=rollout.parameters,  # type: ignore[arg-type]
            state=rollout.state, first_step=rollout.step,
        )  # fmt: skip
        losses = objective(done.losses[1:], rollout.scale)
        above, below = losses.view(2, pairs)
        gradient = ((above - below)[:, None] * perturbation).mean(0) / (2 * deviation**2)
    start = 0
    for weight in trained_weights(network).values():
        part = gradient[start : start + weight.numel()].view_as(weight).to(weight.dtype)
        weight.grad = part if weight.grad is None else weight.grad + part
        start += weight.numel()
    return float(losses.mean()), rollout.after(network, done, perturbation)


class _Population:
    """Networks with weights of their own, one for each problem."""

    def __init__(self, network: LearnedOptimizerNetwork, shifts: Tensor) -> None:
        self._network = network
        self._weights = {}
        start = 0
        for name, weight in trained_weights(network).items():
            part = shifts[:, start : start + weight.numel()]
            self._weights[name] = weight.detach() + part.reshape(len(shifts), *weight.shape)
            start += weight.numel()

    def __call__(
        self, gradients: Tensor, parameters: Tensor, state: State, layout: Layout, loss: Tensor
    ) -> tuple[Tensor, State]:
        def one(weights: dict[str, Tensor], *values: Any) -> Any:
            own, shared, before, value = values
            inputs = (own[None], shared[None], {k: v[None] for k, v in before.items()})
            update, after = functional_call(self._network, weights, (*inputs, layout, value[None]))
            return update[0], {name: each[0] for name, each in after.items()}

        result: tuple[Tensor, State] = vmap(one)(self._weights, gradients, parameters, state, loss)
        return result


def trained_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that meta-training changes, by name."""
    return {name: value for name, value in network.named_parameters() if value.requires_grad}


def weight_count(network: nn.Module) -> int:
    """How many numbers meta-training changes."""
    return sum(weight.numel() for weight in trained_weights(network).values())


def clip(weights: Sequence[nn.Parameter], limit: float) -> None:
    """Shorten the gradient to a norm of ``limit``; one that is not finite stays as it is."""
    norm = math.sqrt(sum(float(w.grad.square().sum()) for w in weights if w.grad is not None))
    if math.isfinite(norm) and norm > limit:
        for weight in weights:
            if weight.grad is not None:
                weight.grad.mul_(limit / norm)
