"""Draw the demo: best fitness against programs tried, one line per experiment.

    python scripts/plot_demo.py                              # docs/images/demo.svg
    python scripts/plot_demo.py --runs 2 --output picture.svg

A run of ``automl-zero demo`` repeats experiments, each from a random population and on tasks
of its own, until the best program of one suffices: fitness above 0.9999 on 100 other tasks,
after 1,000 training examples instead of 100. Drawn are all experiments of the runs with seeds
0, 1, ... The same runs give the same picture. SVG written by hand: no plotting library is
among the dependencies.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json
from _demo import INDIVIDUALS, demo_evolution, experiment_seed

from automl_zero import TaskBatch, evaluate, load_config
from automl_zero.streams import stream_key

FIRST: Final = 1_000
"""Where the axis starts: the initial population."""

POINTS_PER_DECADE: Final = 50

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 26, 64, 54
INK, FAINT, GRID, BACKGROUND = "#24292f", "#57606a", "#e4e8ec", "#ffffff"
SOLVED_COLOUR, OPEN_COLOUR = "#0969da", "#9aa4ae"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


@dataclass
class Curve:
    """The course of one experiment.

    Attributes:
        points: (individuals, best fitness so far) at growing individuals.
        is_solved: Whether the last best program suffices on the selection tasks.
    """

    points: list[tuple[int, float]] = field(default_factory=list)
    is_solved: bool = False


def checkpoints() -> list[int]:
    """Numbers of individuals at which fitness is read, evenly spaced on the axis."""
    count = math.ceil(math.log10(INDIVIDUALS / FIRST) * POINTS_PER_DECADE)
    steps = (round(FIRST * 10 ** (step / POINTS_PER_DECADE)) for step in range(count))
    return [*steps, INDIVIDUALS]


def curve(seed: int) -> Curve:
    """The course of one experiment, up to its end or its solution."""
    config = load_config("demo")
    selection = TaskBatch(config.tasks.select.make(stream_key(seed, "select")))
    evolution = demo_evolution(seed)
    course, known = Curve(), -1
    for individuals in checkpoints():
        evolution.run(individuals - evolution.individuals)
        best = evolution.best
        assert best is not None  # something was created
        course.points.append((individuals, best.fitness))
        if best.individual != known:
            known = best.individual
            fitness = evaluate(best.program, selection).mean()
            if fitness > config.experiments.sufficient_fitness:
                course.is_solved = True
                break
    return course


def run_curves(run: int) -> list[Curve]:
    """The experiments of one run of the demo."""
    curves: list[Curve] = []
    while not curves or not curves[-1].is_solved:
        curves.append(curve(experiment_seed(run, len(curves) + 1)))
    return curves


def x_of(individuals: float) -> float:
    """Position on the logarithmic axis."""
    share = math.log10(individuals / FIRST) / math.log10(INDIVIDUALS / FIRST)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def y_of(fitness: float) -> float:
    """Position of a fitness between 0 and 1."""
    return HEIGHT - BOTTOM - fitness * (HEIGHT - TOP - BOTTOM)


def text(x: float, y: float, content: str, *, colour: str = INK, **more: str) -> str:
    """A line of text; further attributes by name, ``_`` for ``-``."""
    attributes = "".join(f" {name.replace('_', '-')}='{value}'" for name, value in more.items())
    return f"<text x='{x:.1f}' y='{y:.1f}' fill='{colour}'{attributes}>{content}</text>"


def ticks() -> list[int]:
    """1, 2 and 5 times powers of ten, where they are not too near the end; and the end."""
    steps = [FIRST * digit * 10**power for power in range(9) for digit in (1, 2, 5)]
    return [step for step in steps if step < 0.8 * INDIVIDUALS] + [INDIVIDUALS]


def axes() -> list[str]:
    """Grid, ticks and names of the axes."""
    parts = []
    for fitness in (0, 0.2, 0.4, 0.6, 0.8, 1):
        y = y_of(fitness)
        parts.append(f"<path d='M{LEFT} {y:.1f}H{WIDTH - RIGHT}' stroke='{GRID}'/>")
        parts.append(text(LEFT - 8, y + 4, f"{fitness:g}", colour=FAINT, text_anchor="end"))
    for individuals in ticks():
        x = x_of(individuals)
        anchor = "end" if x > WIDTH - 2 * RIGHT else "middle"
        parts.append(f"<path d='M{x:.1f} {y_of(0):.1f}v5' stroke='{FAINT}'/>")
        parts.append(text(x, y_of(0) + 20, f"{individuals:,}", colour=FAINT, text_anchor=anchor))
    x, y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    turned = f"rotate(-90 16 {y:.0f})"
    parts.append(text(x, HEIGHT - 12, "programs tried", text_anchor="middle"))
    parts.append(text(16, y, "best fitness", text_anchor="middle", transform=turned))
    return parts


def line(course: Curve) -> str:
    """A staircase, with a dot where it solves the task."""
    points = course.points
    colour, width = (SOLVED_COLOUR, 1.8) if course.is_solved else (OPEN_COLOUR, 0.8)
    path = f"M{x_of(points[0][0]):.1f} {y_of(points[0][1]):.1f}"
    for (_, before), (individuals, fitness) in zip(points, points[1:], strict=False):
        if fitness != before:
            path += f"H{x_of(individuals):.1f}V{y_of(fitness):.1f}"
    end_x, end_y = x_of(points[-1][0]), y_of(points[-1][1])
    drawn = f"<path d='{path}H{end_x:.1f}' fill='none' stroke='{colour}' stroke-width='{width}'/>"
    if course.is_solved:
        drawn += f"<circle cx='{end_x:.1f}' cy='{end_y:.1f}' r='4.5' fill='{colour}'/>"
    return drawn


def picture(curves: list[Curve]) -> str:
    """The whole SVG."""
    solved = [course for course in curves if course.is_solved]
    title = "Discovering linear regression from random programs"
    summary = (
        f"{len(curves)} experiments of at most {INDIVIDUALS:,} programs; "
        f"<tspan fill='{SOLVED_COLOUR}'>{len(solved)} find it (dots)</tspan>"
    )
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"width='{WIDTH}' height='{HEIGHT}' font-size='13' {FONT}>",
        f"<title>{title}</title>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='{BACKGROUND}'/>",
        text(LEFT, 26, title, font_size="16", font_weight="600"),
        text(LEFT, 46, summary, colour=FAINT),
        *axes(),
        *(line(course) for course in curves if not course.is_solved),
        *(line(course) for course in solved),
        "</svg>\n",
    ]
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of the demo (default 5)")
    default = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
    parser.add_argument("--output", type=Path, default=default, metavar="FILE")
    options = parser.parse_args(arguments)
    print(machine_line())
    runs = [run_curves(run) for run in range(1 if options.quick else options.runs)]
    partial = options.output.with_name(options.output.name + ".partial")
    partial.write_text(picture([course for curves in runs for course in curves]))
    partial.replace(options.output)
    rows = []
    for run, curves in enumerate(runs):
        individuals = sum(course.points[-1][0] for course in curves)
        rows.append(Row(f"run_{run}_experiments", len(curves)))
        rows.append(Row(f"run_{run}_individuals", individuals))
    print_rows(rows)
    write_json(rows, options.json)
    print(f"written: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
