"""Single measurements of one-shot methods, each a task for one process with one thread."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

from automl_zero.evolution import evolution_stream
from nas.benchmarks import DigitsTable
from nas.networks import build_network
from nas.networks._nas_bench_201 import ResidualReduction
from nas.objectives import ImageData, count_parameters, train_and_validate
from nas.oneshot import (
    DARTS,
    ENAS,
    GDAS,
    SNAS,
    EigenvalueStop,
    OneShotTrainer,
    ProxylessNAS,
    RandomSharing,
    Supernet,
    run_trainer,
)
from nas.spaces import Architecture, NasBench201Space
from nas.strategies import RegularizedEvolution

SPACE = NasBench201Space()
WIDTH = 8

# Searches are hundreds of steps here, not tens of thousands as in the papers: logits learn faster.
FAST = {"architecture_rate": 0.02}
METHODS: dict[str, tuple[type[OneShotTrainer], dict[str, Any], int]] = {
    # name: trainer, settings, parts of the channels
    "random_sharing": (RandomSharing, {"derive_images": 500}, 1),
    "enas": (ENAS, {"derive_images": 500}, 1),
    "darts_first": (DARTS, FAST, 1),
    "darts_second": (DARTS, {**FAST, "order": "second"}, 1),
    "pc_darts": (DARTS, FAST, 4),
    "gdas": (GDAS, FAST, 1),
    "snas": (SNAS, FAST, 1),
    "proxyless_nas": (ProxylessNAS, FAST, 1),
}


@functools.cache
def images(name: str, folder: str, train: int, held: int) -> tuple[ImageData, ImageData]:
    """Images to search on, and the same ones to train on with others to test on.

    Tests are on 4,000 more of the official training images, which no search has seen.

    CIFAR-10 at 16x16 pixels, and Fashion-MNIST at 14x14, both averaged over 2x2 pixels.
    """
    file_name = {"cifar10": "cifar10_20k.npz", "fashion": "fashion_mnist.npz"}[name]
    with np.load(Path(folder) / file_name, allow_pickle=False) as file:
        x, y = file["x_train"][: train + held + 4000], file["y_train"][: train + held + 4000]
    x, y, seen = _halved(x), y.astype(np.int64), train + held
    search = ImageData(x[:train], y[:train], x[train:seen], y[train:seen])
    return search, ImageData(x[:seen], y[:seen], x[seen:], y[seen:])


def _halved(x: np.ndarray) -> np.ndarray:
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5), dtype=np.float32) / 255.0


def make_trainer(method: str, data: ImageData, steps: int, seed: int) -> OneShotTrainer:
    """A trainer of one cell per stage."""
    kind, settings, partial = METHODS[method]
    supernet = Supernet(
        SPACE, in_channels=data.shape[0], classes=data.classes, width=WIDTH, partial=partial,
        seed=seed,
    )  # fmt: skip
    return kind(supernet, data, steps=steps, learning_rate=0.05, seed=seed, **settings)


def steps_in(make: Callable[[int], OneShotTrainer], seconds: float) -> int:
    """Steps that a method can do in some seconds of processor time, by a few of them."""
    trainer = make(10)
    trainer.step()
    start = time.process_time()
    for _ in range(5):
        trainer.step()
    return max(20, int(5 * seconds / (time.process_time() - start)))


def cell_network(cell: Architecture, data: ImageData, seed: int) -> nn.Module:
    """A cell's network, one cell per stage."""
    return build_network(
        SPACE, cell, seed=seed, in_channels=data.shape[0], classes=data.classes, width=WIDTH,
        depth=1,
    )  # fmt: skip


def final_accuracy(cell: Architecture, data: ImageData, epochs: int, seed: int) -> float:
    """Accuracy in percent on the held-out images of a cell's network, trained from scratch."""
    network = cell_network(cell, data, seed)
    return 100.0 * train_and_validate(network, data, epochs=epochs, seed=seed)


def found(cell: Architecture, data: ImageData, epochs: int, seed: int) -> dict[str, Any]:
    """What is told about a cell."""
    network = cell_network(cell, data, seed)
    return {
        "cell": SPACE.to_text(cell),
        "test": final_accuracy(cell, data, epochs, seed),
        "parameters": count_parameters(network),
    }


