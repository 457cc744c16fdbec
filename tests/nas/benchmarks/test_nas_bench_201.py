import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas.benchmarks import DATASETS, NasBench201, load_nas_bench_201_hardware

BEST = {"cifar10": 94.3733, "cifar100": 73.5133, "imagenet16": 47.3111}


@pytest.mark.parametrize("dataset", DATASETS)
def test_best_test_accuracies_are_those_of_the_benchmark(dataset):
    benchmark = NasBench201(dataset)
    architecture, accuracy = benchmark.best(f"{dataset}_test_200")
    assert accuracy == BEST[dataset] == benchmark.test(architecture)


def test_cells_have_the_numbers_of_the_benchmark():
    # The first architecture of the benchmark's own list, as its query interface answers.
    space = NasBench201().space
    cell = space.from_text(
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    numbers = {
        "cifar10": (63.364, 69.55, 85.8633),
        "cifar100": (31.84, 31.26, 52.9133),
        "imagenet16": (18.4667, 17.0, 26.6333),
    }
    for dataset, (validation, test_12, test) in numbers.items():
        benchmark = NasBench201(dataset)
        assert benchmark.index(cell) == 0
        assert benchmark.validation(cell) == validation
        assert benchmark.value(cell, f"{dataset}_test_12") == test_12
        assert benchmark.test(cell) == test


def test_every_number_is_known_and_every_index_there_once():
    benchmark = NasBench201()
    assert len(benchmark.columns) == 9 and len(benchmark) == 15625
    for column in benchmark.columns:
        values = benchmark.values(column)
        assert np.isfinite(values).all() and values.min() > 0 and values.max() < 100
    indices = sorted(map(benchmark.index, benchmark.architectures()))
    assert indices == list(range(15625))


def test_other_data_sets_are_refused():
    with pytest.raises(ValueError, match=r"dataset: expected one of .* \(did you mean 'cifar10'"):
        NasBench201("cifar_10")


@pytest.mark.parametrize("cell", [(0, 0, 0, 0, 0), (5, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, -1)])
def test_cells_of_another_space_are_refused(cell):
    with pytest.raises(ValueError, match="architecture"):
        NasBench201().validation(cell)


def write_hardware(path, indices):
    lines = [f"{index},{index / 10}" for index in indices]
    path.write_text("\n".join(["index,ms", *lines]))
    return path


def test_hardware_tables_are_put_in_the_order_of_the_space(tmp_path):
    table = load_nas_bench_201_hardware(write_hardware(tmp_path / "hw.csv", reversed(range(15625))))
    assert table.columns == ("ms",)
    for cell in [(0, 0, 0, 0, 0, 0), (4, 1, 2, 3, 0, 2)]:
        assert table.value(cell, "ms") == NasBench201().index(cell) / 10


def test_hardware_tables_with_other_indices_are_refused(tmp_path):
    with pytest.raises(ValueError, match="hw.csv: column 'index': expected each number"):
        load_nas_bench_201_hardware(write_hardware(tmp_path / "hw.csv", range(15624)))
    path = tmp_path / "other.csv"
    path.write_text("arch,ms\n1,2\n")
    with pytest.raises(ValueError, match="other.csv: expected a column 'index'"):
        load_nas_bench_201_hardware(path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_search_on_the_table_needs_no_torch_and_little_memory():
    program = """
import sys
from nas.benchmarks import NasBench201
from nas.strategies import RegularizedEvolution

benchmark = NasBench201("cifar10")
search = RegularizedEvolution(benchmark.space)
for _ in range(100):
    trial = search.ask()
    search.tell(trial, benchmark.validation(trial.architecture))
assert not {"torch", "scipy", "numba", "sklearn"} & set(sys.modules)
print(*[line for line in open("/proc/self/status") if line.startswith("VmHWM")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) < 100_000
