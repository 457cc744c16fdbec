"""A policy that sees the decisions it has made: an LSTM. The one strategy that needs torch."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from automl_zero.evolution import RandomStream
from nas.spaces import Architecture, ChoiceSpace
from nas.strategies._ask_tell import StateFields

_INITIAL: Final = 0.08
"""Weights start uniform in ±0.08, as in Zoph & Le (2017)."""


class RecurrentPolicy:
    """An LSTM that makes one decision after another, each with a layer of its own.

    The controller of Zoph & Le (2017), with one LSTM layer as in ENAS (Pham et al., ICML 2018):
    what was chosen goes in as an embedding, and a linear layer of the next decision gives its
    logits. Adam ascends ``advantage * log p(a) + entropy_weight * entropy``.

    Args:
        space: The space.
        learning_rate: Of Adam.
        entropy_weight: How much the entropy counts beside the reward.
        hidden: Size of embeddings and of the LSTM's state.
        seed: Of the initial weights.
    """

    def __init__(
        self,
        space: ChoiceSpace,
        learning_rate: float,
        entropy_weight: float,
        hidden: int,
        seed: int,
    ) -> None:
        sizes = [len(decision.options) for decision in space.decisions]
        self._entropy_weight = entropy_weight
        self._hidden = hidden
        # Row 0 begins; then the options of all decisions but the last, one after another.
        self._offsets = [1 + sum(sizes[:number]) for number in range(len(sizes))]
        self._embedding = nn.Embedding(1 + sum(sizes[:-1]), hidden)
        self._lstm = nn.LSTMCell(hidden, hidden)
        self._heads = [nn.Linear(hidden, size) for size in sizes]
        modules = nn.ModuleList([self._embedding, self._lstm, *self._heads])
        self._weights = list(modules.parameters())
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in self._weights:
                weights.uniform_(-_INITIAL, _INITIAL, generator=generator)
        self._adam = torch.optim.Adam(self._weights, lr=learning_rate)

    def sample(self, stream: RandomStream) -> Architecture:
        """One architecture, drawn from the policy."""

        def draw(number: int, log_p: torch.Tensor) -> int:
            chosen = int((log_p.exp().cumsum(0) < stream.uniform()).sum())
            return min(chosen, len(log_p) - 1)

        with torch.no_grad():
            return self._unroll(draw)[0]

    def learn(self, architecture: Architecture, advantage: float) -> None:
        """Make an architecture likelier by how much better it was than expected."""
        _, log_p, entropy = self._unroll(lambda number, log_p: architecture[number])
        self._adam.zero_grad()
        (-advantage * log_p - self._entropy_weight * entropy).backward()
        self._adam.step()

    def _unroll(
        self, choose: Callable[[int, torch.Tensor], int]
    ) -> tuple[Architecture, torch.Tensor, torch.Tensor]:
        """Choices, their log probability and the sum of the decisions' entropies."""
        state = None
        row, choices = 0, []
        total, entropy = torch.zeros(()), torch.zeros(())
        for number, head in enumerate(self._heads):
            state = self._lstm(self._embedding(torch.tensor([row])), state)
            log_p = torch.log_softmax(head(state[0])[0], dim=0)
            choices.append(choose(number, log_p))
            total = total + log_p[choices[-1]]
            entropy = entropy - (log_p.exp() * log_p).sum()
            row = self._offsets[number] + choices[-1]
        return tuple(choices), total, entropy

    def state(self) -> Any:
        """Weights and Adam's two moments as base64 of little-endian float32, and its steps."""
        moments = [self._adam.state[weights] for weights in self._weights]
        steps = int(moments[0]["step"]) if moments[0] else 0
        parts: dict[str, Sequence[torch.Tensor]] = {"weights": self._weights}
        if steps:
            parts["mean"] = [item["exp_avg"] for item in moments]
            parts["square"] = [item["exp_avg_sq"] for item in moments]
        return {"steps": steps, **{name: _text(tensors) for name, tensors in parts.items()}}

    def read_state(self, fields: StateFields) -> Callable[[], None]:
        """Read field ``policy``; the function that is returned puts it in place."""
        steps, weights, mean, square = fields.read("policy", self._parsed)

        def apply() -> None:
            self._adam.state.clear()
            for index, own in enumerate(self._weights):
                with torch.no_grad():
                    own.copy_(weights[index])
                if steps:
                    self._adam.state[own] = {
                        "step": torch.tensor(float(steps)),
                        "exp_avg": mean[index],
                        "exp_avg_sq": square[index],
                    }

        return apply

    def _parsed(self, data: Any) -> Any:
        shapes = [weights.shape for weights in self._weights]
        steps = int(data["steps"])
        if steps < 0:
            raise ValueError(f"expected steps >= 0, received {steps}")
        names = ("weights", "mean", "square") if steps else ("weights",)
        tensors = [_tensors(name, data[name], shapes) for name in names]
        return steps, *tensors, *[None] * (3 - len(tensors))


def _text(tensors: Sequence[torch.Tensor]) -> str:
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode("ascii")


def _tensors(name: str, text: str, shapes: list[torch.Size]) -> list[torch.Tensor]:
    flat = torch.from_numpy(np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32))
    counts = [shape.numel() for shape in shapes]
    if len(flat) != sum(counts) or not bool(torch.isfinite(flat).all()):
        raise ValueError(f"{name}: expected {sum(counts)} finite numbers, received others")
    return [
        part.reshape(shape).clone() for part, shape in zip(flat.split(counts), shapes, strict=True)
    ]
