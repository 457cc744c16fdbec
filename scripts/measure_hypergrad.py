"""Hyperparameter gradients: exactness, memory, and what learned learning rates are worth.

    python scripts/measure_hypergrad.py            # some minutes
    python scripts/measure_hypergrad.py --quick

The network has 64-32-10 units (tanh) and trains on scikit-learn's digits, full batches of 200
images, float64, momentum 0.9.

``reversal_bits_wrong`` counts bits of weights and velocities that differ from the start after
as many steps forward and back. ``gradient_error`` is the largest difference between the
hypergradients (learning rate of every step and layer, momentum of every step, initial weights,
weight decay of every layer) and plain back-propagation through the same training, over the
largest entry of each kind. Plain back-propagation keeps the whole graph; its weights are set to
those of the fixed-point training after each step, so that both look at the same trajectory.

``memory_saving`` is the size of the weights of every step in float32, which is the least that
plain back-propagation keeps, over the size of the bit stores. ``memory_saving_autograd`` has
the bytes that PyTorch's graph of the plain training keeps (each tensor counted once), scaled to
the same number of steps. ``backward_over_forward`` is time.

``*_learned`` is a schedule with a rate for each step and layer, learned by Adam on its
logarithm, the gradient being that of the validation loss after training;
``*_tuned`` is the best constant rate of a grid of factors 10**0.25. Both are chosen by the
validation loss; the test set is used for these rows alone. Medians over seeds, which decide the
initial weights and the split.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from _common import Row, argument_parser, machine_line, print_rows, write_json

from automl_zero.streams import Stream, stream_key
from l2o.hypergrad import ReversibleSGD, TrainingDivergedError, reversible_sgd
from l2o.hypergrad._fixed_point import as_fraction

Tensors = dict[str, torch.Tensor]
WIDTHS = (64, 32, 10)
GRID = [10 ** (power / 4) for power in range(-8, 9)]


@dataclass
class Problem:
    """Digits in three parts, and a network to train on the first."""

    train: tuple[torch.Tensor, torch.Tensor]
    validation: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]
    initial: Tensors

    def leaves(self) -> Tensors:
        """The initial weights, to differentiate by."""
        return {name: each.clone().requires_grad_() for name, each in self.initial.items()}

    def loss(self, weights: Tensors, hyper: Tensors, step: int) -> torch.Tensor:
        """Training loss; ``hyper`` may have ``log_decay``, one for each weight matrix."""
        value = cross_entropy(weights, self.train)
        if "log_decay" in hyper:
            squares = torch.stack([weights["w0"].square().sum(), weights["w1"].square().sum()])
            value = value + (hyper["log_decay"].exp() * squares).sum()
        return value


def outputs(weights: Tensors, x: torch.Tensor) -> torch.Tensor:
    """Of the network, for images ``[n, 64]``."""
    hidden = torch.tanh(x @ weights["w0"] + weights["b0"])
    return hidden @ weights["w1"] + weights["b1"]


def cross_entropy(weights: Tensors, data: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Mean over a set."""
    return torch.nn.functional.cross_entropy(outputs(weights, data[0]), data[1])


