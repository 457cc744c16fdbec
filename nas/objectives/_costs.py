"""What a network costs: parameters, operations, time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from automl_zero._config_values import integer

# Processor time is too coarse on some systems.
_is_fine = time.get_clock_info("thread_time").resolution < 1e-5
_clock = time.thread_time if _is_fine else time.perf_counter


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread inside: small convolutions gain little from a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode inside, without gradients; all its modes are put back."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def count_parameters(network: nn.Module) -> int:
    """Trainable parameters.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def count_flops(network: nn.Module, shape: Sequence[int]) -> int:
    """Floating-point operations of convolutions and matrix products, by PyTorch's own counter.

    A multiplication and an addition are two. Papers on mobile networks count them as one, and
    NAS-Bench-201 too: theirs is half of this number.

    Args:
        network: Any module.
        shape: Of one image: channels, height, width.

    >>> count_flops(nn.Conv2d(3, 8, 3, padding=1), (3, 16, 16))  # 2 * 3 * 3 * 3 * 8 * 16 * 16
    110592
    """
    with evaluation_mode(network), FlopCounterMode(display=False) as counter:
        network(_zeros(shape, 1))
    return int(counter.get_total_flops())


def measure_latency(
    network: nn.Module, shape: Sequence[int], *, batch: int = 1, warmup: int = 3, repeats: int = 20
) -> float:
    """Milliseconds that the network takes on this machine's CPU, on one thread.

    The median of several calls after some that do not count: the first ones allocate memory
    and pick kernels. What is measured is the thread's own processor time, so that a machine that
    does other things too gives nearly the same; on a quiet one it is the latency.

    Args:
        network: Any module; it is run in evaluation mode without gradients.
        shape: Of one image: channels, height, width.
        batch: Images at once.
        warmup: Calls that do not count.
        repeats: Calls that do.

    Raises:
        ValueError: If a number is out of range.
    """
    integer("batch", batch, 1)
    integer("warmup", warmup, 0)
    integer("repeats", repeats, 1)
    x = _zeros(shape, batch)
    seconds = []
    with one_thread(), evaluation_mode(network):
        for _ in range(warmup):
            network(x)
        for _ in range(repeats):
            start = _clock()
            network(x)
            seconds.append(_clock() - start)
    return 1e3 * statistics.median(seconds)


def _zeros(shape: Sequence[int], batch: int) -> torch.Tensor:
    if len(tuple(shape)) != 3:
        raise ValueError(f"shape: expected channels, height and width, received {shape!r}")
    for size in shape:
        integer("shape", size, 1)
    return torch.zeros(batch, *shape)
