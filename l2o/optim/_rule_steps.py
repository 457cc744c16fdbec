"""One step of a rule, over lists of tensors or tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from l2o.optim._compiled import CompiledRule
from l2o.optim._interpreter import Memory
from l2o.optim._plan import INPUT_NAMES, RulePlan, constant_number, register_name
from l2o.optim._runtime import run_together


@dataclass(frozen=True, slots=True)
class Bucket:
    """Parameters with the same settings.

    Attributes:
        settings: The group's: ``lr``, ``weight_decay``, ``total_steps``, ``maximize``.
        params: Parameters that have a gradient.
        grads: Their gradients.
        states: Their state.
    """

    settings: dict[str, Any]
    params: list[Tensor]
    grads: list[Tensor]
    states: list[dict[str, Any]]


def run_foreach(rule: CompiledRule, buckets: Sequence[Bucket], loss: float | Tensor | None) -> None:
    """One step by the rule's functions over lists."""
    plan, source = rule.plan, rule.source
    names = [register_name(register) for register in plan.numbers]
    parts = [part for bucket in buckets for part in _alike(bucket, plan)]
    updates = []
    for part in parts:
        settings, states = part.settings, part.states
        if plan.counts_steps:
            torch._foreach_add_([state["step"] for state in states], 1.0)
        given: dict[str, Any] = {
            name: _float64(_input(name, settings, states[0].get("step"), loss))
            for name in source.inputs
        }
        given |= {name: _float64(states[0][name].clone()) for name in names}
        for register in plan.tensors:
            name = register_name(register)
            stored = [state[name] for state in states]
            # Without their one dimension, scalars fit parameters that have none.
            given[name] = [x.view(()) for x in stored] if register[0] == "s" else stored
        if plan.is_random and "seeds: " in source.update:
            given["seeds"] = [state["seed"] for state in states]
        grads = torch._foreach_neg(part.grads) if settings["maximize"] else part.grads
        updates.append(rule.update(part.params, grads, **given))
    for part, values in zip(parts, run_together(updates), strict=True):
        for name, value in zip(names, values or (), strict=True):
            torch._foreach_copy_(
                [state[name] for state in part.states], [value.reshape(1)] * len(part.states)
            )


def run_one_by_one(
    rule: CompiledRule, buckets: Sequence[Bucket], loss: float | Tensor | None
) -> None:
    """One step by the interpreter: the reference, and what ``torch.compile`` traces."""
    plan = rule.plan
    memories: list[Memory] = []
    flat: list[Tensor] = []
    counts: list[Tensor | None] = []
    for bucket in buckets:
        for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
            like = param.detach().reshape(-1)
            flat.append(like)
            count = state["step"] + 1.0 if plan.counts_steps else None
            counts.append(count)
            memory: Memory = {"v1": like, "v0": grad.reshape(-1)}
            if bucket.settings["maximize"]:
                memory["v0"] = -memory["v0"]
            for register, name in INPUT_NAMES.items():
                if name in plan.reads:
                    value = _input(name, bucket.settings, count, loss)
                    memory[register_name(register)] = _float64(value)
            for register, constant in plan.constants.items():
                value = _float64(constant_number(constant))
                memory[register_name(register)] = _spread(value, register[0], like)
            for register in plan.numbers:
                name = register_name(register)
                memory[name] = _spread(state[name], register[0], like)
            for register in plan.tensors:
                name = register_name(register)
                memory[name] = state[name].reshape((-1,) if register[0] == "v" else ())
            memories.append(memory)
    states = [state for bucket in buckets for state in bucket.states]
    seeds = [state.get("seed", 0) for state in states]
    rule.interpreter.run("update", memories, flat, seeds, counts)

    settings = [bucket.settings for bucket in buckets for _ in bucket.params]
    params = [param for bucket in buckets for param in bucket.params]
    for group, param, state, memory, count in zip(
        settings, params, states, memories, counts, strict=True
    ):
        if count is not None:
            state["step"].copy_(count)
        if "v2" in memory:
            param.sub_((_float64(group["lr"]) * memory["v2"]).to(param.dtype).view(param.shape))
        for register in (*plan.tensors, *plan.numbers):
            name = register_name(register)
            value = memory[name]
            if register in plan.numbers and register[0] == "v":
                value = value[0]
            state[name].copy_(value.reshape(state[name].shape))


def _alike(bucket: Bucket, plan: RulePlan) -> list[Bucket]:
    """The bucket by device, dtype, and what has to be one number for all tensors."""
    names = [register_name(register) for register in plan.numbers]
    names += ["step"] * plan.counts_steps
    parts: dict[Any, Bucket] = {}
    for param, grad, state in zip(bucket.params, bucket.grads, bucket.states, strict=True):
        # As text: NaN is not equal to itself.
        numbers = [repr(state[name].item()) for name in names]
        key = (param.device, param.dtype, *numbers)
        if key not in parts:
            parts[key] = Bucket(bucket.settings, [], [], [])
        parts[key].params.append(param)
        parts[key].grads.append(grad)
        parts[key].states.append(state)
    return list(parts.values())


def _input(
    name: str, settings: dict[str, Any], step: Tensor | None, loss: float | Tensor | None
) -> Any:
    """A scalar input of the rule, for a tensor that makes its step number ``step``."""
    if name == "step":
        return step
    if name == "schedule" and step is not None:
        total = settings["total_steps"]
        return (step.clamp(max=total) - 1) / total
    return loss if name == "loss" else settings[name]


def _float64(value: float | Tensor) -> Tensor:
    """A number as a 0-dimensional tensor of its own."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", torch.float64).reshape(())
    return torch.tensor(value, dtype=torch.float64)


def _spread(value: Tensor, kind: str, like: Tensor) -> Tensor:
    return value.reshape(()) if kind == "s" else value.to(like).expand(like.shape)
