"""What the scripts see in the shape of a rule."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from l2o.rules import HAND_WRITTEN_RULES, hand_written_rule, parse_rule

SCRIPTS = str(Path(__file__).resolve().parents[2] / "scripts")


@pytest.fixture
def recognised(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    sys.modules.pop("_rule_shape", None)
    return importlib.import_module("_rule_shape").has_sign_of_interpolated_momentum


def rule(*update):
    return parse_rule("\n".join(["def Setup():", "  s4 = 0.9", "def Update():", *update]))


def test_of_the_published_rules_lion_alone_has_that_shape(recognised):
    found = {name for name in HAND_WRITTEN_RULES if recognised(hand_written_rule(name))}
    assert found == {"lion"}


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        (["  v3 = s4 * v3", "  v3 = v3 + v0", "  v2 = sign(v3)"], False),
        (["  v4 = v3 - v0", "  v2 = sign(v4)", "  v3 = interpolate(v3, v0, 0.1)"], True),
        (["  v2 = sign(v0)"], False),
        (["  v2 = sign(v3)", "  v3 = interpolate(v3, v0, 0.1)"], False),
        (["  v4 = v3 + v0", "  v2 = sign(v4)", "  v3 = interpolate(v3, v1, 0.1)"], False),
        (["  v3 = interpolate(v3, v0, 0.1)", "  v4 = sign(v3)", "  v2 = v4 * v0"], False),
        (["  v3 = interpolate(v3, v0, 0.1)", "  v2 = abs(v3)"], False),
    ],
)
def test_the_sign_is_of_gradient_and_momentum_and_is_the_update(recognised, update, expected):
    assert recognised(rule(*update)) == expected
