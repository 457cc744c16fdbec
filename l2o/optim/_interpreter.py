"""A rule's update instruction by instruction, tensor by tensor.

Slower than the functions over lists, and easy to believe: what an op computes is the op
table's meaning with PyTorch's functions for NumPy's. All numbers are tensors, so that
``torch.compile`` can trace it without looking at their values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from automl_zero.export._numpy_runtime import gaussian, uniform
from automl_zero.liveness import Register, random_ordinals
from automl_zero.ops import Op
from automl_zero.program import Program
from l2o.optim._plan import register_name
from l2o.optim._runtime import drawn, with_element
from l2o.rules import UPDATE_RULE

Memory = dict[str, Tensor]
"""Registers of one tensor by name, ``s0`` and ``v0`` among them; vectors are flat."""


def _where(condition: Tensor | bool, a: Tensor | float, b: Tensor | float) -> Tensor | float:
    """As torch.where, which makes float32 of two plain numbers; a meaning's are 1 and 0."""
    if isinstance(condition, bool):
        return a if condition else b
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.where(condition, a, b)
    return condition.double()


_VOCABULARY: Final[dict[str, Any]] = {
    "__builtins__": {},
    "sum": torch.sum,
    "where": _where,
    "full": lambda count, value: value.expand(count),
    "power": torch.pow,
    **{
        name: getattr(torch, name)
        for name in (
            "abs", "arccos", "arcsin", "arctan", "cos", "exp", "log", "sin", "sqrt", "square",
            "tan",
        )
    },
}  # fmt: skip


def _meaning(op: Op) -> Callable[..., Tensor]:
    arguments = ["a", "b", "F", *(role.name for role in op.constants)]
    # The text is a literal of the op table, never data.
    return eval(f"lambda {', '.join(arguments)}: {op.numpy}", dict(_VOCABULARY))


@torch.compiler.disable
def _draw(step: _Step, like: Tensor, seed: int, count: Tensor | None) -> Tensor:
    shape = like.shape if step.output[0] == "v" else ()
    draw = uniform if "uniform" in step.op.kernel else gaussian
    first, second = step.constants
    before = 0 if count is None else int(count) - 1
    return drawn(draw, first, second, like, shape, seed, step.component, step.ordinal, before)


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction, prepared."""

    op: Op
    inputs: tuple[str, ...]
    output: str
    constants: tuple[float, ...]
    component: int
    ordinal: int
    meaning: Callable[..., Tensor] | None


class RuleInterpreter:
    """Runs the component functions of a rule.

    Args:
        live: The rule without dead code.
    """

    def __init__(self, live: Program) -> None:
        ordinals = random_ordinals(live, UPDATE_RULE)
        self._steps = {
            name: [
                _Step(
                    item.op,
                    tuple(map(register_name, item.inputs)),
                    register_name(_output(item.output)),
                    tuple(item.constants.values()),
                    live.components.index(name),
                    ordinals[name].get(position, 0),
                    _meaning(item.op) if item.inputs and not item.op.keeps_output else None,
                )
                for position, item in enumerate(body)
            ]
            for name, body in live.items()
        }

    def run(
        self,
        component: str,
        memories: Sequence[Memory],
        likes: Sequence[Tensor],
        seeds: Sequence[int],
        counts: Sequence[Tensor | None],
    ) -> None:
        """Run one component function for several tensors, side by side.

        Args:
            component: ``"setup"`` or ``"update"``.
            memories: Each tensor's registers, changed in place; one that is not there is 0.
            likes: Tensors of the shape [F], dtype and device of each one's vectors.
            seeds: Keys of random draws.
            counts: Number of the step, from 1, for rules that count them.
        """
        for step in self._steps[component]:
            if step.op.kernel == "vector_global_norm":
                self._global_norm(step, memories, likes)
                continue
            for memory, like, seed, count in zip(memories, likes, seeds, counts, strict=True):
                if step.op.random:
                    memory[step.output] = _draw(step, like, seed, count)
                else:
                    memory[step.output] = self._result(step, memory, like)

    def _result(self, step: _Step, memory: Memory, like: Tensor) -> Tensor:
        inputs = [_register(memory, name, like) for name in step.inputs]
        if step.op.kernel == "scalar_const_set":
            return torch.tensor(step.constants[0], dtype=torch.float64)
        if step.op.keeps_output:
            return with_element(_register(memory, step.output, like), *step.constants)
        a, b = (inputs + [None, None])[:2]
        if step.meaning is None:
            raise RuntimeError(f"no meaning of {step.op.name}")
        result = step.meaning(a, b, like.numel(), *step.constants)
        if step.output[0] == "v":
            return result.to(like.dtype)
        wide = functools.reduce(torch.promote_types, (x.dtype for x in inputs))
        return result.to(wide)

    def _global_norm(
        self, step: _Step, memories: Sequence[Memory], likes: Sequence[Tensor]
    ) -> None:
        vectors = [_register(m, step.inputs[0], x) for m, x in zip(memories, likes, strict=True)]
        device = vectors[0].device
        norms = [torch.linalg.vector_norm(x).double().to(device) for x in vectors]
        total = torch.linalg.vector_norm(torch.stack(norms))
        for memory, like in zip(memories, likes, strict=True):
            memory[step.output] = total.to(like)


def _register(memory: Memory, name: str, like: Tensor) -> Tensor:
    if name not in memory:
        zero = torch.zeros((), dtype=torch.float64)
        return zero if name[0] == "s" else torch.zeros_like(like)
    return memory[name]


def _output(register: Register | None) -> Register:
    if register is None:
        raise RuntimeError("expected live code without NoOp()")
    return register
