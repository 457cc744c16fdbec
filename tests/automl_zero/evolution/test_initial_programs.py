"""Hand-built programs, program files, and the train budget."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from _golden import golden_program, read_records

from automl_zero.config import config_names, load_config
from automl_zero.evaluation import evaluate, program_cost
from automl_zero.evolution import (
    FOUND_PROGRAMS,
    HAND_BUILT_PROGRAMS,
    found_program,
    hand_built_program,
)
from automl_zero.evolution._initial_programs import PROGRAM_FOLDER, initial_programs, max_cost
from automl_zero.program import Program
from automl_zero.tasks import linear, projected_binary_tasks, two_layer_nn

GOLDEN = read_records(Path(__file__).parents[2] / "golden" / "reference_programs.json.gz")


def golden(tag: str) -> Program:
    return next(golden_program(record).program for record in GOLDEN if record["tag"] == tag)


def test_the_linear_model_is_the_originals() -> None:
    mine, original = hand_built_program("linear"), golden("LinearModel")
    assert (mine["predict"], mine["learn"]) == (original["predict"], original["learn"])
    assert [(item.op, item.out) for item in mine["setup"]] == [
        (item.op, item.out) for item in original["setup"]
    ]
    assert evaluate(mine, linear(train=2000)) > 0.999


def test_the_network_is_the_originals() -> None:
    mine, original = hand_built_program("neural_net"), golden("NeuralNet_fixed_init")
    assert (mine["predict"], mine["learn"]) == (original["predict"], original["learn"])
    assert mine["setup"][-1] == original["setup"][-1]  # the learning rate
    tasks = [two_layer_nn(train=10_000, data_seed=seed, param_seed=seed) for seed in range(6)]
    better = evaluate(mine, tasks) - evaluate(hand_built_program("damaged_neural_net"), tasks)
    assert better.min() > 0
    assert better.mean() > 0.3


def test_the_damaged_network_lacks_its_random_start() -> None:
    whole, damaged = hand_built_program("neural_net"), hand_built_program("damaged_neural_net")
    assert damaged["setup"] == (whole["setup"][2],)
    assert (damaged["predict"], damaged["learn"]) == (whole["predict"], whole["learn"])


def test_the_shallow_network_trains_its_output_layer_only() -> None:
    whole, shallow = hand_built_program("neural_net"), hand_built_program("shallow_neural_net")
    assert (shallow["setup"], shallow["predict"]) == (whole["setup"], whole["predict"])
    assert shallow["learn"] == whole["learn"][:5]
    written = {item.output for item in shallow["learn"]}
    assert ("v", 2) in written and not written & {("m", 0), ("v", 1)}


def test_classifiers_by_hand_rank_as_published() -> None:
    tasks = projected_binary_tasks("digits", 36, train=270, valid=70, seed=3)
    accuracy = {
        name: evaluate(hand_built_program(name), tasks).mean()
        for name in ("linear", "logistic", "bilinear")
    }
    assert 0.95 < accuracy["linear"] < accuracy["bilinear"]
    assert accuracy["logistic"] >= accuracy["linear"] - 0.005


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name: expected one of no_op, linear, .* received 'net'"):
        hand_built_program("net")
    assert all(isinstance(hand_built_program(name), Program) for name in HAND_BUILT_PROGRAMS)


def test_initial_programs_are_padded_to_the_initial_sizes() -> None:
    config = load_config("demo", ["population.initial=linear", "memory.vectors=5"])
    (program,) = initial_programs(config)
    assert [len(body) for _, body in program.items()] == [10, 2, 8]
    assert program["learn"][:4] == hand_built_program("linear")["learn"]
    assert {item.op.name for item in program["learn"][4:]} == {"NO_OP"}
    (longer,) = initial_programs(load_config("nonlinear"))
    assert len(longer["predict"]) == 5  # above the initial size, as in the original
    assert [str(item) for item in longer["setup"]] == ["s3 = 0.01", "NoOp()"]


def test_no_op_programs_have_the_initial_sizes() -> None:
    (program,) = initial_programs(load_config("demo", ["population.initial=no_op"]))
    assert [len(body) for _, body in program.items()] == [10, 2, 8]
    assert initial_programs(load_config("demo")) == []


def test_program_files_are_read(tmp_path: Path) -> None:
    text, data = tmp_path / "a.txt", tmp_path / "b.json"
    text.write_text(str(hand_built_program("linear")))
    data.write_text(hand_built_program("no_op").to_json())
    files = f'population.initial=["{text}", "{data}"]'
    first, second = initial_programs(load_config("demo", [files]))
    assert first["predict"][0] == hand_built_program("linear")["predict"][0]
    assert len(second) == 20

    with pytest.raises(ValueError, match=r"population.initial\[1\]: predict\[0\] .*: expected reg"):
        data.write_text(hand_built_program("neural_net").to_json())
        initial_programs(load_config("demo", [files]))
    with pytest.raises(ValueError, match=r"population.initial\[0\]: .*a.txt: line 1"):
        text.write_text("def Setup:")
        initial_programs(load_config("demo", [files]))
    with pytest.raises(ValueError, match=r"population.initial\[0\]: program: expected a readable"):
        text.unlink()
        initial_programs(load_config("demo", [files]))


def test_the_budget_is_a_multiple_of_the_baseline_on_the_search_tasks() -> None:
    config = load_config("baseline")
    baseline = hand_built_program("neural_net")
    assert max_cost(config) == 2 * program_cost(baseline, 8000)
    epochs = load_config("baseline", ["tasks.search.epochs=3"])
    assert max_cost(epochs) == 2 * program_cost(baseline, 24000)
    assert max_cost(load_config("demo")) == math.inf
    linear_budget = load_config("baseline", ["evaluation.train_budget_baseline=linear"])
    assert max_cost(linear_budget) == 2 * program_cost(hand_built_program("linear"), 8000)


def test_padding_costs_nothing() -> None:
    (padded,) = initial_programs(load_config("demo", ["population.initial=linear"]))
    assert program_cost(padded, 100) == program_cost(hand_built_program("linear"), 100)


@pytest.mark.parametrize("name", config_names())
def test_the_initial_programs_of_shipped_experiments_fit(name: str) -> None:
    config = load_config(name)
    for program in initial_programs(config):
        program.check(config.memory)


@pytest.mark.parametrize("name", FOUND_PROGRAMS)
def test_found_programs_say_where_they_come_from_and_beat_the_linear_program(name: str) -> None:
    text = (PROGRAM_FOLDER / "found" / f"{name}.txt").read_text()
    assert re.search(r"(?s)^# Found .* seed \d+,.* individuals", text)
    tasks = projected_binary_tasks("digits", 32, train=260, valid=80, seed=3)
    found, known = evaluate([found_program(name), hand_built_program("linear")], tasks).mean(axis=1)
    assert found > known


def test_an_unknown_found_program_is_named() -> None:
    with pytest.raises(ValueError, match="name: expected one of .*bilinear_sgd.*'bilinaer_sgd'"):
        found_program("bilinaer_sgd")
