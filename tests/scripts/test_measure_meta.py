"""The scripts of meta-learning and hypergradients: what they measure is what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import measure_maml  # noqa: E402


def rows_of(script, *arguments, path):
    assert script.main([*arguments, "--quick", "--json", str(path)]) == 0
    return {row["name"]: row for row in json.loads(path.read_text())}


def test_sinusoids_are_measured_and_a_finished_training_is_taken(monkeypatch, tmp_path):
    monkeypatch.setitem(measure_maml.QUICK, "sinusoid", 5)
    arguments = ("--only", "sinusoid", "--folder", str(tmp_path / "runs"))
    first = rows_of(measure_maml, *arguments, path=tmp_path / "rows.json")
    assert 1 < first["maml_sinusoid_mse"]["value"] < 20
    again = rows_of(measure_maml, *arguments, path=tmp_path / "rows.json")
    for rows in (first, again):  # the clock's last look is a moment later than what it kept
        rows.pop("maml_sinusoid_cpu_minutes")
    assert again == first


def test_omniglot_is_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(measure_maml.QUICK, "omniglot", 2)
    data = tmp_path / "omniglot.npz"
    images = np.random.default_rng(0).integers(0, 256, (1623, 20, 7, 7), np.uint8)
    np.savez(data, x=images, split=np.arange(1623) >= 964)
    arguments = ("--only", "omniglot", "--data", str(data), "--width", "4")
    rows = rows_of(measure_maml, *arguments, path=tmp_path / "rows.json")
    assert 10 < rows["maml_omniglot_5way_1shot_accuracy"]["value"] < 35  # noise: 20
    assert rows["maml_omniglot_5way_1shot_interval_5_queries"]["value"] < 5
    assert rows_of(measure_maml, "--only", "omniglot", path=tmp_path / "none.json") == {}
    assert "it needs --data FILE" in capsys.readouterr().out


def test_speeds_are_those_of_equal_results(monkeypatch, tmp_path):
    monkeypatch.setattr(measure_maml, "conv_batch", lambda count, make=measure_maml.conv_batch:
                        make(2))  # fmt: skip
    rows = rows_of(measure_maml, "--only", "speed", path=tmp_path / "rows.json")
    assert rows["vmap_speedup"]["target"] == ">= 3" and rows["vmap_speedup"]["value"] > 0
    for name in ("vmap_speedup", "vmap_speedup_conv4"):
        assert rows[f"{name}_difference"]["value"] < 1e-9


@pytest.mark.slow
def test_hypergradients_are_exact_and_learned_rates_are_compared(monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    import measure_hypergrad

    monkeypatch.setattr(measure_hypergrad, "GRID", [1.0, 10.0])
    rows = rows_of(measure_hypergrad, path=tmp_path / "rows.json")
    assert rows["reversal_bits_wrong"]["value"] == 0
    assert rows["gradient_error"]["value"] < 1e-9
    assert rows["memory_saving"]["value"] > 50
    for name in ("validation_loss", "test_loss", "test_accuracy"):
        assert rows[f"digits_{name}_learned"]["value"] > 0
    learned = rows["digits_validation_loss_learned"]["value"]
    assert learned < rows["digits_validation_loss_tuned"]["value"]
