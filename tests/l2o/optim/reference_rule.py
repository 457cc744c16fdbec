"""What an update rule does, by the reference interpreter: one tensor, one instruction at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from automl_zero.liveness import live_program, random_ordinals
from automl_zero.program import MemorySizes, Program
from automl_zero.reference import Draws, Memory, run_instruction
from automl_zero.streams import stream_key
from l2o.rules import UPDATE_RULE

SIZES = MemorySizes(20, 20, 0)


@dataclass
class Trajectory:
    """Parameters after each step, and the largest and smallest magnitudes on the way."""

    params: list[list[np.ndarray]] = field(default_factory=list)
    largest: float = 0.0
    smallest: float = np.inf

    def see(self, value) -> None:
        sizes = np.abs(np.atleast_1d(value))
        if not np.isfinite(sizes).all():
            self.largest = np.inf
            return
        self.largest = max(self.largest, float(sizes.max()))
        self.smallest = min(self.smallest, float(sizes[sizes > 0].min(initial=np.inf)))


def trajectory(
    rule: Program,
    params: list[np.ndarray],
    grads: list[list[np.ndarray]],
    *,
    lr: float,
    weight_decay: float = 0.0,
    losses: list[float] | None = None,
    seed: int = 0,
    noise: float = 0.0,
    scalar_noise: float | None = None,
    rng: np.random.Generator | None = None,
) -> Trajectory:
    """Train tensors with the rule on given gradients, ``grads[step][tensor]``.

    Args:
        noise: Every operand is changed by a random share of this size before it is used: how
            far the result moves tells what rounding may do to it.
        scalar_noise: The same for scalars, if it differs.
    """
    sizes = {"v": noise, "s": noise if scalar_noise is None else scalar_noise}
    live = live_program(rule, UPDATE_RULE)
    ordinals = random_ordinals(live, UPDATE_RULE)
    values = [np.array(param, dtype=np.float64) for param in params]
    memories = [Memory(SIZES, param.size) for param in params]
    found = Trajectory()

    def run(component: str, step: int) -> None:
        for position, item in enumerate(live[component]):
            for number, memory in enumerate(memories):
                for register in item.inputs if noise else ():
                    change = sizes[register[0]] * rng.uniform(-1, 1, np.shape(memory[register]))
                    memory[register] = memory[register] * (1 + change)
                draws = None
                if item.op.random:
                    key = stream_key(seed, "tensor", number)
                    index = live.components.index(component)
                    draws = Draws(key, index, ordinals[component][position], step)
                if item.op.name != "VECTOR_GLOBAL_NORM_OP":
                    run_instruction(item, memory, draws)
            if item.op.name == "VECTOR_GLOBAL_NORM_OP":
                vectors = [memory[item.inputs[0]] for memory in memories]
                with np.errstate(all="ignore"):
                    total = np.sqrt(sum((vector * vector).sum() for vector in vectors))
                for memory in memories:
                    memory[item.output] = total
            for memory in memories:
                found.see(memory[item.output])

    run("setup", 0)
    for step, gradients in enumerate(grads):
        for memory, value, gradient in zip(memories, values, gradients, strict=True):
            memory["s", 0] = step + 1
            memory["s", 1] = step / len(grads)
            memory["s", 2] = losses[step] if losses else 0.0
            memory["s", 3] = weight_decay
            memory["v", 0], memory["v", 1] = gradient.ravel(), value.ravel()
        run("update", step)
        with np.errstate(all="ignore"):
            values = [
                value - lr * memory["v", 2].reshape(value.shape)
                for value, memory in zip(values, memories, strict=True)
            ]
        found.params.append(values)
        for value in values:
            found.see(value)
    return found
