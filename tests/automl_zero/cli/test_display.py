"""Progress and results as people see them, without a search."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from automl_zero.cli import _output, _progress, _results
from automl_zero.cli._progress import (
    ProgressDisplay,
    count_text,
    islands_text,
    progress_text,
    seconds_text,
)
from automl_zero.config import load_config
from automl_zero.evolution import PopulationStatistics
from automl_zero.program import Program
from automl_zero.report._baselines import baseline_fitness
from automl_zero.tasks import projected_binary_tasks


@dataclass
class Progress:
    experiment: int = 2
    individuals: int = 1_240_000
    individuals_per_second: float = 1.01e6
    best_fitness: float = 0.87314
    islands: Sequence[float | None] = (0.87314,)
    statistics: Any = field(
        default_factory=lambda: SimpleNamespace(
            mean_fitness=0.5, canonical_hit_rate=0.451, fec_hit_rate=0.38, unique_in_population=393
        )
    )
    seconds: float = 1.23
    seconds_left: float | None = 98.77


@dataclass
class Statistics:
    individuals: int = 1000
    percentiles: Any = None


@dataclass
class Result:
    program: Program
    statistics: Statistics
    final_task_fitness: Any
    fitness: float = 0.9
    select_fitness: float = 0.8
    final_fitness: float = 0.7
    experiments: int = 1
    seconds: float = 2.0


@pytest.fixture
def result() -> Result:
    text = "def Setup():\n  s3 = 0.1\ndef Predict():\n  s1 = dot(v2, v0)\ndef Learn():\n"
    return Result(
        Program.parse(text), Statistics(percentiles=np.array([1.0, np.nan])), np.array([0.6, 0.8])
    )


def test_progress_line_names_everything_a_watcher_wants() -> None:
    assert progress_text(Progress()) == (
        "experiment 2 · 1.24M individuals · 1.01M/s · best 0.8731 · mean 0.5000 · "
        "known 45% + FEC 38% · 393 different · 1.2 s · 98.8 s left"
    )


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (1000, "1k"), (12_345, "12.3k"), (3e9, "3G")]
)
def test_counts_are_short(number: float, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (99.9, "99.9 s"), (99.99, "1 min 40 s"), (7260, "2 h 1 min")],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_without_a_terminal_there_are_plain_lines_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream), "a search") as display:
        for second in range(12):
            clock[0] = float(second)
            display.update(Progress())
    lines = stream.getvalue().splitlines()
    assert lines[0] == "a search"
    assert len(lines) == 3
    assert "\x1b" not in stream.getvalue()


def test_in_a_terminal_there_is_a_live_line_that_goes_away() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=200)
    with ProgressDisplay(console, "a search") as display:
        display.update(Progress())
        display._live.refresh()  # type: ignore[union-attr]
    assert "best 0.8731" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")  # the line is erased at the end


def test_several_islands_have_a_line_of_their_own() -> None:
    assert islands_text(Progress(islands=[0.5, None, 0.25])) == "islands 0.5000 - 0.2500"
    many = islands_text(Progress(islands=[number / 100 for number in range(40)]))
    assert many.startswith("best of 40 islands 39: 0.3900 38: 0.3800")
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=200)
    with ProgressDisplay(console, "a search") as display:
        display.update(Progress(islands=[0.5, None]))
        display._live.refresh()  # type: ignore[union-attr]
    assert "islands 0.5000 -" in stream.getvalue()


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({}, "known 25%"),
        ({"fec_hits": 20, "probe_failures": 3}, "known 25% + FEC 10%"),
        ({"instructions": 400, "live_instructions": 100}, "known 25% · redundant 75%"),
    ],
)
def test_of_other_genomes_only_what_was_counted_is_shown(counts: Any, shown: str) -> None:
    statistics = PopulationStatistics(individuals=200, known=50, unique_in_population=7, **counts)
    text = progress_text(Progress(best_fitness=-np.inf, statistics=statistics, seconds_left=None))
    assert text.endswith(f"best - · mean - · {shown} · 7 different · 1.2 s")


def test_quiet_shows_nothing() -> None:
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream, force_terminal=True), "a search", quiet=True) as one:
        one.update(Progress())
    assert stream.getvalue() == ""


def test_programs_are_shown_as_found_and_simplified(
    capsys: pytest.CaptureFixture[str], result: Result
) -> None:
    _results.print_programs(result.program, load_config("demo"))
    shown = capsys.readouterr().out
    assert "  s3 = 0.1          # no effect" in shown
    assert "Simplified" in shown
    assert "  s1 = dot(v0, v1)  # prediction" in shown


def test_fitness_lines_name_all_three_task_sets(
    capsys: pytest.CaptureFixture[str], result: Result
) -> None:
    _results.print_fitness(result, load_config("digits"))  # type: ignore[arg-type]
    shown = capsys.readouterr().out
    assert "accuracy: search 0.90000 · selection 0.80000 · final 0.70000" in shown
    assert "mean of 2 unseen tasks, lowest 0.60000, highest 0.80000" in shown
    assert "1 experiment, 1k individuals in 2.0 s (500/s)" in shown


def test_result_data_are_plain(result: Result) -> None:
    data = _results.result_data(result, load_config("demo"))  # type: ignore[arg-type]
    text = _output.json_text(data)
    assert '"nan"' in text
    assert Program.parse(data["program"]) == result.program


def test_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(_output.RunFailure, match="No space left on device"):
        _output.write_whole(tmp_path / "x.json", "text")
    assert list(tmp_path.iterdir()) == []


def test_baselines_learn_the_tasks() -> None:
    pytest.importorskip("sklearn")
    tasks = projected_binary_tasks("digits", count=3, features=16, train=160, valid=100)
    accuracies = baseline_fitness(tasks)
    assert accuracies is not None
    assert [len(values) for values in accuracies.values()] == [3, 3]
    assert all(min(values) > 0.75 for values in accuracies.values())
