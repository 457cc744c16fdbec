"""The scripts of HALO and of learned games give the rows that they describe."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")


@pytest.mark.slow
def test_adaptations_are_measured_and_kept(tmp_path):
    pytest.importorskip("sklearn")
    import measure_halo as script

    path, kept = tmp_path / "rows.json", tmp_path / "kept.jsonl"
    arguments = ["--quick", "--json", str(path), "--results", str(kept)]
    arguments += ["--folder", str(tmp_path / "runs")]
    assert script.main(arguments) == 0
    first = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    for name in ("adam", "lstm", "hierarchical", "penalty", "sparsity", "halo"):
        assert {f"digits_{name}_accuracy", f"digits_{name}_energy", f"digits_{name}_cpu"} <= set(
            first
        )
    assert first["digits_halo_energy"] < first["digits_hierarchical_energy"]
    assert first["digits_halo_energy_saved"] > 20
    assert script.main(arguments) == 0
    assert {row["name"]: row["value"] for row in json.loads(path.read_text())} == first


@pytest.mark.slow
def test_games_are_measured_and_kept(tmp_path):
    import measure_minimax as script

    path, kept = tmp_path / "rows.json", tmp_path / "kept.jsonl"
    arguments = ["--quick", "--json", str(path), "--results", str(kept)]
    assert script.main(arguments) == 0
    first = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    assert first["twin_matrix_distance"] < first["extragradient_matrix_distance"]
    assert first["twin_seesaw_distance"] <= first["twin_seesaw_untrained_distance"]
    assert script.main(arguments) == 0
    assert {row["name"]: row["value"] for row in json.loads(path.read_text())} == first
