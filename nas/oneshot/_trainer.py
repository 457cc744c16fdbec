"""The contract of one-shot methods, and what their trainers share."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from automl_zero._config_values import integer, number
from automl_zero.evolution import RandomStream, evolution_stream
from automl_zero.streams import Stream, stream_key
from nas.objectives import ImageData
from nas.objectives._costs import one_thread
from nas.oneshot._supernet import Supernet
from nas.oneshot._trainer_state import optimizer_tensors, read_optimizer, read_tensors
from nas.spaces import Architecture

Batch = tuple[torch.Tensor, torch.Tensor]
"""Images and labels."""


class TrainingDiverged(ArithmeticError):
    """The loss is infinite or no number: the weights are lost."""


class OneShotTrainer:
    """Trains a supernet and finds an architecture in it; each one-shot method derives from it.

    A step takes one batch of training images, on which weights learn, and most methods also
    one of validation images, on which the choice of the architecture learns. Everything random
    about a step depends on the seed and the number of the step, so a trainer that goes on from
    :meth:`state_dict` does the same steps as one that was never interrupted, to the bit. It
    works on one thread; two processes make more of two cores than one with two threads.

    Args:
        supernet: What is trained, in place.
        data: Training and validation images. They are standardized first.
        steps: Length of the whole training: the learning rate falls to ``least_rate`` along
            half a cosine.
        batch: Images per step. The last ones of an epoch, if fewer, are left out.
        learning_rate: Of the weights, at the start; this and the numbers below are those of
            DARTS (Liu et al. 2019, appendix A.1).
        least_rate: At the end.
        momentum: Of the weights.
        weight_decay: Of the weights.
        clip: Largest norm of the gradient.
        seed: Of everything random.

    Attributes:
        history: Records of observers such as :class:`EigenvalueStop`, as plain JSON data.

    Raises:
        ValueError: If a number is out of range, or images and supernet do not fit.
    """

    method: ClassVar[str]

    def __init__(
        self,
        supernet: Supernet,
        data: ImageData,
        *,
        steps: int,
        batch: int = 64,
        learning_rate: float = 0.025,
        least_rate: float = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 3e-4,
        clip: float = 5.0,
        seed: int = 0,
    ) -> None:
        self.supernet = supernet
        self.steps = integer("steps", steps, 1)
        self.learning_rate = number("learning_rate", learning_rate, 0)
        self.least_rate = number("least_rate", least_rate, 0, self.learning_rate)
        self.momentum = number("momentum", momentum, 0, 1)
        self.weight_decay = number("weight_decay", weight_decay, 0)
        self.clip = number("clip", clip, 0)
        self.seed = seed
        if data.shape[0] != supernet.in_channels or data.classes > supernet.classes:
            raise ValueError(
                f"data: expected images of {supernet.in_channels} channels and up to "
                f"{supernet.classes} classes, as the supernet has, received {data.shape[0]} and "
                f"{data.classes}"
            )
        data = data.standardized()
        self._train = torch.from_numpy(data.x_train), torch.from_numpy(data.y_train)
        self._valid = torch.from_numpy(data.x_valid), torch.from_numpy(data.y_valid)
        self.batch = min(integer("batch", batch, 1), len(data.x_train), len(data.x_valid))
        self.history: list[dict[str, Any]] = []
        self._done = 0
        self._orders: dict[str, tuple[int, torch.Tensor]] = {}
        self._optimizer = torch.optim.SGD(
            supernet.parameters(),
            self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )
        supernet.train()

    @property
    def steps_done(self) -> int:
        """Steps so far."""
        return self._done

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self._done >= self.steps

    def step(self) -> float:
        """Do one step.

        Returns:
            The loss on the training images before it.

        Raises:
            ValueError: If all steps are done.
            TrainingDiverged: If a loss is not finite. Weights and state are of no more use;
                go on from an earlier state with a lower learning rate.
        """
        if self.finished:
            raise ValueError(f"step: expected one of {self.steps} steps, all are done")
        self._optimizer.param_groups[0]["lr"] = self.rate
        with one_thread():
            loss = self._search_step()
        self._done += 1
        return loss

    @property
    def rate(self) -> float:
        """Learning rate of the weights in the next step."""
        wave = 0.5 * (1 + math.cos(math.pi * self._done / self.steps))
        return self.least_rate + (self.learning_rate - self.least_rate) * wave

    def derive(self) -> Architecture:
        """The best architecture, as far as the method knows. Changes nothing."""
        raise NotImplementedError

    def evaluate(self, architecture: Architecture, images: int | None = None) -> float:
        """Validation accuracy with the shared weights, in 0..1. Changes nothing.

        Args:
            architecture: One of the space.
            images: How many of the validation images, the first ones; None: all.
        """
        path = self.supernet.layout.path(architecture)
        right = 0
        x, y = (part[:images] for part in self._valid)
        with one_thread(), torch.no_grad():
            # Batch norms use the batch, so batches are large and of about the same size.
            for part in torch.arange(len(x)).chunk(math.ceil(len(x) / 256)):
                right += int((self.supernet(x[part], active=path).argmax(1) == y[part]).sum())
        return right / len(x)

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: ``method``, ``step`` and ``history``, named ``tensors``, and JSON data
        of the method's own in ``plain``."""
        tensors = {name: tensor.detach().clone() for name, tensor in self._tensors().items()}
        for name, optimizer in self._optimizers().items():
            tensors |= optimizer_tensors(name, optimizer)
        return {
            "method": self.method,
            "step": self._done,
            "tensors": tensors,
            "history": copy.deepcopy(self.history),
            "plain": self._plain_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state_dict` of a trainer made with the same arguments.

        Raises:
            ValueError: If it is none; names the field.
        """
        if state.get("method") != self.method:
            raise ValueError(f"method: expected {self.method!r}, received {state.get('method')!r}")
        step = integer("step", state.get("step"), 0, self.steps)
        tensors = state.get("tensors")
        if not isinstance(tensors, Mapping):
            raise ValueError(f"tensors: expected named tensors, received {tensors!r}")
        history = state.get("history")
        if not isinstance(history, list) or not all(isinstance(item, dict) for item in history):
            raise ValueError(f"history: expected a list of records, received {history!r}")
        rest = read_tensors(self._tensors(), tensors)
        optimizers = {
            name: read_optimizer(name, optimizer, rest)
            for name, optimizer in self._optimizers().items()
        }
        if rest:
            raise ValueError(f"tensors: unknown name {next(iter(rest))!r}")
        self._load_plain_state(state.get("plain"))
        with torch.no_grad():
            for name, tensor in self._tensors().items():
                tensor.copy_(tensors[name])
        for name, optimizer in self._optimizers().items():
            optimizer.state.clear()
            optimizer.state.update(optimizers[name])
        self.history = copy.deepcopy(history)
        self._done = step

    # What a method adds

    def _search_step(self) -> float:
        """One step of the method; the loss on training images."""
        raise NotImplementedError

    def _tensors(self) -> dict[str, torch.Tensor]:
        """What it learns."""
        parameters = self.supernet.named_parameters()
        return {f"weights/{name}": tensor for name, tensor in parameters}

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": self._optimizer}

    def _plain_state(self) -> Any:
        return None

    def _load_plain_state(self, plain: Any) -> None:
        pass

    # What methods use

    def _train_batch(self) -> Batch:
        return self._batch(self._train, "train")

    def _valid_batch(self) -> Batch:
        return self._batch(self._valid, "valid")

    def _batch(self, part: Batch, name: str) -> Batch:
        """The batch of this step: each epoch has its own random order."""
        x, y = part
        epoch, number = divmod(self._done, len(x) // self.batch)
        if self._orders.get(name, (-1,))[0] != epoch:
            order = Stream(stream_key(self.seed, "oneshot", name, epoch)).permutation(len(x))
            self._orders[name] = epoch, torch.from_numpy(order)
        chosen = self._orders[name][1][number * self.batch : (number + 1) * self.batch]
        return x[chosen], y[chosen]

    def _generator(self, name: str) -> torch.Generator:
        """Random numbers of this step."""
        key = stream_key(self.seed, "oneshot", name, self._done)
        return torch.Generator().manual_seed(key >> 1)  # torch takes seeds below 2**63

    def _stream(self, name: str) -> RandomStream:
        """The same for drawing architectures."""
        return evolution_stream(stream_key(self.seed, "oneshot", name, self._done) >> 1)

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(logits, labels)
        self._require_finite(float(loss.detach()))
        return loss

    def _require_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"{self.method}: the loss is {loss} in step {self._done} of {self.steps}; "
                f"a learning rate below {self.learning_rate:g} may help"
            )

    def _weight_step(self, loss: torch.Tensor) -> float:
        """One step of the weights down the loss; those that took no part stay."""
        self._optimizer.zero_grad()
        loss.backward()
        self._update_weights()
        return float(loss.detach())

    def _update_weights(self) -> None:
        nn.utils.clip_grad_norm_(self.supernet.parameters(), self.clip)
        self._optimizer.step()

    def _best(self, candidates: Iterable[Architecture], images: int | None) -> Architecture:
        """The one with the best shared-weight accuracy; the first of equals."""
        unique = list(dict.fromkeys(candidates))
        return max(unique, key=lambda architecture: self.evaluate(architecture, images))
