"""The scripts that measure one-shot methods and proxies: what they print is what they measured."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import _oneshot_tasks as tasks  # noqa: E402
import measure_oneshot  # noqa: E402
import measure_proxies  # noqa: E402


def test_images_are_halved_and_parts_do_not_overlap(tmp_path):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (4100, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(4100) % 10
    np.savez(tmp_path / "cifar10_20k.npz", x_train=colour, y_train=labels)
    search, final = tasks.images("cifar10", str(tmp_path), 60, 40)
    assert search.x_train.shape == (60, 3, 2, 2) and search.x_valid.shape == (40, 3, 2, 2)
    assert final.x_train.shape == (100, 3, 2, 2) and final.x_valid.shape == (4000, 3, 2, 2)
    assert search.x_train[0, 1, 0, 0] == pytest.approx(colour[0, :2, :2, 1].mean() / 255)
    assert final.y_valid[0] == labels[100]
    np.savez(tmp_path / "fashion_mnist.npz", x_train=colour[..., 0], y_train=labels)
    assert tasks.images("fashion", str(tmp_path), 60, 40)[0].shape == (1, 2, 2)


def test_the_finite_difference_agrees_on_a_smooth_network():
    measured = tasks.second_order_error(True)
    assert measured["error"] < 1e-4 < measured["first_order_error"]


def test_a_part_of_the_table_will_do_for_the_correlation(tmp_path):
    cells = [(3, 1, 4, 0, 2, 3), (1, 1, 1, 1, 1, 1), (3, 3, 3, 3, 3, 3)]
    lines = [
        {"key": f"seeds 0,1: {tasks.SPACE.to_text(cell)}", "result": [{"test": v}, {"test": v + 1}]}
        for v, cell in enumerate(cells)
    ]
    path = tmp_path / "part.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert tasks.digits_accuracies(str(path)) == {c: v + 0.5 for v, c in enumerate(cells)}
    result = tasks.digits_correlation("gdas", str(path), 0.1, 6, 0)
    assert -1 <= result["spearman"] <= 1 and result["steps"] >= 20


def test_interrupted_tasks_are_not_repeated_and_rows_name_them():
    finished = {"test": 50.0, "parameters": 7, "cell": "|a|", "history": []}
    history = [{"skip_share": 0.1, "eigenvalue": 0.2}, {"skip_share": 0.5, "eigenvalue": 0.4}]
    results = {
        "cifar10 random 0": {**finished, "test": 40.0},
        "cifar10 random 1": {**finished, "test": 44.0},
        "cifar10 darts_first": {**finished, "history": history},
        "cifar10 evolution": finished,
        "digits gdas": {"spearman": 0.5, "derived_percentile": None},
    }
    rows = {row.name: row.value for row in measure_oneshot.rows_of(results)}
    assert rows["cifar10_random_cells_mean"] == 42.0
    assert rows["cifar10_random_cells_best"] == 44.0
    assert rows["cifar10_darts_first"] == rows["cifar10_evolution"] == 50.0
    assert rows["cifar10_darts_first_skip_share_last"] == 0.5
    assert rows["digits_gdas_spearman"] == 0.5
    known = measure_oneshot.ResultFile(None)
    for key, item in results.items():
        known.get(f"s: {key}", lambda item=item: item)
    plan = {f"s: {key}": pytest.fail for key in results}
    assert measure_oneshot.run(plan, known, 1) == results


def test_proxies_of_a_small_sample(tmp_path, capsys):
    path = tmp_path / "rows.json"
    results = str(tmp_path / "results.jsonl")
    arguments = ["--cells", "3", "--json", str(path), "--results", results]
    assert measure_proxies.main([*arguments, "--digits", str(tmp_path / "none.parquet")]) == 0
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    for proxy in ("parameters", "synflow", "naswot", "grad_norm", "combined"):
        assert -1 <= rows[f"nb201_test_200_{proxy}_spearman"] <= 1
    assert "no table of digits" in capsys.readouterr().out
    assert len(set(measure_proxies.sample(20))) == 20