def accuracy(weights: Tensors, data: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Share of right classes."""
    with torch.no_grad():
        return float((outputs(weights, data[0]).argmax(1) == data[1]).double().mean())


def problem(seed: int) -> Problem:
    """200 digits to train on, 400 to validate, the rest to test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = Stream(stream_key(seed, "digits")).permutation(len(digits.target))
    x = torch.from_numpy(digits.data[order] / 16).double()
    y = torch.from_numpy(digits.target[order]).long()
    stream = Stream(stream_key(seed, "weights"))
    initial = {}
    for layer, (source, target) in enumerate(zip(WIDTHS, WIDTHS[1:], strict=False)):
        noise = torch.from_numpy(stream.normal((source, target)))
        initial[f"w{layer}"] = noise / source**0.5
        initial[f"b{layer}"] = torch.zeros(target, dtype=torch.float64)
    parts = (slice(0, 200), slice(200, 600), slice(600, None))
    sets = [(x[part], y[part]) for part in parts]
    return Problem(sets[0], sets[1], sets[2], initial)


def plain_sgd(
    loss: Callable[[Tensors, Tensors, int], torch.Tensor],
    initial: Tensors,
    rates: torch.Tensor,
    momenta: torch.Tensor,
    hyper: Tensors,
) -> Tensors:
    """The training of ``reversible_sgd`` as a graph: values are set, gradients flow as always."""
    exact = ReversibleSGD([each.detach().numpy() for each in initial.values()])
    weights = dict(initial)
    velocities = {name: torch.zeros_like(each) for name, each in weights.items()}
    for step in range(len(rates)):
        gradients = torch.autograd.grad(
            loss(weights, hyper, step), list(weights.values()), create_graph=True
        )
        exact.step([each.detach().numpy() for each in gradients],
                   rates[step].tolist(), momenta[step].tolist())  # fmt: skip
        for group, (name, gradient) in enumerate(zip(weights, gradients, strict=True)):
            alpha, gamma = rates[step, group], momenta[step, group]
            velocity = gamma * velocities[name] - (1 - gamma) * gradient
            velocities[name] = _set(velocity, exact.velocities()[group])
            weights[name] = _set(weights[name] + alpha * velocities[name], exact.weights()[group])
    return weights


def _set(tensor: torch.Tensor, value: np.ndarray) -> torch.Tensor:
    return tensor + (torch.from_numpy(value) - tensor).detach()


def hypergradients(task: Problem, steps: int, reversible: bool) -> dict[str, torch.Tensor]:
    """Gradients of the validation loss by kind, from either way."""
    names = list(task.initial)
    rates = torch.full((steps, len(names)), 0.3, dtype=torch.float64, requires_grad=True)
    momenta = torch.full((steps, len(names)), float(as_fraction(0.9)), dtype=torch.float64)
    momenta.requires_grad_()
    initial = task.leaves()
    log_decay = torch.full((2,), -7.0, dtype=torch.float64, requires_grad=True)
    train = reversible_sgd if reversible else plain_sgd
    end = train(task.loss, initial, rates, momenta, {"log_decay": log_decay})
    cross_entropy(end, task.validation).backward()
    gradients = {"rates": rates.grad, "momenta": momenta.grad, "decay": log_decay.grad}
    gradients |= {name: each.grad for name, each in initial.items()}
    return {name: each for name, each in gradients.items() if each is not None}


def gradient_error(task: Problem, steps: int) -> float:
    """Largest relative difference over all kinds."""
    ours, plain = (hypergradients(task, steps, reversible) for reversible in (True, False))
    return max(
        float((ours[name] - plain[name]).abs().max() / plain[name].abs().max()) for name in plain
    )


def reversal(task: Problem, steps: int) -> tuple[int, int, float]:
    """Wrong bits, bytes stored and time of the way back over that forward."""
    sgd = ReversibleSGD([each.numpy() for each in task.initial.values()])
    begun = sgd.state()
    rates, momenta = [0.3] * len(task.initial), [0.9] * len(task.initial)

    def gradients() -> list[np.ndarray]:
        weights = [torch.from_numpy(each).clone().requires_grad_() for each in sgd.weights()]
        loss = task.loss(dict(zip(task.initial, weights, strict=True)), {}, 0)
        return [each.numpy() for each in torch.autograd.grad(loss, weights)]

    times = [time.process_time()]
    for _ in range(steps):
        sgd.step(gradients(), rates, momenta)
    times.append(time.process_time())
    stored = sgd.stored_bytes
    for _ in range(steps):
        sgd.undo_weights(rates)
        sgd.undo_velocity(gradients(), momenta)
    times.append(time.process_time())
    pairs = zip(sgd.state(), begun, strict=True)
    wrong = sum(int(np.bitwise_count(a ^ b).sum()) for a, b in pairs)
    return wrong, stored, (times[2] - times[1]) / (times[1] - times[0])


def graph_bytes(task: Problem, steps: int) -> int:
    """What autograd keeps of a plain training: each piece of memory once."""
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        # The tensor too, or its address might be given to another one.
        kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    shape = (steps, len(task.initial))
    rates = torch.full(shape, 0.3, dtype=torch.float64, requires_grad=True)
    momenta = torch.full(shape, 0.9, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        plain_sgd(task.loss, task.leaves(), rates, momenta, {})
    return sum(size for size, _ in kept.values())


def exactness_rows(quick: bool) -> list[Row]:
    """Reversal, gradients, memory."""
    task = problem(0)
    steps = 1000
    wrong, stored, ratio = reversal(task, steps)
    parameters = sum(each.numel() for each in task.initial.values())
    graph_steps = 20
    # The second half: what is kept once, such as the data, does not count.
    graph = graph_bytes(task, 2 * graph_steps) - graph_bytes(task, graph_steps)
    gradient_steps = 20 if quick else 200
    error = gradient_error(task, gradient_steps)
    return [
        Row("reversal_bits_wrong", wrong, f"bits after {steps:,} steps", "0"),
        Row("gradient_error", error, f"relative, {gradient_steps} steps", "<= 1e-6"),
        Row("memory_saving", 4 * parameters * steps / stored, f"x, {steps:,} steps", ">= 50"),
        Row("memory_saving_autograd", graph * steps / graph_steps / stored, "x"),
        Row("bits_per_weight_and_step", 8 * stored / parameters / steps, "bits"),
        Row("backward_over_forward", ratio, "x, without second derivatives"),
    ]


def trained(task: Problem, rates: torch.Tensor) -> Tensors:
    """Weights after training with rates ``[steps]`` or ``[steps, layers]``."""
    if rates.ndim == 2:  # a layer's matrix and biases share a rate
        rates = rates.repeat_interleave(2, 1)
    return reversible_sgd(task.loss, task.initial, rates)


def learned_rates(task: Problem, start: float, steps: int, meta_steps: int) -> torch.Tensor:
    """Rates ``[steps, layers]`` that Adam found by hypergradients; those of the best loss."""
    logs = torch.full((steps, 2), float(np.log(start)), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logs], lr=0.1)
    best, found = float("inf"), logs.detach().clone()
    for _ in range(meta_steps):
        optimizer.zero_grad()
        loss = cross_entropy(trained(task, logs.exp()), task.validation)
        if loss.item() < best:
            best, found = loss.item(), logs.detach().clone()
        loss.backward()
        optimizer.step()
    return found.exp()


def learning_rows(quick: bool) -> list[Row]:
    """A schedule learned by gradient against the best constant rate."""
    steps, meta_steps = (20, 10) if quick else (50, 60)
    results: dict[str, list[float]] = {}
    seeds = 1 if quick else 5
    for seed in range(seeds):
        task = problem(seed)
        constant = {}
        for rate in GRID:
            try:
                end = trained(task, torch.full((steps,), rate, dtype=torch.float64))
            except TrainingDivergedError:
                continue
            constant[rate] = float(cross_entropy(end, task.validation))
        tuned = min(constant, key=lambda rate: constant[rate])
        candidates = {
            "tuned": torch.full((steps,), tuned, dtype=torch.float64),
            "learned": learned_rates(task, tuned, steps, meta_steps),
        }
        for name, rates in candidates.items():
            with torch.no_grad():
                end = trained(task, rates)
                losses = {
                    "validation_loss": float(cross_entropy(end, task.validation)),
                    "test_loss": float(cross_entropy(end, task.test)),
                    "test_accuracy": 100 * accuracy(end, task.test),
                }
            for kind, value in losses.items():
                results.setdefault(f"digits_{kind}_{name}", []).append(value)
        print(f"  seed {seed}: best constant rate {tuned:.3g}", flush=True)
    rows = [
        Row(name, statistics.median(values), "%" if "accuracy" in name else "")
        for name, values in results.items()
    ]
    pairs = zip(results["digits_test_loss_tuned"], results["digits_test_loss_learned"], strict=True)
    rows.append(Row("digits_test_loss_better", sum(b < a for a, b in pairs), f"of {seeds} seeds"))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the rows."""
    options = argument_parser(__doc__).parse_args(arguments)
    torch.set_num_threads(1)
    print(machine_line())
    print(f"settings: PyTorch {torch.__version__}, 1 thread")
    rows = exactness_rows(options.quick) + learning_rows(options.quick)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
