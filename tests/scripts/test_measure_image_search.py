"""The script that evolves classifiers of image pairs and judges them on held-out pairs."""

import json

import measure_image_search as script
import measure_projected_binary as protocol
import pytest

from automl_zero import load_config


def test_what_a_search_found_is_compared_and_a_search_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "FACTORS", (1,))
    monkeypatch.setattr(script, "CANDIDATES", 2)
    rows = tmp_path / "rows.json"
    call = ["--quick", "--start", "linear", "--workers", "1", "--minutes", "0.01"]
    call += ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results.jsonl")]
    assert script.main([*call, "--json", str(rows)]) == 0
    first = json.loads(rows.read_text())
    values = {row["name"]: row["value"] for row in first}
    assert values["digits_from_linear"] > 85
    difference = values["digits_from_linear"] - values["digits_linear"]
    assert values["both_from_linear_minus_linear"] == pytest.approx(difference)
    assert "from_linear:\ndef Setup():" in capsys.readouterr().out
    assert script.main([*call, "--json", str(rows)]) == 0
    assert json.loads(rows.read_text()) == first  # its time is over: nothing is searched again


@pytest.mark.parametrize("start", script.STARTS)
def test_both_searches_never_see_the_pairs_that_judge_them(start):
    config = load_config(f"image_pairs_from_{start}")
    assert config.tasks.search.pairs == config.tasks.select.pairs == "search"
    assert config.tasks.final.pairs == "held_out"
    assert config.tasks.final.valid_from == "test"


def test_starts_differ_in_nothing_else():
    one, other = (load_config(f"image_pairs_from_{start}").to_data() for start in script.STARTS)
    assert one["population"].pop("initial") == "linear"
    assert other["population"].pop("initial") == "no_op"
    assert one.pop("description") != other.pop("description")
    assert one == other


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
