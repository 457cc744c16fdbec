"""Learned optimizers against tuned ones: losses, the cost of a step, the memory of unrolls.

    python scripts/measure_learned.py --quick
    python scripts/measure_learned.py --data mnist.npz --results learned.jsonl
    python scripts/measure_learned.py --only cost

``lstm_quadratics_vs_*``: mean over 100 unseen 10-dimensional quadratics of the loss after 100
steps, of the optimizer over that of the shipped LSTM. The optimizers' learning rates are the best
of 25 from 0.001 to 1, chosen on these very problems, which favours them. A few problems with tiny
curvatures, which nothing gets through in 100 steps, decide these means; ``_geometric`` is the
ratio of geometric means instead, with learning rates chosen for them. ``chebyshev_quadratics_loss``
is a bound for what fixed steps along gradients can do: Chebyshev's iteration, in float64, with the
largest curvature of each problem and the best of 18 smallest ones, chosen by the final loss.

``mnist_mlp_*``: an MLP of 20 sigmoid units on MNIST, minibatches of 128. The loss is the
cross-entropy on 10,000 training images after 100 or 10,000 steps; ``adam`` has the best of 10
constant learning rates for that number of steps, chosen on 3 seeds of their own, and ``learned`` is
the shipped ``mlp``, meta-trained on 100 steps of problems of this kind with other initial weights
and minibatches. It is told how many steps there are, and its rate decays; ``untrained`` is the same
before meta-training, Adam with a rate that decays linearly. Medians over 10 seeds; ``_wins`` counts
seeds in which the learned optimizer is finite and below Adam; ``_accuracy`` is on test images.
Without ``--data`` it is the digits' MLP, under ``digits_mlp_*``.

``step_cost_vs_adam_*``: processor time of a step over that of ``torch.optim.Adam`` with PyTorch's
defaults, one thread, medians of turns side by side, on the 15,910 parameters of that MLP and
on a million in three tensors.

``unroll_memory_*``: bytes that automatic differentiation keeps at the worst moment of a
meta-gradient through 1,000 steps with ``checkpoint_every=32``, over that through 50 steps with
everything kept, counted by ``saved_tensors_hooks``; ``_rss`` is the growth of a child process's
largest resident set instead (Linux). ``unroll_error`` is the largest difference of the 1,000-step
meta-gradients with and without, over the largest entry.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _results import ResultFile, add_results_option

from automl_zero.streams import Stream, stream_key
from l2o.learned import (
    AnalyticOptimizer,
    Classifiers,
    CoordinatewiseLSTM,
    LearnedOptimizer,
    LearnedOptimizerNetwork,
    Problems,
    Quadratics,
    SmallMLP,
    npz_examples,
    unroll,
)

PARTS = ("quadratics", "mnist", "cost", "memory")
UNLUCKY = 1e9  # in place of a loss that is not finite
RATES = [10 ** (step / 8 - 3) for step in range(25)]
SMALLEST_CURVATURES = [10 ** (step / 4) for step in range(-12, 5)]
ADAM_RATES = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25]
UNTRAINED_RATE = 0.05  # what the training of mlp begins with
SHAPES = {
    "16k": [(20, 784), (20,), (10, 20), (10,)],
    "1M": [(1000, 800), (1000,), (199, 1000)],
}


def shipped(name: str) -> LearnedOptimizerNetwork:
    """A trained network of the package."""
    return LearnedOptimizer([torch.zeros(1, requires_grad=True)], name, total_steps=1).network


def after(network: LearnedOptimizerNetwork, problems: Problems, steps: int) -> torch.Tensor:
    """Parameters after optimization."""
    with torch.no_grad():
        return unroll(network, problems, steps).parameters


def quadratics_rows(quick: bool) -> list[Row]:
    """The LSTM on what it was trained for."""
    problems = Quadratics().sample(100, Stream(stream_key(0, "test-quadratics")))

    def finals(network: LearnedOptimizerNetwork) -> torch.Tensor:
        return problems.losses(after(network, problems, 100)).nan_to_num(UNLUCKY)

    own = finals(shipped("lstm_quadratics"))
    rows = [Row("lstm_quadratics_loss", float(own.mean()), "mean of 100")]
    rates = RATES[::6] if quick else RATES
    for method in ("adam", "rmsprop", "momentum"):
        tried = [(finals(AnalyticOptimizer(method, lr)), lr) for lr in rates]
        best, lr = min(tried, key=lambda pair: float(pair[0].mean()))
        rows.append(Row(f"{method}_quadratics_loss", float(best.mean()), f"learning rate {lr:.3g}"))
        times = float(best.mean() / own.mean())
        rows.append(Row(f"lstm_quadratics_vs_{method}", times, "times", ">= 10"))
        best, lr = min(tried, key=lambda pair: float((pair[0] + 1e-12).log().mean()))
        times = float(((best + 1e-12).log().mean() - (own + 1e-12).log().mean()).exp())
        unit = f"times, learning rate {lr:.3g}"
        rows.append(Row(f"lstm_quadratics_vs_{method}_geometric", times, unit))
    bound = statistics.mean(
        min(chebyshev(matrix, target, start, low) for low in [None, *SMALLEST_CURVATURES])
        for matrix, target, start in zip(
            problems.data["matrix"].double(),
            problems.data["target"].double(),
            problems.start.double(),
            strict=True,
        )
    )
    return [*rows, Row("chebyshev_quadratics_loss", bound, "mean of 100, knows the curvatures")]


def chebyshev(
    matrix: torch.Tensor, target: torch.Tensor, x: torch.Tensor, smallest: float | None
) -> float:
    """``|W x - y|^2`` after 100 steps for curvatures from ``smallest`` on (None: the true one).

    Saad 2003, "Iterative methods for sparse linear systems", algorithm 12.1.
    """
    system = 2 * matrix.T @ matrix
    curvatures = torch.linalg.eigvalsh(system)
    low, high = smallest or float(curvatures[0]), float(curvatures[-1])
    centre, radius = (high + low) / 2, (high - low) / 2
    ratio = radius / centre
    residual = 2 * matrix.T @ target - system @ x
    change = residual / centre
    for _ in range(100):
        x = x + change
        residual = residual - system @ change
        following = 1 / (2 * centre / radius - ratio)
        change = following * ratio * change + 2 * following / radius * residual
        ratio = following
    return float((matrix @ x - target).square().sum())


def mlp_rows(options: argparse.Namespace, results: ResultFile) -> list[Row]:
    """The small MLP against Adam."""
    examples = None if options.data is None else npz_examples(options.data)
    source = Classifiers(examples)
    name = source.examples.name
    seeds = 3 if options.quick else 10
    rows = []
    for steps in (100, 300) if options.quick else (100, 10_000):

        def finals(
            network: LearnedOptimizerNetwork, path: str, count: int, steps: int = steps
        ) -> dict[str, Any]:
            problems = source.sample(count, Stream(stream_key(0, path)))
            parameters = after(network, problems, steps)
            return {
                "loss": problems.final_losses(parameters).nan_to_num(UNLUCKY).tolist(),
                "accuracy": source.accuracy(parameters).tolist(),
            }

        def tuned(lr: float, finals: Callable[..., dict[str, Any]] = finals) -> float:
            losses = finals(AnalyticOptimizer("adam", lr), "tuning", 1 if options.quick else 3)
            return float(statistics.mean(losses["loss"]))

        rates = ADAM_RATES[3:8:2] if options.quick else ADAM_RATES
        place = f"{name} {steps} {seeds}"
        scores = [
            (results.get(f"{place} tuning {lr}", lambda lr=lr, tuned=tuned: tuned(lr)), lr)
            for lr in rates
        ]
        lr = min(scores)[1]
        networks: dict[str, tuple[LearnedOptimizerNetwork, object]] = {
            "adam": (AnalyticOptimizer("adam", lr), lr),
            "learned": (shipped("mlp"), options.label),
            "untrained": (SmallMLP(lr=UNTRAINED_RATE), UNTRAINED_RATE),
        }
        found = {
            each: results.get(
                f"{place} {each} {label}",
                lambda network=network, finals=finals: finals(network, "test", seeds),
            )
            for each, (network, label) in networks.items()
        }
        row = f"{name}_mlp_{steps}_steps"
        for each, numbers in found.items():
            unit = f"learning rate {lr:g}" if each == "adam" else ""
            rows.append(Row(f"{row}_{each}", statistics.median(numbers["loss"]), unit))
            accuracy = 100 * statistics.median(numbers["accuracy"])
            rows.append(Row(f"{row}_{each}_accuracy", accuracy, "%"))
        wins = sum(
            own < other
            for own, other in zip(found["learned"]["loss"], found["adam"]["loss"], strict=True)
        )
        rows.append(Row(f"{row}_wins", wins, f"of {seeds}", None if options.quick else ">= 10"))
    return rows


def cost_rows(quick: bool) -> list[Row]:
    """A step of the shipped networks and Adam's."""
    rows = []
    for size, shapes in SHAPES.items():
        params = [torch.zeros(shape, requires_grad=True) for shape in shapes]
        for index, param in enumerate(params):
            noise = Stream(stream_key(0, size, index)).normal(tuple(param.shape))
            param.grad = torch.from_numpy(noise).float()
        work: dict[str, Callable[[], Any]] = {"adam": torch.optim.Adam(params).step}
        for name in ("mlp", "lstm_quadratics"):
            work[name] = LearnedOptimizer(params, name, lr=1e-6, total_steps=1000).step
        times: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(4 if quick else 16):
            for name, step in work.items():
                start = time.process_time()
                step()
                if turn:  # the first makes the state
                    times[name].append(time.process_time() - start)
        seconds = {name: statistics.median(each) for name, each in times.items()}
        rows.append(Row(f"adam_step_{size}", 1e3 * seconds["adam"], "ms"))
        ratio = seconds["mlp"] / seconds["adam"]
        rows.append(Row(f"step_cost_vs_adam_{size}", ratio, "times", "<= 30"))
        ratio = seconds["lstm_quadratics"] / seconds["adam"]
        rows.append(Row(f"lstm_step_cost_vs_adam_{size}", ratio, "times"))
    return rows


