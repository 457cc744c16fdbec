"""The script that measures simplification: what it counts; found programs keep their fitness."""

import json

import measure_simplify

QUICK = {
    "demo": ("experiments.maximum=1", "stop.individuals=5000", "tasks.select.count=4"),
    "digits": ("experiments.maximum=1", "stop.individuals=3000", "tasks.select.count=4"),
}


def test_lengths_are_those_of_the_forms_and_a_changed_fitness_would_end_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(measure_simplify, "CONFIGS", QUICK)
    path = tmp_path / "rows.json"
    assert measure_simplify.main(["--seeds", "2", "--show", "--json", str(path)]) == 0
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    for name in QUICK:
        assert rows[f"{name}_programs"] == 2
        assert (
            rows[f"{name}_found_length"]
            >= rows[f"{name}_live_length"]
            >= rows[f"{name}_exact_length"]
            >= rows[f"{name}_inexact_length"]
        )
    assert "demo: Lengths(found=20" in capsys.readouterr().out


def test_means_and_share():
    lengths = [
        measure_simplify.Lengths(20, 8, 6, 5, 0.0),
        measure_simplify.Lengths(20, 6, 6, 6, 0.25),
    ]
    rows = {row.name: row.value for row in measure_simplify.rows_of("demo", lengths)}
    assert rows == {
        "demo_programs": 2, "demo_found_length": 20.0, "demo_live_length": 7.0,
        "demo_exact_length": 6.0, "demo_inexact_length": 5.5, "demo_shortened": 50.0,
        "demo_inexact_fitness_change": 0.25,
    }  # fmt: skip
