"""ProxylessNAS: binary gates, of which two at a time learn."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import ArrayLike

from automl_zero._config_values import number
from nas.objectives import ImageData
from nas.oneshot._differentiable_methods import DifferentiableTrainer
from nas.oneshot._supernet import Supernet


class ProxylessNAS(DifferentiableTrainer):
    """Binarised paths: weights train on one drawn path, logits learn on two.

    Cai, Zhu & Han, "ProxylessNAS: Direct neural architecture search on target task and
    hardware" (ICLR 2019). For the logits, two operations of each edge are drawn, one of them is
    let through, and the gradient of the gates goes to the logits of both (equation 4);
    afterwards both are shifted, so that the probabilities of all others stay.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        cost: What an operation costs on each edge, ``[edges, operations]``: milliseconds, say.
            The expected cost of a drawn pair is added to the loss (section 3.3).
        cost_weight: What it is multiplied with.
        architecture_rate: Learning rate of the logits; 1e-3 as in the paper's code.
        architecture_decay: Weight decay of the logits.
        **settings: As for :class:`OneShotTrainer`.

    Raises:
        ValueError: If a number is out of range, or ``cost`` has another shape.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = ProxylessNAS(supernet, data, steps=1, batch=20)
    >>> loss = trainer.step()
    >>> len(trainer.derive())
    6
    """

    method = "ProxylessNAS"
    # Without the first moment, what was not drawn does not move.
    betas = (0.0, 0.999)

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        cost: ArrayLike | None = None,
        cost_weight: float = 0.0,
        architecture_rate: float = 1e-3,
        architecture_decay: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(
            supernet, data, architecture_rate=architecture_rate,
            architecture_decay=architecture_decay, **settings,
        )  # fmt: skip
        self.cost_weight = number("cost_weight", cost_weight, 0)
        table = torch.zeros(self.alphas.shape) if cost is None else torch.as_tensor(cost).float()
        if table.shape != self.alphas.shape or not bool(torch.isfinite(table).all()):
            raise ValueError(
                f"cost: expected finite numbers of shape {tuple(self.alphas.shape)}, received an "
                f"array of shape {tuple(table.shape)}"
            )
        self._cost = table

    def _search_step(self) -> float:
        self._learn_gates(self._generator("gates"))
        x, y = self._train_batch()
        chances = self.alphas.detach().softmax(1)
        path = torch.multinomial(chances, 1, generator=self._generator("path"))[:, 0].tolist()
        return self._weight_step(self._loss(self.supernet(x, active=path), y))

    def _learn_gates(self, generator: torch.Generator) -> None:
        """The two-path update."""
        x, y = self._valid_batch()
        alphas = self.alphas.detach()
        two = torch.multinomial(alphas.softmax(1), 2, generator=generator)
        before = alphas.gather(1, two)
        chances = before.softmax(1)
        drawn = torch.multinomial(chances, 1, generator=generator)
        gates = torch.zeros_like(alphas).scatter_(1, two.gather(1, drawn), 1.0).requires_grad_()
        loss = self._loss(self.supernet(x, gates, two.tolist()), y)
        (slopes,) = torch.autograd.grad(loss, [gates], allow_unused=True, materialize_grads=True)
        slopes = (slopes + self.cost_weight * self._cost).gather(1, two)
        # d loss / d alpha_i = sum_j slope_j p_j (delta_ij - p_i), over the two
        both = chances * (slopes - (chances * slopes).sum(1, keepdim=True))
        self._architecture_step([torch.zeros_like(alphas).scatter_(1, two, both)])
        with torch.no_grad():
            after = self.alphas.gather(1, two)
            shift = before.logsumexp(1, keepdim=True) - after.logsumexp(1, keepdim=True)
            self.alphas.scatter_(1, two, after + shift)
