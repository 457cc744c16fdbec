r"""The op table: every operation of the engine, declared once.

Everything else derives from these rows: the C enum and the dispatch table of the
compiled interpreter (generated at build time from :data:`OPS`), the program text,
the parser, the reference interpreter, mutation, the train budget and
``automl-zero ops``. Ops that users declare (:mod:`automl_zero.custom_ops`) come behind them.

An op reads up to two registers and writes one. Registers are typed by a letter:
``s`` scalar, ``v`` vector of F features, ``m`` F×F matrix. ``NO_OP`` touches none.
Arithmetic is IEEE 754 throughout: ``1/0`` is infinite, ``0/0`` is NaN, nothing is
guarded.

How to read a row::

    Op(27, "VECTOR_INNER_PRODUCT_OP", "vv", "s", 4294617,
       latex=r"{out} \leftarrow {a}^\top {b}",
       text="{out} = dot({a}, {b})", numpy="sum(a * b)", commutative=True)

reads two vectors, writes a scalar; ``latex`` is how papers print it, ``text`` how programs
do, and ``numpy`` is what it means. In a meaning, ``a`` and ``b`` are the inputs, ``out`` the
output register's old content, ``F`` the feature size, constants go by their roles, and ``sum``
adds in the engine's fixed order (see :func:`automl_zero.reference.ordered_sum`). Matrix
products add ``0.0`` because their sums start from +0 and so never give -0.

This module imports the standard library only, because the build reads it before
anything is installed.

Source of ids, names, meanings and costs of the first 65 rows: Real et al., "AutoML-Zero:
Evolving Machine Learning Algorithms From Scratch" (ICML 2020) and its published search
engine. The inconsistencies there (heaviside at 0, min/max with NaN) are kept on purpose: they
are the semantics. The rows behind them are what published update rules need besides (sign,
clip, interpolation, ...). They are in no op set of supervised programs; their costs are those
of original ops that do as much arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

RegisterKind = Literal["s", "v", "m"]

REGISTER_KINDS: Final = ("s", "v", "m")


@dataclass(frozen=True, slots=True)
class ConstantRole:
    """How a constant of an op is drawn and mutated.

    ``low`` and ``high`` bound the uniform draw of a fresh constant. ``mutation`` is
    ``"scale_or_flip"`` (sign flipped with probability 0.1, else magnitude times a
    log-normal factor, sigma 1), ``"scale"`` (never flipped), ``"redraw"`` or ``"log_odds"``:
    the odds ``p / (1 - p)`` times a log-normal factor, sigma ln 10, so that 0.9 becomes 0.99,
    and 0.99 becomes 0.999, in one step of about one sigma (0 and 1 are redrawn).
    """

    name: str
    low: float
    high: float
    mutation: Literal["scale_or_flip", "scale", "redraw", "log_odds"]


VALUE: Final = ConstantRole("value", -1.0, 1.0, "scale_or_flip")
INDEX: Final = ConstantRole("index", 0.0, 1.0, "redraw")
ROW: Final = ConstantRole("row", 0.0, 1.0, "redraw")
COLUMN: Final = ConstantRole("column", 0.0, 1.0, "redraw")
LOW: Final = ConstantRole("low", -1.0, 1.0, "scale_or_flip")
HIGH: Final = ConstantRole("high", -1.0, 1.0, "scale_or_flip")
MEAN: Final = ConstantRole("mean", -1.0, 1.0, "scale_or_flip")
STD: Final = ConstantRole("std", 0.0, 1.0, "scale")
WEIGHT: Final = ConstantRole("weight", 0.0, 1.0, "log_odds")

CONSTANT_ROLES: Final = (VALUE, INDEX, ROW, COLUMN, LOW, HIGH, MEAN, STD, WEIGHT)


@dataclass(frozen=True, slots=True)
class Op:
    """One row of the op table.

    Attributes:
        id: Position in the table, and the byte that stands for the op in arrays.
        name: Name in the original project, e.g. ``"SCALAR_SUM_OP"``.
        inputs: Register kinds read, in order: ``""``, ``"s"``, ``"mv"``, ...
        output: Register kind written; ``""`` for ``NO_OP``.
        cost: Cost constant of the train budget (unit: arbitrary, measured by the
            original authors).
        text: Program text with ``{out}``, ``{a}``, ``{b}`` and the constants' roles.
        numpy: Meaning as a NumPy expression (see the module docstring).
        constants: Roles of the constants, in storage order. One constant of a scalar
            op with role ``value`` lives in the float64 field ``act``, and so does a weight,
            whose distance from 1 matters; all others live in the float32 fields ``f0``,
            ``f1``, ``f2``.
        commutative: Swapping the inputs changes no bit of the result.
        random: Draws from its task's counter-based stream.
        keeps_output: Writes part of its output register, so it also reads it.
        moves_zero: Gives something else than +0 for inputs that are all +0.
        latex: The instruction in LaTeX math, with the same fields as ``text``.
    """

    id: int
    name: str
    inputs: str
    output: str
    cost: int
    text: str
    numpy: str
    constants: tuple[ConstantRole, ...] = ()
    commutative: bool = False
    random: bool = False
    keeps_output: bool = False
    moves_zero: bool = False
    latex: str = ""

    @property
    def keeps_zero(self) -> bool:
        """Whether it reads registers, and gives +0 everywhere if all of them are +0."""
        return bool(self.inputs) and not self.moves_zero

    @property
    def arity(self) -> int:
        """Number of registers read."""
        return len(self.inputs)

    @property
    def kernel(self) -> str:
        """Name of the C leaf function: the name in lower case without ``_OP``."""
        return self.name.removesuffix("_OP").lower()

    @property
    def constant_fields(self) -> tuple[str, ...]:
        """Storage field of each constant, in the order of :attr:`constants`."""
        if self.constants == (WEIGHT,) or (self.output == "s" and self.constants == (VALUE,)):
            return ("act",)
        return ("f0", "f1", "f2")[: len(self.constants)]

    def __reduce__(self) -> tuple[Any, ...]:
        # By name: the ids of users' own ops differ between processes.
        return (_op_of_name, (self.name,))


# The original's matrix products add to accumulators that start at 0, but only from
# F = 8 on; below, a sum of negative zeros stays -0. It matters to 1/x.
_START = " + (0.0 if F >= 8 else -0.0)"

_STD = "sqrt(sum(a * a) / {n} - square(sum(a) / {n}))"

_SIGN = "where(a > 0, 1.0, where(a < 0, -1.0, a))"
# As numpy.clip: a low above high gives high, and NaN stays.
_CLIP = "where(a > high, high, where(a < low, where(low > high, high, low), a))"
_INTERPOLATE = "(1 - weight) * a + weight * b"

OPS: Final[tuple[Op, ...]] = (
    Op(0, "NO_OP", "", "", 3013921, text="NoOp()", numpy=""),
    Op(1, "SCALAR_SUM_OP", "ss", "s", 4703759,
       latex=r"{out} \leftarrow {a} + {b}",
       text="{out} = {a} + {b}", numpy="a + b", commutative=True),
    Op(2, "SCALAR_DIFF_OP", "ss", "s", 5102027,
       latex=r"{out} \leftarrow {a} - {b}",
       text="{out} = {a} - {b}", numpy="a - b"),
    Op(3, "SCALAR_PRODUCT_OP", "ss", "s", 4418347,
       latex=r"{out} \leftarrow {a} \, {b}",
       text="{out} = {a} * {b}", numpy="a * b", commutative=True),
    Op(4, "SCALAR_DIVISION_OP", "ss", "s", 3963916,
       latex=r"{out} \leftarrow \frac{{{a}}}{{{b}}}",
       text="{out} = {a} / {b}", numpy="a / b", moves_zero=True),
    Op(5, "SCALAR_ABS_OP", "s", "s", 3684352,
       latex=r"{out} \leftarrow \left| {a} \right|",
       text="{out} = abs({a})", numpy="abs(a)"),
    Op(6, "SCALAR_RECIPROCAL_OP", "s", "s", 4212086,
       latex=r"{out} \leftarrow \frac{{1}}{{{a}}}",
       text="{out} = 1 / {a}", numpy="1 / a", moves_zero=True),
    Op(7, "SCALAR_SIN_OP", "s", "s", 7538523,
       latex=r"{out} \leftarrow \sin {a}",
       text="{out} = sin({a})", numpy="sin(a)"),
    Op(8, "SCALAR_COS_OP", "s", "s", 7452807,
       latex=r"{out} \leftarrow \cos {a}",
       text="{out} = cos({a})", numpy="cos(a)", moves_zero=True),
    Op(9, "SCALAR_TAN_OP", "s", "s", 7583203,
       latex=r"{out} \leftarrow \tan {a}",
       text="{out} = tan({a})", numpy="tan(a)"),
    Op(10, "SCALAR_ARCSIN_OP", "s", "s", 9145616,
       latex=r"{out} \leftarrow \arcsin {a}",
       text="{out} = arcsin({a})", numpy="arcsin(a)"),
    Op(11, "SCALAR_ARCCOS_OP", "s", "s", 7673039,
       latex=r"{out} \leftarrow \arccos {a}",
       text="{out} = arccos({a})", numpy="arccos(a)", moves_zero=True),
    Op(12, "SCALAR_ARCTAN_OP", "s", "s", 9273978,
       latex=r"{out} \leftarrow \arctan {a}",
       text="{out} = arctan({a})", numpy="arctan(a)"),
    Op(13, "SCALAR_EXP_OP", "s", "s", 11755929,
       latex=r"{out} \leftarrow \exp {a}",
       text="{out} = exp({a})", numpy="exp(a)", moves_zero=True),
    Op(14, "SCALAR_LOG_OP", "s", "s", 11627725,
       latex=r"{out} \leftarrow \log {a}",
       text="{out} = log({a})", numpy="log(a)", moves_zero=True),
    Op(15, "SCALAR_HEAVYSIDE_OP", "s", "s", 4057075,
       latex=r"{out} \leftarrow \left[ {a} \geq 0 \right]",
       text="{out} = heaviside({a}, 1.0)", numpy="where(a >= 0, 1.0, 0.0)", moves_zero=True),
    Op(16, "VECTOR_HEAVYSIDE_OP", "v", "v", 3965743,
       latex=r"{out} \leftarrow \left[ {a} > 0 \right]",
       text="{out} = heaviside({a}, 1.0)", numpy="where(a > 0, 1.0, 0.0)"),
    Op(17, "MATRIX_HEAVYSIDE_OP", "m", "m", 6728311,
       latex=r"{out} \leftarrow \left[ {a} > 0 \right]",
       text="{out} = heaviside({a}, 1.0)", numpy="where(a > 0, 1.0, 0.0)"),
    Op(18, "SCALAR_VECTOR_PRODUCT_OP", "sv", "v", 3705015,
       latex=r"{out} \leftarrow {a} \, {b}",
       text="{out} = {a} * {b}", numpy="a * b"),
    Op(19, "SCALAR_BROADCAST_OP", "s", "v", 4165814,
       latex=r"{out} \leftarrow {a} \mathbf{{1}}",
       text="{out} = bcast({a})", numpy="full(F, a)"),
    Op(20, "VECTOR_RECIPROCAL_OP", "v", "v", 6311851,
       latex=r"{out} \leftarrow 1 \oslash {a}",
       text="{out} = 1 / {a}", numpy="1 / a", moves_zero=True),
    Op(21, "VECTOR_NORM_OP", "v", "s", 4810562,
       latex=r"{out} \leftarrow \left\| {a} \right\|_2",
       text="{out} = norm({a})", numpy="sqrt(sum(a * a))"),
    Op(22, "VECTOR_ABS_OP", "v", "v", 3713533,
       latex=r"{out} \leftarrow \left| {a} \right|",
       text="{out} = abs({a})", numpy="abs(a)"),
    Op(23, "VECTOR_SUM_OP", "vv", "v", 4701519,
       latex=r"{out} \leftarrow {a} + {b}",
       text="{out} = {a} + {b}", numpy="a + b", commutative=True),
    Op(24, "VECTOR_DIFF_OP", "vv", "v", 4165747,
       latex=r"{out} \leftarrow {a} - {b}",
       text="{out} = {a} - {b}", numpy="a - b"),
    Op(25, "VECTOR_PRODUCT_OP", "vv", "v", 4504555,
       latex=r"{out} \leftarrow {a} \odot {b}",
       text="{out} = {a} * {b}", numpy="a * b", commutative=True),
    Op(26, "VECTOR_DIVISION_OP", "vv", "v", 4556237,
       latex=r"{out} \leftarrow {a} \oslash {b}",
       text="{out} = {a} / {b}", numpy="a / b", moves_zero=True),
    Op(27, "VECTOR_INNER_PRODUCT_OP", "vv", "s", 4294617,
       latex=r"{out} \leftarrow {a}^\top {b}",
       text="{out} = dot({a}, {b})", numpy="sum(a * b)", commutative=True),
    Op(28, "VECTOR_OUTER_PRODUCT_OP", "vv", "m", 9833707,
       latex=r"{out} \leftarrow {a} {b}^\top",
       text="{out} = outer({a}, {b})", numpy="outer(a, b)"),
    Op(29, "SCALAR_MATRIX_PRODUCT_OP", "sm", "m", 5986302,
       latex=r"{out} \leftarrow {a} \, {b}",
       text="{out} = {a} * {b}", numpy="a * b"),
    Op(30, "MATRIX_RECIPROCAL_OP", "m", "m", 24336141,
       latex=r"{out} \leftarrow 1 \oslash {a}",
       text="{out} = 1 / {a}", numpy="1 / a", moves_zero=True),
    Op(31, "MATRIX_VECTOR_PRODUCT_OP", "mv", "v", 9310002,
       latex=r"{out} \leftarrow {a} {b}",
       text="{out} = dot({a}, {b})", numpy="sum(a * b, axis=1)" + _START),
    Op(32, "VECTOR_COLUMN_BROADCAST_OP", "v", "m", 10993088,
       latex=r"{out} \leftarrow {a} \mathbf{{1}}^\top",
       text="{out} = bcast({a}, axis=0)", numpy="tile(a[:, None], (1, F))"),
    Op(33, "VECTOR_ROW_BROADCAST_OP", "v", "m", 11087322,
       latex=r"{out} \leftarrow \mathbf{{1}} {a}^\top",
       text="{out} = bcast({a}, axis=1)", numpy="tile(a, (F, 1))"),
    Op(34, "MATRIX_NORM_OP", "m", "s", 6422746,
       latex=r"{out} \leftarrow \left\| {a} \right\|_F",
       text="{out} = norm({a})", numpy="sqrt(sum(a * a))"),
    Op(35, "MATRIX_COLUMN_NORM_OP", "m", "v", 6682187,
       latex=r"{out} \leftarrow \left\| {a} \right\|_{{\mathrm{{columns}}}}",
       text="{out} = norm({a}, axis=0)", numpy="sqrt(sum(a * a, axis=0))"),
    Op(36, "MATRIX_ROW_NORM_OP", "m", "v", 13351123,
       latex=r"{out} \leftarrow \left\| {a} \right\|_{{\mathrm{{rows}}}}",
       text="{out} = norm({a}, axis=1)", numpy="sqrt(sum(a * a, axis=1))"),
    Op(37, "MATRIX_TRANSPOSE_OP", "m", "m", 9394756,
       latex=r"{out} \leftarrow {a}^\top",
       text="{out} = transpose({a})", numpy="a.T.copy()"),
    Op(38, "MATRIX_ABS_OP", "m", "m", 4630926,
       latex=r"{out} \leftarrow \left| {a} \right|",
       text="{out} = abs({a})", numpy="abs(a)"),
    Op(39, "MATRIX_SUM_OP", "mm", "m", 5579381,
       latex=r"{out} \leftarrow {a} + {b}",
       text="{out} = {a} + {b}", numpy="a + b", commutative=True),
    Op(40, "MATRIX_DIFF_OP", "mm", "m", 5429452,
       latex=r"{out} \leftarrow {a} - {b}",
       text="{out} = {a} - {b}", numpy="a - b"),
    Op(41, "MATRIX_PRODUCT_OP", "mm", "m", 5475227,
       latex=r"{out} \leftarrow {a} \odot {b}",
       text="{out} = {a} * {b}", numpy="a * b", commutative=True),
    Op(42, "MATRIX_DIVISION_OP", "mm", "m", 18234378,
       latex=r"{out} \leftarrow {a} \oslash {b}",
       text="{out} = {a} / {b}", numpy="a / b", moves_zero=True),
    Op(43, "MATRIX_MATRIX_PRODUCT_OP", "mm", "m", 14516296,
       latex=r"{out} \leftarrow {a} {b}",
       text="{out} = matmul({a}, {b})",
       numpy="stack([sum(row[:, None] * b, axis=0) for row in a])" + _START),
    Op(44, "SCALAR_MIN_OP", "ss", "s", 3677265,
       latex=r"{out} \leftarrow \min({a}, {b})",
       text="{out} = minimum({a}, {b})", numpy="where(b < a, b, a)"),
    Op(45, "VECTOR_MIN_OP", "vv", "v", 3989956,
       latex=r"{out} \leftarrow \min({a}, {b})",
       text="{out} = minimum({a}, {b})", numpy="where(b < a, b, a)"),
    Op(46, "MATRIX_MIN_OP", "mm", "m", 5457728,
       latex=r"{out} \leftarrow \min({a}, {b})",
       text="{out} = minimum({a}, {b})", numpy="where(a < b, a, b)"),
    Op(47, "SCALAR_MAX_OP", "ss", "s", 4573695,
       latex=r"{out} \leftarrow \max({a}, {b})",
       text="{out} = maximum({a}, {b})", numpy="where(a < b, b, a)"),
    Op(48, "VECTOR_MAX_OP", "vv", "v", 3974229,
       latex=r"{out} \leftarrow \max({a}, {b})",
       text="{out} = maximum({a}, {b})", numpy="where(a < b, b, a)"),
    Op(49, "MATRIX_MAX_OP", "mm", "m", 5840952,
       latex=r"{out} \leftarrow \max({a}, {b})",
       text="{out} = maximum({a}, {b})", numpy="where(a > b, a, b)"),
    Op(50, "VECTOR_MEAN_OP", "v", "s", 4280443,
       latex=r"{out} \leftarrow \mathrm{{mean}}({a})",
       text="{out} = mean({a})", numpy="sum(a) / F"),
    Op(51, "MATRIX_MEAN_OP", "m", "s", 4595196,
       latex=r"{out} \leftarrow \mathrm{{mean}}({a})",
       text="{out} = mean({a})", numpy="sum(a) / (F * F)"),
    Op(52, "MATRIX_ROW_MEAN_OP", "m", "v", 9763956,
       latex=r"{out} \leftarrow \mathrm{{mean}}_{{\mathrm{{rows}}}}({a})",
       text="{out} = mean({a}, axis=1)", numpy="sum(a, axis=1) / F"),
    Op(53, "MATRIX_ROW_ST_DEV_OP", "m", "v", 16766477,
       latex=r"{out} \leftarrow \mathrm{{std}}_{{\mathrm{{rows}}}}({a})",
       text="{out} = std({a}, axis=1)",
       numpy="sqrt(sum(a * a, axis=1) / F - square(sum(a, axis=1) / F))"),
    Op(54, "VECTOR_ST_DEV_OP", "v", "s", 5585730,
       latex=r"{out} \leftarrow \mathrm{{std}}({a})",
       text="{out} = std({a})", numpy=_STD.format(n="F")),
    Op(55, "MATRIX_ST_DEV_OP", "m", "s", 10640216,
       latex=r"{out} \leftarrow \mathrm{{std}}({a})",
       text="{out} = std({a})", numpy=_STD.format(n="(F * F)")),
    Op(56, "SCALAR_CONST_SET_OP", "", "s", 3691108,
       latex=r"{out} \leftarrow {value}",
       text="{out} = {value}", numpy="value", constants=(VALUE,)),
    Op(57, "VECTOR_CONST_SET_OP", "", "v", 3991421,
       latex=r"({out})_{{\lfloor {index} F \rfloor}} \leftarrow {value}",
       text="{out}[{index}] = {value}",
       numpy="where(arange(F) == int(float32(F) * index), value, out)",
       constants=(INDEX, VALUE), keeps_output=True),
    Op(58, "MATRIX_CONST_SET_OP", "", "m", 3693035,
       latex=r"({out})_{{\lfloor {row} F \rfloor, \lfloor {column} F \rfloor}} \leftarrow {value}",
       text="{out}[{row}, {column}] = {value}",
       numpy="where((arange(F)[:, None] == int(float32(F) * row))"
             " & (arange(F) == int(float32(F) * column)), value, out)",
       constants=(ROW, COLUMN, VALUE), keeps_output=True),
    Op(59, "SCALAR_UNIFORM_SET_OP", "", "s", 26610704,
       latex=r"{out} \sim \mathcal{{U}}({low}, {high})",
       text="{out} = uniform({low}, {high})", numpy="uniform(low, high, ())",
       constants=(LOW, HIGH), random=True),
    Op(60, "VECTOR_UNIFORM_SET_OP", "", "v", 57817372,
       latex=r"{out} \sim \mathcal{{U}}({low}, {high})^F",
       text="{out} = uniform({low}, {high}, n_features)", numpy="uniform(low, high, (F,))",
       constants=(LOW, HIGH), random=True),
    Op(61, "MATRIX_UNIFORM_SET_OP", "", "m", 208339446,
       latex=r"{out} \sim \mathcal{{U}}({low}, {high})^{{F \times F}}",
       text="{out} = uniform({low}, {high}, (n_features, n_features))",
       numpy="uniform(low, high, (F, F))", constants=(LOW, HIGH), random=True),
    Op(62, "SCALAR_GAUSSIAN_SET_OP", "", "s", 20775635,
       latex=r"{out} \sim \mathcal{{N}}({mean}, {std}^2)",
       text="{out} = gaussian({mean}, {std})", numpy="gaussian(mean, std, ())",
       constants=(MEAN, STD), random=True),
    Op(63, "VECTOR_GAUSSIAN_SET_OP", "", "v", 77483018,
       latex=r"{out} \sim \mathcal{{N}}({mean}, {std}^2)^F",
       text="{out} = gaussian({mean}, {std}, n_features)", numpy="gaussian(mean, std, (F,))",
       constants=(MEAN, STD), random=True),
    Op(64, "MATRIX_GAUSSIAN_SET_OP", "", "m", 277690384,
       latex=r"{out} \sim \mathcal{{N}}({mean}, {std}^2)^{{F \times F}}",
       text="{out} = gaussian({mean}, {std}, (n_features, n_features))",
       numpy="gaussian(mean, std, (F, F))", constants=(MEAN, STD), random=True),
    Op(65, "SCALAR_SIGN_OP", "s", "s", 4057075,
       latex=r"{out} \leftarrow \mathrm{{sign}}({a})",
       text="{out} = sign({a})", numpy=_SIGN),
    Op(66, "VECTOR_SIGN_OP", "v", "v", 3965743,
       latex=r"{out} \leftarrow \mathrm{{sign}}({a})",
       text="{out} = sign({a})", numpy=_SIGN),
    Op(67, "SCALAR_SQRT_OP", "s", "s", 4212086,
       latex=r"{out} \leftarrow \sqrt{{{a}}}",
       text="{out} = sqrt({a})", numpy="sqrt(a)"),
    Op(68, "VECTOR_SQRT_OP", "v", "v", 6311851,
       latex=r"{out} \leftarrow \sqrt{{{a}}}",
       text="{out} = sqrt({a})", numpy="sqrt(a)"),
    Op(69, "SCALAR_POWER_OP", "ss", "s", 11755929,
       latex=r"{out} \leftarrow {a}^{{{b}}}",
       text="{out} = power({a}, {b})", numpy="power(a, b)", moves_zero=True),
    Op(70, "VECTOR_POWER_OP", "vs", "v", 47023716,
       latex=r"{out} \leftarrow {a}^{{\circ {b}}}",
       text="{out} = power({a}, {b})", numpy="power(a, b)", moves_zero=True),
    Op(71, "SCALAR_CLIP_OP", "s", "s", 4573695,
       latex=r"{out} \leftarrow \mathrm{{clip}}({a}, {low}, {high})",
       text="{out} = clip({a}, {low}, {high})", numpy=_CLIP,
       constants=(LOW, HIGH), moves_zero=True),
    Op(72, "VECTOR_CLIP_OP", "v", "v", 3989956,
       latex=r"{out} \leftarrow \mathrm{{clip}}({a}, {low}, {high})",
       text="{out} = clip({a}, {low}, {high})", numpy=_CLIP,
       constants=(LOW, HIGH), moves_zero=True),
    Op(73, "SCALAR_INTERPOLATE_OP", "ss", "s", 4703759,
       latex=r"{out} \leftarrow (1 - {weight}) \, {a} + {weight} \, {b}",
       text="{out} = interpolate({a}, {b}, {weight})", numpy=_INTERPOLATE, constants=(WEIGHT,)),
    Op(74, "VECTOR_INTERPOLATE_OP", "vv", "v", 4701519,
       latex=r"{out} \leftarrow (1 - {weight}) \, {a} + {weight} \, {b}",
       text="{out} = interpolate({a}, {b}, {weight})", numpy=_INTERPOLATE, constants=(WEIGHT,)),
    Op(75, "VECTOR_COSINE_OP", "vv", "s", 12883851,
       latex=r"{out} \leftarrow \cos \angle({a}, {b})",
       text="{out} = cosine({a}, {b})",
       numpy="sum(a * b) / (sqrt(sum(a * a)) * sqrt(sum(b * b)))",
       commutative=True, moves_zero=True),
    # Where a vector is one of several tensors (see l2o.rules), the norm is over all of them.
    Op(76, "VECTOR_GLOBAL_NORM_OP", "v", "s", 4810562,
       latex=r"{out} \leftarrow \left\| {a} \right\|_{{\mathrm{{all}}}}",
       text="{out} = global_norm({a})", numpy="sqrt(sum(a * a))"),
    Op(77, "VECTOR_EXP_OP", "v", "v", 47023716,
       latex=r"{out} \leftarrow \exp {a}",
       text="{out} = exp({a})", numpy="exp(a)", moves_zero=True),
)  # fmt: skip

ORIGINAL_OPS: Final[tuple[Op, ...]] = OPS[:65]
"""The op table of the original project. Op sets of supervised programs draw on it alone, so that
rows behind it change no search."""

MAX_CUSTOM_OPS: Final = 64
"""Most ops that a process can have beside the table: the kernels have room for no more."""

_rows: Final[list[Op]] = list(OPS)
_by_name: Final[dict[str, Op]] = {op.name: op for op in OPS}

OP_BY_NAME: Final = MappingProxyType(_by_name)
"""Ops by name: those of the table and, behind them, users' own of this process."""


def known_ops() -> tuple[Op, ...]:
    """All ops by id: the table, then users' own (see :mod:`automl_zero.custom_ops`)."""
    return tuple(_rows)


def _op_of_name(name: str) -> Op:
    """The op that was pickled in another process, perhaps."""
    if name not in _by_name:
        raise ValueError(f"op: expected one that is declared in this process, received {name!r}")
    return _by_name[name]


def add_custom_op(op: Op) -> None:
    """Put a checked op with the next id behind the table."""
    _rows.append(op)
    _by_name[op.name] = op


def _check_table() -> None:
    """Fail at import if a row contradicts itself: the table is the one source."""
    fields = {"out": "r", "a": "r", "b": "r"}
    for position, op in enumerate(OPS):
        if op.id != position:
            raise RuntimeError(f"op {op.name}: id {op.id} stands at position {position}")
        given = fields | {role.name: "c" for role in op.constants}
        op.text.format(**given)
        op.latex.format(**given)
        if op.commutative and (op.arity != 2 or op.inputs[0] != op.inputs[1]):
            raise RuntimeError(f"op {op.name}: commutative needs two inputs of one kind")
        if op.numpy:
            compile(op.numpy, f"<{op.name}>", "eval")


_check_table()
