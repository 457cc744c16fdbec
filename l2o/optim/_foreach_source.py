"""An update rule as Python functions over lists of tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from automl_zero.liveness import Register, random_ordinals
from l2o.optim._emitter import Emitter
from l2o.optim._expressions import number_text
from l2o.optim._fusion import fused_steps
from l2o.optim._graph import Fill, Node, Tracer, Value
from l2o.optim._plan import INPUT_NAMES, RulePlan, register_name
from l2o.optim._scalars import ScalarCode
from l2o.rules import PARAMETER, UPDATE, UPDATE_RULE

_WIDTH = 100
_NAME = re.compile(r"\b[a-z_]\w*\b")


@dataclass(frozen=True, slots=True)
class ForeachSource:
    """A rule's functions as source.

    Attributes:
        setup: ``setup(params[, seeds])``: lists for the registers of :attr:`own_start`; empty
            if there are none.
        update: ``update(params, grads, ...)``: one step, in place; gives the registers of
            ``plan.numbers`` as a tuple if there are any.
        own_start: Tensor registers that setup gives elements of their own.
        inputs: Scalar inputs of update in order, ``"lr"`` among them.
        is_generator: Whether update yields norms to be put together over all tensors.
        helpers: Names of the runtime functions that they call.
    """

    setup: str
    update: str
    own_start: tuple[Register, ...]
    inputs: tuple[str, ...]
    is_generator: bool
    helpers: frozenset[str] = field(default_factory=frozenset)


def foreach_source(plan: RulePlan) -> ForeachSource:
    """Write a rule's functions.

    ``update`` takes the parameters, their gradients, the tensor registers, random seeds if
    the rule draws, the numbers that it reads (``lr``, inputs, registers) as 0-dimensional
    float64 tensors, each by its name.
    """
    setup, own_start, setup_helpers = _setup(plan)
    scalars = ScalarCode()
    tracer = Tracer(scalars, plan.start())
    parameter = tracer.registers[PARAMETER]
    leaves = [value for value in tracer.registers.values() if isinstance(value, Node)]
    state = {register: tracer.registers[register] for register in plan.tensors}
    tracer.run(plan.live["update"])

    finals = {register: _node(tracer, register, register[0]) for register in plan.tensors}
    last = _parameter_step(tracer, parameter)
    steps = fused_steps(tracer.nodes, [*finals.values(), last], scalars)
    ordinals = random_ordinals(plan.live, UPDATE_RULE)["update"]
    emitter = Emitter(finals.values(), ordinals, component=1)
    for leaf in leaves:
        emitter.give(leaf, owned=leaf in state.values())
    emitter.names[last] = "params"
    emitter.run(steps)
    lines = [*emitter.lines, *_copies(emitter, finals)]

    results = [_number(tracer[register]) for register in plan.numbers]
    used = _names_in(lines)
    head = _needed_lines(scalars.lines, used | _names_in(results))
    available = {"lr", *INPUT_NAMES.values(), *map(register_name, plan.numbers)}
    available |= {line.partition(" = ")[0] for line in head}
    converted = sorted(used & available, key=lambda name: (len(name), name))
    known = _names_in([*head, *lines, *results])
    is_generator = any("yield" in line for line in lines)
    if results:
        # Before the conversion: what is stored stays a tensor.
        head.append(f"results = ({', '.join(results)}{',' * (len(results) == 1)})")
        lines.append("return results")
    head += [f"{name} = {name}.item()" for name in converted]

    inputs = tuple(name for name in ("lr", *INPUT_NAMES.values()) if name in known)
    parameters = ["params: list[Tensor]", "grads: list[Tensor]"]
    parameters += [f"{register_name(register)}: list[Tensor]" for register in plan.tensors]
    parameters += ["seeds: list[int]"] * ("seeds" in known)
    parameters += [f"{name}: Tensor" for name in (*inputs, *map(register_name, plan.numbers))]
    result = _result_type("tuple[Tensor, ...]" if results else "None", is_generator)
    return ForeachSource(
        setup=setup,
        update=function_source("update", parameters, result, [*head, *lines]),
        own_start=own_start,
        inputs=inputs,
        is_generator=is_generator,
        helpers=frozenset(emitter.helpers) | setup_helpers,
    )


def function_source(
    name: str,
    parameters: Sequence[str],
    result: str,
    body: Iterable[str],
    indentation: str = "",
) -> str:
    """A function as formatters write it; ``indentation`` is for the caller to add."""
    width = _WIDTH - len(indentation)
    head = f"def {name}({', '.join(parameters)}) -> {result}:"
    if len(head) > width:
        wrapped = f"    {', '.join(parameters)}"
        if len(wrapped) > width:
            wrapped = "\n".join(f"    {parameter}," for parameter in parameters)
        head = f"def {name}(\n{wrapped}\n) -> {result}:"
    lines = [part for line in body for part in line.splitlines()] or ["pass"]
    return "\n".join([head, *(f"    {line}" for line in lines)])


def _setup(plan: RulePlan) -> tuple[str, tuple[Register, ...], frozenset[str]]:
    """Source of setup, for the registers whose tensors start with elements of their own."""
    own_start = tuple(register for register, start in plan.tensors.items() if start is None)
    if not own_start:
        return "", (), frozenset()
    scalars = ScalarCode()
    tracer = Tracer(scalars, {})
    tracer.run(plan.live["setup"])
    finals = [_node(tracer, register, register[0]) for register in own_start]
    ordinals = random_ordinals(plan.live, UPDATE_RULE)["setup"]
    emitter = Emitter(finals, ordinals, component=0)
    emitter.run(fused_steps(tracer.nodes, finals, scalars))
    results = _tuple([emitter.names[node] for node in finals])
    parameters = ["params: list[Tensor]"]
    parameters += ["seeds: list[int]"] * ("seeds" in _names_in(emitter.lines))
    result = _result_type("tuple[list[Tensor], ...]", any("yield" in x for x in emitter.lines))
    source = function_source("setup", parameters, result, [*emitter.lines, f"return {results}"])
    return source, own_start, frozenset(emitter.helpers)


def _tuple(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else ", ".join(names)


def _result_type(result: str, is_generator: bool) -> str:
    return f"Generator[list[Tensor], Tensor, {result}]" if is_generator else result


def _parameter_step(tracer: Tracer, parameter: Value) -> Node:
    """``parameter - lr * update``."""
    if not isinstance(parameter, Node):
        raise RuntimeError("expected the parameters as a node")
    node = Node("v", "linear", terms=[(1.0, parameter)])
    minus_lr = tracer.scalars.product(-1.0, "lr")
    update = tracer[UPDATE]
    if isinstance(update, Node):
        node.terms.append((minus_lr, update))
    else:
        node.constant = tracer.scalars.product(minus_lr, _raw(update))
    return tracer.add(node)


def _node(tracer: Tracer, register: Register, kind: str) -> Node:
    """What a register holds, as a node."""
    value = tracer[register]
    return value if isinstance(value, Node) else tracer.full(_raw(value), kind)  # type: ignore[arg-type]


def _copies(emitter: Emitter, finals: dict[Register, Node]) -> list[str]:
    """Lines that bring registers' new values into the tensors that are stored."""
    moves = {
        register_name(register): emitter.names[node]
        for register, node in finals.items()
        if emitter.names[node] != register_name(register)
    }
    lines = []
    for number, source in enumerate(sorted(set(moves.values()) & set(moves))):
        lines.append(f"old{number} = torch._foreach_clone({source})")
        moves = {name: f"old{number}" if s == source else s for name, s in moves.items()}
    return lines + [f"torch._foreach_copy_({name}, {source})" for name, source in moves.items()]


def _needed_lines(lines: Sequence[str], used: set[str]) -> list[str]:
    """The assignments that ``used`` depends on."""
    needed = []
    for line in reversed(lines):
        name, _, expression = line.partition(" = ")
        if name in used:
            needed.append(line)
            used = used | _names_in([expression])
    return needed[::-1]


def _names_in(lines: Iterable[str]) -> set[str]:
    return set().union(*(_NAME.findall(line) for line in lines))


def _raw(value: Value) -> float | str:
    if isinstance(value, Node):
        raise RuntimeError("expected a number, received a node")
    return value.number if isinstance(value, Fill) else value


def _number(value: Value) -> str:
    number = _raw(value)
    if isinstance(number, str):
        return number
    return f"torch.tensor({number_text(number)}, dtype=torch.float64)"
