"""A page about a meta-training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_zero.evolution.runs._json import read_json
from automl_zero.report._matplotlib import PALETTE, inline_svg
from automl_zero.report._page import markup, rendered, write_page
from automl_zero.report._run_report import Figure
from l2o import _checkpoint as checkpoint
from l2o._meta_training import TrainingLog, training_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TEMPLATES = Path(__file__).parent / "templates"


def write_training_report(folder: Path, path: Path) -> Path:
    """Write a page about a meta-training: where it stands, its curves, its settings.

    Args:
        folder: That of the training's checkpoints.
        path: The file; replaced if it is there.

    Returns:
        The path.

    Raises:
        ValueError: If the folder holds no meta-training, or a damaged one; names file and field.
        ImportError: Without matplotlib or Jinja, the extra ``report``.
        RunWriteError: If the file cannot be written.
    """
    settings = read_json(folder / checkpoint.SETTINGS_FILE)
    log = training_log(folder)
    status = log.stopped_by or "running"
    tiles = [("iterations", f"{log.iteration:,} of {log.iterations:,}")]
    if log.losses:
        tiles.append(("meta-loss, averaged", f"{log.losses[-1][1]:.4g}"))
    if log.validation:
        tiles.append(("last validation score", f"{log.validation[-1][1]:.4g}"))
    tiles.append(("iteration of the good weights", f"{log.good_iteration:,}"))
    text = {"iterations": "finished", "divergence": "diverged"}.get(status, "not finished")
    return write_page(
        path,
        rendered(
            "training.html",
            folder=_TEMPLATES,
            name=folder.resolve().name,
            status=status,
            status_text=text,
            good_iteration=f"{log.good_iteration:,}",
            tiles=tiles,
            figures=_figures(log),
            settings=json.dumps(settings, indent=2, ensure_ascii=False),
        ),
    )


def _figures(log: TrainingLog) -> list[Figure]:
    found = []
    for name, title, points, caption in (
        ("loss", "Meta-loss", log.losses, "Averaged over about 50 iterations, at each checkpoint."),
        ("validation", "Validation", log.validation, "Of problems that are not trained on."),
    ):
        if len(points) > 1:
            svg = inline_svg(name, title, lambda ax, p=points, t=title: _draw(ax, p, t))  # type: ignore[misc]
            found.append(Figure(title, markup(svg), caption))
    return found


def _draw(ax: Axes, points: Sequence[tuple[int, float]], title: str) -> Any:
    ax.plot([at for at, _ in points], [value for _, value in points], color=PALETTE[0])
    ax.set_xlabel("iteration")
    ax.set_ylabel(title.lower())
    ax.spines[["top", "right"]].set_visible(False)
