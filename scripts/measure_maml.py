"""Meta-learning: sinusoids, Omniglot, and what running the tasks of a batch together saves.

    python scripts/measure_maml.py --quick
    python scripts/measure_maml.py --only sinusoid --folder meta-runs
    python scripts/measure_maml.py --only omniglot --data omniglot_28.npz --folder meta-runs

The second and third are resumable: checkpoints and the processor time so far are kept below
``--folder``, and the same command goes on. Test tasks come from a stream of their own;
Omniglot's from 423 characters that are neither trained on nor validated on, upright.

``maml_sinusoid_mse`` is the mean over 1,000 new waves of the squared error at 100 points after
one gradient step on 10 points (Finn et al. 2017, section 5.1; plain MAML, second order).

``maml_omniglot_5way_1shot_accuracy`` is the mean over 2,000 tasks, after as many gradient steps
on 5 images as in meta-training, with one query per class as in the code of Finn et al. 2017:
batch norm sees the 5 queries together, which helps. ``_5_queries`` is the same with 5 per class.
``_interval`` is 1.96 standard errors of the mean. ``_cpu_minutes`` is the processor time of
meta-training with one thread, validation and checkpoints included. The network has 32 filters
and strides of 2. Rates of the adaptation are learned (Meta-SGD) unless ``--fixed-rates``.

``vmap_speedup`` is the time of a meta-gradient with a Python loop over the tasks over the time
with vmap, median of several turns, for 25 sinusoid tasks; ``vmap_speedup_conv4`` is the same
for 16 Omniglot-shaped tasks, where the arithmetic counts for more. ``*_difference`` is the
largest difference between both gradients over the largest entry, in float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero.evolution.runs._files import write_atomically
from automl_zero.streams import Stream, stream_key
from l2o.maml import (
    MAML,
    ClassTasks,
    MetaLearner,
    MetaProgress,
    SinusoidTasks,
    TaskBatch,
    TaskSource,
    conv4,
    load_omniglot,
    meta_train,
    sinusoid_net,
)

MSE = torch.nn.functional.mse_loss
QUICK = {"sinusoid": 2_000, "omniglot": 300}
PARTS = ("speed", "sinusoid", "omniglot")


class Clock:
    """Processor time of a training over all calls that worked on it, and a progress line.

    ``before`` is the time of earlier calls, ``seconds`` that of all.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / "cpu_seconds.json"
        self.before = 0.0
        if self._file is not None and self._file.exists():
            self.before = float(json.loads(self._file.read_text()))
        self._start = time.process_time()
        self._told = 0.0

    @property
    def seconds(self) -> float:
        """Since the first call."""
        return self.before + time.process_time() - self._start

    def __call__(self, state: MetaProgress) -> None:
        """Keep the time, and print a line now and then."""
        ended = state.iteration == state.iterations
        if self._file is not None and (ended or state.iteration % 500 == 0):
            write_atomically(self._file, json.dumps(self.seconds))
        if ended or time.monotonic() - self._told > 30:
            self._told = time.monotonic()
            print(f"  {state}, {self.seconds / 60:.1f} CPU minutes", flush=True)


def trained(
    learner: MetaLearner, tasks: TaskSource, folder: Path | None, name: str, **settings: object
) -> float:
    """Meta-train (or go on with it, or take the finished one); processor seconds."""
    where = None if folder is None else folder / name
    if where is not None:
        where.mkdir(parents=True, exist_ok=True)
    finished = where is not None and (where / "good.safetensors").exists()
    clock = Clock(where)
    result = meta_train(learner, tasks, folder=where, progress=clock, **settings)  # type: ignore[arg-type]
    if result.stopped_by != "iterations":
        raise RuntimeError(f"{name}: meta-training diverged at iteration {result.iteration}")
    if result.history:
        print(f"  best validation {result.best_validation:.4f} at {result.best_iteration:,}")
    return clock.before if finished else clock.seconds


def sinusoid_rows(quick: bool, folder: Path | None) -> list[Row]:
    """The regression of the paper."""
    iterations = QUICK["sinusoid"] if quick else 70_000
    learner = MAML(sinusoid_net(), inner_lr=0.01, loss=MSE)
    seconds = trained(
        learner,
        SinusoidTasks(shots=10),
        folder,
        f"sinusoid-{iterations}",
        iterations=iterations,
        batch_size=25,
        lr=1e-3,
    )
    tasks = SinusoidTasks(10, 100).sample(1000, Stream(stream_key(0, "meta-test")))
    unit = f"{iterations:,} iterations"
    target = None if quick else "<= 0.8"
    return [
        Row("maml_sinusoid_mse", learner.evaluate(tasks).loss, unit, target),
        Row("maml_sinusoid_mse_10_steps", learner.evaluate(tasks, steps=10).loss, unit),
        Row("maml_sinusoid_cpu_minutes", seconds / 60, "min"),
    ]


