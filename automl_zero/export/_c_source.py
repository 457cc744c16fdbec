"""A program as plain C."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Final

from automl_zero.export._c_runtime import HELPERS, MODEL, NEEDS
from automl_zero.export._elements import SUM_NAMES, indices_of
from automl_zero.export._loops import CopyStep, DrawStep, LoopStep, SumStep, steps_of
from automl_zero.export._prepared import Prepared, prepare
from automl_zero.export._source_parts import description
from automl_zero.liveness import Register
from automl_zero.program import Instruction, Program

_FUNCTIONS: Final = {
    "abs": "fabs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "float32": "(float)",
    "int": "(ptrdiff_t)", "power": "pow",
}  # fmt: skip
"""Names that differ from the op table's."""

_OPERATORS: Final = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.And: "&&",
    ast.Lt: "<", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
}  # fmt: skip


def to_c_source(
    program: Program | str,
    *,
    objective: str = "rms_error",
    fitness: float | None = None,
    origin: str = "",
    simplify: bool = True,
) -> str:
    """A C99 file with the program: ``model_start``, ``model_train``, ``model_predict``.

    It needs the C library and libm. Compile it without ``-ffast-math`` and with
    ``-ffp-contract=off``: then all but elementary functions and normal numbers give the bits
    of the reference interpreter. One call handles one example. ``model_predict`` goes on with
    the memory, as a search's validation does: what the program's predict function keeps for the
    next example is kept.

    Args:
        program: A supervised program, or its text.
        objective: ``"rms_error"`` or ``"accuracy"``; see :func:`to_numpy_source`.
        fitness: For the comment at the top, if known.
        origin: For the comment at the top: how the program was found.
        simplify: Export the canonical form, which predicts the same.

    Raises:
        ValueError: If the program is no supervised one or the objective is unknown.

    >>> source = to_c_source('''
    ... def Setup():
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   v2 = s0 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> start = source.index("static void learn")
    >>> print(source[start:source.index("static void fill")].rstrip())
    static void learn(Model *p)
    {
        const ptrdiff_t F = p->features;
        double *const s = p->s;
        double *const v0 = p->v + 0 * F;
        double *const v1 = p->v + 1 * F;
        for (ptrdiff_t i = 0; i < F; i++) {
            double v2_i = s[0] * v0[i];
            double v1_i = v1[i] + v2_i;
            v1[i] = v1_i;
        }
    }
    """
    prepared = prepare(program, objective, simplify)
    comment = description(
        prepared,
        "A learning algorithm found by evolution, in C99. Compile with -ffp-contract=off.",
        fitness,
        origin,
    )
    sizes = prepared.sizes
    squash = "    p->s[1] = 1.0 / (1.0 + exp(-p->s[1]));\n" if prepared.squashes else ""
    functions = [_component(prepared, name) for name in prepared.program.components]
    model = MODEL.format(S=sizes.scalars, V=sizes.vectors, M=sizes.matrices, squash=squash)
    head, _, tail = model.partition("/* functions */\n")
    # "*/" would end the comment.
    top = "/*\n" + comment.replace("*/", "* /").replace("/*", "/ *") + "*/\n"
    code = "\n\n".join(functions)
    used = {name for name in HELPERS if f"{name}(" in code}
    used |= {NEEDS[name] for name in used if name in NEEDS}
    helpers = [text for name, text in HELPERS.items() if name in used]
    return top + "\n".join([head.rstrip() + "\n", *helpers, code + "\n", tail])


def _component(prepared: Prepared, name: str) -> str:
    component = prepared.program.components.index(name)
    step = {"setup": "0", "predict": "p->predict_step", "learn": "p->learn_step"}[name]
    lines: list[str] = []
    for part in steps_of(
        prepared.program[name], prepared.needed_after[name], prepared.ordinals[name]
    ):
        if isinstance(part, SumStep):
            lines.append(_sum(part))
        elif isinstance(part, CopyStep):
            lines.append(f"transpose(F, m{part.matrix[1]}, square);")
        elif isinstance(part, DrawStep):
            lines.append(_draw(part, component, step))
        else:
            lines += _loop(part)
    return f"static void {name}(Model *p)\n{{\n" + _declared(prepared, lines) + "}"


def _declared(prepared: Prepared, lines: list[str]) -> str:
    """The lines with declarations of what they use in front."""
    text = "\n".join(lines)
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
    found: list[str] = []
    for kind, count, size in (
        ("v", prepared.sizes.vectors, "F"),
        ("m", prepared.sizes.matrices, "F * F"),
    ):
        found += [
            f"double *const {kind}{n} = p->{kind} + {n} * {size};"
            for n in range(count)
            if f"{kind}{n}" in words
        ]
    if "s" in words:
        found.insert(0, "double *const s = p->s;")
    found += [f"double {name};" for name in SUM_NAMES if name in words]
    scratch = {"w0": "p->scratch", "w1": "p->scratch + F", "square": "p->scratch + 2 * F"}
    found += [f"double *const {name} = {scratch[name]};" for name in scratch if name in words]
    if "F" in words or any("F" in line for line in found):
        found.insert(0, "const ptrdiff_t F = p->features;")
    if not lines:
        return "    (void)p;\n"
    return "".join(f"    {line}\n" for line in [*found, *lines])


