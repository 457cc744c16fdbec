"""Update rules in files: program text, or JSON with what a search knows about the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl_zero._config_values import number
from automl_zero.program import Program
from l2o.rules._hand_written import (
    FOUND_RULES,
    HAND_WRITTEN_RULES,
    found_rule,
    hand_written_rule,
)
from l2o.rules._harness import check_rule, parse_rule

RULE_FORMAT: Final = "automl-zero update rule"
"""``format`` of the JSON form of a rule."""

_MAX_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class RuleFile:
    """An update rule, and what is known about it.

    Args:
        rule: The rule.
        learning_rate: The learning rate that it was found to work best with, if known.
        weight_decay: Its second setting, likewise.
        origin: How it was found, in a line.

    Raises:
        ValueError: If ``rule`` is no update rule, or a setting no number >= 0.

    >>> found = RuleFile(parse_rule("def Setup():\\ndef Update():\\n  v2 = v0 + v0"), 0.05)
    >>> RuleFile.from_json(found.to_json()) == found
    True
    """

    rule: Program
    learning_rate: float | None = None
    weight_decay: float | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        check_rule(self.rule)
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, number(name, value, 0.0))
        if not isinstance(self.origin, str):
            raise ValueError(f"origin: expected a str, received {self.origin!r}")

    def to_json(self) -> str:
        """The rule as JSON text; settings that are not known are left out."""
        data = {
            "format": RULE_FORMAT,
            "rule": str(self.rule),
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "origin": self.origin or None,
        }
        known = {key: value for key, value in data.items() if value is not None}
        return json.dumps(known, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RuleFile:
        """The rule of :meth:`to_json`; other fields than those are ignored.

        Raises:
            ValueError: If ``text`` is no such JSON; names the field.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON: {error}") from None
        if not isinstance(data, Mapping) or data.get("format") != RULE_FORMAT:
            raise ValueError(f"format: expected {RULE_FORMAT!r}")
        if not isinstance(data.get("rule"), str):
            raise ValueError(f"rule: expected program text, received {data.get('rule')!r}")
        fields = {key: data.get(key) for key in ("learning_rate", "weight_decay")}
        return cls(parse_rule(data["rule"]), **fields, origin=data.get("origin") or "")


def read_rule_file(path: str | Path) -> RuleFile:
    """The update rule in a file.

    Args:
        path: A file with program text, or with the JSON of :meth:`RuleFile.to_json`; the folder
            of a run, for the rule that it has found.

    Raises:
        ValueError: If there is no such file, or it holds neither; names the file.
    """
    if Path(path).is_dir():
        return _rule_of_run(Path(path))
    try:
        with open(path, "rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"rule: expected a readable file: {path}: {reason}") from None
    if len(raw) > _MAX_BYTES:
        raise ValueError(f"rule: expected at most {_MAX_BYTES} bytes, received more: {path}")
    try:
        if text.lstrip().startswith("{"):
            return RuleFile.from_json(text)
        return RuleFile(parse_rule(text))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rule_of_run(folder: Path) -> RuleFile:
    from automl_zero.evolution.runs import Run

    run = Run.open(folder)
    best, result = run.best, run.result or {}
    if run.kind != "update rule search" or best is None:
        raise ValueError(f"rule: expected a run that has found a rule, received {folder}")
    config = run.config.get("config")
    description = config.get("description") if isinstance(config, Mapping) else ""
    origin = f"a search of automl-zero: {description}; seed {run.seed}"
    try:
        return RuleFile(
            parse_rule(result.get("simplified") or best["genome"]),
            result.get("learning_rate"),
            result.get("weight_decay"),
            origin,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: {error}") from None


def find_rule(rule: Any) -> RuleFile:
    """The update rule that is meant by a program, its text, a name or a file.

    Args:
        rule: A :class:`~automl_zero.program.Program`, program text, a name of
            :data:`HAND_WRITTEN_RULES` or :data:`FOUND_RULES`, the path of a file or run as
            :func:`read_rule_file` takes it, or a :class:`RuleFile`, which is returned as it is.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(rule, RuleFile):
        return rule
    if isinstance(rule, Program):
        return RuleFile(rule)
    if isinstance(rule, str) and rule in HAND_WRITTEN_RULES:
        return RuleFile(hand_written_rule(rule), origin=f"the published rule {rule}")
    if isinstance(rule, str) and rule in FOUND_RULES:
        return RuleFile(found_rule(rule), origin=f"the found rule {rule}")
    if isinstance(rule, str) and "def " in rule:
        return RuleFile(parse_rule(rule))
    if isinstance(rule, str | Path):
        if not Path(rule).exists():
            raise ValueError(
                f"rule: expected a Program, program text, a file or one of "
                f"{', '.join((*HAND_WRITTEN_RULES, *FOUND_RULES))}, received {str(rule)!r}"
            )
        return read_rule_file(rule)
    raise ValueError(f"rule: expected a Program, its text, a name or a file, received {rule!r}")
