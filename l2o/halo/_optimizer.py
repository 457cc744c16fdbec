"""HALO in PyTorch training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import Tensor

from automl_zero._config_values import integer
from l2o.halo._network import HALONetwork
from l2o.halo._schedule import SkipSchedule
from l2o.learned._network import LearnedOptimizerNetwork
from l2o.learned._optimizer import LearnedOptimizer, find_network


class HALO(LearnedOptimizer):
    """A meta-trained HALO network as an optimizer, whose skipped tensors cost nothing.

    After each step it draws which tensors the next one updates, and takes the others out of
    automatic differentiation: ``requires_grad`` is False until they are drawn again. So neither
    their gradients nor their updates are computed, and state and value stay as they are. What is
    not saved is the forward pass, and the gradients by activations that layers below need.

    :meth:`release` ends that: call it after training, and before another optimizer, a copy or a
    change of ``requires_grad``. Tensors that did not require a gradient
    when they were given are left alone. Like its network, it makes its own step sizes.

    Args:
        params: Parameters, or groups of them, as PyTorch's optimizers take them.
        network: A :class:`HALONetwork` or the file of one.
        total_steps: Length of the training, which the network's schedule of skipping is cut to.
        lr: Factor of the updates.
        maximize: Follow the gradient upwards.
        seed: Of what is skipped.

    Raises:
        ValueError: If the network is another one, a setting is wrong, or a parameter is no real
            floating-point tensor.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 1))
        >>> optimizer = HALO(model.parameters(), HALONetwork(skip=(0.5,)), total_steps=100)
        >>> for _ in range(3):
        ...     optimizer.zero_grad()
        ...     model(torch.ones(1, 3)).square().sum().backward()
        ...     optimizer.step()
        >>> optimizer.release()
        >>> all(parameter.requires_grad for parameter in model.parameters())
        True
    """

    def __init__(
        self,
        params: Iterable[Any],
        network: HALONetwork | str | Path,
        total_steps: int,
        lr: float = 1.0,
        *,
        maximize: bool = False,
        seed: int = 0,
    ) -> None:
        found: LearnedOptimizerNetwork = find_network(network)
        if not isinstance(found, HALONetwork):
            raise ValueError(f"network: expected a HALO network, received {found.kind}")
        integer("total_steps", total_steps, 1)
        self.schedule = SkipSchedule(found.schedule.probabilities, total_steps, seed)
        self._made = 0
        super().__init__(params, found.updates_all(), lr, maximize=maximize)
        self._choose()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As for every learned optimizer; its tensors may be skipped from the next step on."""
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            self._mine = {**getattr(self, "_mine", {}), param: param.requires_grad}

    @property
    def active(self) -> list[Tensor]:
        """The parameters that the next step updates."""
        return [param for param, mine in self._mine.items() if mine and param.requires_grad]

    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        loss: float | Tensor | None = None,
    ) -> Any:
        """Update what was drawn, and draw what the next step updates.

        Arguments and errors as :meth:`l2o.learned.LearnedOptimizer.step`.
        """
        result = super().step(closure, loss=loss)
        self._made += 1
        self._choose()
        return result

    def release(self) -> None:
        """Give all tensors back to automatic differentiation; the next step draws again."""
        for param, mine in self._mine.items():
            param.requires_grad_(mine)

    def state_dict(self) -> dict[str, Any]:
        """As of every optimizer; the first group holds how many steps were made."""
        self.param_groups[0]["steps_made"] = self._made
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave.

        Raises:
            ValueError: If it is of another network, or does not fit the parameters; names the
                field.
        """
        try:
            made = integer("steps_made", state_dict["param_groups"][0]["steps_made"], 0)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"state_dict.param_groups[0].steps_made: expected a number: {error}"
            ) from None
        super().load_state_dict(state_dict)
        self._made = made
        self._choose()

    def _choose(self) -> None:
        params = [param for param, mine in self._mine.items() if mine]
        drawn = self.schedule.active(self._made, len(params)) if params else ()
        for param, active in zip(params, drawn, strict=True):
            param.requires_grad_(bool(active))
            if not active:
                param.grad = None
