"""Update rules: programs that train networks.

Index:
    UPDATE_RULE      the harness: which registers a rule finds filled, and which is read
    parse_rule       a rule from text
    check_rule       whether a program is a rule
    evaluate_rule    train with a rule, from several seeds with several settings at once
    RuleResult       what came of it
    optimizees       what rules are tried on
    STEP, SCHEDULE, LOSS, WEIGHT_DECAY, GRADIENT, PARAMETER, UPDATE     its registers
    hand_written_rule, HAND_WRITTEN_RULES       published rules: sgd, adamw, lion, ...
    RuleFile         a rule with its settings and origin, as JSON
    read_rule_file   a rule from a file
    find_rule        a rule from whatever it is given as: program, text, name, file
"""

from __future__ import annotations

from l2o.rules._evaluation import RuleResult, evaluate_rule
from l2o.rules._hand_written import HAND_WRITTEN_RULES, hand_written_rule
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
from l2o.rules._rule_file import RuleFile, find_rule, read_rule_file

__all__ = [
    "GRADIENT",
    "HAND_WRITTEN_RULES",
    "LOSS",
    "PARAMETER",
    "RuleFile",
    "RuleResult",
    "SCHEDULE",
    "STEP",
    "UPDATE",
    "UPDATE_RULE",
    "WEIGHT_DECAY",
    "check_rule",
    "evaluate_rule",
    "find_rule",
    "hand_written_rule",
    "parse_rule",
    "read_rule_file",
]
