"""What exported modules have in common: a docstring with the origin, and the class Model."""

from __future__ import annotations

import ast
import math
from typing import Any

from automl_zero.export._prepared import Prepared
from automl_zero.program import Instruction

MODEL = '''
class Model:
    """The program with its memory: s scalars [{S}], v vectors [{V}, F], m matrices [{M}, F, F].

    It sees one example after the other, in order, and learns from each. y holds numbers{classes}.
    """

    def __init__(self{seed_parameter}):
{init}

    def fit(self, X, y, epochs=1, order=None):
        """Start from empty memory and train; X is [n, F], y is [n]. Returns self."""
        X, y = examples(X, y)
        F = X.shape[1]
        self.s, self.v, self.m = np.zeros({S}), np.zeros(({V}, F)), np.zeros(({M}, F, F))
        self.predict_step = self.learn_step = 0
        with np.errstate(all="ignore"):
            setup(self.s, self.v, self.m{setup_draws})
        return self.partial_fit(X, y, epochs, order)

    def partial_fit(self, X, y, epochs=1, order=None):
        """Go on training, `epochs` times over the examples. Returns self.

        order: row numbers, [n] for every epoch or [epochs, n]; None takes rows as they come.
        """
        if self.s is None:
            return self.fit(X, y, epochs, order)
        X, y = examples(X, y, self.v.shape[1])
        order = np.arange(len(X)) if order is None else np.asarray(order, dtype=np.int64)
        if order.ndim == 1:
            order = np.tile(order, (epochs, 1))
        if order.shape[0] != epochs or not ((order >= 0) & (order < len(X))).all():
            raise ValueError(f"order: expected {{epochs}} x row numbers, received {{order.shape}}")
        with np.errstate(all="ignore"):
            train(
                X, y, order.reshape(-1), self.s, self.v, self.m{train_draws}
            )
        self.predict_step += order.size
        self.learn_step += order.size
        return self

    def predict(self, X):
        """Predictions [n]{positive}. The memory stays as training left it."""
        if self.s is None:
            raise ValueError("expected a call of fit before predict")
        X, _ = examples(X, np.zeros(len(X)), self.v.shape[1])
        memory = self.s.copy(), self.v.copy(), self.m.copy()
        with np.errstate(all="ignore"):
            return predict_rows(X, *memory{predict_draws})


def examples(X, y, features=None):
    """X and y as arrays of float64, or an error that says what is wrong."""
    X = np.ascontiguousarray(X, dtype=np.float64)
    y = np.ascontiguousarray(y, dtype=np.float64)
    if X.ndim != 2 or features not in (None, X.shape[1]) or X.shape[1] < 1:
        raise ValueError(f"X: expected shape [n, {{features or 'F'}}], received {{X.shape}}")
    if y.shape != (len(X),):
        raise ValueError(f"y: expected shape {{(len(X),)}}, received {{y.shape}}")
    return X, y
'''


def model_class(prepared: Prepared, seed_type: str = "int") -> str:
    """Source of the class ``Model`` for a module with setup, train and predict_rows.

    Args:
        prepared: The program.
        seed_type: What the module's functions take as the seed: ``int`` or ``np.uint64``.
    """
    sizes, is_random = prepared.sizes, prepared.is_random
    init = ["self.s = self.v = self.m = None"]
    if is_random:
        init.insert(0, f"self.seed = {seed_type}(seed % 2**64)  # the task's: keys all draws")
    return MODEL.format(
        S=sizes.scalars,
        V=sizes.vectors,
        M=sizes.matrices,
        classes=" 0 and 1" if prepared.squashes else "",
        positive=": class 1 if above 0" if prepared.squashes else "",
        seed_parameter=", seed=0" if is_random else "",
        init="\n".join(f"        {line}" for line in init),
        setup_draws=", self.seed" if is_random else "",
        train_draws=", self.seed, self.predict_step, self.learn_step" if is_random else "",
        predict_draws=", self.seed, self.predict_step" if is_random else "",
    ).strip("\n")


def docstring(prepared: Prepared, title: str, fitness: float | None, origin: str) -> str:
    """The docstring of an exported module: what it is and where it comes from."""
    text = description(prepared, title, fitness, origin)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""'


def description(prepared: Prepared, title: str, fitness: float | None, origin: str) -> str:
    """Title, objective, fitness, origin and program text; printable."""
    facts = [f"Objective: {'accuracy' if prepared.squashes else 'rms_error'}."]
    if fitness is not None:
        facts.append(f"Fitness: {fitness!r}.")
    if origin:
        facts.append(f"Origin: {origin}")
    program = "\n".join(f"    {line}" for line in str(prepared.program).splitlines())
    text = f"{title}\n\n" + "\n".join(facts) + f"\n\nThe program:\n\n{program}\n"
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def number_node(value: float) -> ast.expr:
    """A constant as source: ``-0.5``, ``np.inf``, ``np.nan``."""
    if math.isnan(value):
        return _parsed("np.nan")
    if math.isinf(value):
        return _parsed("np.inf" if value > 0 else "-np.inf")
    return _parsed(repr(float(value)))


def constant_nodes(instruction: Instruction) -> dict[str, ast.expr]:
    """Constants by role, as source; positions are float32 as the reference computes them."""
    nodes = {}
    for role, value in instruction.constants.items():
        node = number_node(value)
        if role in ("index", "row", "column"):
            node = call("np.float32", node)
        nodes[role] = node
    return nodes


def call(function: str, *arguments: ast.expr) -> ast.Call:
    """A function call."""
    return ast.Call(func=_parsed(function), args=list(arguments), keywords=[])


def _parsed(text: str) -> Any:
    return ast.parse(text, mode="eval").body
