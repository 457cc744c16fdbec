"""Steps of a rule as lines of source over lists of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from l2o.optim._expressions import is_elementwise, torch_expression
from l2o.optim._fusion import Step, Term
from l2o.optim._graph import Node
from l2o.optim._scalars import Number, scalar_text

_UNARY: Final = {
    "abs": "abs", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "cos": "cos",
    "exp": "exp", "log": "log", "reciprocal": "reciprocal", "sin": "sin", "sqrt": "sqrt",
    "tan": "tan",
}  # fmt: skip
"""Kernel words of ops that have a function of their own for lists."""

_WIDTH: Final = 96
"""Longest line, without indentation."""

_DOT: Final = "torch.dot(x.flatten(), y.flatten())"
_REDUCTIONS: Final = {
    "vector_mean": "x.mean()",
    "vector_st_dev": "((x * x).mean() - x.mean().square()).sqrt()",
    "vector_inner_product": _DOT,
    "vector_cosine": f"{_DOT} / (torch.linalg.vector_norm(x) * torch.linalg.vector_norm(y))",
}
"""Reductions of a tensor ``x`` (and ``y``)."""


class Emitter:
    """Writes steps as lines; reuses the memory of lists that nothing reads any more.

    Args:
        kept: Nodes that must not be written over: those that are read after the last step.
        ordinals: Ordinals of random instructions by position.
        component: Number of the component function, for random draws.

    Attributes:
        lines: The lines.
        names: Variables that hold nodes.
        helpers: Names of runtime functions that the lines call.
    """

    def __init__(self, kept: Iterable[Node], ordinals: Mapping[int, int], component: int) -> None:
        self.lines: list[str] = []
        self.names: dict[Node, str] = {}
        self.helpers: set[str] = set()
        self._kept = frozenset(kept)
        self._ordinals = ordinals
        self._component = component
        self._owned: set[str] = set()
        self._temporary: set[str] = set()
        self._free: list[str] = []
        self._last_read: dict[Node, int] = {}
        self._now = 0

    def give(self, node: Node, owned: bool) -> None:
        """A leaf that exists; ``owned`` if its tensors may be written over."""
        self.names[node] = node.name
        if owned:
            self._owned.add(node.name)

    def run(self, steps: Sequence[Step]) -> None:
        """Write all steps; one whose node has a name already goes to that list, in place."""
        for position, step in enumerate(steps):
            self._last_read.update(dict.fromkeys(step.reads, position))
        for self._now, step in enumerate(steps):
            if step.node in self.names:
                self._update_in_place(step)
                continue
            if step.node.op == "linear":
                self._linear(step)
            elif step.node.op in ("mul", "div"):
                self.names[step.node] = self._product(step.node.op, *step.node.args)  # type: ignore[arg-type]
            else:
                self._call(step.node)

    def _update_in_place(self, step: Step) -> None:
        """Write a sum into the list that one of its terms, a plain one, reads."""
        target = self.names[step.node]
        own = next(t for t in step.terms if t.op == "" and self.names[t.a] == target)
        others = [term for term in step.terms if term is not own]
        if any(own.a in term.nodes for term in others):
            partial = self._sum_of(others, step.constant)
            self._scale(target, own.factor)
            self._line(f"torch._foreach_add_({target}, {partial})")
            return
        self._scale(target, own.factor)
        self._add_to(target, others, step.constant)

    # Memory ------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        """Add a line; a long list goes over several, as formatters have it."""
        if len(text) > _WIDTH and text.endswith("]") and " = [" in text:
            start, _, inner = text[:-1].partition("[")
            element, _, loop = inner.rpartition(" for x")
            text = f"{start}[\n    {element}\n    for x{loop}\n]"
        self.lines.append(text)

    def _is_dead(self, node: Node) -> bool:
        return node not in self._kept and self._last_read.get(node, -1) <= self._now

    def _reusable(self, node: Node) -> bool:
        return self.names[node] in self._owned and self._is_dead(node)

    def _new(self, reads: Iterable[Node]) -> str:
        """A variable for new tensors; that of a dead input if there is one."""
        for node in dict.fromkeys(reads):
            name = self.names[node]
            if self._is_dead(node) and name in self._temporary and name not in self._free:
                self._free.append(name)
        if self._free:
            name = self._free.pop()
        else:
            name = f"t{len(self._temporary)}"
            self._temporary.add(name)
        self._owned.add(name)
        return name

    # Sums --------------------------------------------------------------------------

    def _linear(self, step: Step) -> None:
        self.names[step.node] = self._sum_of(step.terms, step.constant)

    def _sum_of(self, terms: Sequence[Term], constant: Number) -> str:
        """The variable of a sum of terms."""
        reads = [node for term in terms for node in term.nodes]
        plain = [term for term in terms if term.op == ""]
        if len(terms) == len(plain) == 2 and constant == 0.0:
            name = self._interpolated(*plain)
            if name:
                return name
        candidates = [term for term in plain if self._reusable(term.a) and reads.count(term.a) == 1]
        if candidates:
            base = min(candidates, key=lambda term: term.factor != 1.0)
            name = self.names[base.a]
            self._scale(name, base.factor)
        elif plain:
            base = next((term for term in plain if term.factor == 1.0), plain[0])
            rest = [term for term in terms if term is not base]
            source = self.names[base.a]
            if base.factor == 1.0 and rest:
                # Plain tensors first: one more pass is saved where nothing has to be scaled.
                first = min(rest, key=lambda term: term.op != "")
                name = self._new(() if len(rest) > 1 or constant != 0.0 else reads)
                self._line(f"{name} = {_added('', source, first, self.names)}")
                terms = [term for term in terms if term is not first]
            else:
                name = self._new(() if rest else reads)
                self._line(f"{name} = torch._foreach_mul({source}, {scalar_text(base.factor)})")
        else:
            base = terms[0]
            name = self._product(base.op, base.a, base.b, reusable=reads.count)  # type: ignore[arg-type]
            self._scale(name, base.factor)
        self._add_to(name, [term for term in terms if term is not base], constant)
        return name

    def _interpolated(self, first: Term, second: Term) -> str | None:
        """``(1 - weight) * a + weight * b`` as one function."""
        if isinstance(first.factor, str) or isinstance(second.factor, str):
            return None
        if abs(first.factor + second.factor - 1.0) > 2e-16 or not 0.0 < second.factor < 1.0:
            return None
        if not self._reusable(first.a) and self._reusable(second.a):
            first, second = second, first
        a, b, weight = self.names[first.a], self.names[second.a], scalar_text(second.factor)
        if self._reusable(first.a):
            self._line(f"torch._foreach_lerp_({a}, {b}, {weight})")
            return a
        name = self._new((first.a, second.a))
        self._line(f"{name} = torch._foreach_lerp({a}, {b}, {weight})")
        return name

    def _scale(self, name: str, factor: Number) -> None:
        if factor != 1.0:
            self._line(f"torch._foreach_mul_({name}, {scalar_text(factor)})")

    def _add_to(self, name: str, terms: Iterable[Term], constant: Number) -> None:
        for term in terms:
            self._line(_added("_", name, term, self.names))
        if constant != 0.0:
            self._line(f"torch._foreach_add_({name}, {scalar_text(constant)})")

    # Everything else ---------------------------------------------------------------

    def _product(
        self, op: str, a: Node, b: Node, reusable: Callable[[Node], int] | None = None
    ) -> str:
        """The variable of a product or quotient; of ``a``, or for a product ``b``, if dead.

        Args:
            op: ``"mul"`` or ``"div"``.
            a: The first operand.
            b: The second operand.
            reusable: How often the whole step reads a node, if it does so more than here.
        """
        kind = "v" if "v" in (a.kind, b.kind) else "s"
        for target, other in ((a, b), (b, a)):
            alone = reusable is None or reusable(target) == 1
            if target.kind == kind and self._reusable(target) and alone:
                name = self.names[target]
                self._line(f"torch._foreach_{op}_({name}, {self.names[other]})")
                return name
            if op == "div":
                break
        name = self._new((a, b) if reusable is None else ())
        self._line(f"{name} = torch._foreach_{op}({self.names[a]}, {self.names[b]})")
        return name

    def _call(self, node: Node) -> None:
        inputs = [arg for arg in node.args if isinstance(arg, Node)]
        if node.op in _UNARY:
            source, function = self.names[inputs[0]], f"torch._foreach_{_UNARY[node.op]}"
            if self._reusable(inputs[0]):
                self._line(f"{function}_({source})")
                self.names[node] = source
                return
            name = self._new(inputs)
            self._line(f"{name} = {function}({source})")
        else:
            # Written first: the variable of the result may be that of an input.
            text = self._text(node, inputs)
            name = self._new(inputs)
            self._line(f"{name} = {text}")
        self.names[node] = name

    def _text(self, node: Node, inputs: Sequence[Node]) -> str:
        """Source of a list of tensors."""
        names = [self.names[item] for item in inputs]
        if node.op == "vector_norm":
            return f"torch._foreach_norm({names[0]})"
        if node.op == "vector_global_norm":
            # Sent back by what drives all lists, once it has heard from each of them.
            self._line(f"total = yield torch._foreach_norm({names[0]})")
            return f"[total.to(x, copy=True) for x in {names[0]}]"
        if node.op in _REDUCTIONS:
            return _for_each(_REDUCTIONS[node.op], names)
        if node.op == "full":
            number = scalar_text(node.args[0])  # type: ignore[arg-type]
            shape = "torch.full_like(x" if node.kind == "v" else "x.new_full(()"
            return _for_each(f"{shape}, {number})", ["params"])
        if node.op == "scalar_broadcast":
            return _for_each("y.expand_as(x).clone()", ["params", *names])
        if node.item is None:
            raise RuntimeError(f"no source for {node.op}")
        if node.item.op.random:
            return self._draw(node)
        constants = {name: scalar_text(value) for name, value in node.item.constants.items()}
        if node.item.op.keeps_output:
            self.helpers.add("with_element")
            return _for_each(f"with_element(x, {constants['index']}, {constants['value']})", names)
        if node.op == "power" and len(inputs) == 1 and node.args[0] is inputs[0]:
            return f"torch._foreach_pow({names[0]}, {scalar_text(node.args[1])})"  # type: ignore[arg-type]
        if not is_elementwise(node.item.op):
            raise RuntimeError(f"no source for {node.op}")
        letters = dict(zip(dict.fromkeys(inputs), "xy", strict=False))
        operands = {
            word: letters[arg] if isinstance(arg, Node) else scalar_text(arg)
            for word, arg in zip("ab", node.args, strict=False)
        }
        text = torch_expression(node.item.op, operands | constants, "x.dtype")
        return _for_each(text, [self.names[item] for item in letters])

    def _draw(self, node: Node) -> str:
        item = node.item
        if item is None:
            raise RuntimeError("expected an instruction")
        self.helpers.add("drawn")
        function = "uniform" if "uniform" in item.op.kernel else "gaussian"
        first, second = map(scalar_text, item.constants.values())
        shape = "x.shape" if node.kind == "v" else "()"
        step = "step - 1" if self._component else "0"
        key = f"seed, {self._component}, {self._ordinals[node.position]}, {step}"
        text = f"drawn({function}, {first}, {second}, x, {shape}, {key})"
        return f"[{text} for x, seed in zip(params, seeds)]"


def _added(in_place: str, name: str, term: Term, names: Mapping[Node, str]) -> str:
    """``name + term``, in place if ``in_place`` is ``"_"``."""
    factor = scalar_text(term.factor)
    if term.op == "":
        scaled = "" if term.factor == 1.0 else f", alpha={factor}"
        return f"torch._foreach_add{in_place}({name}, {names[term.a]}{scaled})"
    if term.b is None:
        raise RuntimeError(f"expected two operands of {term.op}")
    scaled = "" if term.factor == 1.0 else f", value={factor}"
    operands = f"{names[term.a]}, {names[term.b]}"
    return f"torch._foreach_addc{term.op}{in_place}({name}, {operands}{scaled})"


def _for_each(text: str, names: Sequence[str]) -> str:
    """A list of ``text`` for ``x`` (and ``y``) out of lists."""
    if len(names) == 1:
        return f"[{text} for x in {names[0]}]"
    return f"[{text} for x, y in zip({', '.join(names)})]"
