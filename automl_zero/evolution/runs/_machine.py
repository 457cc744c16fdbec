"""Which versions and which machine a run began on, and how those here differ."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path

import automl_zero


def versions_here() -> dict[str, str]:
    """Versions of what decides the results. Looked up without importing any of it."""
    return {
        "automl_zero": automl_zero.__version__,
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
        "pyarrow": importlib.metadata.version("pyarrow"),
    }


def machine_here(instruction_set: str) -> dict[str, str | int]:
    """This machine; cores are those that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores or 1,
        "instruction_set": instruction_set,
    }


def differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """A sentence for each entry that is no longer the same."""
    return [
        f"{key}: the run began with {then.get(key)}, here it is {now.get(key)}"
        for key in dict.fromkeys([*then, *now])
        if then.get(key) != now.get(key)
    ]


def _processor() -> str:
    """The processor's name: Linux tells it in /proc/cpuinfo only."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
