"""Ops of your own: declared in Python, compiled by Numba, evolved like those of the table.

Index:
    :func:`register_op`: declare an op, as a call or as a decorator.
    :func:`custom_ops`: the ops declared so far.
    :func:`run_ops_file`: run a Python file that declares some.

An op belongs to the process in which it was declared. Programs name it in their text;
a search sends it to its worker processes.
"""

from __future__ import annotations

import hashlib
import re
import runpy
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

import numpy as np

from automl_zero._config_values import boolean, choice, integer
from automl_zero._function_digest import function_digest, python_function
from automl_zero._function_probes import keeps_zero, probe, require_agreement, require_commutative
from automl_zero._program_text import add_template
from automl_zero.kernels import _engine
from automl_zero.ops import MAX_CUSTOM_OPS, OP_BY_NAME, Op, add_custom_op, known_ops

if TYPE_CHECKING:
    from automl_zero._element_functions import ElementFunctions

__all__ = ["custom_ops", "register_op", "run_ops_file"]

Inputs = Literal["s", "ss", "v", "vv", "m", "mm"]
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

INPUTS: Final = ("s", "ss", "v", "vv", "m", "mm")
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*_OP")
_KINDS: Final = {"s": "SCALAR", "v": "VECTOR", "m": "MATRIX"}

@dataclass(frozen=True, slots=True)
class CustomOp:
    """A registered op: its row, its function and the digest of the whole declaration."""

    op: Op
    function: FunctionType
    digest: str

    def declaration(self) -> dict[str, Any]:
        """The arguments of :func:`register_op` that give this op again."""
        return {
            "name": self.op.name,
            "function": self.function,
            "inputs": self.op.inputs,
            "commutative": self.op.commutative,
            "cost": self.op.cost,
            "text": self.op.text,
        }


_registered: Final[dict[str, CustomOp]] = {}
_compiled: Final[dict[str, ElementFunctions]] = {}
"""Compiled code by the function's digest: for as long as the process lives, since the kernels
have its addresses; and one function is often an op on scalars, on vectors and on matrices."""
_lock: Final = threading.RLock()


@overload
def register_op(
    name: str,
    function: Callable[..., Any],
    *,
    inputs: Inputs,
    commutative: bool = ...,
    cost: int | None = ...,
    text: str | None = ...,
) -> Op: ...


@overload
def register_op(
    name: str,
    function: None = None,
    *,
    inputs: Inputs,
    commutative: bool = ...,
    cost: int | None = ...,
    text: str | None = ...,
) -> Callable[[AnyFunction], AnyFunction]: ...


