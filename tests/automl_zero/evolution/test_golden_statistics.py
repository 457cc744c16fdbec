"""Mutation and random ops behave as the original project's do, in distribution.

The reference samples are described in ``tests/golden/README.md``. A share or mean may
differ by five standard errors of both samples together.
"""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_zero.config import MUTATION_TYPES, ComponentConfig, MutationConfig, MutationWeights
from automl_zero.evaluation import run_instruction, stack_programs
from automl_zero.evolution import ProgramSpace, evolution_stream, hand_built_program
from automl_zero.ops import OPS
from automl_zero.program import INSTRUCTION_DTYPE, Instruction, MemorySizes

GOLDEN = Path(__file__).parents[2] / "golden" / "stats.json.gz"
STATS = json.loads(gzip.decompress(GOLDEN.read_bytes()))

CHILDREN = 8_000
SIGMAS = 5

# The original's: equal constants are those less than this apart.
SAME_CONSTANT = 1e-5

# The setting of the reference: a linear model, the ops of its demo, 5/9/2 registers, and
# minimum sizes that let only learn shrink.
OP_NAMES = (
    "SCALAR_CONST_SET_OP",
    "VECTOR_INNER_PRODUCT_OP",
    "SCALAR_DIFF_OP",
    "SCALAR_PRODUCT_OP",
    "SCALAR_VECTOR_PRODUCT_OP",
    "VECTOR_SUM_OP",
)


def linear_space(**mutation: Any) -> ProgramSpace:
    def component(min_size: int) -> ComponentConfig:
        return ComponentConfig(ops=OP_NAMES, init_size=1, min_size=min_size, max_size=10)

    return ProgramSpace(
        MemorySizes(5, 9, 2),
        setup=component(1),
        predict=component(1),
        learn=component(0),
        mutation=MutationConfig(probability=1, **mutation),
    )


def children_of_linear_model(mutation: str) -> list[list[np.ndarray]]:
    """Component functions of the linear model, then of its children."""
    space = linear_space(weights=MutationWeights(**{mutation: 1.0}))
    stream = evolution_stream(MUTATION_TYPES.index(mutation))
    raw, offsets = stack_programs([hand_built_program("linear")])
    found = [(raw.tobytes(), tuple(np.diff(offsets[0])))]
    found += [space.compiled.mutate(raw, offsets[0], stream)[:2] for _ in range(CHILDREN)]
    return [
        np.split(np.frombuffer(code, INSTRUCTION_DTYPE), np.cumsum(sizes)[:-1])
        for code, sizes in found
    ]


def differs(parent: np.ndarray, child: np.ndarray, field: str) -> bool:
    if field in ("op", "in1", "in2", "out"):
        return bool(np.any(parent[field] != child[field]))
    return bool(np.any(np.abs(parent[field] - child[field]) >= SAME_CONSTANT))


def tolerance(share: float, samples: int, reference_samples: int) -> float:
    """Standard errors of two shares; that of a share of 0 or 1 is taken as of one hit."""
    share = min(max(share, 1 / samples), 1 - 1 / samples)
    return SIGMAS * math.sqrt(share * (1 - share) * (1 / samples + 1 / reference_samples))


@pytest.mark.parametrize("record", STATS["mutations"], ids=lambda record: record["type"])
def test_a_mutation_type_changes_what_the_originals_does(record: dict[str, Any]) -> None:
    mutation = record["type"].removesuffix("_MUTATION_TYPE").lower()
    parent, *children = children_of_linear_model(mutation)
    counts = dict.fromkeys(record, 0.0)
    deltas = np.zeros(3)
    for child in children:
        any_changed = False
        for c, name in enumerate(("setup", "predict", "learn")):
            deltas[c] += len(child[c]) - len(parent[c])
            fields = () if len(child[c]) != len(parent[c]) else INSTRUCTION_DTYPE.names or ()
            changed = {field for field in fields if differs(parent[c], child[c], field)}
            if changed or not fields:
                any_changed = True
                counts[f"changed_{name}"] = counts.get(f"changed_{name}", 0) + 1
            for field in changed:
                counts[f"alter_{field}"] = counts.get(f"alter_{field}", 0) + 1
        counts["unchanged"] = counts.get("unchanged", 0) + (not any_changed)
    for key, expected in record.items():
        if key in ("type", "n", "mean_size_delta"):
            continue
        allowed = tolerance(expected, CHILDREN, record["n"])
        assert abs(counts[key] / CHILDREN - expected) < allowed, key
    for expected, found in zip(record["mean_size_delta"], deltas / CHILDREN, strict=True):
        assert abs(found - expected) <= tolerance(abs(expected), CHILDREN, record["n"])


