"""Training of any PyTorch module with a rule: a task for rules that are found elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from automl_zero._config_values import integer
from automl_zero.program import Program
from l2o.optim._evolved_optimizer import EvolvedOptimizer
from l2o.optim._plan import plan_rule
from l2o.rules import RuleFile, find_rule


def train_with_rule(
    module: nn.Module,
    loss: Callable[[nn.Module, Any], Tensor],
    batches: Iterable[Any],
    rule: Program | RuleFile | str | Path | Callable[[list[nn.Parameter]], Optimizer],
    lr: float | None = None,
    weight_decay: float | None = None,
    *,
    steps: int | None = None,
) -> list[float]:
    """Train a module, one step for each batch.

    Args:
        module: Any module; its parameters are changed.
        loss: ``loss(module, batch)`` gives the batch's loss.
        batches: The batches, in order.
        rule: A rule as :class:`EvolvedOptimizer` takes it, or what makes an optimizer of a list
            of parameters, for baselines: ``lambda params: torch.optim.AdamW(params, lr=0.01)``.
        lr: Learning rate of a rule; None takes that of its file.
        weight_decay: Weight decay of a rule; one that does not read it trains without.
        steps: How many steps to make at most, and the length of the training for rules that
            read the schedule; None takes the number of batches, for which they must have one.

    Returns:
        The loss of each batch, before its step. Training ends with the first that is not finite.

    Raises:
        ValueError: If a setting is wrong or missing.

    >>> import torch
    >>> module = nn.Linear(2, 1)
    >>> batch = torch.eye(2), torch.ones(2, 1)
    >>> losses = train_with_rule(
    ...     module, lambda net, xy: nn.functional.mse_loss(net(xy[0]), xy[1]), [batch] * 50,
    ...     "adamw", lr=0.1,
    ... )
    >>> len(losses), losses[-1] < losses[0]
    (50, True)
    """
    params = [param for param in module.parameters() if param.requires_grad]
    if steps is not None:
        integer("steps", steps, 1)
    elif isinstance(batches, Sized):
        steps = len(batches)
    if isinstance(rule, Program | RuleFile | str | Path):
        found = find_rule(rule)
        reads_decay = "weight_decay" in plan_rule(found.rule).reads
        optimizer: Optimizer = EvolvedOptimizer(
            params, found, lr, weight_decay if reads_decay else None, total_steps=steps
        )
    else:
        if lr is not None or weight_decay is not None:
            raise ValueError("lr, weight_decay: expected none beside a function, received one")
        optimizer = rule(params)
    losses: list[float] = []
    for batch in batches:
        if steps is not None and len(losses) == steps:
            break
        optimizer.zero_grad()
        value = loss(module, batch)
        losses.append(float(value.detach()))
        if not math.isfinite(losses[-1]):
            break
        value.backward()
        if isinstance(optimizer, EvolvedOptimizer):
            optimizer.step(loss=losses[-1])
        else:
            optimizer.step()
    return losses
