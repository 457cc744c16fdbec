"""Experiments as data: shipped files, overrides, and errors that say what is wrong."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from automl_zero.config import (
    MUTATION_TYPES,
    ComponentConfig,
    EvaluationConfig,
    ExperimentConfig,
    MutationConfig,
    MutationWeights,
    PopulationConfig,
    StopConfig,
    config_names,
    load_config,
)
from automl_zero.ops import ORIGINAL_OPS

MINIMAL = """
[tasks.search]
kind = "linear"
[tasks.select]
kind = "linear"
[tasks.final]
kind = "linear"
[memory]
[setup]
[predict]
ops = ["SCALAR_SUM_OP"]
[learn]
[stop]
individuals = 10
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.toml"
    path.write_text(MINIMAL)
    return path


def error_of(name: str | Path, *overrides: str) -> str:
    with pytest.raises(ValueError) as caught:
        load_config(name, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", config_names())
def test_shipped_config_loads_and_survives_toml(name: str) -> None:
    config = load_config(name)
    assert config.description
    again = ExperimentConfig.from_data(tomllib.loads(config.to_toml()))
    assert again == config
    assert ExperimentConfig.from_data(config.to_data()) == config


def test_published_experiments_are_shipped() -> None:
    assert set(config_names()) >= {"demo", "linear", "nonlinear", "baseline", "digits"}


def test_demo_has_the_published_settings() -> None:
    config = load_config("demo")
    assert (config.memory.scalars, config.memory.vectors, config.memory.matrices) == (4, 3, 1)
    sizes = [(c.init_size, c.min_size, c.max_size) for c in config.components.values()]
    assert sizes == [(10, 10, 10), (2, 2, 2), (8, 8, 8)]
    assert {c.op_ids for c in config.components.values()} == {(56, 27, 2, 3, 18, 23)}
    assert (config.population.size, config.population.tournament_size) == (1000, 10)
    assert config.mutation.probability == 0.9
    assert config.mutation.weights.as_tuple() == (1, 1, 1, 0, 0, 0, 0, 0)
    assert (config.cache.fec, config.cache.fec_train, config.cache.fec_valid) == (True, 10, 10)
    # Restarted four times as often as published; the config says why.
    assert config.stop.individuals == 250_000
    assert (config.experiments.maximum, config.experiments.sufficient_fitness) == (0, 0.9999)
    final = config.tasks.final
    assert (final.count, final.train, final.valid) == (100, 1000, 100)
    assert (final.data_seeds, final.param_seeds) == ((1000000,), (2000000,))


def test_exclusive_maxima_of_the_original_are_one_less_here() -> None:
    assert load_config("nonlinear").setup.max_size == 6
    baseline = load_config("baseline")
    assert [c.max_size for c in baseline.components.values()] == [6, 10, 22]


def test_minimal_file_takes_the_defaults(minimal: Path) -> None:
    config = load_config(minimal)
    assert config.seed == 0
    assert config.evaluation == EvaluationConfig()
    assert config.cache.canonical
    assert not config.mutation.zero_constants_mutate


def test_overrides_take_toml_values_and_bare_text(minimal: Path) -> None:
    config = load_config(
        minimal,
        [
            "population.size=500",
            "population.initial=no_op",
            "evaluation.precision = 'float32'",
            "cache.fec=true",
            'predict.ops=["SCALAR_SUM_OP", "SCALAR_DIFF_OP"]',
            "setup.ops=deterministic",
            "stop.seconds=1.5",
            "seed=18446744073709551615",
        ],
    )
    assert config.population == PopulationConfig(size=500, initial="no_op")
    assert config.evaluation.precision == "float32"
    assert config.cache.fec
    assert config.predict.op_ids == (1, 2)
    assert config.stop.seconds == 1.5
    assert config.seed == 2**64 - 1


def test_a_star_overrides_all_three_task_sets(minimal: Path) -> None:
    config = load_config(minimal, ["tasks.*.features=8"])
    sets = (config.tasks.search, config.tasks.select, config.tasks.final)
    assert [spec.features for spec in sets] == [8, 8, 8]


def test_override_cannot_smuggle_in_a_second_key(minimal: Path) -> None:
    message = error_of(minimal, "population.size=5\nseed=3")
    assert "population.size: expected an integer" in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("population.sise=5", "population.sise: unknown key (did you mean 'size'?)"),
        ("populatoin.size=5", "populatoin: unknown key (did you mean 'population'?)"),
        ("mutation.weights.alter_parm=1", "(did you mean 'alter_param'?)"),
        ("tasks.serch.count=1", "tasks.serch: unknown key (did you mean 'search'?)"),
        ("tasks.search.trian=1", "(did you mean 'train'?)"),
        ("population.initial=randm", "(did you mean 'random'?)"),
        ("setup.ops=['SCALAR_SUMM_OP']", "(did you mean 'SCALAR_SUM_OP'?)"),
        ("evaluation.precision=float46", "(did you mean 'float64'?)"),
    ],
)
def test_misspelt_name_is_an_error_with_the_nearest_right_one(
    minimal: Path, override: str, expected: str
) -> None:
    message = error_of(minimal, override)
    assert expected in message
    assert message.startswith(f"override {override!r}: ")


