"""How well zero-cost proxies rank architectures, beside the number of parameters.

Scores a random sample of the cells of NAS-Bench-201, untrained, and correlates the scores with
two tables: NAS-Bench-201's validation accuracy after 12 epochs and its test accuracy after 200,
on CIFAR-10; and the accuracies of `nas.benchmarks.DigitsTable`, on digits. For the first, images
are CIFAR-10's from `--data FOLDER` (`cifar10_20k.npz`), or noise.

    python scripts/measure_proxies.py --data FOLDER --digits digits.parquet
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from scipy.stats import kendalltau, spearmanr

from automl_zero.streams import Stream, stream_key
from nas.benchmarks import DigitsTable, NasBench201
from nas.networks import build_network
from nas.objectives import ImageData
from nas.proxies import combined_score, proxy_scores
from nas.spaces import Architecture, NasBench201Space

SPACE = NasBench201Space()
BATCH = 64
COMBINED = ("synflow", "naswot", "jacobian_covariance")


def sample(count: int) -> list[Architecture]:
    """Cells of different isomorphism classes, drawn uniformly from the space."""
    cells: dict[str, Architecture] = {}
    stream = Stream(stream_key(0, "proxies", "sample"))
    while len(cells) < count:
        cell = tuple(stream.below(len(d.options)) for d in SPACE.decisions)
        cells.setdefault(SPACE.key(cell), cell)
    return list(cells.values())


def cifar_batch(folder: Path | None) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of CIFAR-10 images, standardised; without a folder, of noise."""
    generator = torch.Generator().manual_seed(0)
    if folder is None:
        labels = torch.randint(0, 10, (BATCH,), generator=generator)
        return torch.randn(BATCH, 3, 32, 32, generator=generator), labels
    with np.load(folder / "cifar10_20k.npz", allow_pickle=False) as file:
        images, labels = file["x_train"][:BATCH], file["y_train"][:BATCH]
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
    x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)
    return x, torch.from_numpy(labels.astype(np.int64))


def digits_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of digits, standardised."""
    data = ImageData.digits().standardized()
    return torch.from_numpy(data.x_train[:BATCH]), torch.from_numpy(data.y_train[:BATCH])


def score(
    images: torch.Tensor, labels: torch.Tensor, width: int, cell: Architecture
) -> dict[str, float]:
    """All proxies of a cell's network, one cell to a stage, and the seconds they took."""
    network = build_network(
        SPACE, cell, in_channels=images.shape[1], classes=10, width=width, depth=1
    )
    start = time.process_time()
    scores = proxy_scores(network, images, labels)
    return {**scores, "seconds": time.process_time() - start}


def correlations(
    name: str,
    scores: list[dict[str, float]],
    truths: dict[str, Callable[[Architecture], float]],
    cells: list[Architecture],
) -> list[Row]:
    """Spearman's and Kendall's coefficients of each proxy with each truth."""
    columns = {key: [item[key] for item in scores] for key in scores[0] if key != "seconds"}
    columns["combined"] = list(combined_score({key: columns[key] for key in COMBINED}))
    rows = [Row(f"{name}_seconds_per_cell", float(np.median([s["seconds"] for s in scores])), "s")]
    for truth, value in truths.items():
        actual = [value(cell) for cell in cells]
        for proxy, values in columns.items():
            known = np.nan_to_num(np.array(values), nan=-1e300, posinf=1e300, neginf=-1e300)
            label = f"{name}_{truth}_{proxy}"
            rows.append(Row(f"{label}_spearman", float(spearmanr(known, actual)[0])))
            rows.append(Row(f"{label}_kendall", float(kendalltau(known, actual)[0])))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Score, correlate, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="with cifar10_20k.npz")
    parser.add_argument("--digits", type=Path, metavar="FILE", help="a table of digits")
    parser.add_argument("--cells", type=int, default=300, help="size of the sample (300)")
    options = parser.parse_args(arguments)
    count = min(options.cells, 40) if options.quick else options.cells
    torch.set_num_threads(1)
    cells, known = sample(count), ResultFile(options.results)
    print(machine_line())
    source = "CIFAR-10" if options.data else "noise"
    print(f"settings: {count} cells, batches of {BATCH} images ({source}), width 8, depth 1")
    table = NasBench201("cifar10")
    batch = cifar_batch(options.data)
    scores = [
        known.get(f"{source} {SPACE.to_text(cell)}", partial(score, *batch, 8, cell))
        for cell in cells
    ]
    truths = {"val_12": table.validation, "test_200": table.test}
    rows = correlations("nb201", scores, truths, cells)
    try:
        digits = DigitsTable(options.digits)
    except FileNotFoundError:
        print("no table of digits: made by scripts/make_digits_table.py, given by --digits FILE")
    else:
        batch = digits_batch()
        scores = [
            known.get(f"digits {SPACE.to_text(cell)}", partial(score, *batch, 4, cell))
            for cell in cells
        ]
        rows += correlations("digits", scores, {"test": digits.test}, cells)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
