"""Reports: runs as people look at them.

Pages
    write_report, report_html           everything about a run, in one HTML file
    write_comparison        several runs side by side, in one HTML file
    Comparison, RunSummary, Difference      the numbers of that

Figures, for notebooks: matplotlib axes
    plot_fitness            best fitness over individuals or time
    plot_islands            the islands of the best experiment
    plot_rates              how often a fitness was known already
    plot_throughput         individuals per second
    plot_diversity          different individuals in a population
    plot_final              fitness on each final task
    plot_comparison         best fitness of several runs

Improvements
    lineage, Step           how the best individual came to be

They need the extra ``report``: ``pip install 'automl-zero[report]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.report._comparison import (
        Comparison,
        Difference,
        RunSummary,
        write_comparison,
    )
    from automl_zero.report._figures import (
        plot_comparison,
        plot_diversity,
        plot_final,
        plot_fitness,
        plot_islands,
        plot_rates,
        plot_throughput,
    )
    from automl_zero.report._lineage import Step, lineage
    from automl_zero.report._run_report import report_html, write_report

_HOME = {
    "Comparison": "_comparison",
    "Difference": "_comparison",
    "RunSummary": "_comparison",
    "Step": "_lineage",
    "lineage": "_lineage",
    "plot_comparison": "_figures",
    "plot_diversity": "_figures",
    "plot_final": "_figures",
    "plot_fitness": "_figures",
    "plot_islands": "_figures",
    "plot_rates": "_figures",
    "plot_throughput": "_figures",
    "report_html": "_run_report",
    "write_comparison": "_comparison",
    "write_report": "_run_report",
}

__all__ = [
    "Comparison",
    "Difference",
    "RunSummary",
    "Step",
    "lineage",
    "plot_comparison",
    "plot_diversity",
    "plot_final",
    "plot_fitness",
    "plot_islands",
    "plot_rates",
    "plot_throughput",
    "report_html",
    "write_comparison",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
