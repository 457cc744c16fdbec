"""A rule's functions over lists of tensors, ready to be called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from automl_zero.export._numpy_runtime import gaussian, uniform
from automl_zero.program import Program
from l2o.optim._foreach_source import ForeachSource, foreach_source
from l2o.optim._interpreter import RuleInterpreter
from l2o.optim._plan import RulePlan, plan_rule
from l2o.optim._runtime import drawn, with_element


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """An update rule as functions.

    Attributes:
        plan: What it stores and reads.
        source: The functions' source.
        setup: See :class:`ForeachSource`; None if there is nothing to do.
        update: See :class:`ForeachSource`.
        interpreter: The same without lists.
    """

    plan: RulePlan
    source: ForeachSource
    setup: Callable[..., Any] | None
    update: Callable[..., Any]
    interpreter: RuleInterpreter


@functools.lru_cache(maxsize=256)
def compile_rule(rule: Program) -> CompiledRule:
    """The functions of a rule.

    Raises:
        ValueError: If ``rule`` is no update rule, or has ops that users declared.
    """
    plan = plan_rule(rule)
    source = foreach_source(plan)
    names: dict[str, Any] = {
        "torch": torch,
        "drawn": drawn,
        "gaussian": gaussian,
        "uniform": uniform,
        "with_element": with_element,
    }
    # Written by this package out of a checked program: nothing in it comes from elsewhere.
    code = f"from __future__ import annotations\n\n{source.setup}\n\n{source.update}\n"
    exec(compile(code, "<update rule>", "exec"), names)
    interpreter = RuleInterpreter(plan.live)
    return CompiledRule(plan, source, names.get("setup"), names["update"], interpreter)