def test_error_in_a_file_names_file_and_key(minimal: Path) -> None:
    minimal.write_text(MINIMAL + "secnds = 4\n")
    message = error_of(minimal)
    assert message.startswith(f"{minimal}: stop.secnds: unknown key (did you mean 'seconds'?)")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("population.size=0", "population.size: expected an integer in 1..2147483647, received 0"),
        ("population.size=1.5", "population.size: expected an integer, received 1.5"),
        ("population.size=true", "population.size: expected an integer, received True"),
        ("population=3", "override 'population=3': population: expected a table, received 3"),
        ("seed=-1", "seed: expected an integer in 0..18446744073709551615, received -1"),
        ("mutation.probability=1.1", "mutation.probability: expected a number in 0..1"),
        ("mutation.probability=nan", "mutation.probability: expected a number in 0..1"),
        ("mutation.weights.identity=-1", "mutation.weights.identity: expected a number in 0.."),
        ("mutation.weights={identity=0}", "mutation.weights: expected a positive weight among"),
        ("evaluation.max_abs_error=0", "evaluation.max_abs_error: expected a positive number"),
        ("evaluation.max_abs_error='x'", "evaluation.max_abs_error: expected a number"),
        ("cache.fec=1", "cache.fec: expected true or false, received 1"),
        ("cache.fec_train=0", "cache.fec_train: expected an integer in 1.."),
        ("cache={fec=true, fec_valid=101}", "cache.fec_valid: expected at most tasks.search.valid"),
        ("stop.individuals=0", "stop: expected a limit of individuals, train_steps, seconds or"),
        ("stop.fitness=2", "stop.fitness: expected a number in 0..1, received 2"),
        ("experiments.maximum=-1", "experiments.maximum: expected an integer in 0.."),
        ("predict.ops=[]", "setup, predict, learn: expected ops in one of them"),
        ("predict.ops=7", "predict.ops: expected a list of op names, received 7"),
        ("predict.max_size=1001", "predict.max_size: expected an integer in 0..1000"),
        ("predict={ops='all', min_size=3, max_size=2}", "predict.min_size: expected at most"),
        ("predict={ops='all', init_size=3, max_size=2}", "predict.init_size: expected at most"),
        ("memory.scalars=21", "memory.scalars: expected an integer in 2..20, received 21"),
        ("population.initial=[]", "population.initial: expected at least one program file"),
        ("description=1", "description: expected text, received 1"),
    ],
)
def test_wrong_value_names_key_expected_and_received(
    minimal: Path, override: str, expected: str
) -> None:
    assert expected in error_of(minimal, override)


