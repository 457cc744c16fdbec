"""Make the NAS-Bench-201 table that the package ships from its CSV form.

    python scripts/make_nas_bench_201.py --data FOLDER           # writes the table anew
    python scripts/make_nas_bench_201.py --data FOLDER --quick   # only compares the values

FOLDER holds ``nb201_core.csv.gz``: a line per architecture with ``index``, ``arch`` (the text
form) and nine accuracies; ``nas/benchmarks/data/README.md`` tells where they come from. The
rows of the table are in the order of the space, so that a row's number tells its architecture.

``shipped_values_that_differ`` counts the numbers in which the file in the package and the CSV
differ; ``table_kb`` is the file's size.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from _common import Row, argument_parser, machine_line, print_rows, write_json
from pyarrow import csv, parquet

from nas.benchmarks import TabularBenchmark
from nas.spaces import NasBench201Space

TABLE: Final = Path(__file__).resolve().parent.parent / "nas/benchmarks/data/nas_bench_201.parquet"


def table_of(path: Path) -> pa.Table:
    """The CSV file as the table to ship."""
    lines = csv.read_csv(path)
    space = NasBench201Space()
    architectures = [space.from_text(text) for text in lines.column("arch").to_pylist()]
    table = TabularBenchmark(space, {"row": range(space.size)})
    order = np.argsort([table.row(item) for item in architectures])
    kept = [name for name in lines.column_names if name not in ("index", "arch", "canonical")]
    columns = {"index": lines.column("index").to_numpy()[order].astype(np.int16)}
    columns |= {name: lines.column(name).to_numpy()[order] for name in kept}
    return pa.table(columns)


def differences(one: pa.Table, other: pa.Table) -> int:
    """How many numbers are not equal."""
    return sum(
        int((one.column(name).to_numpy() != other.column(name).to_numpy()).sum())
        for name in one.column_names
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    table = table_of(options.data / "nb201_core.csv.gz")
    if not options.quick:
        # Zstandard at its highest common level and plain values: smaller than with
        # dictionaries or split bytes.
        parquet.write_table(
            table, TABLE, compression="zstd", compression_level=19, use_dictionary=False
        )
    rows = [
        Row("shipped_values_that_differ", differences(table, parquet.read_table(TABLE)), "", "0"),
        Row("table_kb", TABLE.stat().st_size / 1e3, "kB", "<= 700"),
    ]
    print(machine_line())
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
