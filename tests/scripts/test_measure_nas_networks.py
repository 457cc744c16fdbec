"""The scripts that measure compound scaling and the latency table: what they compute."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

import measure_compound_scaling  # noqa: E402
import measure_latency_table  # noqa: E402


class Formula(measure_compound_scaling.Experiment):
    """An experiment whose accuracy is known: deep networks are good."""

    def __init__(self):
        self.name = "digits"
        self.asked = []

    def accuracy(self, factors, selection):
        self.asked.append((factors, selection))
        return 0.5 + factors[0] / 10


def test_the_best_scaling_of_the_grid_is_taken_further():
    experiment = Formula()
    rows = {
        row.name: row.value for row in measure_compound_scaling.rows_of(experiment, 0.2, (1,))
    }
    assert (rows["best_alpha"], rows["best_beta"], rows["best_gamma"]) == (2.0, 1.0, 1.0)
    assert rows["compound_phi1_accuracy"] == pytest.approx(70.0)
    assert rows["width_phi1_accuracy"] == pytest.approx(60.0)
    assert rows["compound_phi1_mflops"] > 1.5 * rows["base_mflops"]
    searched = [factors for factors, selection in experiment.asked if selection]
    assert len(searched) == rows["grid_points"] + 1


def test_the_compound_script_goes_on_from_its_results(tmp_path, monkeypatch, capsys):
    calls = []

    def train(network, data, *, epochs, seed):
        calls.append(data.shape)
        return 0.9

    monkeypatch.setattr(measure_compound_scaling, "train_and_validate", train)
    results, rows = tmp_path / "results.jsonl", tmp_path / "rows.json"
    arguments = ["--quick", "--results", str(results), "--json", str(rows)]
    assert measure_compound_scaling.main(arguments) == 0
    first = len(calls)
    assert {shape[1] for shape in calls} == {5, 7}
    assert measure_compound_scaling.main(arguments) == 0
    assert len(calls) == first > 0
    values = {row["name"]: row["value"] for row in json.loads(rows.read_text())}
    assert values["base_accuracy"] == pytest.approx(90.0)


def test_errors_and_correlations_of_predictions():
    measured = np.array([10.0, 20.0, 40.0])
    results = np.stack([measured, measured / 2, [3.0, 2.0, 1.0]], 1)
    rows = {row.name: row.value for row in measure_latency_table.rows_of(results, 5, 30)}
    assert rows["mean_error"] == pytest.approx(50.0)
    assert rows["common_factor"] == 2.0 and rows["mean_error_after_factor"] == 0.0
    assert rows["rank_correlation"] == pytest.approx(1.0)
    assert rows["rank_correlation_flops"] == pytest.approx(-1.0)
    assert rows["blocks_measured"] == 5


def test_the_latency_script_measures_each_block_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure_latency_table, "SHAPE", (3, 32, 32))
    path, table = tmp_path / "rows.json", tmp_path / "table.json"
    arguments = ["--networks", "2", "--json", str(path), "--table", str(table)]
    assert measure_latency_table.main(arguments) == 0
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    assert rows["networks"] == 2
    assert len(json.loads(table.read_text())["parts"]) == rows["blocks_measured"]
    assert rows["blocks_measured"] < rows["blocks_in_networks"]
