"""DARTS, first and second order, and PC-DARTS."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.func import functional_call

from automl_zero._config_values import choice
from nas.objectives import ImageData
from nas.oneshot._bilevel import Loss, Tensors, unrolled_gradient
from nas.oneshot._differentiable_methods import DifferentiableTrainer
from nas.oneshot._supernet import Supernet
from nas.oneshot._trainer import Batch
from nas.spaces import Architecture


class DARTS(DifferentiableTrainer):
    """Gradient descent on a mixture of all operations.

    Liu, Simonyan & Yang, "DARTS: Differentiable architecture search" (ICLR 2019). Each step
    moves the mixture's logits down the validation loss, then the weights down the training
    loss. With a supernet of ``partial`` channels it is PC-DARTS (Xu et al., ICLR 2020): the
    edges into a node are weighted against each other too.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        order: ``"first"`` takes the weights as given. ``"second"`` takes the validation loss
            after a step of the weights, with the published finite difference; ``"exact"`` does
            it by differentiating twice.
        **settings: As for :class:`DifferentiableTrainer`.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = DARTS(supernet, data, steps=1, batch=20, order="second")
    >>> loss = trainer.step()
    >>> trainer.probabilities().shape
    (6, 5)
    """

    method = "DARTS"

    def __init__(
        self, supernet: Supernet, data: ImageData, *, order: str = "first", **settings: Any
    ) -> None:
        self.order = choice("order", order, ("first", "second", "exact"))
        edges = supernet.layout.edges
        self._groups = [
            [i for i, edge in enumerate(edges) if (edge[0], edge[2]) == key]
            for key in dict.fromkeys((edge[0], edge[2]) for edge in edges)
        ]
        self.betas_of_edges = torch.nn.Parameter(torch.zeros(len(edges)))
        self._partial = supernet.partial > 1
        super().__init__(supernet, data, **settings)

    def derive(self) -> Architecture:
        """The architecture that the weights favour, by the rule of the space's papers."""
        return self.supernet.layout.architecture(
            self._matrix(self._architecture()).detach().numpy()
        )

    def _architecture(self) -> list[torch.nn.Parameter]:
        return [self.alphas, self.betas_of_edges] if self._partial else [self.alphas]

    def _matrix(self, architecture: Tensors) -> torch.Tensor:
        matrix = architecture[0].softmax(1)
        if not self._partial:
            return matrix
        shares = torch.cat([architecture[1][group].softmax(0) for group in self._groups])
        order = [edge for group in self._groups for edge in group]
        return matrix * shares[torch.tensor(order).argsort()][:, None]

    def _search_step(self) -> float:
        train, valid = self._train_batch(), self._valid_batch()
        self._architecture_step(self.architecture_gradient(train, valid))
        with torch.no_grad():
            matrix = self._matrix(self._architecture())
        return self._weight_step(self._loss(self.supernet(train[0], matrix), train[1]))

    def architecture_gradient(self, train: Batch, valid: Batch) -> list[torch.Tensor]:
        """Gradient of the validation loss in the architecture's parameters, by ``order``."""
        if self.order == "first":
            loss = self._loss(self.supernet(valid[0], self._matrix(self._architecture())), valid[1])
            return list(torch.autograd.grad(loss, self._architecture()))
        weights = list(self.supernet.parameters())
        velocity = [
            self._optimizer.state.get(weight, {}).get("momentum_buffer") for weight in weights
        ]
        return unrolled_gradient(
            self.loss_function(train),
            self.loss_function(valid),
            weights,
            self._architecture(),
            rate=self.rate,
            momentum=self.momentum,
            velocity=None if None in velocity else velocity,
            weight_decay=self.weight_decay,
            exact=self.order == "exact",
        )

    def loss_function(self, batch: Batch) -> Loss:
        """The loss on a batch as a function of all weights and the architecture's parameters."""
        names = [name for name, _ in self.supernet.named_parameters()]

        def loss(weights: Tensors, architecture: Tensors) -> torch.Tensor:
            parameters = dict(zip(names, weights, strict=True))
            matrix = self._matrix(architecture)
            logits = functional_call(self.supernet, parameters, (batch[0], matrix))
            return F.cross_entropy(logits, batch[1])

        return loss
