"""Does a differentiable search collapse to skip connections? Measures, and when to stop."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from automl_zero._config_values import integer, number
from nas.oneshot._darts import DARTS
from nas.oneshot._trainer import OneShotTrainer
from nas.spaces import Architecture


def dominant_eigenvalue(trainer: DARTS, *, iterations: int = 10, tolerance: float = 1e-2) -> float:
    """The eigenvalue of the largest size of the validation loss's Hessian in the architecture.

    Zela et al., "Understanding and robustifying differentiable architecture search" (ICLR
    2020): where it grows, the mixture sits in a sharp minimum, and the derived cell, which is a
    step away from the mixture, is bad. By power iteration with Hessian-vector products of
    autograd, on the validation batch of the trainer's next step.

    Args:
        trainer: Any state of it; it is not changed.
        iterations: At most; each costs about as much as a training step.
        tolerance: Relative change at which to stop.

    Raises:
        ValueError: If a number is out of range.
    """
    integer("iterations", iterations, 1)
    number("tolerance", tolerance, 0)
    parameters = trainer._architecture()
    loss = trainer.loss_function(trainer._valid_batch())(
        list(trainer.supernet.parameters()), parameters
    )
    slopes = torch.autograd.grad(loss, parameters, create_graph=True)
    generator = trainer._generator("eigenvalue")
    return power_iteration(
        lambda vector: torch.autograd.grad(
            slopes, parameters, vector, retain_graph=True, materialize_grads=True
        ),
        [torch.randn(p.shape, generator=generator) for p in parameters],
        iterations,
        tolerance,
    )


def power_iteration(product: Any, start: Any, iterations: int, tolerance: float) -> float:
    """The eigenvalue of the largest size of a symmetric matrix.

    Args:
        product: The matrix times a vector; vectors are lists of tensors.
        start: A random vector.
        iterations: At most.
        tolerance: Relative change of the eigenvalue at which to stop.

    >>> matrix = torch.diag(torch.tensor([1.0, -4.0, 2.0]))
    >>> value = power_iteration(lambda v: [matrix @ v[0]], [torch.ones(3)], 50, 1e-6)
    >>> round(value, 3)
    -4.0
    """
    vector, value = start, 0.0
    for _ in range(iterations):
        length = float(torch.sqrt(sum((part * part).sum() for part in vector)))
        if length == 0.0:
            return 0.0
        vector = [part / length for part in vector]
        image = product(vector)
        last, value = value, float(sum((a * b).sum() for a, b in zip(vector, image, strict=True)))
        if abs(value - last) <= tolerance * abs(value):
            break
        vector = image
    return value


class EigenvalueStop:
    """Ends a DARTS search before it collapses: early stopping of R-DARTS.

    Zela et al. (ICLR 2020), section 4.1: with the eigenvalue smoothed over ``window``
    observations, the search stops when that of ``window`` observations ago is less than
    ``ratio`` of the present one, and takes the architecture of then. It is what
    :func:`run_trainer` calls as ``stop``; each call is an observation (the paper observes once
    an epoch), recorded in ``trainer.history`` with the step, the share of skip connections and
    the architecture, so a search that goes on from a checkpoint stops at the same place.

    Args:
        window: Observations; 5 as in the paper.
        ratio: Smaller stops later; 0.75 as in the paper. 0 never stops, and only records.
        iterations: Of the power iteration.

    Raises:
        ValueError: If a number is out of range.

    >>> stop = EigenvalueStop(window=2)
    >>> records = [{"eigenvalue": v, "architecture": [i]} for i, v in enumerate((1, 1, 1, 9))]
    >>> [stop.stopped_at(records[:count]) for count in (1, 2, 3, 4)]
    [None, None, None, 1]
    """

    def __init__(self, *, window: int = 5, ratio: float = 0.75, iterations: int = 10) -> None:
        self.window = integer("window", window, 1)
        self.ratio = number("ratio", ratio, 0, 1)
        self.iterations = integer("iterations", iterations, 1)

    def __call__(self, trainer: OneShotTrainer) -> bool:
        """Observe; whether to stop.

        Raises:
            ValueError: If it is no DARTS trainer.
        """
        if not isinstance(trainer, DARTS):
            raise ValueError(f"trainer: expected a DARTS one, received {trainer.method}")
        architecture = trainer.derive()
        trainer.history.append(
            {
                "step": trainer.steps_done,
                "skip_share": trainer.supernet.layout.skip_share(architecture),
                "eigenvalue": dominant_eigenvalue(trainer, iterations=self.iterations),
                "architecture": list(architecture),
            }
        )
        return self.stopped_at(trainer.history) is not None

    def derive(self, trainer: DARTS) -> Architecture:
        """The architecture from before the stop; the present one if it did not stop."""
        number = self.stopped_at(trainer.history)
        if number is None:
            return trainer.derive()
        return trainer.supernet.space.from_data(trainer.history[number]["architecture"])

    def stopped_at(self, history: list[dict[str, Any]]) -> int | None:
        """Number of the record whose architecture is taken; None: no reason to stop."""
        values = [record["eigenvalue"] for record in history if "eigenvalue" in record]
        if len(values) < 2 * self.window:
            return None
        now = float(np.mean(values[-self.window :]))
        before = float(np.mean(values[-2 * self.window : -self.window]))
        return len(values) - 1 - self.window if before < self.ratio * now else None
