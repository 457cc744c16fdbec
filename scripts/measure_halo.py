"""HALO against tuned optimizers and its own parts, on networks that adapt to other classes.

    python scripts/measure_halo.py --quick
    python scripts/measure_halo.py --data FOLDER --folder runs/halo --results halo.jsonl   # hours

FOLDER holds ``mnist.npz``, ``cifar10_20k.npz`` and ``ann_thyroid.npz``. A network is trained with
Adam on one part of the data (odd digits; five classes of CIFAR-10; one sex of the thyroid patients,
column 1), then each optimizer adapts it to the other part, from 10 seeds of initial weights and
minibatches.

The learned optimizers are meta-trained here, all alike, on classifiers of scikit-learn's digits in
three sizes, from random weights or from other classes; none of these data. Their weights are those
that do best in adapting larger networks to other digits. ``lstm``, ``hierarchical`` (neither of
HALO's regularisers), ``penalty`` and ``sparsity`` (one of them), ``halo`` (both). Checkpoints stay
in ``--folder``.
Each has the best of its learning rates (learned ones: of the factors 1, 0.3 and 0.1 of their
updates) by accuracy on test examples of three other seeds.

``*_accuracy``: on test examples after the last step, mean and standard error over the seeds, in
percent. ``*_energy``: of the adaptation in joules, **modelled**: see ``l2o.halo.training_cost``,
45 nm. ``*_cpu``: processor time of the adaptation in seconds, one thread. ``*_package_energy`` is
measured (RAPL) where the system lets it be read. ``*_energy_per_iteration_vs_adam``: modelled.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _common import ProgressLine, Row, argument_parser, machine_line, print_rows, write_json
from _halo_training import GRADIENT_PENALTY, SETTINGS, STEPS, tasks, validation
from _results import ResultFile, add_results_option
from torch import Tensor, nn
from torch.nn import functional

from automl_zero.streams import stream_key
from l2o.halo import HALO, HALONetwork, training_cost
from l2o.learned import (
    CoordinatewiseLSTM,
    LearnedOptimizer,
    LearnedOptimizerNetwork,
    meta_train,
)

BATCH, PRETRAINING = 64, 300
FACTORS: Final = (1.0, 0.3, 0.1)
RATES: Final = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
# Name: optimizer; multiply-accumulates and states per coordinate.
ANALYTIC: Final[dict[str, tuple[Callable[..., torch.optim.Optimizer], int, int]]] = {
    "sgd": (torch.optim.SGD, 1, 0),
    "momentum": (partial(torch.optim.SGD, momentum=0.9), 2, 1),
    "adagrad": (torch.optim.Adagrad, 3, 1),
    "rmsprop": (torch.optim.RMSprop, 3, 1),
    "adam": (torch.optim.Adam, 5, 2),
}
LEARNED: Final = ("lstm", "hierarchical", "penalty", "sparsity", "halo")
Costs = dict[str, float]
"""What an optimizer adds to a step, as training_cost takes it."""

RAPL: Final = Path("/sys/class/powercap/intel-rapl:0/energy_uj")

Examples = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Adaptation:
    """Examples of two domains, and what learns them.

    Attributes:
        first: Training examples before the adaptation.
        second: Training examples of the adaptation.
        test: Of the second domain.
        model: A fresh network.
    """

    first: Examples
    second: Examples
    test: Examples
    model: Callable[[], nn.Module]


def adaptation(name: str, folder: Path | None) -> Adaptation:
    """The two domains of a data set."""
    if name == "thyroid":
        return thyroid(folder)
    (x, y), (x_test, y_test) = images(name, folder)
    first = {"mnist": (1, 3, 5, 7, 9), "cifar": (0, 1, 2, 3, 4), "digits": (1, 3, 5, 7, 9)}[name]
    chosen = torch.isin(y, torch.tensor(first))
    other = ~torch.isin(y_test, torch.tensor(first))
    model: Callable[[], nn.Module] = partial(mlp, x[0].numel(), 32, 10)
    if name == "cifar":
        model = cnn
    return Adaptation(
        (x[chosen], y[chosen]), (x[~chosen], y[~chosen]), (x_test[other], y_test[other]), model
    )


def images(name: str, folder: Path | None) -> tuple[Examples, Examples]:
    """Standardised images and classes for training and test."""
    if folder is None:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        test = np.arange(len(y)) % 5 == 4
        parts = ((x[~test], y[~test]), (x[test], y[test]))
    else:
        file = {"mnist": "mnist.npz", "cifar": "cifar10_20k.npz"}[name]
        with np.load(folder / file, allow_pickle=False) as arrays:
            x, y = arrays["x_train"][:20_000], arrays["y_train"][:20_000]
            if "x_test" in arrays:
                parts = ((x, y), (arrays["x_test"], arrays["y_test"]))
            else:  # the last tenth is for testing
                last = len(x) // 10
                parts = ((x[:-last], y[:-last]), (x[-last:], y[-last:]))
    mean, deviation = parts[0][0].mean(), parts[0][0].std()
    found = []
    for x, y in parts:
        inputs = torch.from_numpy(((x - mean) / deviation).astype(np.float32))
        inputs = inputs.permute(0, 3, 1, 2).contiguous() if inputs.ndim == 4 else inputs
        found.append((inputs, torch.from_numpy(y.astype(np.int64))))
    return found[0], found[1]


def thyroid(folder: Path | None) -> Adaptation:
    """Thyroid patients of either sex."""
    assert folder is not None
    with np.load(folder / "ann_thyroid.npz", allow_pickle=False) as arrays:
        parts = [
            (torch.from_numpy(arrays[f"x_{part}"]), torch.from_numpy(arrays[f"y_{part}"]).long())
            for part in ("train", "test")
        ]
    (x, y), (x_test, y_test) = parts
    y, y_test = y - y.min(), y_test - y.min()
    sex, sex_test = x[:, 1] > 0.5, x_test[:, 1] > 0.5
    mean, deviation = x.mean(0), x.std(0).clamp_min(1e-6)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    return Adaptation(
        (x[~sex], y[~sex]), (x[sex], y[sex]), (x_test[sex_test], y_test[sex_test]),
        partial(mlp, x.shape[1], 32, 3),
    )  # fmt: skip


def mlp(*widths: int) -> nn.Module:
    """A small network of one hidden layer."""
    inputs, hidden, classes = widths
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, classes)
    )


def cnn() -> nn.Module:
    """Two convolutions, 9,000 parameters."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(),
        nn.Linear(256, 24), nn.ReLU(), nn.Linear(24, 10),
    )  # fmt: skip


