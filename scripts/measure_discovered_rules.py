"""Found update rules against tuned AdamW and Lion, on five tasks that no search has seen.

    python scripts/measure_discovered_rules.py --data FOLDER --results discovered.jsonl
    python scripts/measure_discovered_rules.py --data FOLDER --quick

FOLDER holds ``mnist.npz``, ``fashion_mnist.npz`` and ``cifar10_20k.npz`` with arrays ``x_train``
(unsigned bytes) and ``y_train``. The fifth task, a character model, learns Python's help texts,
which come with Python; without ``--data`` it is the only one. Twenty minutes on two cores; can be
resumed.

Each optimizer is tuned alike: 16 learning rates, from 1e-5 to 1, on one seed, by the loss on
validation examples; weight decay is 0.01, PyTorch's default for AdamW, where an optimizer has
one (``--rule nesterov`` reads it as L2 regularisation, which costs it much here: see
``--weight-decay 0``); the learning rate falls linearly to nothing. Then five other seeds train at
the best rate and are judged on test examples. AdamW is ``torch.optim.AdamW``, Lion the published
rule.

``*_gain`` is the mean over the seeds of log(test loss of the baseline / of the rule): above 0, the
rule is better; with the 95 % interval of the paired differences (Student's t). A task is *won*
if both intervals, against AdamW and against Lion, lie above 0. Several rules are compared to each
other as well.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, Final

import scipy.stats
import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option
from _torch_tasks import TASKS, train

from automl_zero.evolution.executors import ProcessExecutor, SerialExecutor
from automl_zero.liveness import needed_registers
from l2o.optim import EvolvedOptimizer
from l2o.rules import UPDATE_RULE, WEIGHT_DECAY, find_rule

LEARNING_RATES: Final = tuple(10 ** (-5 + exponent / 3) for exponent in range(16))
WEIGHT_DECAY_SETTING: Final = 0.01
BASELINES: Final = ("adamw", "lion")
TUNING_SEED: Final = 1000
FOUND: Final = Path(__file__).parent.parent / "l2o" / "rules" / "programs" / "found"


def optimizer(
    name: str, rate: float, steps: int, rule_decay: float, params: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """AdamW of PyTorch, or the rule of a name or a file."""
    if name == "adamw":
        return torch.optim.AdamW(params, rate, weight_decay=WEIGHT_DECAY_SETTING)
    rule = find_rule(name).rule
    reads_decay = WEIGHT_DECAY in needed_before_update(rule)
    if name in BASELINES:
        rule_decay = WEIGHT_DECAY_SETTING
    decay = rule_decay if reads_decay else None
    return EvolvedOptimizer(params, rule, rate, decay, total_steps=steps)


def needed_before_update(rule: Any) -> frozenset[tuple[str, int]]:
    """The registers that a rule's update reads."""
    return needed_registers(rule, UPDATE_RULE)["update"][0]


def run(
    task: str, name: str, rate: float, seed: int, folder: Path, steps: int, rule_decay: float
) -> dict[str, float]:
    """One training."""
    return train(task, folder, partial(optimizer, name, rate, steps, rule_decay), seed, steps)


