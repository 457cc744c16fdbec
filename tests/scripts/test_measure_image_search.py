"""The script that evolves classifiers of image pairs and judges them on held-out pairs."""

import json

import measure_image_search as script
import measure_projected_binary as protocol
import pytest

from automl_zero import load_config


@pytest.mark.parametrize("start", script.STARTS)
def test_what_a_search_found_is_compared_and_a_search_goes_on(start, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "FACTORS", (1,))
    monkeypatch.setattr(script, "CANDIDATES", 2)
    rows = tmp_path / "rows.json"
    call = ["--quick", "--start", start, "--workers", "1", "--minutes", "0.01"]
    call += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results.jsonl")]
    assert script.main([*call, "--json", str(rows)]) == 0
    first = json.loads(rows.read_text())
    values = {row["name"]: row["value"] for row in first}
    assert values[f"digits_from_{start}"] > (85 if start == "linear" else 45)
    difference = values[f"digits_from_{start}"] - values["digits_linear"]
    assert values[f"both_from_{start}_minus_linear"] == pytest.approx(difference)
    assert f"from_{start}:\ndef Setup():" in capsys.readouterr().out
    assert script.main([*call, "--json", str(rows)]) == 0
    assert json.loads(rows.read_text()) == first  # its time is over: nothing is searched again


@pytest.mark.parametrize("name", ["from_linear", "from_empty", "continued"])
def test_searches_never_see_the_pairs_that_judge_them(name):
    config = load_config(f"image_pairs_{name}")
    assert config.tasks.search.pairs == config.tasks.select.pairs == "search"
    assert config.tasks.final.pairs == "held_out"
    assert config.tasks.final.valid_from == "test"


def test_missing_data_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"--data: expected fashion_mnist\.npz in .*, received no"):
        script.image_files(tmp_path)
    (tmp_path / "fashion_mnist.npz").touch()
    with pytest.raises(ValueError, match=r"--data: expected cifar10\*\.npz"):
        script.image_files(tmp_path)
    (tmp_path / "cifar10_20k.npz").touch()
    assert [path.rpartition("/")[2] for path in script.image_files(tmp_path)] == [
        "fashion_mnist.npz",
        "cifar10_20k.npz",
    ]
