"""Reports of architecture searches, for people.

Pages
    write_report, report_html       everything about a run, in one HTML file

Figures, for notebooks: matplotlib axes
    plot_trials         the value of every trial, and the best so far
    plot_front          two objectives against each other, and the front

They need the extra ``report``: ``pip install 'automl-zero[report]'``.
"""

from __future__ import annotations

from nas.report._figures import plot_front, plot_trials
from nas.report._run_report import report_html, write_report

__all__ = ["plot_front", "plot_trials", "report_html", "write_report"]
