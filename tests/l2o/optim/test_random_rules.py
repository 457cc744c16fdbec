"""Any rule, run by the optimizer and by the reference interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from automl_zero.ops import OPS  # noqa: E402
from automl_zero.program import Instruction, MemorySizes, Program  # noqa: E402
from l2o.optim import EvolvedOptimizer  # noqa: E402
from l2o.optim._plan import plan_rule  # noqa: E402
from l2o.rules import (  # noqa: E402
    HAND_WRITTEN_RULES,
    UPDATE_RULE,
    hand_written_rule,
    parse_rule,
)
from tests.l2o.optim.reference_rule import trajectory  # noqa: E402
from tests.strategies import programs  # noqa: E402

SHAPES = [(3, 4), (5,), ()]
STEPS = 4
LIMITS = {torch.float64: (1e-12, 2.0**-52, 1e120), torch.float32: (1e-6, 2.0**-23, 1e25)}
"""Tolerance, rounding error, and magnitudes beyond which other orders of operations differ."""
VECTOR_OPS = tuple(op for op in OPS if "m" not in op.inputs + op.output)
MEMORY = MemorySizes(6, 5, 0)


def problem(seed, dtype):
    rng = np.random.default_rng(seed)
    kind = np.float32 if dtype is torch.float32 else np.float64
    params = [rng.normal(size=shape).astype(kind) for shape in SHAPES]
    grads = [[rng.normal(size=shape).astype(kind) for shape in SHAPES] for _ in range(STEPS)]
    losses = [float(x) for x in rng.uniform(0.1, 2, STEPS)]
    return params, grads, losses


def optimized(rule, params, grads, losses, dtype, foreach, decay):
    tensors = [torch.nn.Parameter(torch.tensor(param, dtype=dtype)) for param in params]
    optimizer = EvolvedOptimizer(
        tensors, rule, lr=0.05, weight_decay=decay, total_steps=STEPS, foreach=foreach, seed=7
    )
    steps = []
    for gradients, loss in zip(grads, losses, strict=True):
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = torch.tensor(gradient, dtype=dtype)
        optimizer.step(loss=loss)
        steps.append([tensor.detach().numpy().astype(np.float64) for tensor in tensors])
    return steps


def compare(rule, seed, dtype, foreach, scalar_noise=None):
    """Whether the trajectories could be compared; fails if they differ."""
    tolerance, rounding, large = LIMITS[dtype]
    params, grads, losses = problem(seed, dtype)
    decay = 0.1 if "weight_decay" in plan_rule(rule).reads else 0.0
    options = {"lr": 0.05, "weight_decay": decay, "losses": losses, "seed": 7}
    exact = trajectory(rule, params, grads, **options)
    rng = np.random.default_rng(seed)
    moved = [
        trajectory(
            rule, params, grads, **options,
            noise=4 * rounding, scalar_noise=scalar_noise, rng=rng,
        )
        for _ in range(3)
    ]  # fmt: skip
    steps = optimized(rule, params, grads, losses, dtype, foreach, decay)
    compared = exact.largest < large and exact.smallest > 1 / large
    for step, expected in enumerate(exact.params) if compared else ():
        for number, value in enumerate(expected):
            others = np.stack([run.params[step][number] for run in moved])
            with np.errstate(all="ignore"):
                slack = 50 * np.abs(others - value).max(axis=0)
            if not np.all(slack < 1e-3 * (1 + np.abs(value))):
                return False
            error = np.abs(steps[step][number] - value)
            limit = tolerance * (1 + np.abs(value)) + slack
            assert np.all(error <= limit), (step, number, error, limit)
    return compared


@st.composite
def rules(draw):
    """Any rule that ends with a sum, so that much of it is live."""
    rule = draw(programs(MEMORY, VECTOR_OPS, max_size=14, components=UPDATE_RULE.components))
    first, second = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    last = Instruction("VECTOR_SUM_OP", in1=first, in2=second, out=2)
    return rule.replace(update=[*rule["update"], last])


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rule=rules(), seed=st.integers(0, 100))
def test_any_rule_follows_the_reference_interpreter(dtype, foreach, rule, seed):
    compare(rule, seed, dtype, foreach)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", HAND_WRITTEN_RULES)
def test_published_rules_follow_the_reference_interpreter(name, dtype, foreach):
    # Their scalars are shared by all tensors, so they are float64 in any case.
    assert compare(hand_written_rule(name), 0, dtype, foreach, scalar_noise=2.0**-50)


@pytest.mark.parametrize("foreach", [True, False])
def test_a_norm_over_all_tensors_is_used_by_each_of_them(foreach):
    rule = parse_rule(
        "def Setup():\n  v3 = uniform(0.5, 1.0, n_features)\n  s4 = global_norm(v3)\n"
        "def Update():\n  s5 = global_norm(v0)\n  s5 = 1 / s5\n  v4 = s5 * v0\n"
        "  v4 = s4 * v4\n  v3 = v3 + v4\n  s4 = global_norm(v3)\n  s4 = 1 / s4\n  v2 = s4 * v3\n"
    )
    assert compare(rule, 3, torch.float64, foreach)


def rule_of(op, source):
    """A rule that applies an op to what differs from tensor to tensor, or is the same for all."""
    scalar = {
        "tensor": Instruction("VECTOR_NORM_OP", in1=0, out=4),
        "shared": Instruction("SCALAR_RECIPROCAL_OP", in1=0, out=4),
        "constant": Instruction("SCALAR_CONST_SET_OP", out=4, act=0.3),
    }[source]
    body = [
        scalar,
        Instruction("SCALAR_ARCTAN_OP", in1=4, out=4),
        Instruction("SCALAR_RECIPROCAL_OP", in1=4, out=5),
    ]
    # Vectors and scalars in (0, 1), where all functions are defined.
    if source == "tensor":
        body += [
            Instruction("SCALAR_VECTOR_PRODUCT_OP", in1=4, in2=0, out=3),
            Instruction("VECTOR_ABS_OP", in1=0, out=4),
            Instruction("SCALAR_ARCTAN_OP", in1=4, out=4),
            Instruction("SCALAR_SIN_OP", in1=4, out=4),
        ]
    else:
        body += [Instruction("SCALAR_BROADCAST_OP", in1=4, out=n) for n in (3, 4)]
    fields = {"in1": 4, "in2": 4} if op.arity == 2 else {"in1": 4} if op.arity else {}
    if op.arity == 2 and op.inputs[0] == op.inputs[1]:
        fields["in2"] = {"s": 5, "v": 3}[op.inputs[1]]
    for role, name in zip(op.constants, op.constant_fields, strict=True):
        fields[name] = {"low": 0.2, "high": 0.9, "index": 0.6}.get(role.name, 0.25)
    body.append(Instruction(op, out=4, **fields))
    if op.output == "s":
        body.append(Instruction("SCALAR_VECTOR_PRODUCT_OP", in1=4, in2=0, out=2))
    else:
        body.append(Instruction("VECTOR_SUM_OP", in1=4, in2=0, out=2))
    return Program(setup=[], update=body)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("source", ["tensor", "shared", "constant"])
@pytest.mark.parametrize("op", [op for op in VECTOR_OPS if op.output], ids=lambda op: op.name)
def test_every_op_follows_the_reference_interpreter(op, source, foreach):
    rule = rule_of(op, source)
    compared = compare(rule, 1, torch.float64, foreach)
    # Of a vector of equal numbers the standard deviation is rounding alone.
    assert compared or (op.name, source) in {
        ("VECTOR_ST_DEV_OP", "shared"), ("VECTOR_ST_DEV_OP", "constant")
    }  # fmt: skip
