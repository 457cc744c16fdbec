"""What a rule computes, as a graph of tensor operations.

Running a component function on symbols instead of numbers tells which registers hold one
number for all tensors (constants, the step and what depends on them alone), and which need a
tensor for each parameter. Only the latter become nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from automl_zero.liveness import Register
from automl_zero.program import Instruction
from l2o.optim._expressions import is_elementwise
from l2o.optim._scalars import Number, ScalarCode


@dataclass(eq=False)
class Node:
    """A list of tensors, one for each parameter.

    Attributes:
        kind: ``"v"``: of the parameters' shapes; ``"s"``: 0-dimensional.
        op: ``"leaf"`` (given), ``"linear"`` (a sum of ``terms`` and ``constant``), ``"mul"``,
            ``"div"``, or the kernel name of an op.
        args: Inputs; numbers are shared by all tensors.
        terms: Of a linear node: factors and what they multiply.
        constant: Of a linear node: what is added to every element.
        item: The instruction that it comes from, where the op's constants are needed.
        position: Of the instruction in its component function.
        name: Of a leaf: the variable.
    """

    kind: Literal["s", "v"]
    op: str
    args: tuple[Node | Number, ...] = ()
    terms: list[tuple[Number, Node]] = field(default_factory=list)
    constant: Number = 0.0
    item: Instruction | None = None
    position: int = 0
    name: str = ""

    @property
    def inputs(self) -> list[Node]:
        """Nodes that it is computed from."""
        nodes = [arg for arg in self.args if isinstance(arg, Node)]
        return nodes + [node for _, node in self.terms]


@dataclass(frozen=True, slots=True)
class Fill:
    """A vector whose elements are one number, the same for all tensors."""

    number: Number


Value = Number | Fill | Node
"""What a register holds: a number or a Fill where it is shared, else a node."""

_LINEAR: Final = {"sum": (1.0, 1.0), "diff": (1.0, -1.0)}
_REDUCTIONS: Final = frozenset(
    {
        "vector_norm", "vector_mean", "vector_st_dev", "vector_inner_product", "vector_cosine",
        "vector_global_norm",
    }
)  # fmt: skip


class Tracer:
    """Runs instructions on symbols.

    Args:
        scalars: Gets the arithmetic of shared numbers.
        registers: What registers hold at the start; those not named are 0.

    Attributes:
        registers: What they hold now.
        nodes: All nodes, each behind its inputs.
    """

    def __init__(self, scalars: ScalarCode, registers: Mapping[Register, Value]) -> None:
        self.scalars = scalars
        self.registers: dict[Register, Value] = dict(registers)
        self.nodes: list[Node] = []

    def run(self, instructions: Iterable[Instruction]) -> None:
        """Run instructions, one after the other."""
        for position, item in enumerate(instructions):
            if item.output is not None:
                value = self._value(item)
                if isinstance(value, Node):
                    value.position = position
                self.registers[item.output] = value

    def __getitem__(self, register: Register) -> Value:
        start: Value = 0.0 if register[0] == "s" else Fill(0.0)
        return self.registers.get(register, start)

    def add(self, node: Node) -> Node:
        """The node, now one of :attr:`nodes`."""
        self.nodes.append(node)
        return node

    def full(self, number: Number, kind: Literal["s", "v"]) -> Node:
        """A node that holds one number."""
        return self.add(Node(kind, "full", (number,)))

    def _value(self, item: Instruction) -> Value:
        op, kind = item.op, item.output[0]  # type: ignore[index]
        inputs = [self[register] for register in item.inputs]
        numbers = [value.number if isinstance(value, Fill) else value for value in inputs]
        if op.kernel == "scalar_const_set":
            return item.act
        shared = [number for number in numbers if not isinstance(number, Node)]
        if op.kernel == "scalar_broadcast" and shared:
            return Fill(shared[0])
        if is_elementwise(op) and len(shared) == len(numbers):
            number = self.scalars.apply(op, shared, item.constants)
            return Fill(number) if kind == "v" else number
        if op.kernel in _REDUCTIONS:
            return self.add(Node("s", op.kernel, tuple(map(self._materialised, inputs))))
        if op.keeps_output:
            old = self._materialised(self[item.output])  # type: ignore[index]
            return self.add(Node("v", op.kernel, (old,), item=item))
        if op.random or not is_elementwise(op):
            return self.add(Node(kind, op.kernel, tuple(numbers), item=item))  # type: ignore[arg-type]
        if kind == "v" and not any(isinstance(x, Node) and x.kind == "v" for x in numbers):
            numbers = [
                self.full(value.number, "v") if isinstance(value, Fill) else value
                for value in inputs
            ]
        return self.add(self._elementwise(item, kind, numbers))  # type: ignore[arg-type]

    def _elementwise(
        self, item: Instruction, kind: Literal["s", "v"], numbers: list[Node | Number]
    ) -> Node:
        """A node of an op with at least one node among its inputs."""
        word = item.op.kernel.partition("_")[2]
        a, b = (numbers * 2)[:2]
        if word in _LINEAR:
            return self._linear(kind, zip(_LINEAR[word], numbers, strict=True))
        if word == "interpolate":
            weight = item.constants["weight"]
            return self._linear(kind, zip((1.0 - weight, weight), numbers, strict=True))
        if "product" in word:
            if isinstance(a, Node) and isinstance(b, Node):
                return Node(kind, "mul", (a, b))
            factor, node = (a, b) if isinstance(b, Node) else (b, a)
            return Node(kind, "linear", terms=[(factor, node)])  # type: ignore[list-item]
        if word == "division":
            if isinstance(a, Node) and isinstance(b, Node):
                return Node(kind, "div", (a, b))
            if isinstance(a, Node):
                return Node(kind, "linear", terms=[(self.scalars.quotient(1.0, b), a)])  # type: ignore[arg-type]
            inverse = self.add(Node(kind, "reciprocal", (b,)))
            return Node(kind, "linear", terms=[(a, inverse)])
        return Node(kind, word, tuple(numbers), item=item)

    def _linear(
        self, kind: Literal["s", "v"], parts: Iterable[tuple[float, Node | Number]]
    ) -> Node:
        node = Node(kind, "linear")
        for factor, part in parts:
            if isinstance(part, Node):
                node.terms.append((factor, part))
            else:
                node.constant = self.scalars.sum(node.constant, self.scalars.product(factor, part))
        return node

    def _materialised(self, value: Value) -> Node:
        if isinstance(value, Node):
            return value
        number = value.number if isinstance(value, Fill) else value
        return self.full(number, "v")
