"""A program as a module that Numba compiles to machine code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from automl_zero.export._elements import SUM_NAMES, ElementForm, indices_of
from automl_zero.export._loops import (
    CopyStep,
    DrawStep,
    LoopStep,
    Step,
    SumStep,
    names_in,
    steps_of,
)
from automl_zero.export._prepared import Prepared, prepare
from automl_zero.export._source_parts import constant_nodes, docstring, model_class
from automl_zero.liveness import FEATURES, LABEL, PREDICTION, Register
from automl_zero.program import Instruction, Program

_DECORATOR = '@njit(error_model="numpy", nogil=True)'

_BUILT_IN = ("abs", "int", "F", "i", "j")

_NEEDS = {
    "ordered_dot": ("quad_dots",),
    "row_dots": ("quad_dots", "ordered_dot"),
    "fill_uniform": ("mix64", "stream_key", "random_number"),
    "fill_gaussian": ("mix64", "stream_key", "random_number"),
}
"""Helpers that need others."""


def to_numba_source(
    program: Program | str,
    *,
    objective: str = "rms_error",
    fitness: float | None = None,
    origin: str = "",
    simplify: bool = True,
) -> str:
    """A Python module with the program as a class ``Model``; it needs NumPy and Numba.

    The same class as that of :func:`to_numpy_source`, compiled at the first call, for any
    number of features. Additions are in the same order and nothing is reordered (no
    fast-math), so all but elementary functions and normal numbers give the same bits; those
    differ in the last bits. Registers that nothing reads before they are written again hold
    something else.

    Args:
        program: A supervised program, or its text.
        objective: ``"rms_error"`` or ``"accuracy"``; see :func:`to_numpy_source`.
        fitness: For the docstring, if known.
        origin: For the docstring: how the program was found.
        simplify: Export the canonical form, which predicts the same.

    Raises:
        ValueError: If the program is no supervised one or the objective is unknown.

    >>> source = to_numba_source('''
    ... def Setup():
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   v2 = s0 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> start = source.index("        # Learn")
    >>> print(source[start:source.index("    s[0]", start)].rstrip())
            # Learn
            s0 = y[row]
            for i in range(F):
                v2_i = s0 * X[row, i]
                v1_i = v[1, i] + v2_i
                v[1, i] = v1_i
    """
    prepared = prepare(program, objective, simplify)
    head = docstring(
        prepared,
        "A learning algorithm found by evolution, compiled by Numba.\n\n"
        "    model = Model().fit(X, y)\n    model.predict(X)",
        fitness,
        origin,
    )
    functions = [_setup(prepared), _train(prepared), _predict_rows(prepared)]
    imports, helpers = _helpers("\n".join(functions))
    code = [*functions, model_class(prepared, "np.uint64"), *helpers]
    return f"{head}\n\n{imports}\n\n\n" + "\n\n\n".join(code) + "\n"


class _Function:
    """One compiled function: lines of code, and the scratch memory and views they need."""

    def __init__(self, prepared: Prepared, *components: str) -> None:
        self._prepared = prepared
        # Features that the program never writes over need not be copied to v0.
        self._reads_rows = components[0] != "setup" and not prepared.is_written(
            FEATURES, "predict", "learn"
        )
        self._used: set[str] = set()
        self.lines: list[str] = []
        self.scalars = sorted(
            {
                number
                for name in components
                for item in prepared.program[name]
                for kind, number in [*item.inputs, *([item.output] if item.output else [])]
                if kind == "s"
            }
            | {LABEL[1], PREDICTION[1]}
        )

    def text(self, signature: str, indent: int, before: list[str], after: list[str]) -> str:
        """The function; what the lines use is declared first."""
        declared = ["F = v.shape[1]"] if self._uses("F") else []
        declared += ["rows = m.reshape(-1, F)"] if self._uses("rows") else []
        declared += ["flat = m.reshape(len(m), F * F)"] if self._uses("flat") else []
        declared += [f"{name} = np.empty(F)" for name in ("w0", "w1") if self._uses(name)]
        declared += ["square = np.empty((F, F))"] if self._uses("square") else []
        declared += ["draws = np.empty((1, 1))"] if self._uses("draws") else []
        body = [*declared, *(f"s{n} = s[{n}]" for n in self.scalars), *before]
        body += [" " * indent + line for line in self.lines] + after
        lines = "\n".join(f"    {line}" for line in body)
        return f"{_DECORATOR}\ndef {signature}:\n{lines}"

    def stores(self) -> list[str]:
        """Lines that put the scalars back to memory."""
        return [f"s[{n}] = s{n}" for n in self.scalars]

    def fill(self, label: str) -> None:
        """What the harness does before a component function of an example runs."""
        if not self._reads_rows:
            self._add("for i in range(F):", "    v[0, i] = X[row, i]")
        self._add(f"s0 = {label}")

    def component(self, name: str, step: str) -> None:
        """The instructions of a component function; ``step`` keys its random draws."""
        prepared = self._prepared
        index = prepared.program.components.index(name)
        for part in steps_of(
            prepared.program[name], prepared.needed_after[name], prepared.ordinals[name]
        ):
            self._step(part, index, step)

    def _step(self, part: Step, component: int, step: str) -> None:
        if isinstance(part, SumStep):
            self._sum(part)
        elif isinstance(part, CopyStep):
            number = part.matrix[1]
            self._add("for i in range(F):", "    for j in range(F):")
            self._add(f"        square[i, j] = m[{number}, j, i]")
        elif isinstance(part, DrawStep):
            self._draw(part.instruction, f"{component}, {part.ordinal}", step)
        else:
            self._loop(part)

    def _sum(self, part: SumStep) -> None:
        first, second = part.total.factors
        left = self._row(part.operands, first)
        right = None if second is None else self._row(part.operands, second)
        arguments = left if right is None else f"{left}, {right}"
        function = "ordered_sum" if right is None else "ordered_dot"
        scratch = part.total.name.replace("t", "w")
        match part.total.span:
            case "vector" | "matrix":
                self._add(f"{part.total.name} = {function}({arguments})")
            case "row" if second is not None and indices_of(second) == ("k",):
                self._add(f"row_dots({arguments.replace(' + i', '')}, {scratch})")
            case "row":
                self._add("for i in range(F):", f"    {scratch}[i] = {function}({arguments})")
            case "column":
                self._add(f"column_dots({arguments}, {scratch})")
            case "product":
                self._add(f"matmul({arguments}, square)".replace(" + i", ""))

    def _row(self, operands: Mapping[str, Register], node: ast.Subscript) -> str:
        """The array and the row in it that an operand of a sum runs along."""
        kind, number = operands[node.value.id]  # type: ignore[attr-defined]
        if kind == "v":
            return "X, row" if (kind, number) == FEATURES and self._reads_rows else f"v, {number}"
        index = indices_of(node)
        if index == ("k",):
            return f"flat, {number}"
        return f"rows, {number} * F" + (" + i" if index[0] == "i" else "")

    def _draw(self, item: Instruction, place: str, step: str) -> None:
        kind, number = item.output or ("", 0)
        name = "fill_uniform" if "uniform" in item.op.numpy else "fill_gaussian"
        target = {"s": "draws, 0", "v": f"v, {number}", "m": f"flat, {number}"}[kind]
        constants = ", ".join(ast.unparse(node) for node in constant_nodes(item).values())
        self._add(f"{name}({target}, {constants}, stream_key(seed, {place}), {step})")
        if kind == "s":
            self._add(f"s{number} = draws[0, 0]")

    def _loop(self, part: LoopStep) -> None:
        indent = {"s": 0, "v": 4, "m": 8}[part.kind]
        heads = ["for i in range(F):", "    for j in range(F):"][: indent // 4]
        local: dict[Register, str] = {}
        self._add(*heads)
        for item, form in part.items:
            output = item.output or ("", 0)
            text = ast.unparse(_ToLocal(self, item, form, local).result)
            local[output] = f"{part.kind}{output[1]}{'_ij'[: indent // 4 + 1] if indent else ''}"
            self._add(" " * indent + f"{local[output]} = {text}")
        if indent:
            index = ", ".join("ij"[: indent // 4])
            for register in part.stored:
                target = f"{register[0]}[{register[1]}, {index}]"
                self._add(" " * indent + f"{target} = {local[register]}")

    def load(self, register: Register, index: tuple[str, ...]) -> str:
        """Source of a register's element in memory."""
        kind, number = register
        if kind == "s":
            return f"s{number}"
        if register == FEATURES and self._reads_rows:
            return f"X[row, {index[0]}]"
        return f"{kind}[{number}, {', '.join(index)}]"

    def _add(self, *lines: str) -> None:
        self.lines += lines

    def _uses(self, name: str) -> bool:
        if not self._used:
            self._used = set().union(*(names_in(ast.parse(_header(x))) for x in self.lines))
        indirect = {"F": ("rows", "flat", "w0", "w1", "square")}.get(name, ())
        return name in self._used or any(self._uses(other) for other in indirect)


class _ToLocal(ast.NodeTransformer):
    """An element form over the variables of a loop."""

    def __init__(
        self,
        function: _Function,
        item: Instruction,
        form: ElementForm,
        local: Mapping[Register, str],
    ) -> None:
        self._function = function
        self._local = local
        self._constants = constant_nodes(item)
        self._registers = dict(zip("ab", item.inputs, strict=False))
        if item.output:
            self._registers["out"] = item.output
        self._is_transposed = form.is_transposed
        self._result_index = {"v": ("i",), "m": ("i", "j")}.get(item.op.output, ())
        self.result = self.visit(_copied(form.result))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._registers:
            return self._load(node.id, ())
        if node.id in self._constants:
            return self._constants[node.id]
        if node.id in _BUILT_IN or node.id in SUM_NAMES:
            return node
        return ast.Attribute(ast.Name("np"), node.id)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        name = node.value.id  # type: ignore[attr-defined]
        if name in self._registers:
            return self._load(name, indices_of(node))
        scratch = "square" if len(indices_of(node)) == 2 else name.replace("t", "w")
        return ast.Subscript(ast.Name(scratch), node.slice)

    def _load(self, name: str, index: tuple[str, ...]) -> ast.expr:
        register = self._registers[name]
        if self._is_transposed:
            return ast.Name("square[i, j]")
        # Only registers of the loop's own kind are written in it.
        if register in self._local and (register[0] == "s" or index == self._result_index):
            return ast.Name(self._local[register])
        return ast.Name(self._function.load(register, index))


def _setup(prepared: Prepared) -> str:
    function = _Function(prepared, "setup")
    function.component("setup", "0")
    seed = ", seed" if prepared.is_random else ""
    return function.text(f"setup(s, v, m{seed})", 0, [], function.stores())


def _train(prepared: Prepared) -> str:
    function = _Function(prepared, "predict", "learn")
    function.lines.append("# Predict")
    function.fill("0.0")
    function.component("predict", "predict_step + t")
    if prepared.squashes:
        function.lines.append("s1 = 1.0 / (1.0 + np.exp(-s1))")
    function.lines.append("# Learn")
    function.fill("y[row]")
    function.component("learn", "learn_step + t")
    draws = ", seed, predict_step, learn_step" if prepared.is_random else ""
    before = ["for t in range(len(order)):", "    row = order[t]"]
    return function.text(f"train(X, y, order, s, v, m{draws})", 4, before, function.stores())


def _predict_rows(prepared: Prepared) -> str:
    function = _Function(prepared, "predict")
    function.fill("0.0")
    function.component("predict", "predict_step + row")
    function.lines.append("predictions[row] = s1")
    draws = ", seed, predict_step" if prepared.is_random else ""
    before = ["predictions = np.empty(len(X))", "for row in range(len(X)):"]
    return function.text(f"predict_rows(X, s, v, m{draws})", 4, before, ["return predictions"])


def _helpers(code: str) -> tuple[str, list[str]]:
    """Imports, and the source of the helper functions that the code calls."""
    from automl_zero.export import _numba_runtime as runtime

    used = {name for name in names_in(ast.parse(code)) if hasattr(runtime, name)} - {"np", "njit"}
    used |= {other for name in used for other in _NEEDS.get(name, ())}
    lines = ["from __future__ import annotations", ""]
    needs_llvm = "quad_dots" in used
    if needs_llvm:
        lines += ["from typing import Any", ""]
    lines.append("import numpy as np")
    if needs_llvm:
        lines += ["from llvmlite import ir", "from numba import njit, types"]
        lines += ["from numba.core import cgutils", "from numba.extending import intrinsic"]
    else:
        lines.append("from numba import njit")
    helpers = []
    for name in (name for name in vars(runtime) if name in used):
        item: Any = getattr(runtime, name)
        helpers.append(inspect.getsource(getattr(item, "py_func", item)).rstrip())
        if name == "quad_dots":
            helpers.append("quads_of_one = quad_dots(1)\nquads_of_four = quad_dots(4)")
    return "\n".join(lines), helpers


def _copied(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


def _header(line: str) -> str:
    """A line that parses on its own."""
    line = line.strip()
    return f"{line} pass" if line.endswith(":") else line


