"""The script that measures sample efficiency: what it counts, censored runs included."""

import json
import math

import measure_sample_efficiency as script
import pytest


def result(individuals, evaluations, solved, over_budget=0):
    return {
        "individuals": individuals, "evaluations": evaluations, "examples": 10 * evaluations,
        "over_budget": over_budget, "solved": solved,
    }  # fmt: skip


def test_the_work_of_censored_runs_counts_and_their_solution_does_not():
    plain = [result(100, 100, True), result(300, 300, False)]
    other = [result(100, 20, True), result(100, 20, True)]
    rows = {row.name: row.value for row in script.rows_of("arm", other, plain)}
    assert rows["arm_solved"] == 2
    assert rows["arm_evaluations_per_solve"] == 20
    assert rows["arm_evaluations_gain"] == 400 / 20
    assert rows["arm_individuals_gain"] == 400 / 100


def test_without_a_solution_totals_are_told_and_no_cost():
    rows = {row.name: row.value for row in script.rows_of("arm", [result(7, 5, False)], None)}
    assert rows == {
        "arm_solved": 0,
        "arm_individuals_without_solve": 7,
        "arm_evaluations_without_solve": 5,
        "arm_examples_without_solve": 50,
    }


def test_plain_evolution_counted_from_caches_runs_all_but_what_is_over_budget():
    (plain,) = script.counted_as_plain([result(100, 20, True, over_budget=10)])
    assert plain["evaluations"] == 90
    assert math.isnan(plain["examples"])
    assert "arm_examples_gain" not in {
        row.name for row in script.rows_of("arm", [result(100, 20, True)], [plain])
    }


def test_plain_and_cached_go_through_the_same_individuals(tmp_path, monkeypatch):
    quick = ("experiments.maximum=2", "stop.individuals=2000", "tasks.select.count=4")
    demo = script.SPACES["demo"]
    space = script.Space("demo", quick, {name: demo.arms[name] for name in ("plain", "cached")})
    monkeypatch.setitem(script.SPACES, "demo", space)
    plain, cached = (script.run("demo", arm, 3) for arm in ("plain", "cached"))
    assert plain["individuals"] == cached["individuals"] == plain["evaluations"] == 4000
    assert cached["evaluations"] < 4000
    assert cached["examples"] < plain["examples"]


def test_kept_results_are_not_measured_again(tmp_path):
    path, rows = tmp_path / "results.jsonl", tmp_path / "rows.json"
    lines = [
        json.dumps({"key": f"digits {arm} {seed}", "result": result(100, 20, True)})
        for arm in ("cached", "fec", "hurdle")
        for seed in range(2)
    ]
    path.write_text("\n".join(lines) + "\n")
    arguments = ["--space", "digits", "--seeds", "2", "--results", str(path), "--json", str(rows)]
    assert script.main(arguments) == 0
    values = {row["name"]: row["value"] for row in json.loads(rows.read_text())}
    assert values["digits_hurdle_evaluations_gain"] == 5


def test_unknown_arms_are_an_error(capsys):
    with pytest.raises(SystemExit):
        script.main(["--arm", "unknown"])
    assert "received ['unknown']" in capsys.readouterr().err
