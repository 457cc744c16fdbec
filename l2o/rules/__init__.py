"""Update rules: programs that train networks, and the search for them.

Rules
    UPDATE_RULE      the harness: which registers a rule finds filled, and which is read
    parse_rule       a rule from text
    check_rule       whether a program is a rule
    STEP, SCHEDULE, LOSS, WEIGHT_DECAY, GRADIENT, PARAMETER, UPDATE     its registers
    hand_written_rule, HAND_WRITTEN_RULES       published rules: sgd, adamw, lion, ...
    found_rule, FOUND_RULES   rules that searches of this project found
    RuleFile         a rule with its settings and origin, as JSON
    read_rule_file   a rule from a file
    find_rule        a rule from whatever it is given as: program, text, name, file

Rules at work
    evaluate_rule, RuleResult       train problems with a rule, at several settings at once
    RuleTasks        learning problems and the settings that rules are tuned over
    tuned_runs, TunedRun      a rule on each task, at its best settings
    l2o.rules.optimizees      what is trained

Search
    UpdateRuleSearch, RuleSearchResult      islands of rules, then the funnel
    RuleSearchConfig, load_rule_config, rule_config_names      a search as data
    UpdateRuleSpace  the space of rules; RULE_OP_SETS, named lists of ops
    RuleFitness      fitness of a rule: its tuned loss against a tuned baseline's
    run_funnel, Stage, StageResult, FunnelResult, Standing      rules against baselines

Names of the search, and tasks, load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from l2o.rules._evaluation import RuleResult, evaluate_rule
from l2o.rules._hand_written import (
    FOUND_RULES,
    HAND_WRITTEN_RULES,
    found_rule,
    hand_written_rule,
)
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

if TYPE_CHECKING:
    from l2o.rules._config import RuleSearchConfig, load_rule_config, rule_config_names
    from l2o.rules._config_sections import Stage
    from l2o.rules._fitness import RuleFitness, TunedRun, tuned_runs
    from l2o.rules._funnel import FunnelResult, StageResult, Standing, run_funnel
    from l2o.rules._op_sets import RULE_OP_SETS
    from l2o.rules._rule_search import RuleSearchResult, UpdateRuleSearch
    from l2o.rules._space import UpdateRuleSpace
    from l2o.rules._tasks import RuleTasks

_HOME = {
    "FunnelResult": "_funnel",
    "RULE_OP_SETS": "_op_sets",
    "RuleFitness": "_fitness",
    "RuleSearchConfig": "_config",
    "RuleSearchResult": "_rule_search",
    "RuleTasks": "_tasks",
    "Stage": "_config_sections",
    "StageResult": "_funnel",
    "Standing": "_funnel",
    "TunedRun": "_fitness",
    "UpdateRuleSearch": "_rule_search",
    "UpdateRuleSpace": "_space",
    "load_rule_config": "_config",
    "rule_config_names": "_config",
    "run_funnel": "_funnel",
    "tuned_runs": "_fitness",
}

__all__ = [
    "FOUND_RULES",
    "FunnelResult",
    "GRADIENT",
    "HAND_WRITTEN_RULES",
    "LOSS",
    "PARAMETER",
    "RULE_OP_SETS",
    "RuleFile",
    "RuleFitness",
    "RuleResult",
    "RuleSearchConfig",
    "RuleSearchResult",
    "RuleTasks",
    "SCHEDULE",
    "STEP",
    "Stage",
    "StageResult",
    "Standing",
    "TunedRun",
    "UPDATE",
    "UPDATE_RULE",
    "UpdateRuleSearch",
    "UpdateRuleSpace",
    "WEIGHT_DECAY",
    "check_rule",
    "evaluate_rule",
    "find_rule",
    "found_rule",
    "hand_written_rule",
    "load_rule_config",
    "parse_rule",
    "read_rule_file",
    "rule_config_names",
    "run_funnel",
    "tuned_runs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'l2o.rules' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
