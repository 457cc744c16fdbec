"""The benchmark of update rules: what it measures is what it says; the times are not tested."""

import json

import bench_update_rules
import numpy as np
import pytest

from l2o.rules.optimizees import compile_problems, logistic_regression


def small_problem():
    (problem,) = compile_problems([logistic_regression(batch=8)], seeds=(1, 2), steps=12)
    return problem


def test_pytorch_does_the_same_work():
    pytest.importorskip("torch")
    problem = small_problem()
    result = bench_update_rules.compiled(problem)()
    np.testing.assert_allclose(
        result.final[0], bench_update_rules.torch_eager(problem)(), rtol=1e-9
    )


def test_operations_are_counted():
    problem = small_problem()
    products = 2 * 64 * 10
    rule = 12 * 650 * 12
    expected = 2 * (2 * products * 8 * 12 + products * 360 + rule)
    assert bench_update_rules.operations(problem) == expected


def test_rows_are_written(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    monkeypatch.setattr(bench_update_rules, "STEPS", 3)
    monkeypatch.setattr(
        bench_update_rules, "median_seconds", lambda pieces, **_: dict.fromkeys(pieces, 0.5)
    )
    monkeypatch.setattr(bench_update_rules.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "rows.json"
    assert bench_update_rules.main(["--quick", "--json", str(path)]) == 0
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    assert rows["rules_per_s"] == 2.0 and rows["rules_per_s_vs_torch_eager"] == 1.0
    assert rows["arithmetic_limit_share"] > 0
