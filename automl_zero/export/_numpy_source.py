"""A program as a NumPy module that does not need this project."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from automl_zero import reference
from automl_zero.export import _numpy_runtime
from automl_zero.export._prepared import Prepared, prepare
from automl_zero.export._source_parts import call, constant_nodes, docstring, model_class
from automl_zero.program import Instruction, Program

_BUILT_IN = ("int", "F")
_SIGMOID = "1.0 / (1.0 + np.exp(-s[1]))"


def to_numpy_source(
    program: Program | str,
    *,
    objective: str = "rms_error",
    fitness: float | None = None,
    origin: str = "",
    simplify: bool = True,
) -> str:
    """A Python module with the program as a class ``Model``; it needs NumPy alone.

    ``Model().fit(X, y, epochs=1, order=None)``, ``partial_fit`` and ``predict(X)`` do what
    :mod:`automl_zero.reference` does, in the same order of additions and with the same
    random numbers: the same bits on the same machine. Two things differ from an evaluation
    in a search: large errors do not stop the training, and predicting leaves the memory as
    it was. ``Model(seed=...)`` takes the seed of the task if the program draws random
    numbers.

    Args:
        program: A supervised program, or its text.
        objective: ``"accuracy"`` for a classifier of two classes: ``y`` is 0 or 1, training
            squashes the prediction by the sigmoid, and class 1 is a prediction above 0.
        fitness: For the docstring, if known.
        origin: For the docstring: how the program was found.
        simplify: Export the canonical form, which predicts the same. False keeps every
            instruction.

    Raises:
        ValueError: If the program is no supervised one or the objective is unknown.

    >>> source = to_numpy_source('''
    ... def Setup():
    ...   s2 = 0.1
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s2 * s3
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> print(source[source.index("def learn"):source.index("def train")].rstrip())
    def learn(s, v, m):
        s[3] = s[0] - s[1]
        s[3] = s[2] * s[3]
        v[2] = s[3] * v[0]
        v[1] = v[1] + v[2]
    """
    prepared = prepare(program, objective, simplify)
    head = [
        docstring(
            prepared,
            "A learning algorithm found by evolution, in NumPy.\n\n"
            "    model = Model().fit(X, y)\n    model.predict(X)",
            fitness,
            origin,
        ),
        _imports(prepared),
    ]
    code = [
        *(_component(prepared, name) for name in prepared.program.components),
        _loops(prepared),
        model_class(prepared),
        *_helpers(prepared),
    ]
    return "\n\n".join(head) + "\n\n\n" + "\n\n\n".join(code) + "\n"


def numpy_statement(instruction: Instruction, draw: str = "") -> str:
    """An instruction as a line of NumPy on the arrays ``s``, ``v``, ``m``.

    Args:
        instruction: Any but ``NO_OP``.
        draw: Arguments that tell a random op its numbers.
    """
    words: dict[str, ast.expr] = dict(constant_nodes(instruction))
    for word, register in zip("ab", instruction.inputs, strict=False):
        words[word] = _register(*register)
    kind, number = instruction.output or ("", 0)
    words["out"] = _register(kind, number)
    meaning = _ToSource(words, draw).visit(ast.parse(instruction.op.numpy, mode="eval").body)
    return f"{kind}[{number}] = {ast.unparse(meaning)}"


class _ToSource(ast.NodeTransformer):
    """A meaning of the op table with its words replaced by registers, constants and NumPy."""

    def __init__(self, words: dict[str, ast.expr], draw: str) -> None:
        self._words = words
        self._draw = draw

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._words:
            return self._words[node.id]
        if node.id == "sum":
            return ast.Name(reference.ordered_sum.__name__)
        known = node.id in _BUILT_IN or node.id in ("uniform", "gaussian")
        # The variable of a comprehension has a name of its own.
        return node if known or node.id not in reference._VOCABULARY else _attribute(node.id)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        is_draw = isinstance(node.func, ast.Name) and node.func.id in ("uniform", "gaussian")
        self.generic_visit(node)
        if is_draw:
            node.args += call(f"f({self._draw})").func.args  # type: ignore[attr-defined]
        return node


def _register(kind: str, number: int) -> ast.expr:
    return ast.Subscript(ast.Name(kind), ast.Constant(number))


def _attribute(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("np"), name)


def _component(prepared: Prepared, name: str) -> str:
    parameters = "s, v, m"
    if prepared.is_random:
        parameters += ", seed" if name == "setup" else ", seed, step"
    lines = []
    for position, item in enumerate(prepared.program[name]):
        if item.output is None:
            continue
        draw = ""
        if item.op.random:
            step = "0" if name == "setup" else "step"
            component = prepared.program.components.index(name)
            draw = f"seed, {component}, {prepared.ordinals[name][position]}, {step}"
        lines.append(numpy_statement(item, draw))
    if any(_uses_features(item) for item in prepared.program[name]):
        lines.insert(0, "F = v.shape[1]")
    body = "\n".join(f"    {line}" for line in lines or ["pass"])
    return f"def {name}({parameters}):\n{body}"


def _uses_features(item: Instruction) -> bool:
    names = ast.walk(ast.parse(item.op.numpy or "0"))
    return any(isinstance(node, ast.Name) and node.id == "F" for node in names)


def _loops(prepared: Prepared) -> str:
    draws = ("", "", "")
    if prepared.is_random:
        draws = (", seed, predict_step", ", seed, predict_step + t", ", seed, learn_step + t")
    learn_draws = ", learn_step" if prepared.is_random else ""
    head = "for t, row in enumerate({}):" if prepared.is_random else "for row in {}:"
    squash = [f"        s[1] = {_SIGMOID}"] if prepared.squashes else []
    fill = ["        v[0] = X[row]", "        s[0] = {}"]
    predict_call = f"        predict(s, v, m{draws[1]})"
    train = [
        f"def train(X, y, order, s, v, m{draws[0]}{learn_draws}):",
        f"    {head.format('order')}",
        *fill[:1],
        fill[1].format("0.0"),
        predict_call,
        *squash,
        *fill[:1],
        fill[1].format("y[row]"),
        f"        learn(s, v, m{draws[2]})",
    ]
    predict = [
        f"def predict_rows(X, s, v, m{draws[0]}):",
        "    predictions = np.empty(len(X))",
        f"    {head.format('range(len(X))')}",
        *fill[:1],
        fill[1].format("0.0"),
        predict_call,
        "        predictions[row] = s[1]",
        "    return predictions",
    ]
    return "\n".join(train) + "\n\n\n" + "\n".join(predict)


def _imports(prepared: Prepared) -> str:
    lines = ["from __future__ import annotations", ""]
    if prepared.is_random:
        lines.append("import math")
    if _has(prepared, "sum("):
        lines.append("from typing import Any")
    if len(lines) > 2:
        lines.append("")
    return "\n".join([*lines, "import numpy as np"])


def _helpers(prepared: Prepared) -> list[str]:
    """Source of the functions that the program's ops need."""
    functions: list[Callable[..., Any]] = []
    parts = []
    if _has(prepared, "sum("):
        functions.append(reference.ordered_sum)
    if prepared.is_random:
        parts.append(
            f"_BITS = {_numpy_runtime._BITS:#x}\n_GAMMA = {_numpy_runtime._GAMMA:#x}"
        )
        functions += [_numpy_runtime.mix64, _numpy_runtime.random_numbers]
        for name in ("uniform", "gaussian"):
            if _has(prepared, f"{name}("):
                functions.append(getattr(_numpy_runtime, name))
    return [*parts, *(inspect.getsource(function).rstrip() for function in functions)]


def _has(prepared: Prepared, text: str) -> bool:
    return any(text in item.op.numpy for _, body in prepared.program.items() for item in body)
