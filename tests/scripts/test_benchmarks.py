"""The benchmark scripts: what they measure is what they say; the times are not tested."""

import json
import xml.etree.ElementTree as ElementTree

import _timing
import bench_custom_ops
import bench_engine
import bench_export
import measure_kernels
import plot_demo
import pytest
from _workloads import DETERMINISTIC_OPS, LINEAR, NETWORK, POOL_SIZE, Workload, drawn_pool

from automl_zero import Program
from automl_zero.ops import OPS, ORIGINAL_OPS
from automl_zero.tasks import regression_tasks

AGREED = {
    "demo_individuals_per_s", "demo_seconds_to_solution_median", "linear_F4_us_per_task",
    "linear_F16_us_per_task", "network_F4_us_per_task", "network_F16_us_per_task",
    "network_F16_8000_us_per_task", "network_F16_8000_f32_us_per_task",
    "random_det_21_21_45_F4_us_per_task", "random_det_21_21_45_F16_us_per_task",
    "random_all_21_21_45_F4_us_per_task", "random_all_21_21_45_F16_us_per_task",
    "import_seconds", "demo_peak_rss_mb",
}  # fmt: skip


def test_rows_with_a_target_are_the_agreed_ones():
    targets = bench_engine.REFERENCES
    assert {name for name, reference in targets.items() if reference.target} == AGREED


@pytest.mark.parametrize("features", [4, 8, 16])
def test_hand_built_programs_use_every_example(features):
    for program, kind in ((LINEAR, "linear"), (NETWORK, "two_layer_nn")):
        workload = Workload([program], features, kind)
        workload()
        assert not workload.stops[..., 0].any()


def test_a_number_names_one_pool_of_programs_over_the_ops_and_sizes():
    pool = drawn_pool(DETERMINISTIC_OPS, (5, 6, 7), 1)
    assert len(pool) == POOL_SIZE
    assert pool == drawn_pool(DETERMINISTIC_OPS, (5, 6, 7), 1)
    assert pool != drawn_pool(DETERMINISTIC_OPS, (5, 6, 7), 2)
    assert {tuple(len(body) for _, body in program.items()) for program in pool} == {(5, 6, 7)}
    used = {item.op for program in pool for _, body in program.items() for item in body}
    assert used == {op for op in ORIGINAL_OPS if not op.random}


