"""Update rules: programs that train networks.

Index:
    UPDATE_RULE      the harness: which registers a rule finds filled, and which is read
    parse_rule       a rule from text
    check_rule       whether a program is a rule
    evaluate_rule    train with a rule, from several seeds with several settings at once
    RuleResult       what came of it
    optimizees       what rules are tried on
    STEP, SCHEDULE, LOSS, WEIGHT_DECAY, GRADIENT, PARAMETER, UPDATE     its registers
"""

from __future__ import annotations

from l2o.rules._evaluation import RuleResult, evaluate_rule
from l2o.rules._harness import (
    GRADIENT,
    LOSS,
    PARAMETER,
    SCHEDULE,
    STEP,
    UPDATE,
    UPDATE_RULE,
    WEIGHT_DECAY,
    check_rule,
    parse_rule,
)

__all__ = [
    "GRADIENT",
    "LOSS",
    "PARAMETER",
    "SCHEDULE",
    "STEP",
    "UPDATE",
    "UPDATE_RULE",
    "WEIGHT_DECAY",
    "RuleResult",
    "check_rule",
    "evaluate_rule",
    "parse_rule",
]
