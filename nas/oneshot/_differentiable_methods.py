"""One-shot methods whose architecture is a matrix of numbers that gradients change."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from automl_zero._config_values import number
from automl_zero.streams import stream_key
from nas.objectives import ImageData
from nas.oneshot._supernet import Supernet
from nas.oneshot._trainer import OneShotTrainer
from nas.spaces import Architecture


class DifferentiableTrainer(OneShotTrainer):
    """What DARTS, GDAS, SNAS and ProxylessNAS share: one logit per operation on each edge.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        architecture_rate: Learning rate of the logits, by Adam; 3e-4 as in DARTS, for a search
            of many thousand steps. Searches of a few hundred steps need 3e-3 or more.
        architecture_decay: Weight decay of the logits.
        **settings: As for :class:`OneShotTrainer`.
    """

    betas = (0.5, 0.999)

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        architecture_rate: float = 3e-4,
        architecture_decay: float = 1e-3,
        **settings: Any,
    ) -> None:
        super().__init__(supernet, data, **settings)
        shape = len(supernet.layout.edges), len(supernet.layout.operations)
        generator = torch.Generator().manual_seed(
            stream_key(self.seed, "oneshot", "architecture") >> 1
        )
        self.alphas = torch.nn.Parameter(1e-3 * torch.randn(shape, generator=generator))
        self._architecture_optimizer = torch.optim.Adam(
            self._architecture(),
            lr=number("architecture_rate", architecture_rate, 0),
            betas=self.betas,
            weight_decay=number("architecture_decay", architecture_decay, 0),
        )

    def probabilities(self) -> NDArray[Any]:
        """Weight of each operation on each edge, ``[edges, operations]``; rows sum up to 1."""
        return self.alphas.detach().softmax(1).numpy()

    def derive(self) -> Architecture:
        """The architecture that the weights favour, by the rule of the space's papers."""
        return self.supernet.layout.architecture(self._matrix([self.alphas]).detach().numpy())

    def skip_share(self) -> float:
        """Share of skip connections in the architecture that is favoured now."""
        return self.supernet.layout.skip_share(self.derive())

    def _architecture(self) -> list[torch.nn.Parameter]:
        """What the validation loss changes."""
        return [self.alphas]

    def _matrix(self, architecture: Any) -> torch.Tensor:
        """Weights of the mixture from the architecture's parameters."""
        return architecture[0].softmax(1)

    def _architecture_step(self, gradients: Any) -> None:
        for parameter, gradient in zip(self._architecture(), gradients, strict=True):
            parameter.grad = gradient
        self._architecture_optimizer.step()
        self._architecture_optimizer.zero_grad()

    def _tensors(self) -> dict[str, torch.Tensor]:
        own = {f"architecture/{i}": tensor for i, tensor in enumerate(self._architecture())}
        return {**super()._tensors(), **own}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {**super()._optimizers(), "architecture_optimizer": self._architecture_optimizer}


def anneal(first: float, last: float, done: int, steps: int) -> float:
    """A temperature that goes from ``first`` to ``last`` in a line."""
    return first + (last - first) * done / max(steps - 1, 1)


def gumbel(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Standard Gumbel noise: minus the logarithm of exponential noise."""
    return -torch.empty(shape).exponential_(generator=generator).log()
