"""Distributions of classifiers that learned some classes and shall learn others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from automl_zero._config_values import integer
from automl_zero.streams import Stream, stream_key
from l2o.learned._analytic import AnalyticOptimizer
from l2o.learned._image_tasks import Classifiers, Examples
from l2o.learned._problems import Problems
from l2o.learned._unroll import unroll

_PRETRAINING_LR = 3e-3


class ClassAdaptation:
    """Networks pre-trained on some classes, to be trained on the others (Li et al. 2020, HALO).

    The outputs stay those of all classes. Unlike random weights, pre-trained ones have something
    to lose: a learned optimizer that met only :class:`Classifiers` begins with steps that would
    undo the pre-training.

    Args:
        examples: The data; None takes scikit-learn's digits.
        first: Classes of the pre-training; the others are what is learned.
        hidden: Units of each hidden layer.
        activation: ``"sigmoid"``, ``"tanh"`` or ``"relu"``.
        batch_size: Examples of a minibatch.
        pretraining: Steps of Adam with learning rate 0.003, made when problems are first asked for.
        networks: How many are pre-trained; each problem starts from one of them.

    Raises:
        ValueError: If an argument is wrong, or one of the two parts has no class.

    Example:
        >>> source = ClassAdaptation(hidden=[8], pretraining=5, networks=2)
        >>> source.sample(3, Stream(1)).start.shape
        torch.Size([3, 610])
    """

    def __init__(
        self,
        examples: Examples | None = None,
        first: Sequence[int] = (1, 3, 5, 7, 9),
        hidden: Sequence[int] = (20,),
        activation: str = "sigmoid",
        batch_size: int = 128,
        pretraining: int = 100,
        networks: int = 32,
    ) -> None:
        whole = Classifiers(examples, hidden, activation, batch_size)
        classes = whole.examples.classes
        self.first = sorted({integer("first", each, 0, classes - 1) for each in first})
        others = sorted(set(range(classes)) - set(self.first))
        if not self.first or not others:
            raise ValueError(
                f"first: expected some of {classes} classes, and not all, received {list(first)}"
            )
        self.pretraining = integer("pretraining", pretraining, 1)
        self.networks = integer("networks", networks, 1)
        self._before, self._after = (
            Classifiers(whole.examples.of_classes(part), hidden, activation, batch_size)
            for part in (self.first, others)
        )
        self._settings = whole.settings()
        self._pretrained: Tensor | None = None

    def settings(self) -> dict[str, Any]:
        """The arguments; data by their name."""
        return {
            **self._settings,
            "kind": "class_adaptation",
            "first": self.first,
            "pretraining": self.pretraining,
            "networks": self.networks,
        }

    def sample(self, count: int, stream: Stream) -> Problems:
        """``count`` problems; the networks are the same for all streams."""
        problems = self._after.sample(count, stream)
        rows = [stream.below(self.networks) for _ in range(count)]
        return problems.starting_at(self._networks()[rows])

    def _networks(self) -> Tensor:
        """Pre-trained parameters, ``[networks, N]``."""
        if self._pretrained is None:
            problems = self._before.sample(self.networks, Stream(stream_key(0, "pre-training")))
            adam = AnalyticOptimizer("adam", _PRETRAINING_LR)
            with torch.no_grad():
                self._pretrained = unroll(adam, problems, self.pretraining).parameters
        return self._pretrained
