"""Reports of architecture searches: all that is there, and nothing that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import nas
from automl_zero.evolution.runs import Run
from nas import SearchConfig
from nas.strategies import ASHA, NSGA2, Reinforce
from tests.nas.toy import SPACE, objective, two_objectives

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from nas.report import plot_front, plot_trials, report_html, write_report  # noqa: E402


def test_a_page_shows_the_best_with_pictures_and_the_front(tmp_path: Path) -> None:
    pytest.importorskip("networkx")
    config = SearchConfig(
        strategy="nsga2", evaluations=40,
        objective_options={"columns": ["cifar10_val_12", "-cifar100_val_12"]},
    )  # fmt: skip
    outcome = config.run(tmp_path / "run")
    page = write_report(Run.open(tmp_path / "run"), tmp_path / "page.html").read_text()
    assert outcome.text in page and "Pareto front" in page
    for trial in outcome.front[:20]:
        assert outcome.space.to_text(trial.architecture) in page
    assert page.count('class="graph"') == 6
    assert ">input<" in page and ">output<" in page
    assert "nsga2" in page and "nas-bench-201" in page


def test_budgets_are_shown_and_the_best_are_fully_trained(tmp_path: Path) -> None:
    strategy = ASHA(SPACE, max_budget=16, seed=2)
    outcome = nas.search(SPACE, objective, strategy, 60, run_dir=tmp_path / "run")
    page = report_html(Run.open(tmp_path / "run"))
    assert "budget 16" in page and '<th scope="col" class="number">budget</th>' in page
    assert page.index(outcome.text) > 0
    assert 'id="front"' not in page and 'class="graph"' not in page


def test_an_interrupted_run_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    nas.search(
        SPACE, objective, Reinforce(SPACE), 50, run_dir=tmp_path / "run", should_stop=lambda: True
    )
    page = report_html(Run.open(tmp_path / "run"))
    assert "The run was interrupted and can be resumed." in page and "1 of 50" in page


def test_a_run_without_trials_and_a_damaged_one_give_a_page(tmp_path: Path) -> None:
    empty = Run.create(tmp_path / "empty", kind="architecture search", config={"strategy": 3})
    assert "Report of an architecture search" in report_html(empty)
    SearchConfig(evaluations=5).run(tmp_path / "run")
    (tmp_path / "run" / "events.parquet").write_bytes(b"no Parquet")
    (tmp_path / "run" / "config.toml").write_text("space = '<b>'")
    (tmp_path / "run" / "result.json").write_text("{")
    page = report_html(Run.open(tmp_path / "run"))
    assert "Parts of this run cannot be read" in page and "events.parquet" in page
    assert "<b>" not in page


def test_what_stands_in_a_run_is_text(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    config = {"strategy": {"class": script, "x": script}, "space": {"class": script}}
    run = Run.create(tmp_path / "run", kind="architecture search", config=config)
    with run.lock():
        log = run.create_events()
        for details in (
            {"number": 0, "architecture": script, "budget": script},
            {"number": 1, "architecture": script, "values": [script]},
            {"number": 2, "architecture": "x", "values": {"a": 1}},
            {"number": "3", "architecture": 3},
            {"number": 4, "architecture": "y", "values": [1, 2, 3]},
        ):
            log.append(
                "trial", experiment=None, epoch=None, island=None, individuals=1, fitness=0.5,
                seconds=1.0, **details,
            )  # fmt: skip
        log.close()
    page = report_html(run)
    assert script not in page and "&lt;script&gt;" in page


def test_other_runs_are_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="program search", config={})
    with pytest.raises(ValueError, match="expected an architecture search"):
        report_html(run)


def test_figures_are_for_notebooks_too(tmp_path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    nas.search(SPACE, two_objectives, NSGA2(SPACE), 40, run_dir=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert plot_trials(run).get_xlabel() == "trials"
    front = plot_front(run)
    assert [line.get_label() for line in front.get_lines()] == ["trials", "front"]
    assert len(front.get_lines()[0].get_xdata()) == 40
