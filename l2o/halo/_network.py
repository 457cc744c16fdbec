"""The network of HALO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from automl_zero._config_values import number
from l2o.halo._schedule import SkipSchedule
from l2o.learned._hierarchical_rnn import HierarchicalRNN
from l2o.learned._layout import Layout
from l2o.learned._network import State


class HALONetwork(HierarchicalRNN):
    """The hierarchical optimizer, trained to do with updates of some tensors at each step.

    GRUs of every coordinate (10 units), every tensor (20) and the problem (20), inputs and update
    as in :class:`l2o.learned.HierarchicalRNN`; a tensor's GRU reads the means of its coordinates'
    inputs, not of their states alone. In :func:`l2o.learned.meta_train` and
    :func:`l2o.learned.unroll` a schedule skips tensors: they keep parameters and state, and the
    problem's GRU reads the others only. What is skipped at a step is the same for all problems,
    drawn from ``seed``. Networks see the whole computation there; :class:`HALO` saves it.

    Args:
        coordinate: Units of a coordinate's GRU.
        tensor: Units of a tensor's GRU.
        problem: Units of the problem's GRU.
        lr: Learning rate at the start, 1e-6 to 1e-2.
        base_width: Inputs up to which it holds, as in the base class.
        skip: Probabilities that a tensor is skipped, of equal parts of the training.
        steps: Length of the training, which the parts are of.
        seed: Of the initial weights, and of what is skipped.

    Raises:
        ValueError: If an argument is wrong.

    Example:
        >>> network, layout = HALONetwork(skip=(0.9,)), Layout([(2, 3), (3,)])
        >>> parameters = torch.ones(1, 9)
        >>> state = network.initial_state(parameters, layout)
        >>> update, after = network(2 * parameters, parameters, state, layout)
        >>> [bool((part == 0).all()) for part in layout.unflatten(update)]  # one is skipped
        [False, True]
    """

    kind: ClassVar[str] = "halo"
    tensors_read_inputs: ClassVar[bool] = True

    def __init__(
        self,
        *,
        coordinate: int = 10,
        tensor: int = 20,
        problem: int = 20,
        lr: float = 1e-3,
        base_width: int = 64,
        skip: Sequence[float] = (0.1, 0.3, 0.5),
        steps: int = 100,
        seed: int = 0,
    ) -> None:
        number("lr", lr, 1e-6, 1e-2)
        super().__init__(
            coordinate=coordinate, tensor=tensor, problem=problem, lr=lr, base_width=base_width,
            seed=seed,
        )  # fmt: skip
        self.schedule = SkipSchedule(skip, steps, seed)  # type: ignore[arg-type]
        self.skip = list(self.schedule.probabilities)
        self.steps = steps

    def state_levels(self) -> Mapping[str, str]:
        """Those of the hierarchical network, and the step."""
        return {**super().state_levels(), "step": "problem"}

    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """See the base class; step 0."""
        state = super().initial_state(parameters, layout)
        return {**state, "step": parameters.new_zeros(len(parameters))}

    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """See the base class."""
        active = self._active(state["step"], len(layout))
        before = {**state, "active": active}
        update, after = super().forward(gradients, parameters, before, layout, loss)
        of_coordinates = layout.spread(active)
        levels = self.state_levels()
        for name, value in after.items():
            if levels[name] != "problem":
                mask = active if levels[name] == "tensor" else of_coordinates
                mask = mask.view(*mask.shape, *[1] * (value.ndim - 2))
                after[name] = torch.where(mask, value, state[name])
        return update * of_coordinates, {**after, "step": state["step"] + 1}

    @property
    def macs_per_coordinate(self) -> int:
        """Multiply-accumulates of an update: matrix products, and 40 for averages and inputs."""
        weights = [self.coordinates.gates, self.coordinates.recurrent]
        weights += [self.direction, self.from_gradients, self.controls]
        return sum(each.weight.numel() for each in weights) + 40

    @property
    def macs_per_tensor(self) -> int:
        """Multiply-accumulates of a tensor's network, and of the biases for its coordinates."""
        above = self.coordinates.above
        own = self.tensors.gates.weight.numel() + self.tensors.recurrent.weight.numel()
        return own + (0 if above is None else above.weight.numel())

    @property
    def macs_per_step(self) -> int:
        """Multiply-accumulates of the problem's network, and of the biases for tensors."""
        above = self.tensors.above
        own = self.problems.gates.weight.numel() + self.problems.recurrent.weight.numel()
        return own + (0 if above is None else above.weight.numel())

    @property
    def states_per_coordinate(self) -> int:
        """Numbers that are kept for a coordinate."""
        state = self.initial_state(torch.zeros(1, 1), Layout([(1,)]))
        levels = self.state_levels()
        return sum(value.numel() for name, value in state.items() if levels[name] == "coordinate")

    def updates_all(self) -> HALONetwork:
        """The same weights without a schedule: for who skips tensors himself."""
        settings = {**self.settings(), "skip": (0.0,)}
        made = HALONetwork(**settings)
        made.load_state_dict(self.state_dict())
        return made.to(next(self.parameters()).device)

    def _active(self, steps: Tensor, tensors: int) -> Tensor:
        """Which tensors of each problem are updated, ``[P, T]``."""
        if self.schedule.probabilities == (0.0,):
            return torch.ones(len(steps), tensors, dtype=torch.bool, device=steps.device)
        rows = [self.schedule.active(int(step), tensors) for step in steps.tolist()]
        return torch.stack([torch.from_numpy(row) for row in rows]).to(steps.device)

    def _over_tensors(self, tensor: Tensor, state: State) -> Tensor:
        weight = state["active"].to(tensor).unsqueeze(-1)
        return (tensor * weight).sum(1) / weight.sum(1)
