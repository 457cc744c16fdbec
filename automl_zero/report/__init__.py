"""Reports: programs as people read them.

    annotate            text with a comment on every line whose role is certain
    to_latex            LaTeX, one ``align*`` for each component function
    dataflow_graph      who computes what from what, as a networkx graph
    dataflow_svg        that graph as a picture

The graphs need networkx: ``pip install 'automl-zero[report]'``. Names load on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_zero.annotate import annotate
    from automl_zero.report._dataflow import dataflow_graph
    from automl_zero.report._dataflow_svg import dataflow_svg
    from automl_zero.report._latex import to_latex

_HOME = {
    "annotate": "automl_zero.annotate",
    "dataflow_graph": "automl_zero.report._dataflow",
    "dataflow_svg": "automl_zero.report._dataflow_svg",
    "to_latex": "automl_zero.report._latex",
}

__all__ = ["annotate", "dataflow_graph", "dataflow_svg", "to_latex"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'automl_zero.report' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
