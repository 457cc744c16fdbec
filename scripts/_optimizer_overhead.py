"""What a step of a program costs beside PyTorch's own optimizer: rows for other scripts.

AdamW on 1 million parameters in 50 tensors, float32, on the CPU with one thread: as the program
``adamw`` in EvolvedOptimizer, as its exported source, and as ``torch.optim.AdamW(foreach=True)``.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from _common import Row

from l2o.optim import EvolvedOptimizer, export_optimizer

TENSORS, SIZE = 50, 20_000
SETTINGS = {"lr": 1e-3, "weight_decay": 0.01}


def overhead_rows(quick: bool = False) -> list[Row]:
    """Time of a step relative to PyTorch's, medians of interleaved steps."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _rows(steps=30 if quick else 300)
    finally:
        torch.set_num_threads(threads)


def _rows(steps: int) -> list[Row]:
    names: dict[str, Any] = {"__name__": "exported"}
    exec(compile(export_optimizer("adamw", "Exported"), "<exported>", "exec"), names)
    optimizers = {
        "torch": torch.optim.AdamW(_parameters(), foreach=True, **SETTINGS),
        "program": EvolvedOptimizer(_parameters(), "adamw", **SETTINGS),
        "exported": names["Exported"](_parameters(), **SETTINGS),
    }
    seconds = _interleaved(optimizers, steps)
    torch_ms = 1e3 * statistics.median(seconds["torch"])
    # Ratios of steps next to each other: what slows the machine for a while slows both.
    ratios = {
        name: statistics.median(
            ours / theirs for ours, theirs in zip(seconds[name], seconds["torch"], strict=True)
        )
        for name in ("program", "exported")
    }
    return [
        Row("torch_adamw_foreach_ms", torch_ms, "ms"),
        Row("adamw_program_vs_torch_foreach", ratios["program"], "", "<= 1.5"),
        Row("exported_vs_torch_foreach", ratios["exported"], "", "<= 1.3"),
    ]


def _parameters() -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for _ in range(TENSORS):
        parameter = torch.nn.Parameter(torch.randn(SIZE, generator=generator))
        parameter.grad = torch.randn(SIZE, generator=generator)
        parameters.append(parameter)
    return parameters


def _interleaved(optimizers: dict[str, Any], steps: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in optimizers}
    for number in range(steps + 3):
        for name, optimizer in optimizers.items():
            start = time.perf_counter()
            optimizer.step()
            if number >= 3:  # the first steps make the state
                seconds[name].append(time.perf_counter() - start)
    return seconds
