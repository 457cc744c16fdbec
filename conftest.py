"""Doctests of modules that need PyTorch are left out where it is not installed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

_PACKAGES = Path("nas"), Path("l2o")
_NEEDS_TORCH = re.compile(
    r"^(?: +>>> )?(import|from) (torch|safetensors"
    r"|nas\.(networks|oneshot|proxies)|l2o import _checkpoint"
    r"|l2o\.(halo|hypergrad|learned|maml|optim|unrolled|_checkpoint|_meta_training))\b",
    re.MULTILINE,
)
_HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "safetensors"))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True for a module of the packages that cannot be imported here."""
    if _HAS_TORCH or collection_path.suffix != ".py":
        return None
    root = Path(__file__).parent
    if not any(root / package in collection_path.parents for package in _PACKAGES):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return True if _NEEDS_TORCH.search(text) else None