def test_ops_must_fit_the_memory(minimal: Path) -> None:
    message = error_of(minimal, "predict.ops=all", "memory.matrices=0")
    assert "memory.matrices: expected at least 1 for MATRIX_HEAVYSIDE_OP in predict.ops" in message
    message = error_of(minimal, "predict.ops=['VECTOR_SUM_OP']", "memory.vectors=1")
    assert "memory.vectors: expected at least 2 for VECTOR_SUM_OP in predict.ops" in message


def test_hand_built_start_must_fit_the_memory(minimal: Path) -> None:
    message = error_of(minimal, "population.initial=neural_net", "memory.vectors=8")
    assert "memory.vectors: expected at least 9 for population.initial = 'neural_net'" in message


@pytest.mark.parametrize("section", ["tasks", "memory", "setup", "predict", "learn", "stop"])
def test_missing_section_is_named(section: str, minimal: Path) -> None:
    data = tomllib.loads(MINIMAL)
    del data[section]
    with pytest.raises(ValueError, match=f"^{section}: expected this section"):
        ExperimentConfig.from_data(data)


def test_missing_task_set_is_named() -> None:
    data = tomllib.loads(MINIMAL)
    del data["tasks"]["select"]
    with pytest.raises(ValueError, match=r"^tasks.select: expected this section"):
        ExperimentConfig.from_data(data)


def test_unknown_experiment_names_the_nearest(tmp_path: Path) -> None:
    assert "received 'dmeo' (did you mean 'demo'?)" in error_of("dmeo")
    assert "expected a readable TOML file" in error_of(tmp_path)


def test_file_that_is_no_toml_is_named(minimal: Path) -> None:
    minimal.write_text("[[[")
    assert error_of(minimal).startswith(f"{minimal}: expected TOML: ")
    minimal.write_bytes(b"\xff\xfe")
    assert str(minimal) in error_of(minimal)


@pytest.mark.parametrize("override", ["seed", "=3", "population..size=1", "seed.x=1"])
def test_malformed_override_is_an_error(minimal: Path, override: str) -> None:
    minimal.write_text("seed = 1\n" + MINIMAL)
    assert error_of(minimal, override).startswith("override")


def test_override_of_a_whole_table_needs_a_key(minimal: Path) -> None:
    assert "expected one of its keys (kind)" in error_of(minimal, "tasks.search=5")


def test_named_op_sets_leave_no_original_op_out() -> None:
    everything = ComponentConfig(ops="all").op_ids
    assert everything == tuple(range(1, len(ORIGINAL_OPS)))
    deterministic = ComponentConfig(ops="deterministic").op_ids
    assert set(everything) - set(deterministic) == {op.id for op in ORIGINAL_OPS if op.random}


def test_mutation_types_stand_in_the_original_order() -> None:
    assert MUTATION_TYPES == (
        "alter_param",
        "randomize_instruction",
        "randomize_component_function",
        "identity",
        "insert_instruction",
        "remove_instruction",
        "trade_instruction",
        "randomize_algorithm",
    )
    assert MutationWeights(identity=2).as_tuple() == (0, 0, 0, 2, 0, 0, 0, 0)
    assert sum(MutationConfig().weights.as_tuple()) > 0


def test_toml_keeps_awkward_values(minimal: Path) -> None:
    config = load_config(
        minimal,
        [
            r'description="quote \" backslash \\ tab \t é \u007f"',
            "evaluation.max_abs_error=inf",
            "population.initial=['a b.txt', 'ü.json']",
        ],
    )
    assert ExperimentConfig.from_data(tomllib.loads(config.to_toml())) == config


def test_infinite_time_is_no_limit() -> None:
    assert StopConfig(individuals=1, seconds=float("inf")).seconds == 0
    with pytest.raises(ValueError, match="expected a limit"):
        StopConfig(seconds=float("inf"))


def test_another_seed_changes_nothing_else(minimal: Path) -> None:
    config = load_config(minimal)
    assert config.with_seed(5).seed == 5
    assert config.with_seed(5).with_seed(0) == config
    assert hash(config) == hash(load_config(minimal))
