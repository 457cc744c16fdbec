"""Run directories of program searches: what is logged, and what goes wrong clearly."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from automl_zero.config import ExperimentConfig, load_config
from automl_zero.evaluation import evaluate
from automl_zero.evolution import EpochReport, ProgramSearch, SearchResult, TensorBoardCallback
from automl_zero.evolution.runs import Run
from automl_zero.program import Program
from automl_zero.streams import stream_key

QUICK = (
    "stop.individuals=6000", "experiments.maximum=2", "tasks.select.count=5",
    "tasks.final.count=5", "islands.count=2", "islands.epoch=1000",
    "islands.migration_interval=1", "experiments.sufficient_fitness=1.0",
)  # fmt: skip


def config(*overrides: str) -> ExperimentConfig:
    return load_config("demo", [*QUICK, *overrides])


def opened(result: SearchResult) -> Run:
    assert result.run is not None
    return Run.open(result.run.path)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    return ProgramSearch(config()).run(tmp_path_factory.mktemp("runs") / "run")


def test_every_epoch_is_logged_with_its_counts(result: SearchResult) -> None:
    rows = opened(result).events("epoch").to_pylist()
    assert [(it["experiment"], it["epoch"], it["island"]) for it in rows] == [
        (experiment, epoch, island)
        for experiment in (1, 2)
        for epoch in (1, 2, 3)
        for island in (0, 1)
    ]
    assert [it["individuals"] for it in rows] == [1000, 1000, 2000, 2000, 3000, 3000] * 2
    assert [it["immigrants"] for it in rows] == [0, 0, 1, 1, 2, 2] * 2
    last = [rows[5], rows[4], rows[11], rows[10]]
    for name in ("evaluations", "canonical_hits", "train_steps"):
        assert sum(it[name] for it in last) == getattr(result.statistics, name)
    assert all(it["unique_in_population"] > 1 for it in rows)


def test_improvements_are_logged_with_program_parent_and_generation(result: SearchResult) -> None:
    run = opened(result)
    rows = run.events("improvement").to_pylist()
    for experiment in (1, 2):
        fitness = [it["fitness"] for it in rows if it["experiment"] == experiment]
        assert fitness == sorted(set(fitness))
        seed = stream_key(config().seed, "experiment", experiment)
        tasks = config().tasks.search.make(stream_key(seed, "search"))
        for row in (it for it in rows if it["experiment"] == experiment):
            program = Program.parse(row["genome"])
            assert row["fitness"] == pytest.approx(evaluate(program, tasks).mean(), abs=1e-12)
            if row["generation"]:
                parent = evaluate(Program.parse(row["parent"]), tasks).mean()
                # The equivalence cache may have told the parent's fitness.
                assert row["parent_fitness"] == pytest.approx(parent, abs=0.05)
                assert row["parent_birth"][2] == row["generation"] - 1
                assert row["mutation"] in ("alter_param", "randomize_instruction",
                                           "randomize_component_function")  # fmt: skip
            else:
                assert row["parent"] is None


def test_selections_lead_to_the_best_program(result: SearchResult) -> None:
    run = opened(result)
    rows = run.events("selection").to_pylist()
    best = [row for row in rows if row["is_best"]]
    assert [row["fitness"] for row in best] == sorted(row["fitness"] for row in best)
    assert best[-1]["fitness"] == result.select_fitness
    assert run.best is not None
    assert run.best["genome"] == str(result.program)
    assert (run.path / "best.txt").read_text().strip() == str(result.program).strip()
    assert result.birth.number == best[-1]["individuals"]


def test_experiments_and_the_result_are_logged(result: SearchResult) -> None:
    run = opened(result)
    rows = run.events("experiment").to_pylist()
    assert [(it["experiment"], it["individuals"], it["ended_by"]) for it in rows] == [
        (1, 6000, "individuals"),
        (2, 6000, "individuals"),
    ]
    assert run.result is not None
    assert run.result["final_task_fitness"] == list(result.final_task_fitness)
    assert run.result["stopped_by"] == "individuals"
    assert run.status == "finished"


def test_nothing_in_a_run_is_pickled(result: SearchResult) -> None:
    names = {path.name for path in opened(result).path.rglob("*") if path.is_file()}
    kinds = {Path(name).suffix for name in names}
    assert kinds == {".json", ".jsonl", ".toml", ".txt", ".parquet", ".arrow", ".lock"}


def test_the_run_knows_its_configuration_and_machine(result: SearchResult) -> None:
    run = opened(result)
    assert load_config(run.path / "config.toml") == config()
    assert run.seed == config().seed
    assert set(run.versions) >= {"automl_zero", "python", "numpy", "pyarrow"}
    assert run.machine["instruction_set"]


def test_stagnation_ends_an_experiment() -> None:
    result = ProgramSearch(
        config("stop.individuals=0", "stop.stagnation=2000", "experiments.maximum=1")
    ).run()
    assert result.stopped_by == "stagnation"
    reports: list[EpochReport] = []
    again = ProgramSearch(
        config("stop.individuals=0", "stop.stagnation=2000", "experiments.maximum=1")
    ).run(callbacks=[reports.append])
    assert again.program == result.program
    improved = [it.individuals for it, before in zip(reports[1:], reports, strict=False)
                if it.best_fitness > before.best_fitness]  # fmt: skip
    assert reports[-1].individuals - max(improved, default=1000) == 2000


def test_a_data_file_that_was_changed_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def write(shift: float) -> None:
        x = rng.normal(size=(200, 6)) + shift
        np.savez(tmp_path / "data.npz", x_train=x, y_train=np.arange(200) % 10)

    write(0.0)
    settings = [
        f"tasks.*.data={tmp_path / 'data.npz'}", "tasks.*.train=10", "tasks.*.valid=6",
        "tasks.*.count=2", "tasks.*.test_fraction=0", "tasks.*.features=4",
        "tasks.final.valid_from=train", "hurdle.tasks=0", "stop.individuals=2000", "stop.seconds=0",
        "experiments.maximum=1", "islands.epoch=500", "cache.fec=false",
    ]  # fmt: skip
    search = ProgramSearch(load_config("digits", settings))
    search.run(tmp_path / "run", should_stop=lambda: True)
    write(1.0)
    with pytest.raises(ValueError, match="inputs.*data.npz"):
        ProgramSearch(load_config("digits", settings)).run(tmp_path / "run", resume=True)


def test_another_machine_is_said_aloud(tmp_path: Path) -> None:
    ProgramSearch(config()).run(tmp_path / "run", should_stop=lambda: True)
    path = tmp_path / "run" / "run.json"
    data = json.loads(path.read_text())
    data["machine"]["instruction_set"] = "v9"
    data["versions"]["numpy"] = "1.0"
    path.write_text(json.dumps(data))
    with pytest.warns(RuntimeWarning) as said:
        ProgramSearch(config()).run(tmp_path / "run", resume=True)
    texts = [str(item.message) for item in said]
    assert any("v9" in text and "results may differ" in text for text in texts)
    assert any("numpy" in text for text in texts)


@pytest.mark.slow
def test_a_full_disk_ends_a_search_clearly_and_space_lets_it_go_on(tmp_path: Path) -> None:
    """The disk is full from the fourth checkpoint on: files cannot grow beyond a limit."""
    program = (
        "import resource, signal, sys; from automl_zero.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))\n"
        "sys.exit(main(sys.argv[2:]))\n"
    )
    settings = [word for item in QUICK for word in ("--set", item)]
    folder = tmp_path / "run"
    command = ["evolve", "demo", *settings, "--run", str(folder), "--workers", "1", "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-c", program, "12000", *command], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert ended.returncode in (1, 2)
    assert "cannot write" in ended.stderr and str(folder) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(folder.rglob("*.partial"))
    assert Run.open(folder).status == "interrupted"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = ProgramSearch(config()).run(folder, resume=True)
    plain = ProgramSearch(config()).run()
    assert resumed.program == plain.program
    assert resumed.statistics == plain.statistics


def test_tensorboard_scalars_can_be_read_back(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    with TensorBoardCallback(tmp_path / "board") as callback:
        result = ProgramSearch(config()).run(callbacks=[callback])
    events = accumulator(str(tmp_path / "board"))
    events.Reload()
    best = events.Scalars("fitness/best")
    assert [item.step for item in best] == list(range(1000, 12001, 1000))
    assert max(item.value for item in best) == pytest.approx(
        max(result.fitness, result.statistics.best_fitness), abs=1e-6
    )
    tags = set(events.Tags()["scalars"])
    assert {"diversity/island 1", "rates/island 0 canonical_hit_rate"} <= tags


def test_a_missing_tensorboard_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[tensorboard\]'"):
        TensorBoardCallback(tmp_path)
