"""Runs side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from automl_zero.cli import main
from automl_zero.evolution.runs import Run
from automl_zero.report import Comparison, Difference, write_comparison
from tests.report_runs import HOSTILE, genome_run, hostile_run, program_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        program_run(folder / "one"),
        program_run(folder / "two", "population.tournament_size=5", "experiments.maximum=1"),
    ]


def test_numbers_are_those_of_the_results(runs: list[Run]) -> None:
    for run, summary in zip(runs, Comparison(runs).summaries, strict=True):
        result = run.result
        assert result is not None
        assert summary.status == "finished"
        assert summary.search_fitness == result["fitness"]
        assert summary.select_fitness == result["select_fitness"]
        assert summary.final_fitness == pytest.approx(result["final_fitness"], rel=1e-12)
        assert summary.experiments == result["experiments"]
        counts = result["statistics"]
        assert summary.individuals == counts["individuals"]
        assert summary.known == pytest.approx(counts["canonical_hit_rate"])
        assert summary.fec == pytest.approx(counts["fec_hit_rate"])
        assert summary.individuals_per_second == summary.individuals / run.seconds


def test_settings_that_differ_are_named_by_dotted_keys(runs: list[Run]) -> None:
    assert Comparison(runs).differences == [
        Difference("population.tournament_size", ["10", "5"]),
        Difference("experiments.maximum", ["2", "1"]),
    ]
    assert Comparison(runs[:1]).differences == []


def test_long_values_that_differ_at_their_ends_differ(tmp_path: Path) -> None:
    configs = [{"text": "x" * 500 + end} for end in "ab"]
    runs = [
        Run.create(tmp_path / f"{number}", kind="toy", config=config)
        for number, config in enumerate(configs)
    ]
    (difference,) = Comparison(runs).differences
    assert difference.key == "text"
    assert all(len(value) < 200 for value in difference.values)


def test_searches_of_other_kinds_can_stand_beside_each_other(
    runs: list[Run], tmp_path: Path
) -> None:
    genomes = genome_run(tmp_path / "genomes")
    comparison = Comparison([runs[0], genomes])
    assert comparison.summaries[1].final_fitness is None
    assert comparison.summaries[1].known == 0.0
    assert comparison.differences[0] == Difference("kind", ["program search", "genome search"])
    assert "seed" in [row.key for row in comparison.differences]


def test_runs_of_one_name_are_told_apart(runs: list[Run], tmp_path: Path) -> None:
    copy = Run.open(shutil.copytree(runs[0].path, tmp_path / "one"))
    names = [summary.name for summary in Comparison([runs[0], copy]).summaries]
    assert names == [str(runs[0].path), str(copy.path)]


def test_a_run_without_anything_has_a_row(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "empty", kind="toy", config={})
    (summary,) = Comparison([run]).summaries
    assert (summary.status, summary.individuals, summary.known) == ("new", 0, None)
    assert summary.individuals_per_second is None
    assert "nothing in the log yet" in write_comparison([run], tmp_path / "p.html").read_text()


def test_no_run_is_an_error() -> None:
    with pytest.raises(ValueError, match="runs: expected at least one, received none"):
        Comparison([])


def test_the_command_prints_and_writes(
    runs: list[Run], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert main(["compare", *(str(run.path) for run in runs), "-o", str(page)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[1].split()[:2] == ["one", "finished"] and "12k" in lines[1]
    assert "population.tournament_size  10   5" in captured.out
    assert f"written: {page}" in captured.err
    text = page.read_text()
    assert text.count("<svg") == 2 and "population.tournament_size" in text
    assert main(["compare", str(runs[0].path), str(runs[0].path)]) == 0
    assert "The settings are the same." in capsys.readouterr().out
    assert main(["compare", str(tmp_path)]) == 2
    assert "expected the folder of a run" in capsys.readouterr().err


def test_hostile_texts_stay_texts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, runs: list[Run]
) -> None:
    hostile = hostile_run(tmp_path / "<img src=x>[red]$\\frac$")
    page = tmp_path / "page.html"
    assert main(["compare", str(hostile.path), str(runs[0].path), "-o", str(page)]) == 0
    assert "<img src=x>[red]$\\frac$" in capsys.readouterr().out
    text = page.read_text()
    assert "<img" not in text and text.count("</script>") == 1
    assert "&lt;img src=x" in text and HOSTILE not in text


def test_a_damaged_log_is_said_and_the_rest_compared(
    runs: list[Run], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = shutil.copytree(runs[0].path, tmp_path / "damaged")
    (folder / "events.parquet").write_bytes(b"PAR1")
    assert main(["compare", str(folder), str(runs[1].path)]) == 0
    captured = capsys.readouterr()
    assert "warning" in captured.err and "events.parquet" in captured.err
    assert "damaged" in captured.out
