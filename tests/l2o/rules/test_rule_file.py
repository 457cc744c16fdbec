"""Published rules, and rules in files."""

from __future__ import annotations

import json

import pytest

from automl_zero.program import Program
from l2o.rules import (
    FOUND_RULES,
    HAND_WRITTEN_RULES,
    RuleFile,
    RuleTasks,
    find_rule,
    found_rule,
    hand_written_rule,
    parse_rule,
    read_rule_file,
    tuned_runs,
)
from l2o.rules.optimizees import quadratic


def test_published_rules_have_names():
    assert len(set(HAND_WRITTEN_RULES)) == 11
    for name in HAND_WRITTEN_RULES:
        assert parse_rule(str(hand_written_rule(name))) == hand_written_rule(name)
    with pytest.raises(ValueError, match=r"name: expected one of .*did you mean 'lion'"):
        hand_written_rule("lions")


@pytest.mark.parametrize("name", FOUND_RULES)
def test_found_rules_have_names_and_are_other_rules(name):
    rule = found_rule(name)
    assert find_rule(name).rule == rule == parse_rule(str(rule))
    assert all(rule != hand_written_rule(other) for other in HAND_WRITTEN_RULES)
    tasks = RuleTasks(optimizees=(quadratic(5),), steps=60, learning_rates=(0.01, 0.1, 0.3))
    (run,) = tuned_runs(rule, tasks, seed=1)
    assert run.curve[-1] < 0.01 * run.curve[0]
    with pytest.raises(ValueError, match="name: expected one of"):
        found_rule("none")


@pytest.mark.parametrize("settings", [{}, {"learning_rate": 0.1, "weight_decay": 0.0}])
def test_a_file_gives_back_the_rule_and_what_is_known(settings, tmp_path):
    found = RuleFile(hand_written_rule("lion"), **settings, origin="run 7")
    path = tmp_path / "rule.json"
    path.write_text(found.to_json())
    assert read_rule_file(path) == found
    path.write_text(str(found.rule))
    assert read_rule_file(path) == RuleFile(found.rule)


def test_rules_are_found_however_they_are_given(tmp_path):
    rule = hand_written_rule("adam")
    path = tmp_path / "rule.txt"
    path.write_text(str(rule))
    for given in (rule, RuleFile(rule), "adam", str(rule), path, str(path)):
        assert find_rule(given).rule == rule
    for wrong in (3, None, "no such file", Program(setup=[], predict=[], learn=[])):
        with pytest.raises(ValueError, match="rule: expected"):
            find_rule(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("{}", "format: expected 'automl-zero update rule'"),
        ('{"format": "automl-zero update rule"}', "rule: expected program text, received None"),
        ("def Setup():\n", "line 2"),
        ("def Setup():\ndef Update():\n  m0 = outer(v0, v0)\n", "received a matrix op"),
    ],
)
def test_damaged_files_are_refused_by_name(text, message, tmp_path):
    path = tmp_path / "rule.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"rule.json: {message}|rule.json: .*{message}"):
        read_rule_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_rule_file(path)


@pytest.mark.parametrize(
    ("field", "value"), [("learning_rate", -1), ("weight_decay", "x"), ("origin", 3)]
)
def test_wrong_settings_are_refused(field, value, tmp_path):
    data = json.loads(RuleFile(hand_written_rule("sgd")).to_json()) | {field: value}
    with pytest.raises(ValueError, match=f"{field}: expected"):
        RuleFile.from_json(json.dumps(data))
