"""What an update rule does on a problem, in plain NumPy: one seed, one setting at a time.

This is the oracle of the compiled harness: slow, short, easy to believe. Instructions mean what
:mod:`automl_zero.reference` says. Read it from the bottom: :func:`evaluate_rule` trains,
:func:`_run` runs one component function on all tensors, and the losses with their gradients
stand at the top. All sums add in the order of the loops that are written here, so that but
for elementary functions the compiled harness gives the same bits.

Index:
    :func:`evaluate_rule` → loss, final loss, accuracy
    :func:`loss_and_gradient`, :func:`held_out`
    :class:`TensorMemory`: the registers of one tensor
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.liveness import Register, live_program, random_ordinals
from automl_zero.program import MAX_REGISTERS, Program
from automl_zero.reference import Draws, ordered_sum, run_instruction
from l2o.rules._harness import (
    GRADIENT,
    LOSS,
    PARAMETER,
    SCHEDULE,
    STEP,
    UPDATE,
    UPDATE_RULE,
    WEIGHT_DECAY,
)
from l2o.rules.optimizees._arrays import ProblemArrays

Float64Array = NDArray[np.float64]

TURN: Final = 6.283185307179586

_exp, _log, _sin, _cos = np.exp, np.log, np.sin, np.cos


# Losses ------------------------------------------------------------------------------


def loss_and_gradient(
    problem: ProblemArrays, parameters: Float64Array, seed: int, step: int
) -> tuple[float, Float64Array]:
    """The loss of a step's minibatch (or the function's value) and its gradient.

    Args:
        problem: The numbers of the problem.
        parameters: ``[coordinates]``.
        seed: Position of the seed in the problem.
        step: From 0.
    """
    x = parameters
    if problem.kind == "quadratic":
        assert problem.matrix is not None and problem.optimum is not None
        distance = x - problem.optimum[:, seed]
        gradient = _product(problem.matrix, distance[:, None])[:, 0]
        return float(_in_order(distance * gradient) * 0.5), gradient
    if problem.kind == "rosenbrock":
        assert problem.optimum is not None
        d = x - problem.optimum[:, seed]
        valley, rest = d[1:] - d[:-1] * d[:-1], 1 - d[:-1]
        gradient = np.zeros_like(x)
        gradient[1:] = 200 * valley
        gradient[:-1] = gradient[:-1] - 400 * d[:-1] * valley - 2 * rest
        return float(_in_order(100 * valley * valley + rest * rest)), gradient
    if problem.kind == "rastrigin":
        assert problem.optimum is not None
        d = x - problem.optimum[:, seed]
        angle = TURN * d
        gradient = 2 * d + (10 * TURN) * _sin(angle)
        return float(_in_order(d * d - 10 * _cos(angle) + 10)), gradient
    rows = problem.order[step]
    labels = problem.train_y[rows]
    tensors = _tensors(problem, x)
    units = _forward(problem, tensors, problem.train_x[rows])
    losses, error, _ = _cross_entropy(units[-1], labels)
    gradients: list[Float64Array] = []
    for layer in range(len(problem.widths) - 1, 0, -1):
        bias = np.add.accumulate(error, axis=0)[-1] + 0.0
        gradients = [_product(units[layer - 1].T, error).ravel(), bias, *gradients]
        if layer > 1:
            error = _product(error, tensors[2 * layer - 2].T)
            a = units[layer - 1]
            is_relu = problem.activation == "relu"
            error = np.where(a > 0, error, 0.0) if is_relu else error * (1 - a * a)
    return float(_in_order(losses) / len(rows)), np.concatenate(gradients)


def held_out(problem: ProblemArrays, parameters: Float64Array, seed: int) -> tuple[float, float]:
    """Loss and accuracy on held-out examples, or the function's value and NaN."""
    if problem.kind != "classifier":
        return loss_and_gradient(problem, parameters, seed, 0)[0], math.nan
    units = _forward(problem, _tensors(problem, parameters), problem.test_x)
    losses, _, right = _cross_entropy(units[-1], problem.test_y)
    return float(_in_order(losses) / len(losses)), float(right.sum() / len(losses))


def tanh(x: Any) -> Any:
    """As in Moshier's Cephes."""
    a, s = np.abs(x), x * x
    p = -1.61468768441708447952e3 + s * (-9.92877231001918586564e1 + s * -9.64399179425052238628e-1)
    q = 4.84406305325125486048e3 + s * (
        2.23548839060100448583e3 + s * (1.12811678491632931402e2 + s)
    )
    far = np.copysign(1 - 2 / (_exp(a + a) + 1), x)
    return np.where(a < 0.625, x + x * s * (p / q), np.where(x == x, far, x))


def _forward(problem: ProblemArrays, tensors: list[Any], x: Float64Array) -> list[Float64Array]:
    """The units of each layer, ``[examples, units]``, the inputs first."""
    units = [x]
    layers = len(problem.widths) - 1
    for layer in range(1, layers + 1):
        z = _product(units[-1], tensors[2 * layer - 2], tensors[2 * layer - 1])
        if layer < layers:
            z = np.where(z < 0, 0.0, z) if problem.activation == "relu" else tanh(z)
        units.append(z)
    return units


