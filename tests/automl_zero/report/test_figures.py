"""Figures of runs as matplotlib axes, and what notebooks show of a run."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib.figure
import numpy as np
import pytest

from automl_zero import report
from automl_zero.evolution.runs import Run
from tests.report_runs import genome_run, hostile_run, program_run

FIGURES = (
    "plot_fitness", "plot_islands", "plot_rates", "plot_throughput", "plot_diversity", "plot_final",
    "plot_redundancy",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return program_run(tmp_path_factory.mktemp("runs") / "first")


def axes() -> Any:
    return matplotlib.figure.Figure().add_subplot()


def line(ax: Any, label: str) -> Any:
    (found,) = [item for item in ax.lines if item.get_label() == label]
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_has_a_label_and_the_figure_its_content(name: str, run: Run) -> None:
    ax = axes()
    assert getattr(report, name)(run, ax) is ax
    assert ax.get_xlabel() and ax.get_ylabel()
    assert ax.has_data()


@pytest.mark.parametrize("name", FIGURES)
def test_without_axes_new_ones_are_made(
    name: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    ax = getattr(report, name)(run)
    assert ax.figure in map(plt.figure, plt.get_fignums())
    plt.close("all")


@pytest.mark.parametrize("name", FIGURES)
def test_runs_without_a_log_and_of_other_genomes_can_be_drawn(name: str, tmp_path: Path) -> None:
    empty = Run.create(tmp_path / "empty", kind="toy", config={})
    runs = [empty, genome_run(tmp_path / "genomes"), hostile_run(tmp_path / "hostile")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for other in runs:
            getattr(report, name)(other, axes()).figure.canvas.draw()


def test_fitness_ends_at_the_best_of_the_best_experiment(run: Run) -> None:
    ax = report.plot_fitness(run, axes())
    assert run.best is not None
    best = line(ax, f"experiment {run.best['experiment']}")
    rows = run.events("epoch").to_pylist()
    rows = [row for row in rows if row["experiment"] == run.best["experiment"]]
    assert best.get_ydata()[-1] == max(row["fitness"] for row in rows)
    assert best.get_xdata()[-1] == 6000
    assert np.all(np.diff(best.get_ydata()) >= 0)


def test_fitness_over_time_ends_with_the_run(run: Run) -> None:
    ax = report.plot_fitness(run, axes(), over="seconds")
    last = max(item.get_xdata()[-1] for item in ax.lines)
    assert last == max(run.events("epoch")["seconds"].to_pylist())
    with pytest.raises(ValueError, match="over: expected one of individuals, seconds"):
        report.plot_fitness(run, axes(), over="epochs")


def test_rates_are_those_of_the_counts(run: Run) -> None:
    ax = report.plot_rates(run, axes())
    labels = [patch.get_label() for patch in ax.patches]
    assert labels[0] == "known by their live code" and labels[-1] == "run in full"
    assert run.result is not None
    counts = run.result["statistics"]
    shares = ax.patches[0].get_data().values
    assert np.nanmin(shares) <= 100 * counts["canonical_hit_rate"] <= np.nanmax(shares)


def test_cache_hits_are_those_of_the_counts(run: Run) -> None:
    ax = report.plot_redundancy(run, axes())
    (hits,) = [patch.get_data() for patch in ax.patches]  # program searches tell no sizes
    assert ax.patches[0].get_label() == "fitness known from a cache"
    assert run.result is not None
    counts = run.result["statistics"]
    told = counts["unchanged"] + counts["canonical_hits"] + counts["fec_hits"]
    share = 100 * told / counts["individuals"]
    assert np.nanmin(hits.values) <= share <= np.nanmax(hits.values)
    assert hits.edges[-1] == counts["individuals"]


def test_redundancy_is_that_of_the_new_individuals(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", kind="toy", config={})
    with run.lock():
        run.begin_session(executor="none", workers=1)
        log = run.create_events()
        for epoch in range(1, 7):  # half of the instructions are live, later none
            log.append(
                "epoch", experiment=1, epoch=epoch, island=0, seconds=1.0 * epoch, fitness=0.5,
                individuals=10 * epoch, known=3 * epoch, fec_hits=epoch,
                instructions=100 * epoch, live_instructions=50 * min(epoch, 3),
            )  # fmt: skip
        log.close()
    hits, redundant = (patch.get_data() for patch in report.plot_redundancy(run, axes()).patches)
    assert hits.values.tolist() == pytest.approx([40, 40])
    assert redundant.values.tolist() == pytest.approx([50, 100])


def test_throughput_adds_up_to_all_individuals(run: Run) -> None:
    data = report.plot_throughput(run, axes()).patches[0].get_data()
    assert np.sum(data.values * np.diff(data.edges)) == pytest.approx(12_000)


def test_final_tasks_are_sorted_and_baselines_follow_their_order(run: Run) -> None:
    assert run.result is not None
    values = run.result["final_task_fitness"]
    ax = report.plot_final(run, axes(), baselines={"same": values, "half": [0.5] * 5})
    assert line(ax, "evolved program").get_ydata().tolist() == sorted(values)
    assert line(ax, "same").get_ydata().tolist() == sorted(values)
    with pytest.raises(ValueError, match="baselines: expected 5 values for 'short', received 1"):
        report.plot_final(run, axes(), baselines={"short": [1.0]})


def test_many_experiments_are_thinned_and_get_an_envelope(tmp_path: Path) -> None:
    run = program_run(tmp_path / "run", "experiments.maximum=60", "stop.individuals=2000")
    ax = report.plot_fitness(run, axes())
    labels = [item.get_label() for item in (*ax.lines, *ax.collections)]
    assert {"median", "middle 80 % of the experiments", "59 other experiments"} <= set(labels)
    assert len(ax.lines) < 45


def test_islands_have_a_line_each(tmp_path: Path) -> None:
    many = program_run(tmp_path / "run", "islands.count=9", "experiments.maximum=1")
    ax = report.plot_islands(many, axes())
    assert len(ax.lines) == 9
    assert many.best is not None
    labels = [item.get_label() for item in ax.lines if not item.get_label().startswith("_")]
    assert sorted(labels) == ["8 other islands", f"island {many.best['birth'][0]}"]


def test_a_notebook_shows_numbers_and_the_fitness(run: Run) -> None:
    shown = run._repr_html_()
    assert run.result is not None
    assert f"{run.result['final_fitness']:.5f}, mean of 5 tasks" in shown
    assert "<svg" in shown and "12k" in shown


def test_a_notebook_shows_numbers_without_matplotlib(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    shown = run._repr_html_()
    assert "12k" in shown and "<svg" not in shown
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[report\]'"):
        report.plot_fitness(run)


def test_a_notebook_shows_hostile_texts_as_texts(tmp_path: Path) -> None:
    shown = hostile_run(tmp_path / "<img src=x>")._repr_html_()
    assert "<img" not in shown and "<script" not in shown and "&lt;img src=x&gt;" in shown


def test_the_package_loads_nothing_by_itself() -> None:
    code = (
        "import sys, automl_zero.report\n"
        "from automl_zero.evolution.runs import Run\n"
        "heavy = {'numpy', 'pyarrow', 'matplotlib', 'jinja2', 'networkx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
