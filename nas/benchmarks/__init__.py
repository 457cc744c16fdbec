"""Benchmarks: searches whose every answer is known, so that they take no time.

Tables
    TabularBenchmark            what is known of the architectures of a space
    NasBench201                 NAS-Bench-201, shipped: 15,625 cells on three data sets
    DATASETS                    the names of the three
    DigitsTable                 the same cells on scikit-learn's digits, several seeds

Tables from files
    load_table                  any table with a column of architectures
    load_nas_bench_macro        NAS-Bench-Macro's JSON file
    load_nas_bench_201_hardware latencies and energies of the cells of NAS-Bench-201
"""

from __future__ import annotations

from nas.benchmarks._digits_table import DigitsTable
from nas.benchmarks._nas_bench_201 import DATASETS, NasBench201, load_nas_bench_201_hardware
from nas.benchmarks._nas_bench_macro import load_nas_bench_macro
from nas.benchmarks._table_files import load_table
from nas.benchmarks._tabular_benchmark import TabularBenchmark

__all__ = [
    "DATASETS",
    "DigitsTable",
    "NasBench201",
    "TabularBenchmark",
    "load_nas_bench_201_hardware",
    "load_nas_bench_macro",
    "load_table",
]