def test_blocks_take_turns_and_give_seconds_per_call(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(_timing.time, "thread_time", lambda: clock[0])

    def piece(name, seconds):
        def run():
            calls.append(name)
            clock[0] += seconds

        return run

    times = _timing.median_seconds({"a": piece("a", 0.25), "b": piece("b", 0.5)}, 3, 0.5)
    assert times == {"a": 0.25, "b": 0.5}
    assert "".join(calls).endswith("aab" * 3)


def test_program_rows_are_written_with_unit_and_target(monkeypatch, tmp_path, capsys):
    few = {("linear_F4", 0): Workload([LINEAR] * 2, 4)}
    monkeypatch.setattr(bench_engine, "workloads", lambda: few)
    for section in ("search_rows", "process_rows"):
        monkeypatch.setattr(bench_engine, section, lambda quick: [])
    path = tmp_path / "rows.json"
    assert bench_engine.main(["--quick", "--markdown", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())
    assert row["name"] == "linear_F4_us_per_task" and row["target"] == "<= 0.35"
    assert 0 < row["value"] < 1000
    printed = capsys.readouterr().out
    assert printed.startswith("machine: ") and "| `linear_F4_us_per_task` | " in printed


def test_one_experiment_of_the_demo_runs(monkeypatch):
    monkeypatch.setattr(bench_engine, "INDIVIDUALS", 3000)
    assert bench_engine.individuals_per_second(1) > 1000


def test_numbers_are_printed_with_three_digits():
    assert [bench_engine.number_text(x) for x in (1_234_567.0, 297.4, 13.86, 0.3)] == [
        "1,230,000", "297", "13.9", "0.300",
    ]  # fmt: skip


def test_every_op_is_timed(monkeypatch, tmp_path):
    monkeypatch.setattr(measure_kernels, "FEATURES", (4,))
    path = tmp_path / "rows.json"
    assert measure_kernels.main(["--quick", "--json", str(path)]) == 0
    names = {row["name"] for row in json.loads(path.read_text())}
    assert names == {f"{op.name}_F4_ns" for op in OPS if op.name != "NO_OP"}


def test_every_exported_program_is_compared(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_export, "FEATURES", (4,))
    monkeypatch.setattr(bench_export, "EXAMPLES", {4: 100})
    path = tmp_path / "rows.json"
    assert bench_export.main(["--quick", "--json", str(path)]) == 0
    rows = {row["name"]: row for row in json.loads(path.read_text())}
    for program in ("linear", "network"):
        assert rows[f"{program}_F4_numba_vs_numpy"]["target"] == ">= 5"
        assert rows[f"{program}_F4_numba_vs_interpreter_one_lane"]["target"] == "<= 1.5"
    assert all(row["value"] > 0 for row in rows.values())


def test_a_program_that_stops_early_is_not_timed():
    program = Program.parse(
        "def Setup():\ndef Predict():\n  s1 = log(s2)\n  s1 = s1 * s2\ndef Learn():"
    )
    (task,) = regression_tasks("linear", 1, 4, 5, 1, seed=1)
    with pytest.raises(RuntimeError, match="stops early"):
        bench_export.interpreter(program, task)


def test_estimators_are_compared_on_every_data_set(monkeypatch, tmp_path):
    pytest.importorskip("sklearn")
    import bench_estimators

    few = {
        "iris": bench_estimators.load_iris(return_X_y=True),
        "diabetes": bench_estimators.load_diabetes(return_X_y=True),
    }
    monkeypatch.setattr(bench_estimators, "data_sets", lambda quick: few)
    path = tmp_path / "rows.json"
    arguments = ["--individuals", "100", "--splits", "1", "--json", str(path)]
    assert bench_estimators.main(arguments) == 0
    rows = {row["name"]: row for row in json.loads(path.read_text())}
    for name in few:
        assert rows[f"{name}_search_seconds"]["unit"] == "s"
        for label in ("searched", "from_nothing", "promised", "linear_program", "logistic"):
            assert rows[f"{name}_{label}"]["value"] <= 1
    assert rows["iris_searched"]["value"] > 0.7


def test_users_ops_are_timed_against_those_of_the_table(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_custom_ops, "KINDS", {"s": "SCALAR"})
    monkeypatch.setattr(bench_custom_ops, "INDIVIDUALS", 1000)
    path = tmp_path / "rows.json"
    assert bench_custom_ops.main(["--quick", "--json", str(path)]) == 0
    rows = {row["name"]: row["value"] for row in json.loads(path.read_text())}
    assert list(rows) == [
        "custom_vs_builtin_scalar", "custom_vs_builtin_scalar_f32", "custom_exp_vs_builtin",
        "custom_sin_vs_builtin", "search_custom_vs_builtin", "register_seconds",
    ]  # fmt: skip
    assert all(value > 0 for value in rows.values())


def test_the_picture_shows_every_experiment_of_every_run(monkeypatch, tmp_path):
    courses = iter([(0.4, False), (0.8, True), (0.9, True)])

    def curve(seed):
        fitness, is_solved = next(courses)
        return plot_demo.Curve([(1000, 0.2), (50_000, fitness)], is_solved)

    monkeypatch.setattr(plot_demo, "curve", curve)
    path = tmp_path / "picture.svg"
    assert plot_demo.main(["--runs", "2", "--output", str(path)]) == 0
    svg = ElementTree.parse(path).getroot()
    dots = list(svg.iter("{http://www.w3.org/2000/svg}circle"))
    assert [dot.get("cy") for dot in dots] == [f"{plot_demo.y_of(y):.1f}" for y in (0.8, 0.9)]
    assert "3 experiments of at most" in "".join(svg.itertext())


def test_the_shipped_picture_is_an_svg():
    picture = bench_engine.__file__.replace("scripts/bench_engine.py", "docs/images/demo.svg")
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
