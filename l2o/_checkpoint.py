"""Weights and training state as safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from automl_zero.evolution.runs._files import read_file, write_atomically
from automl_zero.evolution.runs._json import parse_json, read_json, write_json

_MAX_BYTES: Final = 4_000_000_000
_META: Final = "state"
STATE_FILE: Final = "training.safetensors"
GOOD_FILE: Final = "good.safetensors"
SETTINGS_FILE: Final = "settings.json"


def save_weights(path: Path, module: nn.Module) -> None:
    """A module's parameters and buffers as a safetensors file, whole or not at all."""
    write_atomically(path, safetensors.torch.save(_own_copies(module.state_dict())))


def load_weights(path: Path, module: nn.Module) -> None:
    """Put a safetensors file's tensors into a module of the same shape.

    Raises:
        ValueError: If the file is damaged or of another module; names file and tensor.
    """
    tensors, _ = read_tensors(path)
    fill(path, module.state_dict(), tensors)


def fill(path: Path, into: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors over others of the same names, shapes and types.

    Raises:
        ValueError: If they are not the same; then nothing was copied.
    """
    for name in sorted(into.keys() | tensors.keys()):
        if name not in into or name not in tensors:
            expected = "this tensor, received none" if name in into else "no such tensor"
            raise ValueError(f"{path}: {name}: expected {expected}")
        if (into[name].shape, into[name].dtype) != (tensors[name].shape, tensors[name].dtype):
            raise ValueError(
                f"{path}: {name}: expected {into[name].dtype} {list(into[name].shape)}, "
                f"received {tensors[name].dtype} {list(tensors[name].shape)}"
            )
    with torch.no_grad():
        for name, value in tensors.items():
            into[name].copy_(value)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], state: Any) -> None:
    """Tensors and plain data in one file, so that both are of the same moment."""
    data = safetensors.torch.save(_own_copies(tensors), {_META: json.dumps(state)})
    write_atomically(path, data)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """Tensors and plain data of a file; the data is None if it holds none.

    Raises:
        ValueError: If it is no readable safetensors file; names the file.
    """
    raw = read_file(path, _MAX_BYTES)
    try:
        tensors = safetensors.torch.load(raw)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: expected a safetensors file: {error}") from None
    # The header was just checked: its length, then JSON.
    header = parse_json(str(path), raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    text = header.get("__metadata__", {}).get(_META)
    return tensors, None if text is None else parse_json(f"{path}: {_META}", text)


def claim_folder(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make a folder of a training, or make sure that the one there is of the same settings.

    Raises:
        ValueError: If it holds a training with other settings; names the first difference.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS_FILE
    if not path.exists():
        write_json(path, settings, durable=True)
        return
    known = read_json(path)
    for name in sorted(known.keys() | settings.keys()):
        if known.get(name) != settings.get(name):
            raise ValueError(
                f"{path}: {name}: expected {settings.get(name)!r} to go on with this training, "
                f"received {known.get(name)!r}"
            )


def _own_copies(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Contiguous tensors that share no memory, as safetensors wants them."""
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}