def register_op(
    name: str,
    function: Callable[..., Any] | None = None,
    *,
    inputs: Inputs,
    commutative: bool = False,
    cost: int | None = None,
    text: str | None = None,
) -> Any:
    """Declare an op that computes each element of its output from those of its inputs.

    The function gets one or two numbers and gives one. It is compiled by Numba for all lanes
    of a register, in float64 and float32, with IEEE 754 arithmetic: nothing raises, nothing is
    guarded. In Python it must not raise either, so take ``np.log``, not ``math.log``. Where
    programs with it run compiled, it may be called on numbers that nobody reads.

    The declaration is tried on some thirty numbers, NaN and infinities among them: compiled
    code and Python function must agree, and a commutative op's inputs must commute to the bit.

    Args:
        name: Unlike any other op's, e.g. ``"SCALAR_SOFTPLUS_OP"``.
        function: A Python function of one or two numbers that ends for every number and
            always gives the same. It and the Python functions that it calls have no ``raise``,
            ``assert`` or recursion. Write ``2.0 * x``: an integer makes float32 double. Without
            a function, what is returned is a decorator that leaves one as it is.
        inputs: Kinds of the registers it reads: ``"s"`` or ``"ss"`` for scalars, ``"v"`` or
            ``"vv"`` for vectors, ``"m"`` or ``"mm"`` for matrices. It writes the same kind.
        commutative: Swapping the inputs changes no bit, so programs that differ in nothing
            else are one.
        cost: Of the train budget; by default that of the table's ``ABS`` or ``PRODUCT`` of the
            kind. ``automl-zero ops`` shows those of the others.
        text: How programs print it, with ``{out}``, ``{a}`` and ``{b}``; by default like a
            call of the name: ``"{out} = softplus({a})"``.

    Returns:
        The row of the op; the one there is if the same op was declared before.

    Raises:
        ValueError: If an argument is wrong, the name stands for something else, the text looks
            like another op's, the function cannot be compiled or does not do what was said, or
            there are 64 ops already.

    >>> op = register_op(
    ...     "SCALAR_CLAMP_OP", lambda x: min(max(x, -1.0), 1.0), inputs="s"
    ... )
    >>> op.text, op.keeps_zero
    ('{out} = clamp({a})', True)
    >>> from automl_zero import Program
    >>> program = Program.parse("def Setup():\\ndef Predict():\\n s1 = clamp(s2)\\ndef Learn():")
    >>> program["predict"][0].op.name
    'SCALAR_CLAMP_OP'
    """
    if function is None:

        def decorate(decorated: AnyFunction) -> AnyFunction:
            register_op(
                name, decorated, inputs=inputs, commutative=commutative, cost=cost, text=text
            )
            return decorated

        return decorate
    checked = _checked_function(function, _checked_name(name), choice("inputs", inputs, INPUTS))
    boolean("commutative", commutative)
    if commutative and len(inputs) == 1:
        raise ValueError(f"commutative: expected False for one input, received {commutative}")
    price = _default_cost(inputs) if cost is None else integer("cost", cost, 1, 10**12)
    shown = _default_text(name, inputs) if text is None else _checked_text(text, inputs)
    with _lock:
        row = Op(
            len(known_ops()), name, inputs, inputs[0], price,
            text=shown,
            numpy=f"{_word(name)}({', '.join('ab'[: len(inputs)])})",
            commutative=commutative,
            latex=_latex(name, inputs),
        )  # fmt: skip
        digest = _digest(row, checked)
        known = _registered.get(name)
        if known is not None and known.digest == digest:
            return known.op
        if name in OP_BY_NAME:
            raise ValueError(f"name: expected one that no other op has, received {name!r}")
        if len(_registered) >= MAX_CUSTOM_OPS:
            raise ValueError(f"expected at most {MAX_CUSTOM_OPS} ops of your own, received more")
        return _register(row, checked, digest)


def custom_ops() -> tuple[Op, ...]:
    """The ops declared in this process, in order."""
    return tuple(item.op for item in _registered.values())


def run_ops_file(path: str | Path) -> None:
    """Run a Python file that declares ops with :func:`register_op`.

    Only for files that the user of this process names: they can do anything.

    Raises:
        ValueError: If the file cannot be read or fails; names it.
    """
    try:
        runpy.run_path(str(path), run_name="automl_zero_ops")
    except OSError as error:
        raise ValueError(f"ops: {path}: {error.strerror or error}") from None
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(f"ops: {path}: {kind}{error}") from error


def meaning_of(op: Op) -> Callable[..., Any]:
    """What a registered op computes, in Python: a function of whole registers."""
    function = _registered[op.name].function

    def meaning(a: Any, b: Any, *rest: Any) -> Any:
        operands = [np.asarray(x, np.float64) for x in (a, b)[: op.arity]]
        elements = zip(*map(np.ravel, operands), strict=True)
        results = [float(function(*numbers)) for numbers in elements]
        return np.array(results).reshape(operands[0].shape)

    return meaning


def digests_of(names: Iterable[str]) -> dict[str, str]:
    """Digests of the declarations, by name, of those names that are users' own ops."""
    return {name: _registered[name].digest for name in sorted(set(names)) if name in _registered}


def pickled_ops(names: Iterable[str]) -> bytes:
    """The declarations of those names that are users' own ops, for another process.

    Bytes within what is pickled, so that any pickler can send functions of a script, closures
    and lambdas.
    """
    from multiprocess.reduction import ForkingPickler  # it is dill's

    declared = [_registered[name].declaration() for name in digests_of(names)]
    return bytes(ForkingPickler.dumps(declared, recurse=True))


