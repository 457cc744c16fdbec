"""Update rules: how many are tried in a second, and what their optimizers cost.

    python scripts/bench_update_rules.py            # about two minutes
    python scripts/bench_update_rules.py --quick

The work is one rule, AdamW, on softmax regression of the shipped digits (650 parameters,
minibatches of 32), 100 steps from 4 seeds, then the loss on 360 held-out images.

``rules_per_s`` and ``rules_per_s_f32`` are rules per second of one core, in float64 and float32;
``mlp_rules_per_s`` the same for a network with 32 hidden units (2,410 parameters).

``rules_per_s_vs_torch_eager`` is ``rules_per_s`` over that of PyTorch doing the same in float64:
softmax regression and its gradient by autograd, the rule as eager tensor operations for each
parameter, the seeds one after the other, one thread. Both end with the same losses.

``arithmetic_limit_share`` is the work's additions and multiplications per second over the most
that this processor does (``multiply_adds_per_ns``, measured: vectors that never leave the
registers, no fused instructions, since they round differently). Counted are the products of the
forward and the backward pass and one operation for each coordinate and vector instruction of the
rule; exponentials, logarithms and what keeps them in order are not.

Rows of optimizers in PyTorch come from ``_optimizer_overhead.py``, if it is there.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from _common import Row, argument_parser, machine_line, print_rows, write_json
from _timing import median_seconds
from automl_zero.kernels import _engine

from l2o.rules import evaluate_rule, parse_rule
from l2o.rules.optimizees import Problem, compile_problems, logistic_regression, mlp

SEEDS: Final = (1, 2, 3, 4)
STEPS: Final = 100
RATE, DECAY = 0.01, 0.01
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

ADAMW: Final = parse_rule(
    """
def Setup():
  s4 = 0.9
  s5 = 0.999
  s6 = 1e-08
  s7 = 1.0
def Update():
  v3 = interpolate(v3, v0, 0.1)
  v4 = v0 * v0
  v5 = interpolate(v5, v4, 0.001)
  s8 = power(s4, s0)
  s8 = s7 - s8
  s9 = power(s5, s0)
  s9 = s7 - s9
  s9 = sqrt(s9)
  s8 = s9 / s8
  v6 = sqrt(v5)
  s9 = s6 * s9
  v7 = bcast(s9)
  v6 = v6 + v7
  v6 = v3 / v6
  v6 = s8 * v6
  v7 = s3 * v1
  v2 = v6 + v7
"""
)
"""AdamW (Loshchilov & Hutter 2019) with PyTorch's order of operations but for rounding."""


def compiled(problem: Problem) -> Callable[[], Any]:
    """One rule on the problem."""
    return lambda: evaluate_rule(ADAMW, problem, learning_rates=[RATE], weight_decays=[DECAY])


def torch_eager(problem: Problem) -> Callable[[], list[float]]:
    """The same in PyTorch; gives the final loss of each seed."""
    import torch

    torch.set_num_threads(1)
    arrays = problem.arrays
    x, test_x = torch.from_numpy(arrays.train_x.copy()), torch.from_numpy(arrays.test_x.copy())
    y = torch.from_numpy(arrays.train_y.astype(np.int64))
    test_y = torch.from_numpy(arrays.test_y.astype(np.int64))
    order = torch.from_numpy(arrays.order.astype(np.int64))
    cross_entropy = torch.nn.functional.cross_entropy

    def run() -> list[float]:
        finals = []
        for seed in range(len(problem.seeds)):
            start = torch.from_numpy(arrays.start[:, seed].copy()).split(arrays.sizes)
            parameters = [
                part.reshape(shape).clone().requires_grad_()
                for part, shape in zip(start, arrays.shapes, strict=True)
            ]
            first = [torch.zeros_like(p) for p in parameters]
            second = [torch.zeros_like(p) for p in parameters]
            for step in range(1, problem.steps + 1):
                rows = order[step - 1]
                weights, bias = parameters
                loss = cross_entropy(x[rows] @ weights + bias, y[rows])
                gradients = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                        m.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
                        v.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
                        m_hat = m / (1 - BETA_1**step)
                        v_hat = v / (1 - BETA_2**step)
                        update = m_hat / (v_hat.sqrt() + EPSILON) + DECAY * p
                        p.sub_(RATE * update)
            with torch.no_grad():
                weights, bias = parameters
                finals.append(cross_entropy(test_x @ weights + bias, test_y).item())
        return finals

    return run


def operations(problem: Problem) -> float:
    """Additions and multiplications of one rule on softmax regression."""
    arrays = problem.arrays
    products = 2 * arrays.sizes[0]  # of one example, forward
    trained = 2 * products * arrays.order.size
    tested = products * len(arrays.test_x)
    vectors = sum(item.op.output == "v" for item in ADAMW["update"]) + 2  # and the descent
    return len(problem.seeds) * (trained + tested + vectors * problem.steps * sum(problem.sizes))


def measure_search(quick: bool) -> list[Row]:
    """Rows of the compiled harness."""
    digits = logistic_regression("digits")
    options: dict[str, Any] = {"seeds": SEEDS, "steps": STEPS}
    (problem,) = compile_problems([digits], **options)
    (narrow,) = compile_problems([digits], precision="float32", **options)
    (network,) = compile_problems([mlp("digits", hidden=(32,))], **options)
    eager = torch_eager(problem)
    np.testing.assert_allclose(compiled(problem)().final[0], eager(), rtol=1e-8)
    rounds = 1_000_000
    pieces: dict[str, Callable[[], Any]] = {
        "f64": compiled(problem),
        "f32": compiled(narrow),
        "mlp": compiled(network),
        "limit": lambda: _engine.multiply_adds(8, rounds),
    }
    seconds = median_seconds(pieces, blocks=7 if quick else 101)
    seconds |= median_seconds({"eager": eager}, blocks=3 if quick else 15)
    limit = _engine.multiply_adds(8, rounds) / seconds["limit"]
    return [
        Row("rules_per_s", 1 / seconds["f64"], "1/s"),
        Row("rules_per_s_f32", 1 / seconds["f32"], "1/s"),
        Row("mlp_rules_per_s", 1 / seconds["mlp"], "1/s"),
        Row("rules_per_s_vs_torch_eager", seconds["eager"] / seconds["f64"], "", ">= 50"),
        Row("multiply_adds_per_ns", limit * 1e-9, "1/ns"),
        Row("arithmetic_limit_share", operations(problem) / seconds["f64"] / limit, ""),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    options = argument_parser(__doc__).parse_args(arguments)
    print(machine_line())
    print(
        f"kernels {_engine.ISA}, one thread, {len(SEEDS)} seeds, {STEPS} steps, "
        "medians of blocks that take turns"
    )
    rows = measure_search(options.quick)
    if importlib.util.find_spec("_optimizer_overhead"):
        from _optimizer_overhead import overhead_rows

        rows += overhead_rows(options.quick)
    print_rows(rows)
    write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