def learned_network(name: str, folder: Path, iterations: int) -> LearnedOptimizerNetwork:
    """A learned optimizer, meta-trained on digits."""
    network: LearnedOptimizerNetwork
    if name == "lstm":
        network = CoordinatewiseLSTM()
    else:
        skip = (0.1, 0.3, 0.5) if name in ("sparsity", "halo") else (0.0,)
        network = HALONetwork(lr=1e-2, skip=skip, steps=STEPS)
    settings = SETTINGS
    if iterations < settings["validate_every"]:
        settings = settings | {"validate_every": iterations, "validation_problems": 1}
    result = meta_train(
        network,
        tasks(),
        iterations=iterations,
        validation=validation(),
        gradient_penalty=GRADIENT_PENALTY if name in ("penalty", "halo") else 0.0,
        folder=folder / f"{name}-{iterations}",
        progress=ProgressLine(name),
        **settings,
    )
    print(f"  {name}: the best of {result.iteration:,} iterations is {result.best_iteration:,}")
    return network


def adapted(
    data: Adaptation, make: Callable[[list[nn.Parameter]], Any], seed: int, steps: int
) -> dict[str, Any]:
    """Adapt a network: accuracy, processor time, and which tensors each step updated."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_key(seed, "weights") >> 1)
        model = data.model()
    train(model, data.first, torch.optim.Adam(model.parameters(), 3e-3), seed, PRETRAINING)
    optimizer = make(list(model.parameters()))
    joules, start = package_energy(), time.process_time()
    updated = train(model, data.second, optimizer, seed, steps)
    seconds, after = time.process_time() - start, package_energy()
    if isinstance(optimizer, HALO):
        optimizer.release()
    with torch.no_grad():
        right = (model(data.test[0]).argmax(1) == data.test[1]).double().mean()
    energy = None if joules is None or after is None else after - joules
    return {
        "accuracy": 100 * float(right),
        "cpu": seconds,
        "package": energy,
        "updated": updated,
    }


def train(model: nn.Module, data: Examples, optimizer: Any, seed: int, steps: int) -> list[str]:
    """Train; which tensors each step updated, as text of 0 and 1."""
    draws = torch.Generator().manual_seed(stream_key(seed, "batches", steps) >> 1)
    updated = []
    for _ in range(steps):
        batch = torch.randint(len(data[0]), (BATCH,), generator=draws)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(data[0][batch]), data[1][batch])
        if not bool(loss.isfinite()):
            break
        loss.backward()
        updated.append("".join(str(int(param.requires_grad)) for param in model.parameters()))
        optimizer.step()
    return updated


def package_energy() -> float | None:
    """Joules that the processor has used, if it tells."""
    try:
        return int(RAPL.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def energy(data: Adaptation, updated: list[str], optimizer: Costs) -> float:
    """Modelled joules of the steps; what the optimizer costs is as training_cost takes it."""
    model, costs = data.model(), {}
    params = list(model.parameters())
    for mask in set(updated):
        chosen = [param for param, bit in zip(params, mask, strict=True) if bit == "1"]
        cost = training_cost(model, data.second[0][:BATCH], updated=chosen, **optimizer)
        costs[mask] = cost.joules()
    return sum(costs[mask] for mask in updated)


def measured(
    name: str,
    options: argparse.Namespace,
    results: ResultFile,
    networks: dict[str, Any],
    iterations: int,
) -> list[Row]:
    """Rows of a data set."""
    data = adaptation(name, options.data)
    steps, seeds = (30, 2) if options.quick else (STEPS, options.seeds)
    rates = RATES[1::3] if options.quick else RATES
    rows: list[Row] = []
    found: dict[str, tuple[list[dict[str, Any]], Costs]] = {}
    chosen: dict[str, float] = {}
    costs: Costs

    def runs(label: str, make: Any, numbers: range) -> list[dict[str, Any]]:
        return [
            results.get(f"{name} {label} {steps} {n}", partial(adapted, data, make, n, steps))
            for n in numbers
        ]

    for method, (made, macs, states) in ANALYTIC.items():

        def mean(rate: float, method: str = method, made: Any = made) -> float:
            make = partial(made, lr=rate)
            tried = runs(f"{method} {rate}", make, range(1000, 1003))
            return statistics.mean(run["accuracy"] for run in tried)

        best = chosen[method] = max(rates, key=mean)
        found[method] = (
            runs(f"{method} {best}", partial(made, lr=best), range(seeds)),
            {"macs_per_coordinate": macs, "states_per_coordinate": states},
        )
    for method, network in networks.items():
        if isinstance(network, HALONetwork):
            make: Any = partial(HALO, network=network, total_steps=steps)
            costs = {
                "macs_per_coordinate": network.macs_per_coordinate,
                "states_per_coordinate": network.states_per_coordinate,
                "macs_per_tensor": network.macs_per_tensor,
                "macs_per_step": network.macs_per_step,
            }
        else:
            make = partial(LearnedOptimizer, network=network)
            costs = lstm_costs(network)
        label = f"{method} trained for {iterations}"

        def tried_factor(factor: float, label: str = label, make: Any = make) -> float:
            tried = runs(scaled(label, factor), partial(make, lr=factor), range(1000, 1003))
            return statistics.mean(run["accuracy"] for run in tried)

        factor = max((1.0,) if options.quick else FACTORS, key=tried_factor)
        chosen[method] = factor
        kept = runs(scaled(label, factor), partial(make, lr=factor), range(seeds))
        found[method] = (kept, costs)
    energies = {}
    for method, (each, costs) in found.items():
        accuracies = [run["accuracy"] for run in each]
        error = statistics.stdev(accuracies) / len(accuracies) ** 0.5
        joules = [energy(data, run["updated"], costs) for run in each]
        # One that diverged stopped early: as if it had gone on.
        joules = [
            each_run * steps / len(run["updated"]) if run["updated"] else math.nan
            for each_run, run in zip(joules, each, strict=True)
        ]
        energies[method] = statistics.mean(joules)
        label = f"{name}_{method}"
        unit = f"% +- {error:.2f}, {'factor' if method in networks else 'rate'} {chosen[method]:g}"
        rows.append(Row(f"{label}_accuracy", statistics.mean(accuracies), unit))
        rows.append(Row(f"{label}_energy", energies[method], "J, modelled"))
        rows.append(Row(f"{label}_cpu", statistics.median(run["cpu"] for run in each), "s"))
        package = [run["package"] for run in each if run["package"] is not None]
        if package:
            rows.append(Row(f"{label}_package_energy", statistics.mean(package), "J, RAPL"))
    gains = [
        one["accuracy"] - other["accuracy"]
        for one, other in zip(found["halo"][0], found["hierarchical"][0], strict=True)
    ]
    error = statistics.stdev(gains) / len(gains) ** 0.5
    target = None if options.quick else ">= 1"
    rows.append(
        Row(
            f"{name}_halo_minus_hierarchical",
            statistics.mean(gains),
            f"points +- {error:.2f}",
            target,
        )
    )
    saved = 100 * (1 - energies["halo"] / energies["hierarchical"])
    rows.append(Row(f"{name}_halo_energy_saved", saved, "%", None if options.quick else ">= 25"))
    per_step = energies["halo"] / energies["adam"]
    rows.append(Row(f"{name}_halo_energy_per_iteration_vs_adam", per_step, "times, modelled"))
    return rows


def scaled(label: str, factor: float) -> str:
    """The name of results with a factor of the updates."""
    return label if factor == 1.0 else f"{label}, times {factor:g}"


def lstm_costs(network: Any) -> Costs:
    """Of the LSTM, for a coordinate."""
    weights = sum(weight.numel() for weight in network.parameters() if weight.ndim == 2)
    states = sum(value.numel() for value in state_of_one(network).values())
    return {"macs_per_coordinate": weights, "states_per_coordinate": states}


def state_of_one(network: LearnedOptimizerNetwork) -> dict[str, Tensor]:
    """The state of a single coordinate."""
    from l2o.learned import Layout

    return network.initial_state(torch.zeros(1, 1), Layout([(1,)]))


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="images and thyroid data")
    parser.add_argument("--folder", type=Path, default=Path("runs/halo"), help="of meta-trainings")
    parser.add_argument("--seeds", type=int, default=10, help="of adaptations (10)")
    parser.add_argument("--iterations", type=int, default=600, help="of meta-training (600)")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds: expected 2 or more, received {options.seeds}")
    torch.set_num_threads(1)
    print(machine_line() + f", PyTorch {torch.__version__}")
    print(f"RAPL: {'read' if package_energy() is not None else 'not readable here'}")
    iterations = 3 if options.quick else options.iterations
    results = ResultFile(options.results)
    networks = {name: learned_network(name, options.folder, iterations) for name in LEARNED}
    rows = []
    for name in ("mnist", "cifar", "thyroid") if options.data else ("digits",):
        rows += measured(name, options, results, networks, iterations)
        write_json(rows, options.json)
    print_rows(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
