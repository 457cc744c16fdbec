"""The script of the learned swarm gives the rows that it describes."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")


@pytest.mark.slow
def test_a_swarm_is_measured_and_results_are_kept(tmp_path):
    import measure_swarm as script

    path, kept = tmp_path / "rows.json", tmp_path / "kept.jsonl"
    arguments = ["--quick", "--json", str(path), "--results", str(kept)]
    assert script.main(arguments) == 0
    first = json.loads(path.read_text())
    assert {row["name"] for row in first} >= {"swarm_rastrigin_mean", "adam_rastrigin_std"}
    assert script.main(arguments) == 0
    assert json.loads(path.read_text()) == first
