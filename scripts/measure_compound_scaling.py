"""Compound scaling of a small EfficientNet: grid search, then larger networks.

    python scripts/measure_compound_scaling.py --results scaling.jsonl
    python scripts/measure_compound_scaling.py --quick --json scaling.json
    python scripts/measure_compound_scaling.py --data FOLDER --results scaling.jsonl

The two steps of Tan & Le (2019), section 3.3. A base network of four rows of MBConv blocks is
scaled by each alpha, beta, gamma of a grid with alpha beta² gamma² near 2, trained, and validated
on other images than those of the last comparison; the best scaling is taken to larger phi, and
compared there to networks that grow in depth, width or resolution alone, with about as many
operations. Images are made smaller to the resolution of a network: the data are the 8x8 digits of
scikit-learn, or with ``--data FOLDER`` Fashion-MNIST (``fashion_mnist.npz``). Values are the means
over seeds. With ``--results`` it can be interrupted.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from nas.networks import (
    CompoundScaling,
    block_network,
    efficientnet_plan,
    grid_search,
    scaling_grid,
    seeded_weights,
)
from nas.objectives import ImageData, count_flops, train_and_validate
from nas.spaces import BlockPlan

# Kernel, expansion, channels, blocks, stride.
ROWS = ((3, 1, 8, 1, 1), (3, 3, 16, 2, 2), (3, 3, 24, 2, 1), (3, 3, 32, 2, 2))
BASE_RESOLUTION = {"digits": 5, "fashion_mnist": 14}
FULL_RESOLUTION = {"digits": 8, "fashion_mnist": 28}
IMAGES = 12_000  # of Fashion-MNIST: two thirds to train on


def base_plan(depth: float, width: float) -> BlockPlan:
    """The base network, scaled in depth and width."""
    return efficientnet_plan(depth, width, rows=ROWS, stem=16, last=128, dropout=0.0)


def load(folder: Path | None, selection: bool) -> tuple[str, ImageData]:
    """Images to search the scaling with, or other ones to compare with.

    Fashion-MNIST has enough for both to have images of their own; the digits are split anew.
    """
    if folder is None:
        return "digits", ImageData.digits(seed=0 if selection else 1)
    with np.load(folder / "fashion_mnist.npz") as file:
        start = 0 if selection else IMAGES
        images = file["x_train"][start : start + IMAGES, None].astype(np.float32) / 255.0
        labels = file["y_train"][start : start + IMAGES].astype(np.int64)
    return "fashion_mnist", ImageData.split(images, labels)


def resized(data: ImageData, resolution: int) -> ImageData:
    """The images at another resolution, by averaging."""

    def resize(images: np.ndarray) -> np.ndarray:
        return torch.nn.functional.interpolate(
            torch.from_numpy(images),
            size=(resolution, resolution),
            mode="bilinear",
            antialias=True,
            align_corners=False,
        ).numpy()

    return ImageData(resize(data.x_train), data.y_train, resize(data.x_valid), data.y_valid)


class Experiment:
    """Trains scaled networks; keeps what it knows in a file."""

    def __init__(self, folder: Path | None, epochs: int, seeds: int, results: ResultFile) -> None:
        self.name, self._selection = load(folder, True)
        _, self._comparison = load(folder, False)
        self._epochs, self._seeds, self._results = epochs, seeds, results

    def resolution(self, factor: float) -> int:
        """Pixels of a scaled network; never more than the images have."""
        wanted = round(BASE_RESOLUTION[self.name] * factor)
        return min(wanted, FULL_RESOLUTION[self.name])

    def flops(self, depth: float, width: float, resolution: float) -> int:
        network = block_network(base_plan(depth, width), in_channels=1, classes=10, stem_stride=1)
        pixels = self.resolution(resolution)
        return count_flops(network, (1, pixels, pixels))

    def accuracy(self, factors: tuple[float, float, float], selection: bool) -> float:
        """Mean over the seeds."""
        return float(np.mean([self._one(factors, selection, s) for s in range(self._seeds)]))

    def _one(self, factors: tuple[float, float, float], selection: bool, seed: int) -> float:
        depth, width, resolution = factors
        part = "selection" if selection else "comparison"
        pixels = self.resolution(resolution)
        key = (
            f"{self.name} {part} {depth:.4f} {width:.4f} {pixels} epochs={self._epochs} seed={seed}"
        )

        def measure() -> float:
            data = resized(self._selection if selection else self._comparison, pixels)
            with seeded_weights(seed):
                network = block_network(
                    base_plan(depth, width), in_channels=1, classes=10, stem_stride=1
                )
            value = train_and_validate(network, data, epochs=self._epochs, seed=seed)
            print(f"{key}: {100 * value:.2f} %", flush=True)
            return value

        return float(self._results.get(key, measure))


def rows_of(experiment: Experiment, step: float, phis: tuple[int, ...]) -> list[Row]:
    """Both steps of the method, as rows."""
    base = (1.0, 1.0, 1.0)
    grid = scaling_grid(step=step)
    ranking = grid_search(lambda scaling: experiment.accuracy(scaling.at(1), True), grid)
    best, value = ranking[0]
    rows = [
        Row("grid_points", len(grid)),
        Row("base_selection_accuracy", 100 * experiment.accuracy(base, True), "%"),
        Row("best_alpha", best.depth),
        Row("best_beta", best.width),
        Row("best_gamma", best.resolution),
        Row("best_selection_accuracy", 100 * value, "%"),
        Row("worst_selection_accuracy", 100 * ranking[-1][1], "%"),
        Row("base_accuracy", 100 * experiment.accuracy(base, False), "%"),
        Row("base_mflops", experiment.flops(*base) / 1e6, "MFLOPs"),
    ]
    growth = best.growth
    single = {
        "depth": CompoundScaling(growth, 1.0, 1.0),
        "width": CompoundScaling(1.0, math.sqrt(growth), 1.0),
        "resolution": CompoundScaling(1.0, 1.0, math.sqrt(growth)),
    }
    for phi in phis:
        for name, scaling in {"compound": best, **single}.items():
            factors = scaling.at(phi)
            rows.append(
                Row(f"{name}_phi{phi}_accuracy", 100 * experiment.accuracy(factors, False), "%")
            )
            rows.append(Row(f"{name}_phi{phi}_mflops", experiment.flops(*factors) / 1e6, "MFLOPs"))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where Fashion-MNIST is")
    parser.add_argument("--epochs", type=int, help="of each training")
    parser.add_argument("--seeds", type=int, help="trainings of each network")
    add_results_option(parser)
    options = parser.parse_args(arguments)
    epochs = options.epochs or (2 if options.quick else 8)
    seeds = options.seeds or (1 if options.quick else 3)
    step, phis = (0.4, (1,)) if options.quick else (0.1, (1, 2))
    print(machine_line())
    experiment = Experiment(options.data, epochs, seeds, ResultFile(options.results))
    print(f"{experiment.name}, {epochs} epochs, {seeds} seeds, grid step {step}")
    rows = rows_of(experiment, step, phis)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
