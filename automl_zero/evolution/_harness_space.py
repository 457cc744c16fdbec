"""Programs of any harness, drawn and mutated in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from automl_zero.config import MUTATION_TYPES, ComponentConfig, MutationConfig
from automl_zero.evolution._instruction_source import InstructionSource
from automl_zero.evolution._search_space import RandomStream
from automl_zero.liveness import Harness, canonical_program
from automl_zero.ops import OP_BY_NAME, Op
from automl_zero.program import MAX_INSTRUCTIONS, Instruction, MemorySizes, Program

_REMEMBERED: Final = 50_000
"""Programs whose keys a space remembers: a canonical form takes half a millisecond in Python, and
the key of an individual is asked for when it is created, told and counted."""


class HarnessSpace:
    """Programs of a harness: a :class:`~automl_zero.evolution.SearchSpace`.

    Random instructions read any register and write any that the harness does not fill. The
    mutations are those of :class:`~automl_zero.evolution.ProgramSpace`, which is compiled and
    for supervised programs only; a mutation takes some 20 microseconds here.

    Args:
        harness: What drives the programs.
        memory: Registers. Fewer make random instructions likelier to connect.
        components: Ops and sizes of each component function of the harness.
        mutation: Types and rates; the default alters, inserts and removes equally often.

    Raises:
        ValueError: If an argument has the wrong type, the component functions are not those
            of the harness, none has ops, or an op has no register to read or write.

    >>> from automl_zero.evolution import evolution_stream
    >>> from automl_zero.liveness import SUPERVISED
    >>> space = HarnessSpace(
    ...     SUPERVISED,
    ...     MemorySizes(3, 2, 0),
    ...     {
    ...         "setup": ComponentConfig(),
    ...         "predict": ComponentConfig(ops=["VECTOR_INNER_PRODUCT_OP"], init_size=1),
    ...         "learn": ComponentConfig(),
    ...     },
    ... )
    >>> program = space.draw(evolution_stream(1))
    >>> print(program)
    def Setup():
    def Predict():
      s1 = dot(v1, v1)
    def Learn():
    >>> space.sizes(program)
    (1, 1)
    """

    def __init__(
        self,
        harness: Harness,
        memory: MemorySizes,
        components: Mapping[str, ComponentConfig],
        *,
        mutation: MutationConfig | None = None,
    ) -> None:
        mutation = MutationConfig() if mutation is None else mutation
        for argument, value, kind in (
            ("harness", harness, Harness),
            ("memory", memory, MemorySizes),
            ("components", components, Mapping),
            ("mutation", mutation, MutationConfig),
        ):
            if not isinstance(value, kind):
                raise ValueError(
                    f"{argument}: expected {kind.__name__}, received {type(value).__name__}"
                )
        if tuple(components) != harness.components:
            raise ValueError(
                f"components: expected {', '.join(harness.components)}, "
                f"received {', '.join(map(str, components))}"
            )
        for name, component in components.items():
            if not isinstance(component, ComponentConfig):
                raise ValueError(
                    f"{name}: expected ComponentConfig, received {type(component).__name__}"
                )
        if not any(component.ops for component in components.values()):
            raise ValueError(f"{', '.join(components)}: expected ops in one of them, received none")
        self.harness = harness
        self.memory = memory
        self.components = dict(components)
        self.mutation = mutation
        protected = frozenset().union(*(stage.filled for stage in harness.stages))
        self._source = InstructionSource(memory, protected, mutation.zero_constants_mutate)
        for name, component in self.components.items():
            self._source.check(name, component.op_names)
        self._ops: dict[str, tuple[Op, ...]] = {
            name: tuple(OP_BY_NAME[op] for op in component.op_names)
            for name, component in self.components.items()
        }
        self._open = [name for name in self.components if self._ops[name]]
        self._known: dict[Program, tuple[str, int]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_known": {}}

    def draw(self, stream: RandomStream) -> Program:
        """A program of random instructions, as many as the initial sizes say."""
        return Program(**{name: self._random_body(name, stream) for name in self.components})

    def mutate(self, genome: Program, stream: RandomStream) -> Program:
        """The program after one mutation, or with the rest of the probability the same."""
        probability = self.mutation.probability
        if probability < 1 and stream.uniform() >= probability:
            return genome
        kind = self._mutation_type(stream)
        if kind == "identity":
            return genome
        if kind == "randomize_algorithm":
            fresh = {name: self._random_body(name, stream) for name in self._open}
            return genome.replace(**fresh)
        name = self._open[stream.below(len(self._open))]
        return genome.replace(**{name: self._changed(kind, name, genome[name], stream)})

    def key(self, genome: Program) -> str:
        """128-bit fingerprint of the canonical form, which alone decides the fitness."""
        return self._analysed(genome)[0]

    def sizes(self, genome: Program) -> tuple[int, int]:
        """Instructions of a program, and of its canonical form."""
        return len(genome), self._analysed(genome)[1]

    def to_data(self, genome: Program) -> str:
        """The program's text, which is exact."""
        return str(genome)

    def from_data(self, data: Any) -> Program:
        """The program of a text, checked.

        Raises:
            ValueError: If ``data`` is no program of the harness, or one that needs more memory.
        """
        if not isinstance(data, str):
            raise ValueError(f"genome: expected program text, received {data!r}")
        program = Program.parse(data, self.harness.components)
        self.check(program)
        return program

    def check(self, program: Program) -> None:
        """Make sure that a program can live in this space.

        Raises:
            ValueError: If it is none of the harness or uses a register there is not.
        """
        if not isinstance(program, Program) or program.components != self.harness.components:
            expected = ", ".join(self.harness.components)
            received = getattr(program, "components", type(program).__name__)
            raise ValueError(
                f"program: expected component functions {expected}, received {received!r}"
            )
        program.check(self.memory)

    def _analysed(self, genome: Program) -> tuple[str, int]:
        """Key, and instructions of the canonical form."""
        known = self._known.get(genome)
        if known is None:
            code, offsets = canonical_program(genome, self.harness).to_arrays()
            digest = hashlib.blake2b(offsets.tobytes(), digest_size=16)
            digest.update(code.tobytes())
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[genome] = digest.hexdigest(), len(code)
        return known

    def _mutation_type(self, stream: RandomStream) -> str:
        weights = self.mutation.weights.as_tuple()
        left = stream.uniform() * sum(weights)
        chosen = "identity"
        for name, weight in zip(MUTATION_TYPES, weights, strict=True):
            if weight > 0:
                chosen = name
                left -= weight
                if left < 0:
                    break
        return chosen

    def _random_body(self, name: str, stream: RandomStream) -> list[Instruction]:
        ops = self._ops[name]
        size = self.components[name].init_size if ops else 0
        return [self._source.draw(ops, stream) for _ in range(size)]

    def _changed(
        self, kind: str, name: str, before: tuple[Instruction, ...], stream: RandomStream
    ) -> list[Instruction]:
        """A component function after a mutation of one kind."""
        body, config, source = list(before), self.components[name], self._source
        if kind == "randomize_component_function":
            return [source.draw(self._ops[name], stream) for _ in body]
        if kind in ("alter_param", "randomize_instruction"):
            if body:
                position = stream.below(len(body))
                body[position] = (
                    source.alter(body[position], stream)
                    if kind == "alter_param"
                    else source.draw(self._ops[name], stream)
                )
            return body
        trade = kind == "trade_instruction" and len(body) < MAX_INSTRUCTIONS
        if trade or (kind == "insert_instruction" and len(body) < config.max_size):
            position = stream.below(len(body) + 1)
            body.insert(position, source.draw(self._ops[name], stream))
        if trade or (kind == "remove_instruction" and len(body) > config.min_size):
            del body[stream.below(len(body))]
        return body
