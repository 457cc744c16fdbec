"""What a report of a search for update rules shows beside what every report does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from automl_zero._config_values import KeyProblem
from automl_zero.evolution.runs import Run
from automl_zero.report._matplotlib import PALETTE, inline_svg
from automl_zero.report._page import markup
from automl_zero.report._run_report import Figure, Section, Table
from automl_zero.streams import stream_key
from l2o.rules._config import RuleSearchConfig, load_rule_config
from l2o.rules._fitness import TunedRun, tuned_runs
from l2o.rules._harness import parse_rule
from l2o.rules._rule_file import find_rule
from l2o.rules._rule_search import RULE_SEARCH
from l2o.rules._tasks import RuleTasks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS: Final = 200

_MOST_WORK: Final = 1_000_000
"""Steps of all trainings that a report makes anew: up to a minute with small networks."""


def rule_sections(run: Run) -> list[Section]:
    """Sections about the funnel and the found rule; what cannot be made says why.

    Raises:
        ValueError: If the run is of another kind.
    """
    if run.kind != RULE_SEARCH:
        raise ValueError(f"run: expected an {RULE_SEARCH} in {run.path}, received a {run.kind}")
    result = run.result or {}
    sections = []
    if isinstance(result.get("simplified"), str):
        sections.append(
            Section(
                "The rule, simplified",
                "Instructions went as long as the fitness on the selection tasks did not suffer.",
                code=result["simplified"],
            )
        )
    sections.append(_funnel_section(result.get("funnel")))
    sections.append(_curve_section(run, result))
    return sections


def _funnel_section(funnel: Any) -> Section:
    title = "Against tuned baselines, stage by stage"
    if not isinstance(funnel, Mapping):
        return Section(title, "No funnel has been run.")
    text = (
        "Score: log of the baseline's final loss over the rule's, bounded; 0 is as good as the "
        "tuned baseline. Only rules that beat every baseline go on; nothing is chosen by the last "
        "stage."
    )
    try:
        tables = [_stage_table(stage) for stage in funnel["stages"]]
    except (KeyError, TypeError, ValueError) as error:
        return Section(title, f"result.json: the funnel cannot be read: {error}")
    return Section(title, text, tables=tables)


def _stage_table(stage: Mapping[str, Any]) -> Table:
    rows = []
    found = [*stage["rules"], *stage["baselines"]]
    for item in sorted(found, key=lambda item: -float(item["score"])):
        rates = sorted({float(rate) for rate in item["learning_rates"]})
        rows.append(
            [
                str(item["name"]),
                f"{float(item['score']):+.4f}",
                *(f"{float(score):+.3f}" for score in item["scores"]),
                " … ".join(f"{rate:g}" for rate in (rates[0], rates[-1])[: len(rates)]),
                "yes" if item["name"] in stage["passed"] else "",
            ]
        )
    count = len(found[0]["scores"])
    tasks = [f"task {number}" for number in range(1, count + 1)]
    head = ["rule", "score", *tasks, "learning rates", "passed"]
    return Table(f"Stage {stage['name']}", head, rows)


def _curve_section(run: Run, result: Mapping[str, Any]) -> Section:
    """Loss curves on the tasks of the last stage, or of the selection without a funnel."""
    title = "Loss curves"
    best = run.best
    if best is None:
        return Section(title, "No rule has been found yet.")
    try:
        config = load_rule_config(run.path / "config.toml")
        rule = parse_rule(result.get("simplified") or best["genome"])
        tasks, seed = _shown_tasks(config)
        rules = {"found rule": rule} | {n: find_rule(n).rule for n in config.selection.beat}
        if len(tasks.optimizees) * tasks.steps * tasks.settings * len(rules) > _MOST_WORK:
            return Section(title, "Not drawn: the tasks are so large that it would take long.")
        curves = {name: tuned_runs(each, tasks, seed) for name, each in rules.items()}
    except (KeyProblem, ValueError, OSError, KeyError, TypeError) as error:
        return Section(title, f"Not drawn: {error}")
    figures = [
        _curve_figure(number, tasks, {name: runs[number] for name, runs in curves.items()})
        for number in range(len(tasks.optimizees))
    ]
    text = "Training loss, mean over the seeds, each rule at its best settings of the same grid."
    return Section(title, text, figures=figures)


def _shown_tasks(config: RuleSearchConfig) -> tuple[RuleTasks, int]:
    if not config.funnel:
        return config.tasks.select, stream_key(config.seed, "select")
    last = len(config.funnel) - 1
    return config.funnel[last].tasks, stream_key(config.seed, "funnel", last)


def _curve_figure(number: int, tasks: RuleTasks, runs: Mapping[str, TunedRun]) -> Figure:
    data = tasks.optimizees[number].to_data()
    words = ", ".join(f"{key} {value}" for key, value in data.items() if key != "kind")
    title = f"Task {number + 1}: {data['kind']}"
    svg = inline_svg(f"curves{number}", title, lambda ax: _draw(ax, runs))
    return Figure(title, markup(svg), words)


def _draw(ax: Axes, runs: Mapping[str, TunedRun]) -> None:
    for (name, run), colour in zip(runs.items(), PALETTE * 4, strict=False):
        width = max(1, len(run.curve) // _MOST_POINTS)
        count = len(run.curve) // width
        y = run.curve[: count * width].reshape(count, width).mean(axis=1)
        x = (np.arange(count) + 0.5) * width
        shown = np.isfinite(y)
        label = f"{name}, learning rate {run.learning_rate:g}"
        ax.plot(x[shown], y[shown], color=colour, linewidth=1.4, label=label)
    ax.set_yscale("log")
    ax.set_xlabel("step")
    ax.set_ylabel("training loss")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
