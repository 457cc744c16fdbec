"""What a training step costs: operations, bytes, and the energy of a model of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from automl_zero._config_values import number

BYTES: Final = 4
"""Of a number in float32."""


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of single operations in picojoules.

    Args:
        multiply_accumulate: A multiplication and an addition in float32.
        on_chip_byte: A byte to or from a large on-chip memory.
        off_chip_byte: A byte to or from DRAM.
        source: Where the numbers come from.

    Raises:
        ValueError: If a number is negative.
    """

    multiply_accumulate: float
    on_chip_byte: float
    off_chip_byte: float
    source: str

    def __post_init__(self) -> None:
        for name in ("multiply_accumulate", "on_chip_byte", "off_chip_byte"):
            number(name, getattr(self, name), 0.0)


HOROWITZ_45_NM: Final = Energies(
    # 32-bit float: multiplication 3.7 pJ, addition 0.9 pJ.
    multiply_accumulate=4.6,
    # 64-bit read of a 1 MB cache: 100 pJ.
    on_chip_byte=12.5,
    # 64-bit access of DRAM: 1.3 to 2.6 nJ, here the lower end.
    off_chip_byte=162.5,
    source='Horowitz, "Computing\'s energy problem (and what we can do about it)", ISSCC 2014, '
    "figure 1.1.9, 45 nm, 0.9 V",
)


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """Operations and memory traffic of one training step.

    A model, not a measurement: every parameter, gradient and optimizer state is moved to or from
    DRAM once each time it is read or written, activations stay on the chip.

    Attributes:
        forward_macs: Multiply-accumulates of the forward pass.
        backward_macs: Of the backward pass: gradients by activations and by parameters.
        optimizer_macs: Of the update.
        off_chip_bytes: Parameters, gradients and states, read and written.
        on_chip_bytes: Activations, written in the forward and read in the backward pass.
    """

    forward_macs: float
    backward_macs: float
    optimizer_macs: float
    off_chip_bytes: float
    on_chip_bytes: float

    def joules(self, energies: Energies = HOROWITZ_45_NM) -> float:
        """Energy of the step."""
        macs = self.forward_macs + self.backward_macs + self.optimizer_macs
        return 1e-12 * (
            macs * energies.multiply_accumulate
            + self.on_chip_bytes * energies.on_chip_byte
            + self.off_chip_bytes * energies.off_chip_byte
        )


def training_cost(
    module: nn.Module,
    inputs: Tensor | tuple[Any, ...],
    *,
    macs_per_coordinate: float,
    states_per_coordinate: float,
    macs_per_tensor: float = 0.0,
    macs_per_step: float = 0.0,
    updated: Iterable[Tensor] | None = None,
) -> TrainingCost:
    """Count a training step: forward and backward pass of a batch, and the update.

    Forward and backward passes are run and their matrix products and convolutions counted, so
    that the gradients of tensors that are not updated do not count.

    Args:
        module: What is trained; its gradients and buffers are left as they were.
        inputs: A batch, as the module takes it.
        macs_per_coordinate: Multiply-accumulates that the optimizer makes for a parameter's
            coordinate: about 4 for Adam.
        states_per_coordinate: Numbers that it keeps for one: 2 for Adam.
        macs_per_tensor: What it makes for each tensor besides: the networks of tensors in HALO.
        macs_per_step: What it makes once a step.
        updated: Parameters that the step updates; None: all that require a gradient.

    Raises:
        ValueError: If a number is negative, nothing or something else is updated, or the module
            gives no tensor.

    >>> layer = nn.Linear(10, 5)
    >>> cost = training_cost(
    ...     layer, torch.ones(2, 10), macs_per_coordinate=4, states_per_coordinate=2
    ... )
    >>> cost.forward_macs, cost.backward_macs, cost.optimizer_macs
    (100.0, 100.0, 220.0)
    """
    number("macs_per_coordinate", macs_per_coordinate, 0.0)
    number("states_per_coordinate", states_per_coordinate, 0.0)
    number("macs_per_tensor", macs_per_tensor, 0.0)
    number("macs_per_step", macs_per_step, 0.0)
    params = list(module.parameters())
    chosen = [p for p in params if p.requires_grad] if updated is None else list(updated)
    if not chosen:
        raise ValueError("updated: expected at least one parameter, received none")
    own = {id(param) for param in params}
    for param in chosen:
        if id(param) not in own or not param.requires_grad:
            raise ValueError("updated: expected parameters of the module that require a gradient")
    batch = inputs if isinstance(inputs, tuple) else (inputs,)
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    activations = 0

    def count_output(module: nn.Module, given: Any, output: Any) -> None:
        nonlocal activations
        if isinstance(output, Tensor) and not list(module.children()):
            activations += output.numel()

    hooks = [part.register_forward_hook(count_output) for part in module.modules()]
    try:
        with torch.enable_grad():
            with FlopCounterMode(display=False) as forward:
                output = module(*batch)
            if not isinstance(output, Tensor):
                raise ValueError(
                    f"module: expected one that gives a tensor, received {type(output).__name__}"
                )
            with FlopCounterMode(display=False) as backward:
                torch.autograd.grad(output.float().square().sum(), chosen, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():  # running statistics
            for name, value in module.named_buffers():
                value.copy_(buffers[name])
    size = sum(param.numel() for param in chosen)
    # Parameters are read in both passes; those that are updated once more, and written.
    moved = 2 * sum(param.numel() for param in params) + size * (2 + 2)
    return TrainingCost(
        forward_macs=forward.get_total_flops() / 2,
        backward_macs=backward.get_total_flops() / 2,
        optimizer_macs=size * macs_per_coordinate + len(chosen) * macs_per_tensor + macs_per_step,
        off_chip_bytes=BYTES * (moved + 2 * size * states_per_coordinate),
        on_chip_bytes=BYTES * 2 * activations,
    )