@pytest.mark.parametrize("record", STATS["const_mutation"], ids=lambda record: str(record["start"]))
def test_constants_mutate_as_the_originals_do(record: dict[str, Any]) -> None:
    """Flipped with probability 0.1, else scaled by a log-normal factor of sigma 1."""
    space = linear_space(weights=MutationWeights(alter_param=1))
    stream = evolution_stream(17)
    start = float(record["start"])
    program = hand_built_program("linear").replace(
        setup=[Instruction("SCALAR_CONST_SET_OP", out=4, act=start)] * 10, predict=[], learn=[]
    )
    raw, offsets = stack_programs([program])
    values = []
    for _ in range(8 * CHILDREN):
        code, sizes, _ = space.compiled.mutate(raw, offsets[0], stream)
        constants = np.frombuffer(code, INSTRUCTION_DTYPE)[: sizes[0]]["act"]
        (changed,) = np.nonzero(constants != start)
        values += [constants[at] for at in changed]
    count = len(values)
    if start == 0:
        assert count == 0  # 0 stays 0 for ever
        return
    found = np.array(values)
    # A third of the children change in setup; half of those in a constant.
    assert abs(count / (8 * CHILDREN) - 1 / 6) < tolerance(1 / 6, 8 * CHILDREN, 10**9)
    flipped = np.sign(found) != np.sign(start)
    assert np.all(found[flipped] == -start)
    allowed = tolerance(record["flip_fraction"], count, record["n"])
    assert abs(flipped.mean() - record["flip_fraction"]) < allowed
    logs = np.log(found[~flipped] / start)
    error = SIGMAS * math.sqrt(1 / count + 1 / record["n"])
    assert abs(logs.mean() - record["log_ratio_mean"]) < error
    assert abs(logs.std() - record["log_ratio_std"]) < error


@pytest.mark.parametrize(
    "record", STATS["sampling"], ids=lambda r: f"{OPS[r['op']].kernel}({r['f0']},{r['f1']})"
)
def test_random_ops_draw_from_the_originals_distributions(record: dict[str, Any]) -> None:
    op = OPS[record["op"]]
    features = {"s": 1, "v": 64, "m": 32}[op.output]
    instruction = Instruction(op, out=0, f0=record["f0"], f1=record["f1"])
    memory = np.zeros(2), np.zeros((1, features)), np.zeros((1, features, features))
    kind = "svm".index(op.output)
    draws = np.concatenate(
        [
            run_instruction(instruction, *memory, key=7, step=step)[kind][0].ravel()
            for step in range({"s": 1500, "v": 100, "m": 10}[op.output])
        ]
    )
    share = math.sqrt(1 / len(draws) + 1 / record["n"])
    allowed = SIGMAS * record["std"] * share + 2e-6  # the reference has six digits
    assert abs(draws.mean() - record["mean"]) < allowed
    assert abs(draws.std() - record["std"]) < allowed
    if "UNIFORM" in op.name:
        low, high = np.float32(record["f0"]), np.float32(record["f1"])
        assert low <= draws.min() <= draws.max() <= max(low, high)
    else:
        assert record["min"] - record["std"] <= draws.min()
        assert draws.max() <= record["max"] + record["std"]
