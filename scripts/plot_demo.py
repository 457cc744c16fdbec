"""Draw the demo: best fitness against programs tried, one line per seed.

    python scripts/plot_demo.py                                # docs/images/demo.svg
    python scripts/plot_demo.py --seeds 4 --output picture.svg

Each line is one experiment of the demo, 1,000,000 programs from a random population, such
as ``automl-zero demo`` repeats with fresh tasks until one succeeds. The same seeds give the
same picture. SVG written by hand: no plotting library is among the dependencies.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final

from _common import Row, argument_parser, machine_line, print_rows, write_json
from _demo import INDIVIDUALS, demo_evolution

FIRST: Final = 1_000
"""Where the axis starts: the initial population."""

POINTS_PER_DECADE: Final = 50
SOLVED: Final = 0.9999

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 26, 64, 54
INK, FAINT, GRID, BACKGROUND = "#24292f", "#57606a", "#e4e8ec", "#ffffff"
SOLVED_COLOUR, OPEN_COLOUR = "#0969da", "#9aa4ae"
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"

Curve = list[tuple[int, float]]
"""(individuals, best fitness of all programs so far), at growing individuals."""


def checkpoints() -> list[int]:
    """Numbers of individuals at which fitness is read, evenly spaced on the axis."""
    count = math.ceil(math.log10(INDIVIDUALS / FIRST) * POINTS_PER_DECADE)
    steps = (round(FIRST * 10 ** (step / POINTS_PER_DECADE)) for step in range(count))
    return [*steps, INDIVIDUALS]


def curve(seed: int) -> Curve:
    """The course of one experiment, up to its end or its solution."""
    evolution = demo_evolution(seed)
    points: Curve = []
    for individuals in checkpoints():
        evolution.run(individuals - evolution.individuals)
        best = evolution.best
        points.append((individuals, best.fitness if best else 0.0))
        if is_solved(points):
            break
    return points


def is_solved(points: Curve) -> bool:
    """Whether the experiment found linear regression."""
    return points[-1][1] > SOLVED


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


def axes() -> list[str]:
    """Grid, ticks and names of the axes."""
    parts = []
    for fitness in (0, 0.2, 0.4, 0.6, 0.8, 1):
        y = y_of(fitness)
        parts.append(f"<path d='M{LEFT} {y:.1f}H{WIDTH - RIGHT}' stroke='{GRID}'/>")
        parts.append(text(LEFT - 8, y + 4, f"{fitness:g}", colour=FAINT, text_anchor="end"))
    for power in range(round(math.log10(FIRST)), round(math.log10(INDIVIDUALS)) + 1):
        x = x_of(10**power)
        anchor = "end" if x > WIDTH - 2 * RIGHT else "middle"
        parts.append(f"<path d='M{x:.1f} {y_of(0):.1f}v5' stroke='{FAINT}'/>")
        parts.append(text(x, y_of(0) + 20, f"{10**power:,}", colour=FAINT, text_anchor=anchor))
    x, y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    turned = f"rotate(-90 16 {y:.0f})"
    parts.append(text(x, HEIGHT - 12, "programs tried", text_anchor="middle"))
    parts.append(text(16, y, "best fitness", text_anchor="middle", transform=turned))
    return parts


def line(points: Curve) -> str:
    """A staircase, with a dot where it solves the task."""
    colour = SOLVED_COLOUR if is_solved(points) else OPEN_COLOUR
    path = f"M{x_of(points[0][0]):.1f} {y_of(points[0][1]):.1f}"
    for (_, before), (individuals, fitness) in zip(points, points[1:], strict=False):
        if fitness != before:
            path += f"H{x_of(individuals):.1f}V{y_of(fitness):.1f}"
    end_x, end_y = x_of(points[-1][0]), y_of(points[-1][1])
    drawn = f"<path d='{path}H{end_x:.1f}' fill='none' stroke='{colour}' stroke-width='1.8'/>"
    if is_solved(points):
        drawn += f"<circle cx='{end_x:.1f}' cy='{end_y:.1f}' r='4' fill='{colour}'/>"
    return drawn


def picture(curves: list[Curve]) -> str:
    """The whole SVG."""
    solved = [points for points in curves if is_solved(points)]
    title = "Discovering linear regression from random programs"
    summary = (
        f"{len(curves)} experiments of {INDIVIDUALS:,} programs: "
        f"<tspan fill='{SOLVED_COLOUR}'>{len(solved)} find it</tspan>, "
        f"{len(curves) - len(solved)} do not"
    )
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' "
        f"width='{WIDTH}' height='{HEIGHT}' font-size='13' {FONT}>",
        f"<title>{title}</title>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' fill='{BACKGROUND}'/>",
        text(LEFT, 26, title, font_size="16", font_weight="600"),
        text(LEFT, 46, summary, colour=FAINT),
        *axes(),
        *(line(points) for points in curves if not is_solved(points)),
        *(line(points) for points in solved),
        "</svg>\n",
    ]
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="experiments to draw (default 12)")
    default = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
    parser.add_argument("--output", type=Path, default=default, metavar="FILE")
    options = parser.parse_args(arguments)
    print(machine_line())
    curves = [curve(seed) for seed in range(3 if options.quick else options.seeds)]
    partial = options.output.with_name(options.output.name + ".partial")
    partial.write_text(picture(curves))
    partial.replace(options.output)
    rows = [Row(f"seed_{seed}_best_fitness", points[-1][1]) for seed, points in enumerate(curves)]
    rows += [
        Row(f"seed_{seed}_individuals", points[-1][0])
        for seed, points in enumerate(curves)
        if is_solved(points)
    ]
    print_rows(rows)
    write_json(rows, options.json)
    print(f"written: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
