import pytest

from automl_zero.liveness import live_program
from automl_zero.program import Program
from l2o.rules import UPDATE_RULE, check_rule, parse_rule

SGD = "def Setup():\ndef Update():\n  s4 = 1.0\n  v2 = s4 * v0\n"


def test_state_is_live_and_dead_code_is_not():
    rule = parse_rule(
        "def Setup():\n  s5 = 0.9\n  s6 = 0.5\n"
        "def Update():\n  v3 = s5 * v3\n  v3 = v3 + v0\n  v2 = s0 * v3\n  v4 = v3 + v3\n"
    )
    live = live_program(rule, UPDATE_RULE)
    assert [str(item) for item in live["setup"]] == ["s5 = 0.9"]
    assert len(live["update"]) == 3


def test_a_rule_has_setup_and_update():
    assert parse_rule(SGD).components == ("setup", "update")
    with pytest.raises(ValueError, match="rule: expected a program of setup, update"):
        check_rule(Program(setup=[], predict=[], learn=[]))
    with pytest.raises(ValueError, match="rule: expected a program"):
        check_rule("SGD")


def test_matrices_are_refused():
    with pytest.raises(ValueError, match="received a matrix op"):
        parse_rule("def Setup():\ndef Update():\n  m0 = outer(v0, v0)\n")
