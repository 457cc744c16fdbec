"""Reports: programs and runs as people look at them.

Programs
    annotate                text with a comment on every line whose role is certain
    to_names                text with names instead of registers where roles are certain
    to_latex                LaTeX, one ``align*`` for each component function
    dataflow_graph          who computes what from what, as a networkx graph
    dataflow_svg            that graph as a picture

Pages
    write_report, report_html           everything about a run, in one HTML file
    write_comparison        several runs side by side, in one HTML file
    Comparison, RunSummary, Difference      the numbers of that

Figures, for notebooks: matplotlib axes
    plot_ablation           what each line of a program is worth
    plot_fitness            best fitness over individuals or time
    plot_islands            the islands of the best experiment
    plot_rates              how often a fitness was known already
    plot_redundancy         shares of cache hits and of instructions without effect
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
    from automl_zero.annotate import annotate
    from automl_zero.report._comparison import (
        Comparison,
        Difference,
        RunSummary,
        write_comparison,
    )
    from automl_zero.report._dataflow import dataflow_graph
    from automl_zero.report._dataflow_svg import dataflow_svg
    from automl_zero.report._figures import (
        plot_comparison,
        plot_diversity,
        plot_final,
        plot_fitness,
        plot_islands,
        plot_rates,
        plot_redundancy,
        plot_throughput,
    )
    from automl_zero.report._latex import to_latex
    from automl_zero.report._lineage import Step, lineage
    from automl_zero.report._names import to_names
    from automl_zero.report._program_figures import plot_ablation
    from automl_zero.report._run_report import report_html, write_report

_HOME = {
    "Comparison": "automl_zero.report._comparison",
    "Difference": "automl_zero.report._comparison",
    "RunSummary": "automl_zero.report._comparison",
    "Step": "automl_zero.report._lineage",
    "annotate": "automl_zero.annotate",
    "dataflow_graph": "automl_zero.report._dataflow",
    "dataflow_svg": "automl_zero.report._dataflow_svg",
    "lineage": "automl_zero.report._lineage",
    "plot_ablation": "automl_zero.report._program_figures",
    "plot_comparison": "automl_zero.report._figures",
    "plot_diversity": "automl_zero.report._figures",
    "plot_final": "automl_zero.report._figures",
    "plot_fitness": "automl_zero.report._figures",
    "plot_islands": "automl_zero.report._figures",
    "plot_rates": "automl_zero.report._figures",
    "plot_redundancy": "automl_zero.report._figures",
    "plot_throughput": "automl_zero.report._figures",
    "report_html": "automl_zero.report._run_report",
    "to_latex": "automl_zero.report._latex",
    "to_names": "automl_zero.report._names",
    "write_comparison": "automl_zero.report._comparison",
    "write_report": "automl_zero.report._run_report",
}

__all__ = [
    "Comparison",
    "Difference",
    "RunSummary",
    "Step",
    "annotate",
    "dataflow_graph",
    "dataflow_svg",
    "lineage",
    "plot_ablation",
    "plot_comparison",
    "plot_diversity",
    "plot_final",
    "plot_fitness",
    "plot_islands",
    "plot_rates",
    "plot_redundancy",
    "plot_throughput",
    "report_html",
    "to_latex",
    "to_names",
    "write_comparison",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