def register_pickled_ops(data: bytes) -> None:
    """Declare the ops of :func:`pickled_ops` here, which runs code: not for data from files."""
    from multiprocess.reduction import ForkingPickler

    for declaration in ForkingPickler.loads(data):
        register_op(**declaration)


# Checks ----------------------------------------------------------------------------


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"name: expected capitals that end in _OP, like 'SOFTPLUS_OP', received {name!r}"
        )
    return name


def _checked_function(function: Any, name: str, inputs: str) -> FunctionType:
    """The Python function to compile."""
    function = python_function(function)
    if not isinstance(function, FunctionType):
        raise ValueError(f"function: expected a Python function for {name}, received {function!r}")
    code = function.__code__
    if code.co_argcount != len(inputs) or code.co_kwonlyargcount or code.co_flags & 0x0C:
        plural = "s" if len(inputs) > 1 else ""
        raise ValueError(
            f"function: expected {len(inputs)} argument{plural} for inputs {inputs!r}, received "
            f"{function.__name__}({', '.join(code.co_varnames[: code.co_argcount])})"
        )
    return function


def _checked_text(text: Any, inputs: str) -> str:
    expected = ["out", *"ab"[: len(inputs)]]
    try:
        fields = [part[1:] for part in Formatter().parse(text) if part[1] is not None]
    except (TypeError, ValueError):
        fields = []
    if sorted(fields) != sorted((name, "", None) for name in expected):
        names = ", ".join(f"{{{name}}}" for name in expected)
        raise ValueError(f"text: expected program text with {names} once each, received {text!r}")
    return str(text)


def _word(name: str) -> str:
    """What the name says beside the kind: ``SCALAR_SOFTPLUS_OP`` gives ``softplus``."""
    words = name.removesuffix("_OP")
    for kind in _KINDS.values():
        words = words.removeprefix(f"{kind}_")
    return words.lower()


def _default_text(name: str, inputs: str) -> str:
    return f"{{out}} = {_word(name)}({', '.join(('{a}', '{b}')[: len(inputs)])})"


def _default_cost(inputs: str) -> int:
    like = "ABS" if len(inputs) == 1 else "PRODUCT"
    return OP_BY_NAME[f"{_KINDS[inputs[0]]}_{like}_OP"].cost


def _digest(op: Op, function: FunctionType) -> str:
    parts = (op.name, op.inputs, op.commutative, op.cost, op.text, function_digest(function))
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


# Registering -----------------------------------------------------------------------


def _register(row: Op, function: FunctionType, digest: str) -> Op:
    # Numba takes most of a second to load, so only those wait for it who need it.
    from automl_zero._element_functions import compile_function

    key = function_digest(function)
    compiled = _compiled.get(key) or compile_function(function, row.arity)
    wide = probe(compiled.f64, np.float64, row.arity)
    narrow = probe(compiled.f32, np.float32, row.arity)
    require_agreement(function, wide)
    if row.commutative:
        require_commutative(wide)
        require_commutative(narrow)
    row = replace(row, moves_zero=not (keeps_zero(wide) and keeps_zero(narrow)))
    salt = _salt(row.name)
    if salt in map(_salt, _registered):
        raise ValueError(f"name: expected another one, received {row.name!r}: its hash is taken")
    add_template(row)
    _engine.set_op(
        row.id, row.output, row.arity, row.commutative, row.keeps_zero, row.cost, salt,
        compiled.f64, compiled.f32,
    )  # fmt: skip
    _compiled[key] = compiled
    _registered[row.name] = CustomOp(row, function, digest)
    add_custom_op(row)
    return row


def _latex(name: str, inputs: str) -> str:
    """The op as a function with its name in roman letters."""
    letters = _word(name).replace("_", r"\_")
    operands = ", ".join(["{a}", "{b}"][: len(inputs)])
    return f"{{out}} \\leftarrow \\operatorname{{{{{letters}}}}}({operands})"


def _salt(name: str) -> int:
    """32 bits that stand for an op in fingerprints of programs: ids differ between processes."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")
