"""Sums and random numbers of exported Numba modules: the source is copied there.

A vector is given as a two-dimensional C-contiguous array and the number of a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic


def quad_dots(count: int) -> Any:
    """A function that adds products four at a time: dots of ``count`` rows of a with row q of b.

    ``function(a, r, b, q, n)`` gives, for the rows r, r + 1, ..., the four accumulators of the
    ordered sum over the first n (a multiple of four) products, one after the other. They
    are one vector of LLVM, because Numba leaves such sums to scalar instructions: on long
    rows that takes three times as long. Several rows at once hide the latency of additions.
    """
    quad, index = ir.VectorType(ir.DoubleType(), 4), ir.IntType(64)

    def load(builder: Any, pointer: Any, position: Any) -> Any:
        address = builder.bitcast(builder.gep(pointer, [position]), quad.as_pointer())
        value = builder.load(address)
        value.align = 8
        return value

    @intrinsic
    def function(context: Any, a: Any, r: Any, b: Any, q: Any, n: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = [
                context.make_array(signature.args[i])(context, builder, arguments[i])
                for i in (0, 2)
            ]
            widths = [cgutils.unpack_tuple(builder, array.shape)[1] for array in arrays]
            rows = [builder.add(arguments[1], ir.Constant(index, i)) for i in range(count)]
            starts = [builder.gep(arrays[0].data, [builder.mul(i, widths[0])]) for i in rows]
            other = builder.gep(arrays[1].data, [builder.mul(arguments[3], widths[1])])
            zero, four = ir.Constant(index, 0), ir.Constant(index, 4)
            sums = [cgutils.alloca_once(builder, quad) for _ in starts]
            factor = load(builder, other, zero)
            for start, total in zip(starts, sums, strict=True):
                builder.store(builder.fmul(load(builder, start, zero), factor), total)
            with cgutils.for_range_slice(builder, four, arguments[4], four) as (k, _):
                factor = load(builder, other, k)
                for start, total in zip(starts, sums, strict=True):
                    product = builder.fmul(load(builder, start, k), factor)
                    builder.store(builder.fadd(builder.load(total), product), total)
            values = [builder.load(total) for total in sums]
            lanes = [ir.Constant(ir.IntType(32), lane) for lane in range(4)]
            parts = [builder.extract_element(value, lane) for value in values for lane in lanes]
            return context.make_tuple(builder, signature.return_type, parts)

        return types.UniTuple(types.float64, 4 * count)(a, r, b, q, n), generate

    return function


quads_of_one = quad_dots(1)
quads_of_four = quad_dots(4)


@njit(error_model="numpy", nogil=True)
def ordered_dot(a: np.ndarray, r: int, b: np.ndarray, q: int) -> float:
    """Sum of ``a[r, k] * b[q, k]``: up to three terms from left to right; of four or more, term
    k goes to accumulator k % 4, and the result is (acc0 + acc2) + (acc1 + acc3)."""
    count = a.shape[1]
    if count < 4:
        total = a[r, 0] * b[q, 0]
        for k in range(1, count):
            total += a[r, k] * b[q, k]
        return total
    n = count // 4 * 4
    acc0, acc1, acc2, acc3 = quads_of_one(a, r, b, q, n)
    if count > n:
        acc0 += a[r, n] * b[q, n]
    if count > n + 1:
        acc1 += a[r, n + 1] * b[q, n + 1]
    if count > n + 2:
        acc2 += a[r, n + 2] * b[q, n + 2]
    return (acc0 + acc2) + (acc1 + acc3)


@njit(error_model="numpy", nogil=True)
def ordered_sum(a: np.ndarray, r: int) -> float:
    """Sum of ``a[r, k]`` in the order of ordered_dot."""
    count = a.shape[1]
    if count < 4:
        total = a[r, 0]
        for k in range(1, count):
            total += a[r, k]
        return total
    n = count // 4 * 4
    acc0, acc1, acc2, acc3 = a[r, 0], a[r, 1], a[r, 2], a[r, 3]
    for k in range(4, n, 4):
        acc0 += a[r, k]
        acc1 += a[r, k + 1]
        acc2 += a[r, k + 2]
        acc3 += a[r, k + 3]
    if count > n:
        acc0 += a[r, n]
    if count > n + 1:
        acc1 += a[r, n + 1]
    if count > n + 2:
        acc2 += a[r, n + 2]
    return (acc0 + acc2) + (acc1 + acc3)


@njit(error_model="numpy", nogil=True)
def row_dots(a: np.ndarray, r: int, b: np.ndarray, q: int, out: np.ndarray) -> None:
    """``out[i]`` = ordered_dot of row r + i of a with row q of b: a matrix times a vector."""
    count = a.shape[1]
    n = count // 4 * 4
    i = 0
    while count >= 4 and i + 4 <= count:
        acc = quads_of_four(a, r + i, b, q, n)
        for row in range(4):
            acc0, acc1, acc2 = acc[4 * row], acc[4 * row + 1], acc[4 * row + 2]
            if count > n:
                acc0 += a[r + i + row, n] * b[q, n]
            if count > n + 1:
                acc1 += a[r + i + row, n + 1] * b[q, n + 1]
            if count > n + 2:
                acc2 += a[r + i + row, n + 2] * b[q, n + 2]
            out[i + row] = (acc0 + acc2) + (acc1 + acc[4 * row + 3])
        i += 4
    while i < count:
        out[i] = ordered_dot(a, r + i, b, q)
        i += 1


@njit(error_model="numpy", nogil=True)
def column_dots(a: np.ndarray, r: int, b: np.ndarray, q: int, out: np.ndarray) -> None:
    """``out[j]`` = sum over k of ``a[r + k, j] * b[q + k, j]``, in the order of ordered_dot."""
    count = a.shape[1]
    lanes = 4 if count >= 4 else 1
    acc = np.empty((4, count))
    for k in range(count):
        if k < lanes:
            for j in range(count):
                acc[k, j] = a[r + k, j] * b[q + k, j]
        else:
            for j in range(count):
                acc[k % lanes, j] += a[r + k, j] * b[q + k, j]
    for j in range(count):
        out[j] = acc[0, j] if lanes == 1 else (acc[0, j] + acc[2, j]) + (acc[1, j] + acc[3, j])


@njit(error_model="numpy", nogil=True)
def matmul(a: np.ndarray, r: int, b: np.ndarray, q: int, out: np.ndarray) -> None:
    """``out[i, j]`` = sum over k of ``a[r + i, k] * b[q + k, j]``, in the order of ordered_dot."""
    count = a.shape[1]
    lanes = 4 if count >= 4 else 1
    acc = np.empty((4, count))
    for i in range(count):
        for k in range(count):
            factor = a[r + i, k]
            if k < lanes:
                for j in range(count):
                    acc[k, j] = factor * b[q + k, j]
            else:
                for j in range(count):
                    acc[k % lanes, j] += factor * b[q + k, j]
        for j in range(count):
            total = acc[0, j]
            if lanes == 4:
                total = (acc[0, j] + acc[2, j]) + (acc[1, j] + acc[3, j])
            out[i, j] = total


@njit(error_model="numpy", nogil=True)
def mix64(z: np.uint64) -> np.uint64:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(error_model="numpy", nogil=True)
def stream_key(seed: np.uint64, component: int, ordinal: int) -> np.uint64:
    """Key of the numbers of one random instruction: component function and ordinal in it."""
    gamma, one = np.uint64(0x9E3779B97F4A7C15), np.uint64(1)
    key = mix64(seed + gamma * (np.uint64(component) + one))
    return mix64(key + gamma * (np.uint64(ordinal) + one))


@njit(error_model="numpy", nogil=True)
def random_number(key: np.uint64, position: np.uint64) -> float:
    """A uniform number in (0, 1)."""
    z = mix64(key + np.uint64(0x9E3779B97F4A7C15) * (position + np.uint64(1)))
    return (np.float64(z >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(error_model="numpy", nogil=True)
def fill_uniform(
    out: np.ndarray, r: int, low: float, high: float, key: np.uint64, step: int
) -> None:
    """Row r of out with uniform numbers in (low, high); ``low`` itself if ``low > high``."""
    count = out.shape[1]
    first = np.uint64(step) * np.uint64(count)
    for k in range(count):
        if low > high:
            out[r, k] = low
        else:
            u = random_number(key, first + np.uint64(k))
            out[r, k] = low + (high - low) * u


@njit(error_model="numpy", nogil=True)
def fill_gaussian(
    out: np.ndarray, r: int, mean: float, std: float, key: np.uint64, step: int
) -> None:
    """Row r of out with normal numbers, drawn in pairs (Box & Muller 1958)."""
    count = out.shape[1]
    pairs = (count + 1) // 2
    first = np.uint64(step) * np.uint64(2 * pairs)
    for pair in range(pairs):
        u1 = random_number(key, first + np.uint64(2 * pair))
        u2 = random_number(key, first + np.uint64(2 * pair + 1))
        radius, angle = np.sqrt(-2.0 * np.log(u1)), 2.0 * np.pi * u2
        out[r, 2 * pair] = mean + std * (radius * np.cos(angle))
        if 2 * pair + 1 < count:
            out[r, 2 * pair + 1] = mean + std * (radius * np.sin(angle))
