"""The benchmark of searches on tables."""

import json

import bench_nas_tabular as script
import pytest


def test_rows_are_means_over_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(
        script, "STRATEGIES", {name: script.STRATEGIES[name] for name in ("random", "rea")}
    )
    monkeypatch.setattr(script, "ask_tell_per_s", lambda steps: float(steps))
    monkeypatch.setattr(script, "answer_in_fresh_process", lambda: (0.5, 90.0))
    rows = tmp_path / "rows.json"
    arguments = ["--seeds", "10", "--jobs", "1", "--json", str(rows)]
    assert script.main(arguments) == 0
    values = {row["name"]: row["value"] for row in json.loads(rows.read_text())}
    expected = [script.chosen("rea", "cifar100", seed)[1] for seed in range(10)]
    assert values["rea_cifar100_100"] == pytest.approx(sum(expected) / 10, abs=1e-3)
    assert 92 < values["random_cifar10_100"] < 94.4
    assert values["ask_tell_per_s"] == 100_000


def test_the_answer_comes_without_torch():
    seconds, megabytes = script.answer_in_fresh_process()
    assert seconds > 0 and megabytes > 10
