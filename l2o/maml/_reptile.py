"""Reptile: move the start towards what ordinary training on the tasks gives."""

from __future__ import annotations

import torch
from torch import nn

from automl_zero._config_values import integer, number
from l2o.maml._learner import Loss, MetaLearner
from l2o.maml._tasks import TaskBatch


class Reptile(MetaLearner):
    """Reptile (Nichol, Achiam & Schulman 2018).

    The meta-gradient is the start minus the mean of the adapted parameters. A task's support
    and query examples are all trained on, because the method needs no held-out ones.

    Args:
        model: Any module, see :class:`~l2o.maml.MAML`.
        inner_lr: Learning rate of the plain gradient descent on a task.
        steps: Its steps; at least 2, with 1 the method is joint training on all tasks.
        minibatch: Examples of a step, taken in turn; None takes all. Small ones are what lets
            the method favour starts from which the gradients of different examples agree.
            The class tasks of this package come in an order in which neighbours differ in
            class.
        loss: Mean loss of predictions and targets of one task, a scalar.
        adapted: As in :class:`~l2o.maml.MAML`; the other parameters never change here.
        vectorized: Run the tasks of a batch together with vmap; False loops over them.

    Raises:
        ValueError: If an argument is wrong or the model holds what cannot be meta-trained.

    Example:
        >>> from l2o.maml import SinusoidTasks, sinusoid_net
        >>> from automl_zero.streams import Stream
        >>> learner = Reptile(sinusoid_net(), inner_lr=0.01, loss=nn.functional.mse_loss)
        >>> loss = learner.backward(SinusoidTasks(shots=5).sample(4, Stream(1)))
        >>> learner.model.head.bias.grad.shape
        torch.Size([1])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        inner_lr: float = 0.1,
        steps: int = 5,
        minibatch: int | None = None,
        loss: Loss = nn.functional.cross_entropy,
        adapted: tuple[str, ...] | list[str] | str | None = None,
        vectorized: bool = True,
    ) -> None:
        super().__init__(model, steps=steps, loss=loss, adapted=adapted, vectorized=vectorized)
        integer("steps", steps, 2)
        self.inner_lr = number("inner_lr", inner_lr, 0.0)
        self.minibatch = None if minibatch is None else integer("minibatch", minibatch, 1)

    def rate(self, name: str) -> float:
        """Learning rate of an adapted parameter."""
        return self.inner_lr

    def backward(self, batch: TaskBatch) -> float:
        """Add the meta-gradient to ``parameters()``'s ``grad``; the mean loss after training."""
        x = torch.cat([batch.support_x, batch.query_x], 1)
        y = torch.cat([batch.support_y, batch.query_y], 1)
        params = self._descend(x, y, self.steps, create_graph=False)
        with torch.no_grad():
            for name, start in self.model.named_parameters():
                if name in self.adapted:
                    gradient = start - params[name].mean(0)
                    start.grad = gradient if start.grad is None else start.grad + gradient
            return float(self._losses(params, x, y).mean())

    def _examples(self, step: int, count: int) -> slice | list[int]:
        if self.minibatch is None or self.minibatch >= count:
            return slice(None)
        return [(step * self.minibatch + i) % count for i in range(self.minibatch)]