def _sum(part: SumStep) -> str:
    """A call of a helper; strides tell rows from columns."""
    first, second = part.total.factors
    a = _name(part.operands, first)
    b = "NULL" if second is None else _name(part.operands, second)
    scratch = part.total.name.replace("t", "w")
    match part.total.span:
        case "vector":
            return f"{part.total.name} = ordered_dot(F, {a}, 1, {b}, 1);"
        case "matrix":
            return f"{part.total.name} = ordered_dot(F * F, {a}, 1, {b}, 1);"
        case "row":
            is_vector = second is not None and indices_of(second) == ("k",)
            return f"dots(F, {a}, F, 1, {b}, {0 if is_vector else 'F'}, 1, {scratch});"
        case "column":
            return f"dots(F, {a}, 1, F, {b}, 1, F, {scratch});"
        case _:
            return f"matrix_product(F, {a}, {b}, square);"


def _name(operands: Mapping[str, Register], node: ast.Subscript) -> str:
    kind, number = operands[node.value.id]  # type: ignore[attr-defined]
    return f"{kind}{number}"


def _draw(part: DrawStep, component: int, step: str) -> str:
    item = part.instruction
    kind, number = item.output or ("", 0)
    count = {"s": "1", "v": "F", "m": "F * F"}[kind]
    target = f"&s[{number}]" if kind == "s" else f"{kind}{number}"
    name = "fill_uniform" if "uniform" in item.op.numpy else "fill_gaussian"
    constants = ", ".join(_number(value) for value in item.constants.values())
    key = f"stream_key(p->seed, {component}, {part.ordinal}u)"
    return f"{name}({count}, {target}, {constants}, {key}, {step});"


def _loop(part: LoopStep) -> list[str]:
    """Elementwise instructions as one loop."""
    heads = [f"for (ptrdiff_t {i} = 0; {i} < F; {i}++) {{" for i in "ij"]
    depth = {"s": 0, "v": 1, "m": 2}[part.kind]
    suffix = {"s": "", "v": "_i", "m": "_ij"}[part.kind]
    where = {"v": "[i]", "m": "[i * F + j]"}.get(part.kind, "")
    lines = [" " * 4 * level + heads[level] for level in range(depth)]
    indent, local = " " * 4 * depth, dict[Register, str]()
    for item, form in part.items:
        kind, number = item.output or ("", 0)
        text = _Printer(item, form.is_transposed, local, part.kind).text(form.result)
        if not depth:
            lines.append(f"s[{number}] = {text};")
            continue
        name = f"{kind}{number}{suffix}"
        # The same register may be written more than once.
        declaration = "" if (kind, number) in local else "double "
        lines.append(f"{indent}{declaration}{name} = {text};")
        local[kind, number] = name
    lines += [f"{indent}{kind}{n}{where} = {local[kind, n]};" for kind, n in part.stored if depth]
    return lines + [" " * 4 * level + "}" for level in reversed(range(depth))]


class _Printer:
    """Prints an element form as a C expression."""

    def __init__(
        self, item: Instruction, is_transposed: bool, local: Mapping[Register, str], kind: str
    ) -> None:
        self._registers = dict(zip("ab", item.inputs, strict=False))
        if item.output:
            self._registers["out"] = item.output
        self._constants = {role: _number(value) for role, value in item.constants.items()}
        for role in self._constants.keys() & {"index", "row", "column"}:
            self._constants[role] += "f"  # positions are computed in float32
        self._is_transposed = is_transposed
        self._local = local
        self._own_index = {"v": ("i",), "m": ("i", "j")}.get(kind, ())

    def text(self, node: ast.expr) -> str:
        """The expression, in parentheses where it is compound."""
        match node:
            case ast.Constant():
                return repr(node.value)
            case ast.UnaryOp():
                return f"-{self.text(node.operand)}"
            case ast.BinOp():
                return f"{self._inner(node.left)} {_OPERATORS[type(node.op)]} " + self._inner(
                    node.right
                )
            case ast.Compare():
                (operator,), (right,) = node.ops, node.comparators
                return f"{self._inner(node.left)} {_OPERATORS[type(operator)]} {self._inner(right)}"
            case ast.BoolOp():
                return " && ".join(self._inner(value) for value in node.values)
            case ast.IfExp():
                test, body, other = (
                    self._inner(part) for part in (node.test, node.body, node.orelse)
                )
                return f"{test} ? {body} : {other}"
            case ast.Call():
                name = node.func.id  # type: ignore[attr-defined]
                arguments = ", ".join(self.text(item) for item in node.args)
                return f"{_FUNCTIONS.get(name, name)}({arguments})"
            case ast.Subscript():
                name = node.value.id  # type: ignore[attr-defined]
                return self._element(name, indices_of(node))
            case ast.Name():
                if node.id in self._constants:
                    return self._constants[node.id]
                return self._element(node.id, ()) if node.id in self._registers else node.id
        raise RuntimeError(f"no C for {ast.unparse(node)!r}")

    def _inner(self, node: ast.expr) -> str:
        is_compound = isinstance(node, ast.BinOp | ast.Compare | ast.IfExp | ast.BoolOp)
        return f"({self.text(node)})" if is_compound else self.text(node)

    def _element(self, name: str, index: tuple[str, ...]) -> str:
        if name not in self._registers:
            scratch = name.replace("t", "w")
            return "square[i * F + j]" if len(index) == 2 else f"{scratch}[{index[0]}]"
        if self._is_transposed:
            return "square[i * F + j]"
        register = self._registers[name]
        if register in self._local and index == self._own_index:
            return self._local[register]
        kind, number = register
        if kind == "s":
            return f"s[{number}]"
        return f"{kind}{number}[{' * F + '.join(index)}]"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(float(value))
