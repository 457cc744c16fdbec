"""GDAS and SNAS: the choice of an operation as a random variable with a gradient."""

from __future__ import annotations

from typing import Any

import torch

from automl_zero._config_values import number
from nas.objectives import ImageData
from nas.oneshot._differentiable_methods import DifferentiableTrainer, anneal, gumbel
from nas.oneshot._supernet import Supernet


class GDAS(DifferentiableTrainer):
    """Straight-through Gumbel-softmax: only the drawn operation of an edge runs.

    Dong & Yang, "Searching for a robust neural architecture in four GPU hours" (CVPR 2019). An
    operation is drawn for each edge; forward it counts once, backward its weight is that of a
    softmax of the noisy logits (equations 3 to 7), with a temperature that falls in a line.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        temperature: At the first step; 10 and 0.1 are those of the paper.
        last_temperature: At the last step.
        **settings: As for :class:`DifferentiableTrainer`.

    Raises:
        ValueError: If a number is out of range.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = GDAS(supernet, data, steps=3, batch=20)
    >>> losses = [trainer.step() for _ in range(3)]
    >>> len(trainer.derive())
    6
    """

    method = "GDAS"

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        temperature: float = 10.0,
        last_temperature: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(supernet, data, **settings)
        self.temperature = number("temperature", temperature, 1e-3)
        self.last_temperature = number("last_temperature", last_temperature, 1e-3)

    def _soft(self, name: str) -> torch.Tensor:
        """A draw of relaxed weights, with a gradient in the logits."""
        heat = anneal(self.temperature, self.last_temperature, self._done, self.steps)
        noise = gumbel(self.alphas.shape, self._generator(name))
        return ((self.alphas.log_softmax(1) + noise) / heat).softmax(1)

    def _search_step(self) -> float:
        x, y = self._valid_batch()
        soft = self._soft("valid draw")
        path = soft.argmax(1).tolist()
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        loss = self._loss(self.supernet(x, hard - soft.detach() + soft, path), y)
        # Without a gradient if every drawn operation is none.
        slopes = torch.autograd.grad(loss, [self.alphas], allow_unused=True, materialize_grads=True)
        self._architecture_step(slopes)
        x, y = self._train_batch()
        with torch.no_grad():
            path = self._soft("train draw").argmax(1).tolist()
        return self._weight_step(self._loss(self.supernet(x, active=path), y))


class SNAS(DifferentiableTrainer):
    """The concrete relaxation: all operations run, with the random weights of a soft draw.

    Xie et al., "SNAS: Stochastic neural architecture search" (ICLR 2019). Weights and logits
    descend the same training loss, in one pass; it has no validation data. The temperature
    falls in a line.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        temperature: At the first step.
        last_temperature: At the last step.
        **settings: As for :class:`DifferentiableTrainer`.

    Raises:
        ValueError: If a number is out of range.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = SNAS(supernet, data, steps=1, batch=20)
    >>> loss = trainer.step()
    >>> len(trainer.derive())
    6
    """

    method = "SNAS"

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        temperature: float = 1.0,
        last_temperature: float = 0.1,
        **settings: Any,
    ) -> None:
        super().__init__(supernet, data, **settings)
        self.temperature = number("temperature", temperature, 1e-3)
        self.last_temperature = number("last_temperature", last_temperature, 1e-3)

    def _search_step(self) -> float:
        x, y = self._train_batch()
        heat = anneal(self.temperature, self.last_temperature, self._done, self.steps)
        noise = gumbel(self.alphas.shape, self._generator("draw"))
        matrix = ((self.alphas.log_softmax(1) + noise) / heat).softmax(1)
        value = self._weight_step(self._loss(self.supernet(x, matrix), y))
        self._architecture_optimizer.step()
        self._architecture_optimizer.zero_grad()
        return value
