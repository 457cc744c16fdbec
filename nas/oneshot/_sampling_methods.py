"""One-shot methods that train one architecture at a time and choose by trying."""

from __future__ import annotations

from typing import Any, Final

import torch

from automl_zero._config_values import integer, number
from automl_zero.evolution import evolution_stream
from automl_zero.streams import stream_key
from nas.objectives import ImageData
from nas.oneshot._supernet import Supernet
from nas.oneshot._trainer import OneShotTrainer
from nas.spaces import Architecture
from nas.strategies import Reinforce

_REWARD_UNIT: Final = 100.0


class RandomSharing(OneShotTrainer):
    """Random search with weight sharing.

    Li & Talwalkar, "Random search and reproducibility for neural architecture search" (UAI
    2019): each step trains a random architecture; in the end the best of many random ones, by
    accuracy with the shared weights, is the answer.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        candidates: How many architectures :meth:`derive` tries.
        derive_images: Validation images it tries them on; None: all.
        **settings: As for :class:`OneShotTrainer`.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = RandomSharing(supernet, data, steps=2, batch=20, candidates=3)
    >>> losses = [trainer.step(), trainer.step()]
    >>> trainer.finished, len(trainer.derive())
    (True, 6)
    """

    method = "random sharing"

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        candidates: int = 100,
        derive_images: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(supernet, data, **settings)
        self.candidates = integer("candidates", candidates, 1)
        self.derive_images = derive_images

    def _search_step(self) -> float:
        architecture = self.supernet.space.draw(self._stream("path"))
        x, y = self._train_batch()
        path = self.supernet.layout.path(architecture)
        return self._weight_step(self._loss(self.supernet(x, active=path), y))

    def derive(self) -> Architecture:
        """The best of ``candidates`` random architectures."""
        stream = evolution_stream(stream_key(self.seed, "oneshot", "derive") >> 1)
        draws = [self.supernet.space.draw(stream) for _ in range(self.candidates)]
        return self._best(draws, self.derive_images)


class ENAS(OneShotTrainer):
    """A controller that learns where in the supernet good architectures are.

    Pham et al., "Efficient neural architecture search via parameter sharing" (ICML 2018): an
    LSTM draws the architecture that a step trains, and learns by REINFORCE from the accuracy of
    a draw on a validation batch. The paper alternates epochs of both; here each step does both,
    after ``warmup`` steps of uniformly drawn architectures.

    Args:
        supernet: What is trained.
        data: Training and validation images.
        controller_rate: Learning rate of the controller.
        entropy_weight: How much the controller's entropy counts.
        warmup: Steps before the controller begins.
        candidates: How many of the controller's architectures :meth:`derive` tries.
        derive_images: Validation images it tries them on; None: all.
        **settings: As for :class:`OneShotTrainer`.

    >>> import numpy as np
    >>> from nas.spaces import NasBench201Space
    >>> data = ImageData.split(np.random.default_rng(0).random((60, 1, 8, 8)), np.arange(60) % 3)
    >>> supernet = Supernet(NasBench201Space(), in_channels=1, classes=3, width=4)
    >>> trainer = ENAS(supernet, data, steps=2, batch=20, candidates=3)
    >>> losses = [trainer.step(), trainer.step()]
    >>> len(trainer.derive())
    6
    """

    method = "ENAS"

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        controller_rate: float = 0.005,
        entropy_weight: float = 0.01,
        warmup: int = 0,
        candidates: int = 100,
        derive_images: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(supernet, data, **settings)
        self.warmup = integer("warmup", warmup, 0)
        self.candidates = integer("candidates", candidates, 1)
        self.derive_images = derive_images
        self.controller = Reinforce(
            supernet.space,
            policy="lstm",
            learning_rate=number("controller_rate", controller_rate, 0),
            entropy_weight=entropy_weight,
            seed=self.seed,
        )

    def _search_step(self) -> float:
        layout = self.supernet.layout
        warm = self._done >= self.warmup
        trial = self.controller.ask() if warm else None
        drawn = trial.architecture if trial else self.supernet.space.draw(self._stream("path"))
        x, y = self._train_batch()
        loss = self._weight_step(self._loss(self.supernet(x, active=layout.path(drawn)), y))
        if trial is not None:
            self.controller.tell(trial, self._reward(drawn))
        return loss

    def _reward(self, architecture: Architecture) -> float:
        """Accuracy on this step's validation batch, in percent."""
        x, y = self._valid_batch()
        with torch.no_grad():
            logits = self.supernet(x, active=self.supernet.layout.path(architecture))
        self._require_finite(float(logits.sum()))
        return _REWARD_UNIT * float((logits.argmax(1) == y).double().mean())

    def derive(self) -> Architecture:
        """The best of ``candidates`` architectures that the controller draws."""
        before = self.controller.state()
        draws = [self.controller.ask().architecture for _ in range(self.candidates)]
        self.controller.restore(before)
        return self._best(draws, self.derive_images)

    def _plain_state(self) -> Any:
        return self.controller.state()

    def _load_plain_state(self, plain: Any) -> None:
        self.controller.restore(plain)