def _cross_entropy(z: Float64Array, labels: Any) -> tuple[Float64Array, Float64Array, Any]:
    """Of each example the loss, the errors of the mean loss, and whether the answer is right."""
    largest, winner = z[:, 0], np.zeros(len(z), dtype=np.int64)
    for c in range(1, z.shape[1]):
        winner = np.where(z[:, c] > largest, c, winner)
        largest = np.where(z[:, c] > largest, z[:, c], largest)
    z = z - largest[:, None]
    p = _exp(z)
    total = np.add.accumulate(p, axis=1)[:, -1]
    rows = np.arange(len(z))
    share = 1 / len(z)
    errors = p * (share / total)[:, None]
    errors[rows, labels] -= share
    return _log(total) - z[rows, labels], errors, winner == labels


def _product(x: Float64Array, y: Float64Array, start: Any = 0.0) -> Float64Array:
    """``start + x @ y``, each sum in order."""
    total = np.zeros((len(x), y.shape[1])) + start
    for k in range(len(y)):
        total = total + x[:, k, None] * y[k]
    return total


def _in_order(terms: Float64Array) -> Any:
    return np.add.accumulate(terms)[-1] + 0.0


def _tensors(problem: ProblemArrays, parameters: Float64Array) -> list[Any]:
    ends = np.cumsum(problem.sizes)[:-1]
    parts = np.split(parameters, ends)
    return [part.reshape(shape) for part, shape in zip(parts, problem.shapes, strict=True)]


# Rules --------------------------------------------------------------------------------


class TensorMemory:
    """The registers of one tensor, all 0 at the start: ``s`` numbers, ``v`` vectors ``[n]``."""

    def __init__(self, features: int) -> None:
        self.features = features
        self._kinds = {"s": np.zeros(MAX_REGISTERS), "v": np.zeros((MAX_REGISTERS, features))}

    def __getitem__(self, register: Register) -> Any:
        return self._kinds[register[0]][register[1]]

    def __setitem__(self, register: Register, value: Any) -> None:
        self._kinds[register[0]][register[1]] = value


def _run(
    rule: Program, component: str, memories: list[TensorMemory], draw_seeds: Any, step: int
) -> None:
    """One component function on all tensors, an instruction at a time."""
    ordinals = random_ordinals(rule, UPDATE_RULE)[component]
    index = rule.components.index(component)
    for position, item in enumerate(rule[component]):
        if item.op.name == "VECTOR_GLOBAL_NORM_OP":
            squares = [ordered_sum(memory["v", item.in1] ** 2) for memory in memories]
            total = np.add.accumulate(squares)[-1]
            for memory in memories:
                memory["s", item.out] = np.sqrt(total)
            continue
        for memory, seed in zip(memories, draw_seeds, strict=True):
            draws = Draws(int(seed), index, ordinals[position], step) if item.op.random else None
            run_instruction(item, memory, draws)  # type: ignore[arg-type]


def evaluate_rule(
    rule: Program,
    problem: ProblemArrays,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    seed: int = 0,
    steps: int,
    factors: Float64Array | None = None,
) -> tuple[Float64Array, float, float]:
    """Train from one seed at one setting.

    Args:
        rule: An update rule.
        problem: The numbers of the problem.
        learning_rate: The first setting.
        weight_decay: The second one.
        seed: Position of the seed in the problem.
        steps: Updates.
        factors: What the learning rate is multiplied by at each step; None: 1.

    Returns:
        Loss before each update ``[steps]``, the final loss, the accuracy; NaN after a loss
        that is not finite.
    """
    rule = live_program(rule, UPDATE_RULE)
    draw_seeds = problem.draw_seeds[:, seed]
    ends = np.cumsum(problem.sizes)[:-1]
    memories = [TensorMemory(size) for size in problem.sizes]
    parameters = problem.start[:, seed].copy()
    losses = np.full(steps, math.nan)
    with np.errstate(all="ignore"):
        _run(rule, "setup", memories, draw_seeds, 0)
        for step in range(steps):
            loss, gradient = loss_and_gradient(problem, parameters, seed, step)
            losses[step] = loss
            if not math.isfinite(loss):
                return losses, math.nan, math.nan
            parts = zip(
                memories, np.split(gradient, ends), np.split(parameters, ends), strict=True
            )
            for memory, its_gradient, its_values in parts:
                memory[STEP], memory[SCHEDULE] = step + 1, step / steps
                memory[LOSS], memory[WEIGHT_DECAY] = loss, weight_decay
                memory[GRADIENT], memory[PARAMETER] = its_gradient, its_values
            _run(rule, "update", memories, draw_seeds, step)
            update = np.concatenate([memory[UPDATE] for memory in memories])
            rate = learning_rate * (1.0 if factors is None else factors[step])
            parameters = parameters - rate * update
        final, accuracy = held_out(problem, parameters, seed)
    return losses, final, accuracy if math.isfinite(final) else math.nan