class SavedBytes:
    """Counts what automatic differentiation keeps, and the most of it at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def hooks(self) -> torch.autograd.graph.saved_tensors_hooks:
        """A context in which it counts."""
        counter = self

        class Kept:
            def __init__(self, tensor: torch.Tensor) -> None:
                self.tensor, self.size = tensor, tensor.nbytes
                counter.now += self.size
                counter.most = max(counter.most, counter.now)

            def __del__(self) -> None:
                counter.now -= self.size

        return torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor)


def meta_gradient(steps: int, every: int | None, digits: bool) -> torch.Tensor:
    """Of an untrained LSTM, whose steps are made small so that a thousand of them stay finite."""
    network = CoordinatewiseLSTM(output_scale=0.001)
    source = Classifiers(batch_size=16) if digits else Quadratics()
    problems = source.sample(1 if digits else 8, Stream(stream_key(0, "memory")))
    unroll(network, problems, steps, checkpoint_every=every).losses[1:].mean().backward()
    return torch.cat([weight.grad.flatten() for weight in network.parameters()])


def memory_rows(quick: bool) -> list[Row]:
    """Unrolls in bounded memory."""
    short, long = (10, 100) if quick else (50, 1000)
    every = round(long**0.5)
    most = []
    for steps, stretch in ((short, None), (long, every)):
        counter = SavedBytes()
        with counter.hooks():
            meta_gradient(steps, stretch, digits=False)
        most.append(counter.most)
    rows = [Row("unroll_memory_ratio", most[1] / most[0], f"{long} over {short} steps", "<= 2")]
    sizes = []
    for steps, stretch in ((1, None), (short, None), (long, every)):
        command = [sys.executable, __file__, "--child", str(steps), str(stretch or 0)]
        sizes.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    ratio = (sizes[2] - sizes[0]) / (sizes[1] - sizes[0])
    rows.append(Row("unroll_memory_ratio_rss", ratio, f"{long} over {short} steps", "<= 2"))
    whole, parts = (meta_gradient(long, each, digits=False) for each in (None, every))
    error = float((whole - parts).abs().max() / whole.abs().max())
    return [*rows, Row("unroll_error", error, "relative", "<= 1e-6")]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    parser = argument_parser(__doc__)
    add_results_option(parser)
    parser.add_argument("--only", choices=PARTS, action="append", help="these parts only")
    parser.add_argument("--data", metavar="FILE", help="npz file of MNIST")
    parser.add_argument(
        "--label", default="shipped", help="of the weights: results under another are not reused"
    )
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.child:
        meta_gradient(options.child[0], options.child[1] or None, digits=True)
        status = Path("/proc/self/status").read_text()
        print(status.partition("VmHWM:")[2].split()[0])
        return 0
    print(machine_line())
    results = ResultFile(options.results)
    parts = {
        "quadratics": lambda: quadratics_rows(options.quick),
        "mnist": lambda: mlp_rows(options, results),
        "cost": lambda: cost_rows(options.quick),
        "memory": lambda: memory_rows(options.quick),
    }
    rows = []
    for name in options.only or PARTS:
        rows += parts[name]()
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
