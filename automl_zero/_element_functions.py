"""Scalar Python functions as compiled loops over the lanes of registers, by Numba.

The compiled interpreter calls ``f(blocks, a, b, out)`` on blocks of 64 bytes.
Public through :mod:`automl_zero.custom_ops`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import CellType, FunctionType
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import NumbaError
from numba.extending import intrinsic

from automl_zero._function_digest import python_function

_BLOCK_BITS: Final = 8 * 64
_NUMBERS: Final = (types.Float, types.Integer, types.Boolean)


@dataclass(frozen=True, slots=True)
class ElementFunctions:
    """One function in both precisions.

    Attributes:
        f64: Address of the loop over float64 numbers.
        f32: Address of the loop over float32 numbers.
        owners: What the addresses live in; to be kept as long as they are used.
    """

    f64: int
    f32: int
    owners: tuple[Any, ...]


def compile_function(function: FunctionType, arity: int) -> ElementFunctions:
    """Compile a function of ``arity`` numbers, 1 or 2.

    IEEE 754 arithmetic without fast-math: division by 0 raises nothing and NaN stays NaN. In
    float32 the float constants are float32, as NumPy has it for a Python number beside a
    float32 one. Functions that it calls are compiled with it.

    Raises:
        ValueError: If Numba cannot compile it, it calls itself or does not return a real number.
    """
    owners = tuple(
        _lanes(_prepared(function, narrow=real is types.float32), arity, real)
        for real in (types.float64, types.float32)
    )
    return ElementFunctions(owners[0].address, owners[1].address, owners)


def _lanes(function: FunctionType, arity: int, real: Any) -> Any:
    """The cfunc that applies ``function`` to contiguous numbers."""
    scalar = _compiled(function)
    loop = _loop(arity)

    def lanes(blocks, a, b, out):  # type: ignore[no-untyped-def]
        loop(scalar, blocks, a, b, out)

    pointer = types.CPointer(real)
    signature = types.void(types.intp, pointer, pointer, pointer)
    try:
        scalar.compile((real,) * arity)
        returned = scalar.nopython_signatures[0].return_type
        if not isinstance(returned, _NUMBERS):
            raise ValueError(f"function: expected it to return a real number, received {returned}")
        return numba.cfunc(signature, error_model="numpy")(lanes)
    except NumbaError as error:
        raise ValueError(
            f"function: expected one that Numba can compile: {_reason(error)}"
        ) from None


def _reason(error: Exception) -> str:
    """The lines of Numba's message that say something about the function."""
    lines = (line.strip() for line in str(error).splitlines())
    useful = [line for line in lines if line and not line.startswith(("Failed in", "\x1b", "File"))]
    return " ".join(useful)[:300]


@cache
def _loop(arity: int) -> Any:
    """``loop(function, blocks, a, b, out)``: ``out[i] = function(a[i], b[i])``.

    Written in LLVM's language for one statement that Numba cannot make: the iterations do not
    depend on each other, although ``out`` may be ``a`` or ``b``. Otherwise LLVM compares the
    addresses and runs an op on its own output, or on a register next to it, number by number:
    on two vectors of 64 bytes 7.9 ns instead of 4.9, on 80 of them 182 instead of 94.
    """

    @intrinsic
    def loop(typing_context, function, blocks, a, b, out):  # type: ignore[no-untyped-def]
        def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            _, blocks, *inputs, output = arguments
            real = out.dtype
            inner = function.get_call_type(context.typing_context, (real,) * arity, {})
            call = context.get_function(function, inner)
            group, loop_id = _parallel_loop(builder.module)

            # LLVM sees that whole vectors leave no number over.
            per_block = ir.Constant(blocks.type, _BLOCK_BITS // real.bitwidth)
            size = builder.mul(blocks, per_block, flags=["nuw", "nsw"])
            entry = builder.basic_block
            body = builder.append_basic_block("lanes")
            end = builder.append_basic_block("lanes_end")
            zero = ir.Constant(size.type, 0)
            builder.cbranch(builder.icmp_signed(">", blocks, zero), body, end)
            builder.position_at_end(body)
            index = builder.phi(size.type)
            index.add_incoming(zero, entry)
            numbers = [builder.load(builder.gep(x, [index])) for x in inputs[:arity]]
            result = context.cast(builder, call(builder, numbers), inner.return_type, real)
            store = builder.store(result, builder.gep(output, [index]))
            for access in (*numbers, store):
                access.set_metadata("llvm.access.group", group)
            following = builder.add(index, ir.Constant(size.type, 1), flags=["nuw", "nsw"])
            index.add_incoming(following, builder.basic_block)
            again = builder.icmp_signed("!=", following, size)
            builder.cbranch(again, body, end).set_metadata("llvm.loop", loop_id)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return types.void(function, blocks, a, b, out), code

    return loop


def _parallel_loop(module: ir.Module) -> tuple[ir.MDValue, ir.MDValue]:
    """The access group of independent iterations and the loop's properties.

    Each iteration works on one vector, so that a block suffices.
    """
    one = ir.Constant(ir.IntType(32), 1)
    group = _DistinctNode(module, [])
    properties = [
        module.add_metadata(["llvm.loop.parallel_accesses", group]),
        module.add_metadata(["llvm.loop.interleave.count", one]),
        module.add_metadata(["llvm.loop.unroll.disable"]),
    ]
    return group, _DistinctNode(module, properties, names_itself=True)


class _DistinctNode(ir.MDValue):
    """Metadata that is not merged with its like; LLVM wants loops' to begin with themselves."""

    def __init__(
        self, module: ir.Module, operands: list[ir.MDValue], names_itself: bool = False
    ) -> None:
        super().__init__(module, operands, name=str(len(module.metadata)))
        self._names_itself = names_itself

    def descr(self, buf: list[str]) -> None:
        nodes = [self, *self.operands] if self._names_itself else self.operands
        buf += ("distinct !{ ", ", ".join(node.get_reference() for node in nodes), " }\n")


def _prepared(
    function: FunctionType, narrow: bool, callers: tuple[FunctionType, ...] = ()
) -> FunctionType:
    """A copy with the functions that it calls compiled for IEEE 754 arithmetic too.

    With ``narrow``, the float constants, written in it or referred to, are float32.
    """
    callers = (*callers, function)

    def prepared(value: Any) -> Any:
        value = python_function(value)
        if isinstance(value, FunctionType):
            if value in callers:
                raise ValueError(f"function: expected no recursion, received {value.__name__}")
            return _compiled(_prepared(value, narrow, callers))
        if narrow and type(value) is float:
            with np.errstate(over="ignore"):
                return np.float32(value)
        return value

    code, outside = function.__code__, function.__globals__
    used = {name: prepared(outside[name]) for name in code.co_names if name in outside}
    return FunctionType(
        code.replace(co_consts=tuple(map(prepared, code.co_consts))),
        {**outside, **used},
        function.__name__,
        function.__defaults__,
        tuple(CellType(prepared(cell.cell_contents)) for cell in function.__closure__ or ()),
    )


def _compiled(function: FunctionType) -> Any:
    return numba.njit(error_model="numpy")(function)
