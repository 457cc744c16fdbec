"""States of optimizers that come from elsewhere: whether they fit, and in which form they load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from automl_zero.liveness import live_program
from l2o.optim._plan import RulePlan, register_name
from l2o.rules import UPDATE_RULE, parse_rule


def checked_state_dict(
    plan: RulePlan, state_dict: Mapping[str, Any], params: Sequence[Tensor]
) -> dict[str, Any]:
    """A copy of a state whose numbers are plain ones, once it is found to fit.

    PyTorch loads tensors in the parameter's dtype; a count of steps must not become float16.

    Raises:
        ValueError: If it does not fit; names the field.
    """
    groups = state_dict.get("param_groups") if isinstance(state_dict, Mapping) else None
    states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
    if not isinstance(groups, Sequence) or not isinstance(states, Mapping):
        raise ValueError("state_dict: expected param_groups and state")
    for position, group in enumerate(groups):
        _check_rule(plan, group, f"state_dict.param_groups[{position}].rule")
    order = [index for group in groups for index in group.get("params", ())]
    shapes = {index: param.shape for index, param in zip(order, params, strict=False)}
    checked = {}
    for index, state in states.items():
        place = f"state_dict.state[{index!r}]"
        if index not in shapes or not isinstance(state, Mapping):
            raise ValueError(f"{place}: expected the state of a parameter")
        checked[index] = _checked_state(plan, state, shapes[index], place)
    return {**state_dict, "state": checked}


def restored_numbers(plan: RulePlan, states: Mapping[Any, dict[str, Any]]) -> None:
    """Make tensors of the plain numbers again."""
    for state in states.values():
        for name in _number_names(plan):
            state[name] = torch.tensor([state[name]], dtype=torch.float64)


def _number_names(plan: RulePlan) -> list[str]:
    return [register_name(register) for register in plan.numbers] + ["step"] * plan.counts_steps


def _check_rule(plan: RulePlan, group: Any, place: str) -> None:
    text = group.get("rule") if isinstance(group, Mapping) else None
    if not isinstance(text, str):
        raise ValueError(f"{place}: expected program text: is this of an EvolvedOptimizer?")
    try:
        live = live_program(parse_rule(text), UPDATE_RULE)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if live != plan.live:
        raise ValueError(f"{place}: expected the optimizer's rule\n{plan.live}\nreceived\n{live}")


def _checked_state(
    plan: RulePlan, state: Mapping[str, Any], shape: torch.Size, place: str
) -> dict[str, Any]:
    numbers = _number_names(plan)
    tensors = {register_name(register): register[0] for register in plan.tensors}
    expected = {*numbers, *tensors} | ({"seed"} if plan.is_random else set())
    if set(state) != expected:
        raise ValueError(
            f"{place}: expected {', '.join(sorted(expected)) or 'nothing'}, "
            f"received {', '.join(sorted(map(str, state))) or 'nothing'}"
        )
    for name, kind in tensors.items():
        wanted = shape if kind == "v" else torch.Size([1])
        value = state[name]
        if not isinstance(value, Tensor) or value.shape != wanted:
            received = tuple(value.shape) if isinstance(value, Tensor) else value
            raise ValueError(f"{place}.{name}: expected shape {tuple(wanted)}, received {received}")
    checked = dict(state)
    for name in numbers:
        value = state[name]
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{place}.{name}: expected a number, received {value!r}")
        checked[name] = float(value)
    if plan.is_random and not isinstance(state["seed"], int):
        raise ValueError(f"{place}.seed: expected an integer, received {state['seed']!r}")
    return checked
