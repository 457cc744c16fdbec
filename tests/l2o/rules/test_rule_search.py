"""Whole searches for update rules: configuration, search, run directories, commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_zero.cli import main
from automl_zero.config import ComponentConfig
from automl_zero.evolution import EpochReport, evolution_stream
from automl_zero.evolution.executors import ProcessExecutor
from automl_zero.evolution.runs import Run
from automl_zero.liveness import canonical_program
from automl_zero.program import MemorySizes
from l2o.rules import (
    HAND_WRITTEN_RULES,
    RULE_OP_SETS,
    UPDATE_RULE,
    RuleSearchConfig,
    UpdateRuleSearch,
    UpdateRuleSpace,
    check_rule,
    find_rule,
    hand_written_rule,
    load_rule_config,
    parse_rule,
    rule_config_names,
)
from l2o.rules._config import RULE_CONFIG_FOLDER

SMALL = """
seed = 3
description = "two slopes"

[tasks.search]
problems = [{kind = "quadratic", size = 4, condition = 300.0}]
steps = 40
seeds = 1
learning_rates = [0.1, 1.0]

[tasks.select]
problems = [{kind = "quadratic", size = 5, condition = 300.0}]
steps = 50
learning_rates = [0.1, 1.0]

[update]
ops = "published"
max_size = 8

[population]
size = 20
tournament_size = 4
attempts = 3
initial = ["sgd"]

[selection]
beat = ["sgd"]
margin = 1.0
finalists = 3

[islands]
count = 2
epoch = 120
migration_interval = 1

[stop]
individuals = 960

[[funnel]]
problems = [{kind = "quadratic", size = 6, condition = 300.0}]
steps = 60
learning_rates = [0.1, 1.0]

[[funnel]]
name = "last"
problems = [
  {kind = "quadratic", size = 6, condition = 300.0},
  {kind = "quadratic", size = 7, condition = 300.0},
]
steps = 70
learning_rates = [0.1, 1.0]
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


# Configuration -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", rule_config_names())
def test_shipped_searches_survive_as_toml(name: str, tmp_path: Path) -> None:
    config = load_rule_config(name)
    path = tmp_path / "again.toml"
    path.write_text(config.to_toml())
    assert load_rule_config(path) == config
    assert config.description
    UpdateRuleSearch(config)


def test_the_shipped_searches_are_those_that_documents_name() -> None:
    assert set(rule_config_names()) == {"from_adamw", "from_empty", "lion", "quick"}
    assert RULE_CONFIG_FOLDER.is_dir()


