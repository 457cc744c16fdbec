"""Optimizer states as named tensors, and checks of what is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimizer's state; parameters that have had no gradient yet have none."""
    return {
        f"{name}/{number}/{key}": value.detach().clone()
        for number, parameter in enumerate(_parameters(optimizer))
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }


def read_tensors(
    own: Mapping[str, torch.Tensor], tensors: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """Check that ``tensors`` has what ``own`` has; returns a copy of the others.

    Raises:
        ValueError: If one is missing or has another shape; names it.
    """
    for name, tensor in own.items():
        received = tensors.get(name)
        if not isinstance(received, torch.Tensor) or received.shape != tensor.shape:
            what = tuple(received.shape) if isinstance(received, torch.Tensor) else received
            raise ValueError(
                f"tensors: {name}: expected shape {tuple(tensor.shape)}, received {what}"
            )
    return {name: tensor for name, tensor in tensors.items() if name not in own}


def read_optimizer(
    name: str, optimizer: torch.optim.Optimizer, rest: dict[str, torch.Tensor]
) -> dict[torch.Tensor, dict[str, torch.Tensor]]:
    """An optimizer's state from named tensors, which are taken out of ``rest``.

    Raises:
        ValueError: If one has another shape than its parameter; names it.
    """
    state: dict[torch.Tensor, dict[str, torch.Tensor]] = {}
    parameters = _parameters(optimizer)
    for full in [key for key in rest if key.startswith(f"{name}/")]:
        tensor = rest.pop(full)
        _, number, key = full.split("/", 2)
        if not number.isdecimal() or int(number) >= len(parameters):
            raise ValueError(f"tensors: {full}: expected a number below {len(parameters)}")
        parameter = parameters[int(number)]
        if tensor.shape not in (parameter.shape, torch.Size([])):
            raise ValueError(
                f"tensors: {full}: expected shape {tuple(parameter.shape)}, "
                f"received {tuple(tensor.shape)}"
            )
        state.setdefault(parameter, {})[key] = tensor.clone()
    return state


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
