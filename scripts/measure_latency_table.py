"""How well a table of blocks predicts the latency of whole networks.

    python scripts/measure_latency_table.py
    python scripts/measure_latency_table.py --quick --json latency.json
    python scripts/measure_latency_table.py --table latencies.json

Draws networks of MnasNet's space (images 3x64x64, 10 classes), measures each on one thread, and
predicts it as the sum over its blocks. Prints the mean error relative to the measured latency,
the same after one common factor (blocks on their own miss what is between them), the rank
correlations of the prediction and of the FLOPs with the measured latency, and how many blocks
were measured for how many blocks in the networks. Run it on a quiet machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from scipy.stats import spearmanr

from automl_zero.evolution import evolution_stream
from nas.networks import build_network
from nas.objectives import LatencyTable, count_flops, measure_latency
from nas.spaces import mnasnet_space

SHAPE = (3, 64, 64)
NETWORKS = 60
QUICK_NETWORKS = 12


def measure(networks: int, table: LatencyTable, seed: int) -> tuple[np.ndarray, int]:
    """Measured and predicted milliseconds and FLOPs of each network; blocks of all of them."""
    space, stream = mnasnet_space(), evolution_stream(seed)
    rows, blocks = [], 0
    for number in range(networks):
        architecture = space.draw(stream)
        network = build_network(space, architecture)
        blocks += len(space.plan(architecture).blocks) + 3
        measured = measure_latency(network, SHAPE)
        rows.append((measured, table.predict(network, SHAPE), count_flops(network, SHAPE)))
        print(
            f"network {number + 1} of {networks}: measured {rows[-1][0]:.2f} ms, "
            f"predicted {rows[-1][1]:.2f} ms",
            flush=True,
        )
    return np.array(rows, dtype=float), blocks


def rows_of(results: np.ndarray, measured_blocks: int, blocks: int) -> list[Row]:
    """What the networks tell about the table."""
    measured, predicted, flops = results.T
    factor = float(np.median(measured / predicted))
    return [
        Row("networks", len(results)),
        Row("blocks_in_networks", blocks),
        Row("blocks_measured", measured_blocks),
        Row("median_latency", float(np.median(measured)), "ms"),
        Row("mean_error", 100.0 * float(np.mean(np.abs(predicted / measured - 1.0))), "%"),
        Row("common_factor", factor),
        Row(
            "mean_error_after_factor",
            100.0 * float(np.mean(np.abs(factor * predicted / measured - 1.0))),
            "%",
        ),
        Row("rank_correlation", float(spearmanr(predicted, measured).statistic)),
        Row("rank_correlation_flops", float(spearmanr(flops, measured).statistic)),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--networks", type=int, help=f"how many are drawn ({NETWORKS})")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", type=Path, metavar="FILE", help="keep the blocks' latencies")
    options = parser.parse_args(arguments)
    count = options.networks or (QUICK_NETWORKS if options.quick else NETWORKS)
    print(machine_line())
    table = LatencyTable(options.table)
    results, blocks = measure(count, table, options.seed)
    rows = rows_of(results, len(table), blocks)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