def test_overrides_act_before_checks_and_reach_both_sets_of_tasks(toml: Path) -> None:
    config = load_rule_config(toml, ["tasks.*.steps=50", "seed=9", "update.ops=lion"])
    assert config.tasks.search.steps == config.tasks.select.steps == 50
    assert config.seed == 9 and config.update.ops == RULE_OP_SETS["lion"]
    assert config.population.initial == ("sgd",)
    assert [stage.name for stage in config.funnel] == ["stage 1", "last"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stop.secs=5", "stop.secs: unknown key .did you mean 'seconds'"),
        ("memory.matrices=1", "memory.matrices: unknown key"),
        ("memory.scalars=1", "memory.scalars: expected an integer in 2..20"),
        ("update.ops=publish", "update.ops: expected a list of op names or one of .*'published'"),
        ('update.ops=["MATRIX_SUM_OP"]', "matrices: expected at least 1 for MATRIX_SUM_OP"),
        ('update.ops=["SUM"]', "update.ops: expected op names, received 'SUM'"),
        ("population.initial=adamv", "population.initial: expected one of .*'adam'"),
        ("population.initial=[]", "population.initial: expected a list of rules"),
        ("population.size=0", "population.size: expected an integer >= 1|in 1"),
        ("fitness.baseline=lio", "fitness.baseline: expected one of"),
        ("fitness.bound=0", "fitness.bound: expected"),
        ("selection.beat=[]", "selection.beat: expected a list"),
        ("selection.finalists=0", "selection.finalists: expected"),
        ("cache.size=-1", "cache.size: expected"),
        ("cache.fec=1", "cache.fec: expected true or false"),
        ("stop.individuals=0", "stop: expected a limit"),
        ("experiments.maximum=-1", "experiments.maximum: expected"),
        ("tasks.search.steps=0", "tasks.search.steps: expected"),
        ("tasks.final.steps=9", "tasks.final: unknown key"),
        ("funnel=3", "funnel: expected a list of tables"),
        ("funnel=[3]", r"funnel\[0\]: expected a table"),
        ("funnel=[{steps = 3}]", r"funnel\[0\].problems: expected a list"),
        ("description=3", "description: expected text"),
        ("seed=-1", "seed: expected"),
    ],
)
def test_wrong_settings_are_named(toml: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_rule_config(toml, [override])


def test_files_can_be_missing(toml: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config: expected a TOML file or one of .*'lion'"):
        load_rule_config("lien")
    config = load_rule_config(toml, [f'population.initial=["{tmp_path}/none.txt"]'])
    with pytest.raises(ValueError, match="none.txt"):
        UpdateRuleSearch(config)
    with pytest.raises(ValueError, match="population.initial: adamw: .*expected registers"):
        UpdateRuleSearch(load_rule_config(toml, ["population.initial=adamw", "memory.scalars=5"]))


def test_sections_are_needed() -> None:
    with pytest.raises(ValueError, match="tasks: expected this section"):
        RuleSearchConfig.from_data({})
    data = load_rule_config("quick").to_data()
    del data["tasks"]["select"]
    with pytest.raises(ValueError, match="tasks.select: expected this section"):
        RuleSearchConfig.from_data(data)


# Space -------------------------------------------------------------------------------------


def test_published_rules_live_in_the_space_and_are_made_of_its_ops() -> None:
    space = UpdateRuleSpace()
    names = {*RULE_OP_SETS["published"], *RULE_OP_SETS["constants"]}
    for name in HAND_WRITTEN_RULES:
        rule = hand_written_rule(name)
        space.check(rule)
        assert space.from_data(space.to_data(rule)) == rule
        assert {item.op.name for _, body in rule.items() for item in body} <= names
    assert {item.op.name for item in hand_written_rule("lion")["update"]} <= set(
        RULE_OP_SETS["lion"]
    )


def test_mutants_are_rules_and_never_write_an_input() -> None:
    space, stream = UpdateRuleSpace(), evolution_stream(5)
    rule = hand_written_rule("adamw")
    inputs = UPDATE_RULE.stage("update").filled
    for _ in range(500):
        rule = space.mutate(rule, stream)
        check_rule(rule)
        assert all(item.output not in inputs for _, body in rule.items() for item in body)
        assert space.key(rule) == space.key(canonical_program(rule, UPDATE_RULE))


def test_rules_have_no_matrices() -> None:
    with pytest.raises(ValueError, match="memory.matrices: expected 0, received 1"):
        UpdateRuleSpace(MemorySizes(4, 4, 1))
    with pytest.raises(ValueError, match="MATRIX_NORM_OP"):
        UpdateRuleSpace(update=ComponentConfig(ops=["MATRIX_NORM_OP"]))


# Search ------------------------------------------------------------------------------------


def same(one: Any, other: Any) -> bool:
    datas = [{**item.to_data(), "seconds": 0} for item in (one, other)]
    return datas[0] == datas[1]


def test_a_search_finds_something_better_than_its_start(toml: Path, tmp_path: Path) -> None:
    result = UpdateRuleSearch(load_rule_config(toml)).run(tmp_path / "run")
    assert result.statistics.individuals == 960 and result.stopped_by == "individuals"
    sgd = UpdateRuleSearch(load_rule_config(toml))._search_fitness(hand_written_rule("sgd"))
    assert result.fitness > sgd
    assert result.funnel is not None and result.funnel.stages[0].name == "stage 1"
    assert result.statistics.fec_hits > 0 and 0 < result.statistics.redundant_share < 1
    check_rule(result.simplified)
    assert len(result.simplified) <= len(result.rule)
    run = Run.open(tmp_path / "run")
    assert run.kind == "update rule search" and run.status == "finished"
    assert run.result is not None and run.result["simplified"] == str(result.simplified)
    assert load_rule_config(tmp_path / "run" / "config.toml") == load_rule_config(toml)


def test_workers_and_interruptions_change_nothing(toml: Path, tmp_path: Path) -> None:
    config = load_rule_config(toml)
    whole = UpdateRuleSearch(config).run()
    with ProcessExecutor(2) as executor:
        assert same(whole, UpdateRuleSearch(config).run(executor=executor))
    reports: list[EpochReport] = []
    folder = tmp_path / "stopped"
    first = UpdateRuleSearch(config).run(
        folder, callbacks=[reports.append], should_stop=lambda: len(reports) >= 3
    )
    assert first.is_interrupted and first.funnel is None
    assert same(whole, UpdateRuleSearch(config).run(folder, resume=True))


def test_the_log_tells_hits_and_redundancy_of_each_epoch_alike_on_any_workers(
    toml: Path, tmp_path: Path
) -> None:
    config = load_rule_config(toml, ["funnel=[]"])
    reports: list[EpochReport] = []
    UpdateRuleSearch(config).run(tmp_path / "whole")
    with ProcessExecutor(2) as executor:
        UpdateRuleSearch(config).run(tmp_path / "two", executor=executor)
    UpdateRuleSearch(config).run(
        tmp_path / "resumed", callbacks=[reports.append], should_stop=lambda: len(reports) >= 3
    )
    UpdateRuleSearch(config).run(tmp_path / "resumed", resume=True)
    names = ("island", "individuals", "known", "fec_hits", "instructions", "live_instructions")
    logs = []
    for folder in ("whole", "two", "resumed"):
        rows = Run.open(tmp_path / folder).events("epoch").to_pylist()
        logs.append([[row[name] for name in names] for row in rows])
    assert logs[0] == logs[1] == logs[2]
    _, individuals, known, _, instructions, live = logs[0][-1]
    assert 0 < known < individuals and 0 < live < instructions


def test_without_a_funnel_the_best_by_selection_is_the_result(toml: Path) -> None:
    result = UpdateRuleSearch(load_rule_config(toml, ["funnel=[]"])).run()
    assert result.funnel is None and result.final_fitness is None
    assert "final_fitness" not in result.to_data()


def test_random_and_empty_starts(toml: Path) -> None:
    for start in ("random", "empty"):
        settings = [f"population.initial={start}", "update.init_size=4", "stop.individuals=60"]
        result = UpdateRuleSearch(load_rule_config(toml, [*settings, "funnel=[]"])).run()
        assert result.statistics.individuals == 60


# Commands ----------------------------------------------------------------------------------


def test_a_run_by_the_command_line(
    toml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "runs" / "one", tmp_path / "found.json"
    arguments = ["l2o", "evolve", str(toml), "--run", str(folder), "--workers", "1"]
    settings = ["--set", "stop.individuals=480", "--set", "population.initial=momentum"]
    assert main([*arguments, "--out", str(out), *settings]) == 0
    found = capsys.readouterr()
    assert "Stage stage 1" in found.out and "Stage last" in found.out
    assert "480 individuals" in found.out and "written:" in found.err
    data = json.loads(out.read_text())
    assert parse_rule(data["simplified"]) and data["config"]["seed"] == 3
    assert main(["show", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "update rule search" in shown and "def Update():" in shown and "selection" in shown
    assert main(["runs", str(folder.parent)]) == 0
    assert "finished" in capsys.readouterr().out
    assert main(["resume", str(folder), "--workers", "1", "--quiet"]) == 0
    assert found.out.splitlines()[-2] in capsys.readouterr().out


def test_the_rule_of_a_run_is_found_by_its_folder(toml: Path, tmp_path: Path) -> None:
    result = UpdateRuleSearch(load_rule_config(toml)).run(tmp_path / "run")
    found = find_rule(tmp_path / "run")
    assert found.rule == result.simplified and found.learning_rate == result.learning_rate
    assert found.origin == "a search of automl-zero: two slopes; seed 3"
    Run.create(tmp_path / "toy", kind="toy", config={})
    with pytest.raises(ValueError, match="expected a run that has found a rule"):
        find_rule(str(tmp_path / "toy"))


def test_pages_show_funnel_and_loss_curves(
    toml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    folder, page = tmp_path / "one", tmp_path / "page.html"
    arguments = ["l2o", "evolve", str(toml), "--run", str(folder), "--workers", "1", "--quiet"]
    assert main([*arguments, "--seed", "4", "--set", "stop.individuals=480"]) == 0
    assert main(["report", str(folder), "-o", str(page)]) == 0
    plain = page.read_text()
    assert "Cache hits and redundancy" in plain and "stage by stage" not in plain
    assert main(["l2o", "report", str(folder), "-o", str(page)]) == 0
    text = page.read_text()
    assert "stage by stage" in text and "Stage stage 1" in text and "Task 1: quadratic" in text
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "funnel": {"stages": 3}}))
    assert main(["l2o", "report", str(folder), "-o", str(page)]) == 0
    assert "the funnel cannot be read" in page.read_text()


def test_searches_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["l2o", "configs"]) == 0
    assert "Rediscover Lion" in capsys.readouterr().out
    assert main(["l2o", "configs", "lion"]) == 0
    assert "[tasks.search]" in capsys.readouterr().out
    assert main(["l2o", "configs", "tiger"]) == 2


def test_other_runs_have_no_such_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Run.create(tmp_path / "toy", kind="toy", config={})
    assert main(["l2o", "report", str(tmp_path / "toy"), "-o", str(tmp_path / "page.html")]) == 2
    assert "expected an update rule search" in capsys.readouterr().err