def search_one_shot(
    method: str, data: tuple[Any, ...], seconds: float, epochs: int, seed: int
) -> dict[str, Any]:
    """Train a supernet for some seconds; train the derived cell from scratch."""
    torch.set_num_threads(1)
    search, final = images(*data)
    steps = steps_in(lambda count: make_trainer(method, search, count, seed), seconds)
    trainer = make_trainer(method, search, steps, seed)
    # Observe only: ratio 0 never stops.
    observe = (
        EigenvalueStop(ratio=0.0, iterations=5) if method.startswith(("darts", "pc")) else None
    )
    start = time.process_time()
    run_trainer(trainer, every=max(1, steps // 10), stop=observe)
    cell = trainer.derive()
    spent = time.process_time() - start
    return {
        "steps": steps,
        "seconds": spent,
        "shared": 100.0 * trainer.evaluate(cell),
        "history": trainer.history,
        **found(cell, final, epochs, seed),
    }


def search_evolution(
    data: tuple[Any, ...], seconds: float, epochs: int, seed: int
) -> dict[str, Any]:
    """Regularized evolution for some seconds, on one epoch of training each."""
    torch.set_num_threads(1)
    search, final = images(*data)
    strategy = RegularizedEvolution(SPACE, population_size=10, tournament_size=3, seed=seed)
    known: dict[str, float] = {}
    best: tuple[float, Architecture] = (-1.0, (0,) * 6)
    trials, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        trial = strategy.ask()
        key = SPACE.key(trial.architecture)
        if key not in known:
            known[key] = final_accuracy(trial.architecture, search, 1, seed)
        strategy.tell(trial, known[key])
        best = max(best, (known[key], trial.architecture))
        trials += 1
    spent = time.process_time() - start
    return {"trials": trials, "seconds": spent, **found(best[1], final, epochs, seed)}


def random_cell(data: tuple[Any, ...], epochs: int, seed: int) -> dict[str, Any]:
    """A random cell, trained from scratch."""
    torch.set_num_threads(1)
    return found(SPACE.draw(evolution_stream(seed)), images(*data)[1], epochs, seed)


def digits_accuracies(path: str | None) -> dict[Architecture, float]:
    """Mean test accuracies by cell: of the shipped table, a table's file, or a part of one.

    A part is what `make_digits_table.py --results FILE.jsonl` has so far.
    """
    if path is not None and path.endswith(".jsonl"):
        whole, _, _ = Path(path).read_text().rpartition("\n")  # it may be written to just now
        records = [json.loads(line) for line in whole.splitlines()]
        return {
            SPACE.from_text(record["key"].split(": ")[1]): float(
                np.mean([entry["test"] for entry in record["result"]])
            )
            for record in records
        }
    table = DigitsTable(path)
    return {cell: table.test(cell) for cell in table.architectures()}


def digits_correlation(
    method: str, path: str | None, seconds: float, count: int, seed: int
) -> dict[str, Any]:
    """Rank correlation of shared-weight accuracies with a table's, over random cells.

    The supernet has the table's skeleton: 4 channels, no residual blocks.
    """
    torch.set_num_threads(1)
    actual = digits_accuracies(path)
    data = ImageData.digits()

    def make(steps: int) -> OneShotTrainer:
        kind, settings, partial = METHODS[method]
        supernet = Supernet(SPACE, in_channels=1, width=4, partial=partial, seed=seed)
        cells = supernet.network.cells
        for number, part in enumerate(cells):
            if isinstance(part, ResidualReduction):
                inputs, outputs = part.shortcut[1].in_channels, part.shortcut[1].out_channels
                cells[number] = nn.Sequential(
                    nn.AvgPool2d(2),
                    nn.Conv2d(inputs, outputs, 1, bias=False),
                    nn.BatchNorm2d(outputs, track_running_stats=False),
                )
        return kind(supernet, data, steps=steps, learning_rate=0.05, seed=seed, **settings)

    trainer = make(steps_in(make, seconds))
    run_trainer(trainer)
    cells, stream = sorted(actual), evolution_stream(seed)
    drawn = [cells[stream.below(len(cells))] for _ in range(count)]
    shared = [trainer.evaluate(cell) for cell in drawn]
    truth = [actual[cell] for cell in drawn]
    order = np.array(list(actual.values()))
    derived = actual.get(trainer.derive())
    return {
        "steps": trainer.steps,
        "spearman": float(spearmanr(shared, truth)[0]),
        "derived_percentile": None if derived is None else 100.0 * float((order <= derived).mean()),
    }


def smoothed(module: nn.Module) -> None:
    """Softplus for ReLU: a difference across a kink has nothing to do with the derivative."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.Softplus())
        else:
            smoothed(child)


def second_order_error(smooth: bool) -> dict[str, float]:
    """The published finite difference against autograd's second-order gradient, in float64."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    data = ImageData.split(rng.normal(labels[:, None, None, None], 1.0, (90, 1, 8, 8)), labels)
    supernet = Supernet(SPACE, in_channels=1, classes=3, width=4)
    trainer = DARTS(supernet, data, steps=100, batch=20, order="second")
    if smooth:
        smoothed(supernet)
    for _ in range(2):
        trainer.step()
    supernet.double()
    trainer.alphas.data = trainer.alphas.data.double()
    for state in trainer._optimizer.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()
    batches = [(x.double(), y) for x, y in (trainer._train_batch(), trainer._valid_batch())]
    gradients = {}
    for order in ("first", "second", "exact"):
        trainer.order = order
        gradients[order] = trainer.architecture_gradient(*batches)[0]
    return {
        "error": float((gradients["second"] - gradients["exact"]).abs().max()),
        "first_order_error": float((gradients["first"] - gradients["exact"]).abs().max()),
    }