def omniglot_rows(options: argparse.Namespace) -> list[Row]:
    """5-way 1-shot."""
    quick = options.quick
    images, split = load_omniglot(options.data)
    iterations = QUICK["omniglot"] if quick else options.iterations
    size = images.shape[-1]
    learner = MAML(
        conv4(5, width=options.width, image_size=size),
        inner_lr=options.inner_lr,
        steps=options.steps,
        order=options.order,
        learned_rates=not options.fixed_rates,
    )
    settings = (options.width, options.steps, options.order, options.inner_lr, options.lr)
    rates = "fixed" if options.fixed_rates else "learned"
    seconds = trained(
        learner,
        ClassTasks(images, split.train, rotations=True),
        options.folder,
        "-".join(map(str, ("omniglot", iterations, *settings, options.batch_size, rates))),
        iterations=iterations,
        batch_size=options.batch_size,
        lr=options.lr,
        decay="cosine",
        validation=ClassTasks(images, split.validation),
        validation_tasks=400,
        validate_every=1000,
    )
    name = "maml_omniglot_5way_1shot"
    unit = f"%, {iterations:,} iterations"
    rows = []
    for queries in (1, 5):
        source = ClassTasks(images, split.test, queries=queries)
        parts = []
        for part in range(2 if quick else 20):
            tasks = source.sample(100, Stream(stream_key(0, "meta-test", part)))
            accuracies = learner.evaluate(tasks).accuracies
            assert accuracies is not None
            parts.append(accuracies)
        scores = 100 * torch.cat(parts)
        accuracy, kind = float(scores.mean()), "" if queries == 1 else "_5_queries"
        target = None if quick or kind else ">= 98"
        rows.append(Row(f"{name}_accuracy{kind}", accuracy, unit, target))
        interval = 1.96 * float(scores.std()) / len(scores) ** 0.5
        rows.append(Row(f"{name}_interval{kind}", interval, f"%, {len(scores):,} tasks"))
    target = None if quick else "<= 60"
    return [*rows, Row(f"{name}_cpu_minutes", seconds / 60, "min", target)]


def conv_batch(count: int) -> TaskBatch:
    """5-way 1-shot tasks of noise: their speed is that of Omniglot's."""
    noise = torch.from_numpy(Stream(1).normal((count, 10, 1, 28, 28))).float()
    labels = torch.arange(5).expand(count, 5)
    return TaskBatch(noise[:, :5], labels, noise[:, 5:], labels)


def median_seconds(work: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Median processor time of a call, in turn, so that a disturbance meets all."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(turns + 1):
        for name, run in work.items():
            start = time.process_time()
            run()
            if turn:  # the first call makes what later ones reuse
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def speed_rows(quick: bool) -> list[Row]:
    """A meta-gradient of a batch, with vmap and with a loop."""
    sinusoids = SinusoidTasks(10).sample(25, Stream(1))
    workloads = {
        "vmap_speedup": (sinusoid_net(), MSE, sinusoids, 0.01, ">= 3"),
        "vmap_speedup_conv4": (
            conv4(5, width=32), torch.nn.functional.cross_entropy, conv_batch(16), 0.4, None,
        ),
    }  # fmt: skip
    rows = []
    for name, (model, loss, batch, inner_lr, target) in workloads.items():
        together, loop = (
            MAML(model, inner_lr=inner_lr, loss=loss, vectorized=each) for each in (True, False)
        )
        work: dict[str, Callable[[], object]] = {
            "vmap": lambda learner=together, batch=batch: learner.backward(batch),
            "loop": lambda learner=loop, batch=batch: learner.backward(batch),
        }
        seconds = median_seconds(work, 3 if quick else 15)
        rows.append(Row(name, seconds["loop"] / seconds["vmap"], "x", target))
        rows.append(Row(f"{name}_ms", 1000 * seconds["vmap"], "ms per meta-gradient"))
        rows.append(Row(f"{name}_difference", difference(together, loop, batch), "relative"))
    return rows


def difference(first: MAML, second: MAML, batch: TaskBatch) -> float:
    """Largest difference of two learners' meta-gradients over the largest entry, in float64."""
    exact = TaskBatch(
        batch.support_x.double(),
        batch.support_y.double() if batch.support_y.is_floating_point() else batch.support_y,
        batch.query_x.double(),
        batch.query_y.double() if batch.query_y.is_floating_point() else batch.query_y,
    )
    gradients = []
    for learner in (first, second):
        learner.double().zero_grad()
        learner.backward(exact)
        gradients.append(
            torch.cat([value.grad.flatten() for value in learner.parameters()])  # type: ignore[union-attr]
        )
    return float((gradients[0] - gradients[1]).abs().max() / gradients[0].abs().max())


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; may be repeated")
    parser.add_argument("--data", type=Path, metavar="FILE", help="Omniglot as npz")
    parser.add_argument("--folder", type=Path, help="where to keep checkpoints, to go on from")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    omniglot = parser.add_argument_group("Omniglot")
    omniglot.add_argument("--iterations", type=int, default=36_000, help="(36,000)")
    omniglot.add_argument("--width", type=int, default=32, help="filters of a layer (32)")
    omniglot.add_argument("--batch-size", type=int, default=16, help="tasks (16)")
    omniglot.add_argument("--lr", type=float, default=2e-3, help="of meta-training (0.002)")
    omniglot.add_argument("--order", choices=("first", "second"), default="second")
    omniglot.add_argument("--inner-lr", type=float, default=0.1, help="of the adaptation (0.1)")
    omniglot.add_argument("--steps", type=int, default=1, help="of the adaptation (1)")
    omniglot.add_argument("--fixed-rates", action="store_true", help="plain MAML")
    options = parser.parse_args(arguments)
    parts = options.only or PARTS
    torch.set_num_threads(options.threads)
    print(machine_line())
    print(f"settings: PyTorch {torch.__version__}, {options.threads} threads, {', '.join(parts)}")
    rows = []
    if "speed" in parts:
        rows += speed_rows(options.quick)
    if "sinusoid" in parts:
        rows += sinusoid_rows(options.quick, options.folder)
    if "omniglot" in parts:
        if options.data is None:
            print("omniglot: left out, it needs --data FILE")
        else:
            rows += omniglot_rows(options)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
