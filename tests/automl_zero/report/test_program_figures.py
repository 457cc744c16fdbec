"""Figures of programs."""

from __future__ import annotations

import pytest

from automl_zero.evolution import hand_built_program
from automl_zero.inspection import ablation
from automl_zero.report import plot_ablation
from automl_zero.tasks import linear

pytest.importorskip("matplotlib")


def test_each_live_line_has_a_bar_as_long_as_it_is_worth() -> None:
    import matplotlib.pyplot as plt

    rows = ablation(hand_built_program("linear"), linear(train=200))
    _, given = plt.subplots()
    ax = plot_ablation(rows, given)
    assert ax is given
    live = [row for row in rows if row.is_live]
    assert [bar.get_width() for bar in ax.patches] == [row.difference for row in live]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == [f"{row.component}: {row.instruction}" for row in live]
    plt.close("all")
