"""Searches as data, and objectives by name."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import nas
from automl_zero.evolution.runs import Run
from nas import SearchConfig
from nas._objective_factories import TableObjective
from nas._registry import OBJECTIVES, SPACES, STRATEGIES, make_space, make_strategy
from nas.benchmarks import NasBench201, TabularBenchmark
from nas.spaces import ChoiceSpace, Decision
from nas.strategies import NSGA2

SPACE = ChoiceSpace([Decision("kernel", ("3", "5")), Decision("width", ("16", "32"))])
TABLE = TabularBenchmark(SPACE, {"accuracy": [0.7, 0.8, 0.9, 0.6], "ms": [1, 3, 2, 4]})


@pytest.mark.parametrize("name", SPACES)
def test_every_space_of_the_registry_is_there(name: str) -> None:
    if name == "rand-wire":
        pytest.importorskip("networkx")
    space = make_space(name, {})
    assert isinstance(space, ChoiceSpace)
    assert make_strategy("random", space, 1, {}).ask().number == 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_of_the_registry_searches(name: str) -> None:
    budget_free = name not in ("asha", "hyperband")
    strategy = make_strategy(name, SPACE, 3, {})
    outcome = nas.search(SPACE, lambda space, arch, budget: float(sum(arch)), strategy, 6)
    assert len(outcome.trials) == 6
    assert (outcome.trials[0].budget is None) == budget_free


def test_a_config_is_the_search_that_it_describes(tmp_path: Path) -> None:
    config = SearchConfig(
        strategy="nsga2",
        evaluations=30,
        batch=2,
        seed=4,
        data="cifar100",
        strategy_options={"population_size": 6},
        objective_options={"columns": ["cifar100_val_12", "-cifar10_val_12"]},
    )
    outcome = config.run(tmp_path / "run")
    benchmark = NasBench201("cifar100")
    same = nas.search(
        benchmark.space,
        lambda space, cell, budget: (
            benchmark.validation(cell),
            -benchmark.value(cell, "cifar10_val_12"),
        ),
        NSGA2(benchmark.space, population_size=6, seed=4),
        30,
        batch=2,
    )
    assert [trial.value for trial in outcome.trials] == [trial.value for trial in same.trials]
    assert SearchConfig.of_run(Run.open(tmp_path / "run")) == config
    again = config.run(tmp_path / "run", resume=True)
    assert again.trials == outcome.trials


def test_other_settings_cannot_resume_a_run(tmp_path: Path) -> None:
    SearchConfig(evaluations=5, seed=1).run(tmp_path / "run")
    other = SearchConfig(evaluations=5, seed=2)
    with pytest.raises(ValueError, match=r"settings\.seed: expected 1, received 2"):
        other.run(tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"space": "nas-bench-202"}, r"space: .*did you mean 'nas-bench-201'"),
        ({"strategy": "nsga"}, r"strategy: .*did you mean 'nsga2'"),
        ({"objective": "tabel"}, r"objective: .*did you mean 'table'"),
        ({"strategy": 3}, "strategy: expected a name, received 3"),
        ({"data": "cifar11"}, r"data: .*did you mean 'cifar10'"),
        ({"data": 10}, "data: expected a text"),
        ({"evaluations": 0}, "evaluations: expected an integer >= 1"),
        ({"seed": -1}, "seed: expected an integer"),
        ({"strategy_options": {"sise": 1}}, r"strategy\.sise: unknown key"),
        ({"strategy_options": 1}, "strategy_options: expected a table"),
        ({"strategy_options": {"population_size": "many"}}, "population_size: expected an integer"),
        ({"strategy": "meta-qnn", "strategy_options": {"schedule": 1}}, "schedule: expected pairs"),
        ({"objective_options": {"column": "x"}}, r"objective\.column: unknown key"),
        ({"objective_options": {"columns": ["cifar10_val_13"]}}, "columns: expected one of"),
        ({"objective_options": {"columns": 3}}, "columns: expected names of columns"),
        ({"objective_options": {"columns": []}}, "columns: expected at least one"),
        ({"space": "darts"}, "data: expected the file of a table for this space"),
        ({"space": "darts", "objective_options": {"hardware": "x"}}, "hardware: expected none"),
        ({"space_options": {"nodes": 3}}, r"space\.nodes: unknown key"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig(**values).make()


def test_a_run_without_or_with_a_damaged_config_is_told(tmp_path: Path) -> None:
    SearchConfig(evaluations=3).run(tmp_path / "run")
    file = tmp_path / "run" / "config.toml"
    good = file.read_text()
    assert tomllib.loads(good)["evaluations"] == 3
    for text, message in (
        ("space = [", "config.toml"),
        (f"{good}\nspeed = 3\n", r"config.toml: speed: unknown key"),
        (good.replace("= 3", "= 0"), r"config.toml: evaluations: expected an integer >= 1"),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=message):
            SearchConfig.of_run(Run.open(tmp_path / "run"))
    file.unlink()
    with pytest.raises(ValueError, match="the run was begun from Python"):
        SearchConfig.of_run(Run.open(tmp_path / "run"))


def test_a_table_gives_columns_and_lower_is_better_with_a_minus() -> None:
    assert TableObjective(TABLE, ("accuracy",))(SPACE, (1, 0), None) == 0.9
    assert TableObjective(TABLE, ("-ms", "accuracy"))(SPACE, (0, 1), None) == (-3.0, 0.8)
    shown = TableObjective(TABLE, ("ms",), ("accuracy",)).details((1, 1))
    assert shown == {"accuracy": 0.6}
    with pytest.raises(ValueError, match="budget: expected none"):
        TableObjective(TABLE, ("ms",))(SPACE, (0, 0), 3)


def test_any_table_is_an_objective(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = ["architecture,accuracy,ms"]
    space = make_space("nas-bench-macro", {})
    draw = make_strategy("random", space, 1, {})
    for number in range(50):
        rows.append(f"{space.to_text(draw.ask().architecture)},{number},{2 * number}")
    path.write_text("\n".join(dict.fromkeys(rows)) + "\n")
    config = SearchConfig(
        space="nas-bench-macro", data=str(path), strategy="random", seed=1, evaluations=5,
        objective_options={"columns": "ms"},
    )  # fmt: skip
    assert [trial.value for trial in config.run().trials] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_an_objective_of_ones_own_has_a_name() -> None:
    def factory(space: ChoiceSpace, data: str | None, power: int = 1) -> Any:
        return lambda space, cell, budget: float(sum(cell)) ** power

    nas.register_objective("sum", factory)
    try:
        config = SearchConfig(
            objective="sum", objective_options={"power": 2}, evaluations=5, strategy="random"
        )
        for trial in config.run().trials:
            assert math.sqrt(trial.values[0]) == sum(trial.architecture)
    finally:
        del OBJECTIVES["sum"]
    with pytest.raises(ValueError, match="name: expected a name"):
        nas.register_objective("", factory)


@pytest.mark.slow
def test_architectures_are_trained_with_the_strategys_budgets() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    config = SearchConfig(
        objective="training", strategy="asha", evaluations=7, seed=1,
        strategy_options={"max_budget": 2, "eta": 2},
        objective_options={"skeleton": {"width": 4, "depth": 1}},
    )  # fmt: skip
    outcome = config.run()
    assert outcome.best.budget == 2 and 0.1 < outcome.best.values[0] < 1.0
    with pytest.raises(ValueError, match="objective: expected settings of training, .*'epoch'"):
        SearchConfig(objective="training", objective_options={"epoch": 3}).make()


def test_a_search_on_the_table_needs_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "import nas; print('numpy' in sys.modules)\n"
        "print(len(nas.SearchConfig(evaluations=5).run().trials))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "5"]