class Trainings:
    """Trainings whose results are kept, several at a time."""

    def __init__(
        self, known: ResultFile, executor: Executor, folder: Path, quick: bool, rule_decay: float
    ) -> None:
        self._known, self._executor, self._folder, self._quick = known, executor, folder, quick
        self._rule_decay = rule_decay

    def results(
        self, task: str, name: str, settings: Sequence[tuple[float, int]]
    ) -> list[dict[str, float]]:
        """Results of an optimizer at pairs of learning rate and seed."""
        steps = 60 if self._quick else TASKS[task].steps
        waiting: list[Callable[[], Any]] = []
        decay = self._rule_decay
        mark = "" if name in BASELINES or decay == WEIGHT_DECAY_SETTING else f" decay {decay:g}"
        keys = [
            f"{task} {Path(name).stem}{mark} {rate:.6g} {seed} {steps}" for rate, seed in settings
        ]
        for key, (rate, seed) in zip(keys, settings, strict=True):
            if key in self._known:
                waiting.append(partial(self._known.get, key, dict))
            else:
                job = self._executor.submit(run, task, name, rate, seed, self._folder, steps, decay)
                waiting.append(job.result)
        return [self._known.get(key, get) for key, get in zip(keys, waiting, strict=True)]

    def tuned(self, task: str, name: str, rates: Sequence[float], seeds: int) -> dict[str, Any]:
        """An optimizer at its best learning rate."""
        tried = self.results(task, name, [(rate, TUNING_SEED) for rate in rates])
        losses = [item["valid"] for item in tried]
        best = losses.index(min(losses))
        final = self.results(task, name, [(rates[best], seed) for seed in range(1, seeds + 1)])
        return {
            "rate": rates[best],
            "is_at_edge": best in (0, len(rates) - 1),
            "test": [item["test"] for item in final],
            "accuracy": statistics.mean(item["accuracy"] for item in final),
        }


def gain(rule: Sequence[float], baseline: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the log of the ratio of losses, and its 95 % interval."""
    logs = [math.log(other / one) for one, other in zip(rule, baseline, strict=True)]
    mean = statistics.mean(logs)
    if len(logs) < 2:
        return mean, -math.inf, math.inf
    quantile = float(scipy.stats.t.ppf(0.975, len(logs) - 1))
    width = quantile * statistics.stdev(logs) / len(logs) ** 0.5
    return mean, mean - width, mean + width


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the .npz files lie")
    parser.add_argument("--rule", action="append", help="a rule's name or file; may be repeated")
    parser.add_argument("--task", action="append", choices=sorted(TASKS), help="likewise")
    parser.add_argument("--seeds", type=int, default=5, help="of the final trainings (5)")
    parser.add_argument(
        "--weight-decay", type=float, default=WEIGHT_DECAY_SETTING, metavar="X",
        help="of rules that read it; AdamW's and Lion's stays 0.01",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    options = parser.parse_args(arguments)
    rules = options.rule or [str(path) for path in sorted(FOUND.glob("*.txt"))]
    tasks = options.task or (list(TASKS) if options.data else ["characters"])
    seeds = 2 if options.quick else options.seeds
    rates = LEARNING_RATES[6::3] if options.quick else LEARNING_RATES
    if options.quick:
        rules = rules[:1]
    print(machine_line() + f", PyTorch {torch.__version__}")
    print(f"settings: {len(rates)} learning rates each, {seeds} seeds, {options.workers} processes")
    executor: Any = ProcessExecutor(options.workers) if options.workers > 1 else SerialExecutor()
    rows = []
    won = {name: 0 for name in rules}
    with executor:
        folder = options.data or Path()
        trainings = Trainings(
            ResultFile(options.results), executor, folder, options.quick, options.weight_decay
        )
        for task in tasks:
            found = {
                name: trainings.tuned(task, name, rates, seeds) for name in (*BASELINES, *rules)
            }
            for name, item in found.items():
                edge = ", at the edge of the grid" if item["is_at_edge"] else ""
                unit = f"lr {item['rate']:.3g}{edge}, accuracy {item['accuracy']:.4f}"
                loss = statistics.mean(item["test"])
                rows.append(Row(f"{task}_{Path(name).stem}_test_loss", loss, unit))
            for name in rules:
                is_won = True
                for other in (*BASELINES, *(rule for rule in rules if rule != name)):
                    mean, low, high = gain(found[name]["test"], found[other]["test"])
                    is_won = is_won and (low > 0 or other not in BASELINES)
                    label = f"{task}_{Path(name).stem}_over_{Path(other).stem}_gain"
                    rows.append(Row(label, mean, f"{low:+.4f} to {high:+.4f}"))
                won[name] += is_won
    for name in rules:
        target = ">= 3" if len(tasks) == len(TASKS) else None
        rows.append(Row(f"{Path(name).stem}_tasks_won", won[name], f"of {len(tasks)}", target))
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
