"""States of optimizers in safetensors files: tensors and text, nothing that is unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer

_FORMAT: Final = "automl-zero optimizer state"


def save_state(optimizer: Optimizer, path: str | Path) -> None:
    """Write an optimizer's state to a safetensors file.

    Tensors go in as they are; numbers, settings and the rule's text go into the file's metadata
    as JSON. It serves any optimizer whose state is tensors and numbers, as those of
    ``torch.optim`` are.

    Args:
        optimizer: An :class:`EvolvedOptimizer`, or another.
        path: The file.

    Raises:
        ValueError: If a setting or a part of the state is neither tensor nor plain data.
        ImportError: Without safetensors.
    """
    from safetensors.torch import save_file

    state_dict = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, dict[str, Any]] = {}
    for index, state in state_dict["state"].items():
        numbers[str(index)] = {}
        for name, value in state.items():
            if isinstance(value, Tensor):
                # A copy each: safetensors refuses tensors that share memory.
                tensors[f"state.{index}.{name}"] = value.detach().clone().contiguous()
            else:
                numbers[str(index)][name] = _plain(f"state[{index}].{name}", value)
    groups = []
    for position, group in enumerate(state_dict["param_groups"]):
        place = f"param_groups[{position}]"
        groups.append({name: _setting(f"{place}.{name}", item) for name, item in group.items()})
    text = json.dumps({"format": _FORMAT, "param_groups": groups, "numbers": numbers})
    save_file(tensors, str(path), {"automl_zero": text})


def load_state(optimizer: Optimizer, path: str | Path) -> None:
    """Go on from a state that :func:`save_state` wrote.

    Raises:
        ValueError: If the file is damaged or foreign, or does not fit the optimizer; names the
            file and the field.
        ImportError: Without safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            # In a with block of its own library there is no iteration over the file itself.
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: expected a safetensors file: {error}") from None
    try:
        state_dict = _state_dict(metadata, tensors)
        optimizer.load_state_dict(state_dict)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _state_dict(metadata: Mapping[str, str], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    try:
        data = json.loads(metadata.get("automl_zero", ""))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
        raise ValueError("metadata: expected the state of an optimizer")
    groups, numbers = data.get("param_groups"), data.get("numbers")
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise ValueError("metadata.param_groups: expected a list of settings")
    if not isinstance(numbers, Mapping):
        raise ValueError("metadata.numbers: expected an object")
    states: dict[int, dict[str, Any]] = {}
    for key, values in numbers.items():
        if not key.isdecimal() or not isinstance(values, Mapping):
            raise ValueError(f"metadata.numbers: expected numbers of a parameter, received {key!r}")
        states[int(key)] = dict(values)
    for name, tensor in tensors.items():
        word, index, field = (name.split(".", 2) + ["", ""])[:3]
        if word != "state" or not index.isdecimal() or int(index) not in states:
            raise ValueError(f"{name}: expected a tensor of a parameter's state")
        states[int(index)][field] = tensor
    loaded = [
        {name: _from_setting(f"param_groups[{i}].{name}", item) for name, item in group.items()}
        for i, group in enumerate(groups)
    ]
    return {"state": states, "param_groups": loaded}


def _plain(place: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(place, item) for item in value]
    raise ValueError(f"{place}: expected a tensor or plain data, received {type(value).__name__}")


def _setting(place: str, value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": value.item(), "dtype": str(value.dtype).removeprefix("torch.")}
    return _plain(place, value)


def _from_setting(place: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    dtype = getattr(torch, str(value.get("dtype")), None)
    number = value.get("tensor")
    if not isinstance(dtype, torch.dtype) or not isinstance(number, int | float):
        raise ValueError(f"{place}: expected a number and its dtype, received {dict(value)!r}")
    return torch.tensor(number, dtype=dtype)
