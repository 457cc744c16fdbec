"""The space of supervised programs, drawn and mutated by the compiled kernels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from automl_zero.config import ComponentConfig, ExperimentConfig, MutationConfig
from automl_zero.evaluation import as_programs, stack_programs
from automl_zero.evolution._search_space import RandomStream
from automl_zero.kernels import _engine
from automl_zero.ops import MAX_CUSTOM_OPS, OP_BY_NAME, OPS
from automl_zero.program import (
    INSTRUCTION_DTYPE,
    SUPERVISED_COMPONENTS,
    MemorySizes,
    Program,
)

MAX_OP_LIST: Final = len(OPS) + MAX_CUSTOM_OPS
"""Longest op list of a component function; the kernels have room for no more."""


class ProgramSpace:
    """Supervised programs: a :class:`~automl_zero.evolution.SearchSpace`.

    Random instructions read any register and write any but the label ``s0`` and the
    features ``v0``. The mutations are those of the AutoML-Zero search engine; ops,
    registers and positions are drawn uniformly.

    Args:
        memory: Registers. Fewer make random instructions likelier to connect.
        setup: Ops and sizes of the function that runs once.
        predict: Those of the function that runs on each example.
        learn: Those of the function that runs after it in training.
        mutation: Types and rates; the default alters, inserts and removes equally often.

    Raises:
        ValueError: If an argument has the wrong type, no function has ops, an op list is
            longer than :data:`MAX_OP_LIST`, or an op has no register to write or read.

    >>> from automl_zero.evolution import evolution_stream
    >>> space = ProgramSpace(
    ...     MemorySizes(3, 2, 0),
    ...     setup=ComponentConfig(ops=["SCALAR_CONST_SET_OP"], init_size=1, max_size=2),
    ...     predict=ComponentConfig(ops=["VECTOR_INNER_PRODUCT_OP"], init_size=1, max_size=1),
    ...     learn=ComponentConfig(),
    ... )
    >>> stream = evolution_stream(2)
    >>> program = space.draw(stream)
    >>> print(program)
    def Setup():
      s1 = -0.22667087140501185
    def Predict():
      s2 = dot(v0, v1)
    def Learn():
    >>> child = space.mutate(program, stream)
    >>> space.key(child) == space.key(program)
    True
    """

    def __init__(
        self,
        memory: MemorySizes,
        *,
        setup: ComponentConfig,
        predict: ComponentConfig,
        learn: ComponentConfig,
        mutation: MutationConfig | None = None,
    ) -> None:
        mutation = MutationConfig() if mutation is None else mutation
        for argument, value, kind in (
            ("memory", memory, MemorySizes),
            ("setup", setup, ComponentConfig),
            ("predict", predict, ComponentConfig),
            ("learn", learn, ComponentConfig),
            ("mutation", mutation, MutationConfig),
        ):
            if not isinstance(value, kind):
                raise ValueError(
                    f"{argument}: expected {kind.__name__}, received {type(value).__name__}"
                )
        components = (setup, predict, learn)
        if not any(component.ops for component in components):
            raise ValueError("setup, predict, learn: expected ops in one of them, received none")
        for name, component in zip(SUPERVISED_COMPONENTS, components, strict=True):
            _check_ops(name, component, memory)
        self.memory = memory
        self.components = dict(zip(SUPERVISED_COMPONENTS, components, strict=True))
        self.mutation = mutation
        self.compiled = _engine.CompiledProgramSpace(
            (memory.scalars, memory.vectors, memory.matrices),
            [component.op_ids for component in components],
            [component.init_size for component in components],
            [component.min_size for component in components],
            [component.max_size for component in components],
            mutation.probability,
            mutation.weights.as_tuple(),
            mutation.zero_constants_mutate,
        )

    @classmethod
    def from_config(cls, config: ExperimentConfig) -> ProgramSpace:
        """The space that an experiment searches.

        >>> from automl_zero.config import load_config
        >>> ProgramSpace.from_config(load_config("demo")).memory
        MemorySizes(scalars=4, vectors=3, matrices=1)
        """
        return cls(config.memory, mutation=config.mutation, **config.components)

    def draw(self, stream: RandomStream) -> Program:
        """A program of random instructions, as many as the initial sizes say."""
        return program_from_bytes(*self.compiled.draw(stream))

    def mutate(self, genome: Program, stream: RandomStream) -> Program:
        """The program after one mutation, or with the rest of the probability the same."""
        raw, offsets = stack_programs([genome])
        code, sizes, _ = self.compiled.mutate(raw, offsets[0], stream)
        return program_from_bytes(code, sizes)

    def key(self, genome: Program) -> int:
        """128-bit fingerprint of the canonical form, which alone decides the fitness."""
        raw, offsets = stack_programs([genome])
        return int(_engine.canonical_form(raw, offsets[0])[3])

    def to_data(self, genome: Program) -> str:
        """The program's text, which is exact."""
        return str(genome)

    def from_data(self, data: Any) -> Program:
        """The program of a text, checked.

        Raises:
            ValueError: If ``data`` is no supervised program, or one that needs more memory.
        """
        program = Program.parse(data)
        self.check(program)
        return program

    def check(self, program: Program) -> None:
        """Make sure that a program can live in this space.

        Raises:
            ValueError: If it is no supervised program or uses a register there is not.
        """
        (program,) = as_programs(program)
        program.check(self.memory)


def program_from_bytes(code: bytes, sizes: tuple[int, ...]) -> Program:
    """The program in instruction bytes and component sizes, as the kernels give them."""
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return Program.from_arrays(np.frombuffer(code, INSTRUCTION_DTYPE), offsets)


def _check_ops(name: str, component: ComponentConfig, memory: MemorySizes) -> None:
    """Make sure that the op list fits the kernels and each op the memory."""
    if len(component.op_names) > MAX_OP_LIST:
        raise ValueError(
            f"{name}.ops: expected at most {MAX_OP_LIST} names, received {len(component.op_names)}"
        )
    for op in (OP_BY_NAME[op_name] for op_name in component.op_names):
        # The kinds that it needs, and how many registers of each: outputs leave out s0 and v0.
        needed = {kind: 1 for kind in op.inputs} | ({"v": 2} if op.output == "v" else {})
        needed |= {"m": 1} if op.output == "m" else {}
        for kind, plural in (("v", "vectors"), ("m", "matrices")):
            if memory.count(kind) < needed.get(kind, 0):
                raise ValueError(
                    f"memory.{plural}: expected at least {needed[kind]} for {op.name} in "
                    f"{name}.ops, received {memory.count(kind)}"
                )
