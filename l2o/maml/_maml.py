"""MAML and its variants: what adapts, how fast, and how far the gradient looks."""

from __future__ import annotations

import torch
from torch import nn

from automl_zero._config_values import boolean, choice, number
from l2o.maml._learner import Loss, MetaLearner
from l2o.maml._tasks import TaskBatch


class MAML(MetaLearner):
    """Model-agnostic meta-learning (Finn, Abbeel & Levine, ICML 2017).

    Learns a start from which few gradient steps on a task's support examples give a low loss
    on its query examples: min over theta of the mean over tasks of
    ``L_query(theta - inner_lr * grad L_support(theta))``.

    Args:
        model: Any module. It is copied; batch norms in the copy use the examples at hand and
            keep no statistics. Modules that draw random numbers (dropout) are refused.
        inner_lr: Learning rate of the adaptation; 0.4 (images) and 0.01 (sinusoids) in the
            paper.
        steps: Gradient steps of an adaptation.
        order: ``"second"`` differentiates through the adaptation; ``"first"`` takes its
            gradients as constants (first-order MAML): half the time, most of the accuracy.
        loss: Mean loss of predictions and targets of one task, a scalar.
        adapted: Names of parameters or modules that adapt; the others keep their
            meta-learned values. None adapts all trainable ones.
        learned_rates: Learn a rate for every single parameter as well, from ``inner_lr`` on.
        vectorized: Run the tasks of a batch together with vmap; False loops over them.

    Raises:
        ValueError: If an argument is wrong or the model holds what cannot be meta-trained.

    Example:
        >>> from l2o.maml import SinusoidTasks, sinusoid_net
        >>> from automl_zero.streams import Stream
        >>> learner = MAML(sinusoid_net(), inner_lr=0.01, loss=nn.functional.mse_loss)
        >>> tasks = SinusoidTasks(shots=10).sample(4, Stream(1))
        >>> learner.meta_loss(tasks).backward()      # then a step of any torch optimizer
        >>> params = learner.adapt(tasks[0])         # gradient steps on 10 points
        >>> learner.predict(torch.zeros(3, 1), params).shape
        torch.Size([3, 1])
        >>> learner.evaluate(tasks).losses.shape
        torch.Size([4])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        inner_lr: float = 0.1,
        steps: int = 1,
        order: str = "second",
        loss: Loss = nn.functional.cross_entropy,
        adapted: tuple[str, ...] | list[str] | str | None = None,
        learned_rates: bool = False,
        vectorized: bool = True,
    ) -> None:
        super().__init__(model, steps=steps, loss=loss, adapted=adapted, vectorized=vectorized)
        self.inner_lr = number("inner_lr", inner_lr, 0.0)
        self.order = choice("order", order, ("second", "first"))
        self.rates = nn.ParameterDict()
        if boolean("learned_rates", learned_rates):
            start = dict(self.model.named_parameters())
            for name in self.adapted:
                self.rates[_key(name)] = nn.Parameter(torch.full_like(start[name], self.inner_lr))

    def rate(self, name: str) -> torch.Tensor | float:
        """Learning rate of an adapted parameter: a number, or a learned tensor of its shape."""
        return self.rates[_key(name)] if self.rates else self.inner_lr

    def meta_loss(self, batch: TaskBatch) -> torch.Tensor:
        """Mean query loss after adaptation, a scalar to differentiate by ``parameters()``.

        Args:
            batch: Tasks.

        Raises:
            ValueError: If vmap cannot run the model.
        """
        params = self._descend(
            batch.support_x,
            batch.support_y,
            self.steps,
            create_graph=torch.is_grad_enabled(),
            first_order=self.order == "first",
        )
        return self._losses(params, batch.query_x, batch.query_y).mean()

    def backward(self, batch: TaskBatch) -> float:
        """Add the meta-gradient of a batch to ``parameters()``'s ``grad``; the meta-loss."""
        loss = self.meta_loss(batch)
        loss.backward()
        return float(loss.detach())


class FirstOrderMAML(MAML):
    """MAML with the adaptation's gradients taken as constants (Finn et al. 2017, 5.2).

    Args:
        model: Any module, see :class:`MAML`.
        **settings: Those of :class:`MAML` but ``order``.

    Example:
        >>> from l2o.maml import conv4
        >>> FirstOrderMAML(conv4(5, width=8), inner_lr=0.4).order
        'first'
    """

    def __init__(self, model: nn.Module, **settings: object) -> None:
        super().__init__(model, order="first", **settings)  # type: ignore[arg-type]


class ANIL(MAML):
    """Almost no inner loop: only the head adapts (Raghu et al., ICLR 2020).

    Args:
        model: Any module, see :class:`MAML`.
        head: Name of the module (or parameter) that adapts; the networks of this package call
            it ``"head"``.
        **settings: Those of :class:`MAML` but ``adapted``.

    Example:
        >>> from l2o.maml import conv4
        >>> ANIL(conv4(5, width=8), inner_lr=0.4).adapted
        ('head.weight', 'head.bias')
    """

    def __init__(self, model: nn.Module, head: str = "head", **settings: object) -> None:
        super().__init__(model, adapted=head, **settings)  # type: ignore[arg-type]


class MetaSGD(MAML):
    """MAML that learns a learning rate for every parameter (Li et al. 2017).

    The rates start at ``inner_lr``; they may become negative, as in the paper.

    Args:
        model: Any module, see :class:`MAML`.
        **settings: Those of :class:`MAML` but ``learned_rates``.

    Example:
        >>> from l2o.maml import conv4
        >>> learner = MetaSGD(conv4(5, width=8), inner_lr=0.1)
        >>> learner.rate("head.bias").tolist() == [torch.tensor(0.1).item()] * 5
        True
    """

    def __init__(self, model: nn.Module, **settings: object) -> None:
        super().__init__(model, learned_rates=True, **settings)  # type: ignore[arg-type]


def _key(name: str) -> str:
    """A parameter's name as a key of a ParameterDict, which allows no dots."""
    return name.replace(".", "/")
