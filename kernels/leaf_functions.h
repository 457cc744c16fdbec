/* Leaf functions: one per op, for one precision, one feature size and one lane count.

   Included once per variant by lockstep_impl.h with
     VARIANT   name of the variant, pasted onto every function
     FEATURE_COUNT  feature size: a constant, or bound->features
     LANE_COUNT     lane count: a constant, or bound->lanes
     LAYOUT    LANES, ONE_LANE (LANE_COUNT is 1: features are the contiguous dimension),
               PACKED (see leaf_packed.h) or TENSOR (see leaf_tensor.h)
   Elementwise ops run over whole vectors of the padded register; ops that mix features
   run lane vector by lane vector. Sums follow the engine's fixed order (see sum_of). */

#define FN(name) PASTE3(name, REAL_NAME, VARIANT)
#define LEAF(name) static void FN(name)(Bound *restrict bound)

#define PADDED_VECTORS(elements) \
    (((elements) * (int)sizeof(REAL) + ALIGNMENT - 1) / ALIGNMENT * (ALIGNMENT / VECTOR_BYTES))
#define SCALAR_VECTORS PADDED_VECTORS(LANE_COUNT)
#define VECTOR_VECTORS PADDED_VECTORS(FEATURE_COUNT * LANE_COUNT)
#define MATRIX_VECTORS PADDED_VECTORS(FEATURE_COUNT * FEATURE_COUNT * LANE_COUNT)

#define VLOAD(p) (*(const VREAL *)(p))
#define VSTORE(p, x) (*(VREAL *)(p) = (x))
/* Elementwise: `expression` of vectors x (and y). */
#define ELEMENTWISE(name, vectors, expression)                                  \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = vectors;                                              \
        for (int k = 0; k < count; k++) {                                       \
            VREAL x = VLOAD(bound->a + k * WIDTH);                              \
            VSTORE(bound->out + k * WIDTH, expression);                         \
        }                                                                       \
    }
#define ELEMENTWISE_2(name, vectors, expression)                                \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = vectors;                                              \
        for (int k = 0; k < count; k++) {                                       \
            VREAL x = VLOAD(bound->a + k * WIDTH);                              \
            VREAL y = VLOAD(bound->b + k * WIDTH);                              \
            VSTORE(bound->out + k * WIDTH, expression);                         \
        }                                                                       \
    }
#define FOR_EACH_KIND(DEFINE, op, expression)                                   \
    DEFINE(scalar_##op, SCALAR_VECTORS, expression)                             \
    DEFINE(vector_##op, VECTOR_VECTORS, expression)                             \
    DEFINE(matrix_##op, MATRIX_VECTORS, expression)

LEAF(no) /* NO_OP */
{
    (void)bound;
}

FOR_EACH_KIND(ELEMENTWISE_2, sum, x + y)
FOR_EACH_KIND(ELEMENTWISE_2, diff, x - y)
FOR_EACH_KIND(ELEMENTWISE_2, product, x * y)
FOR_EACH_KIND(ELEMENTWISE_2, division, x / y)
FOR_EACH_KIND(ELEMENTWISE, abs, VABS(x))
FOR_EACH_KIND(ELEMENTWISE, reciprocal, 1 / x)
/* The original's inconsistencies: heaviside(0) is 1 for scalars only, and matrices keep
   the second operand of min and max where the others keep the first. */
ELEMENTWISE(scalar_heavyside, SCALAR_VECTORS, SELECT(x >= 0, VSPLAT(1), VSPLAT(0)))
ELEMENTWISE(vector_heavyside, VECTOR_VECTORS, SELECT(x > 0, VSPLAT(1), VSPLAT(0)))
ELEMENTWISE(matrix_heavyside, MATRIX_VECTORS, SELECT(x > 0, VSPLAT(1), VSPLAT(0)))
ELEMENTWISE_2(scalar_min, SCALAR_VECTORS, SELECT(y < x, y, x))
ELEMENTWISE_2(vector_min, VECTOR_VECTORS, SELECT(y < x, y, x))
ELEMENTWISE_2(matrix_min, MATRIX_VECTORS, SELECT(x < y, x, y))
ELEMENTWISE_2(scalar_max, SCALAR_VECTORS, SELECT(x < y, y, x))
ELEMENTWISE_2(vector_max, VECTOR_VECTORS, SELECT(x < y, y, x))
ELEMENTWISE_2(matrix_max, MATRIX_VECTORS, SELECT(x > y, x, y))

/* Ops that update rules need. */
#define SIGN SELECT(x > 0, VSPLAT(1), SELECT(x < 0, VSPLAT(-1), x))
ELEMENTWISE(scalar_sign, SCALAR_VECTORS, SIGN)
ELEMENTWISE(vector_sign, VECTOR_VECTORS, SIGN)
ELEMENTWISE(scalar_sqrt, SCALAR_VECTORS, VSQRT(x))
ELEMENTWISE(vector_sqrt, VECTOR_VECTORS, VSQRT(x))
/* A low above high was lowered to it when the instruction was bound. */
#define CLIP(name, vectors)                                                     \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = vectors;                                              \
        const VREAL low = VSPLAT(bound->first), high = VSPLAT(bound->second);   \
        for (int k = 0; k < count; k++) {                                       \
            VREAL x = VLOAD(bound->a + k * WIDTH);                              \
            x = SELECT(x > high, high, SELECT(x < low, low, x));                \
            VSTORE(bound->out + k * WIDTH, x);                                  \
        }                                                                       \
    }
CLIP(scalar_clip, SCALAR_VECTORS)
CLIP(vector_clip, VECTOR_VECTORS)
#define INTERPOLATE(name, vectors)                                              \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = vectors;                                              \
        const VREAL weight = VSPLAT(bound->value), rest = VSPLAT(1 - bound->value); \
        for (int k = 0; k < count; k++) {                                       \
            VREAL x = VLOAD(bound->a + k * WIDTH), y = VLOAD(bound->b + k * WIDTH); \
            VSTORE(bound->out + k * WIDTH, rest * x + weight * y);              \
        }                                                                       \
    }
INTERPOLATE(scalar_interpolate, SCALAR_VECTORS)
INTERPOLATE(vector_interpolate, VECTOR_VECTORS)

/* Two elementwise instructions as one leaf: t is the first result, z the second one's other
   operand. Both results are stored, but the second need not wait for the first to come back
   from memory, which takes longer than the arithmetic. */
#define PAIR(kind, vectors, first, second, first_expression, second_expression) \
    LEAF(kind##_##first##_then_##second)                                        \
    {                                                                           \
        const int count = vectors;                                              \
        for (int k = 0; k < count; k++) {                                       \
            VREAL x = VLOAD(bound->a + k * WIDTH), z = VLOAD(bound->c + k * WIDTH); \
            VREAL y = VLOAD(bound->b + k * WIDTH), t = first_expression;        \
            (void)y;                                                            \
            VSTORE(bound->first_out + k * WIDTH, t);                            \
            VSTORE(bound->out + k * WIDTH, second_expression);                  \
        }                                                                       \
    }
#define PAIR_SECONDS(kind, vectors, first, expression)                          \
    PAIR(kind, vectors, first, sum, expression, t + z)                          \
    PAIR(kind, vectors, first, diff, expression, t - z)                         \
    PAIR(kind, vectors, first, negated_diff, expression, z - t)                 \
    PAIR(kind, vectors, first, product, expression, t *z)                       \
    PAIR(kind, vectors, first, max, expression, SELECT(t < z, z, t))            \
    PAIR(kind, vectors, first, max_of_other, expression, SELECT(z < t, t, z))
#define PAIR_FIRSTS(kind, vectors)                                              \
    PAIR_SECONDS(kind, vectors, sum, x + y)                                     \
    PAIR_SECONDS(kind, vectors, diff, x - y)                                    \
    PAIR_SECONDS(kind, vectors, product, x *y)
PAIR_FIRSTS(scalar, SCALAR_VECTORS)
PAIR_FIRSTS(vector, VECTOR_VECTORS)
PAIR_SECONDS(scalar, SCALAR_VECTORS, heavyside, SELECT(x >= 0, VSPLAT(1), VSPLAT(0)))
PAIR_SECONDS(vector, VECTOR_VECTORS, heavyside, SELECT(x > 0, VSPLAT(1), VSPLAT(0)))

#define TRANSCENDENTAL(name, vectors, function)                                 \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = (vectors) * WIDTH;                                    \
        for (int k = 0; k < count; k += DOUBLES)                                \
            STORE_DOUBLES(bound->out + k, function(LOAD_DOUBLES(bound->a + k)));\
    }
TRANSCENDENTAL(scalar_sin, SCALAR_VECTORS, vsin)
TRANSCENDENTAL(scalar_cos, SCALAR_VECTORS, vcos)
TRANSCENDENTAL(scalar_arcsin, SCALAR_VECTORS, varcsin)
TRANSCENDENTAL(scalar_arccos, SCALAR_VECTORS, varccos)
TRANSCENDENTAL(scalar_arctan, SCALAR_VECTORS, varctan)
TRANSCENDENTAL(scalar_log, SCALAR_VECTORS, vlog)
TRANSCENDENTAL(vector_exp, VECTOR_VECTORS, vexp)

/* tan and exp are the C library's, lane by lane (8 and 3 ns): programs iterate them, the
   iterates are chaotic, and a last bit that differs from the original project's changes
   where a program stops. It rounds 0.2 % of tangents wrongly, so no better kernel agrees.
   Values that depend on no data are equal in all lanes and computed once. */
#define LIBRARY(name, function)                                                 \
    LEAF(name)                                                                  \
    {                                                                           \
        REAL x = bound->a[0], y = (REAL)function((double)x);                    \
        for (int lane = 0; lane < bound->used_lanes; lane++) {                  \
            if (memcmp(&x, &bound->a[lane], sizeof x)) {                        \
                x = bound->a[lane];                                             \
                y = (REAL)function((double)x);                                  \
            }                                                                   \
            bound->out[lane] = y;                                               \
        }                                                                       \
    }
LIBRARY(scalar_tan, tan)
LIBRARY(scalar_exp, exp)

/* Powers are the C library's too, which are right to less than one ulp for any exponent. */
#define POWER(name, rows)                                                       \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int row = 0; row < rows; row++)                                    \
            for (int lane = 0; lane < bound->used_lanes; lane++)                \
                bound->out[row * LANE_COUNT + lane] =                           \
                    (REAL)pow((double)bound->a[row * LANE_COUNT + lane],        \
                              (double)bound->b[lane]);                          \
    }
POWER(scalar_power, 1)
POWER(vector_power, FEATURE_COUNT)

/* Users' own ops: compiled elsewhere, for whole padded registers like the elementwise ops. */
#define CUSTOM(name, vectors)                                                   \
    LEAF(name)                                                                  \
    {                                                                           \
        bound->function((vectors) / (ALIGNMENT / VECTOR_BYTES), bound->a, bound->b, bound->out); \
    }
CUSTOM(scalar_custom, SCALAR_VECTORS)
CUSTOM(vector_custom, VECTOR_VECTORS)
CUSTOM(matrix_custom, MATRIX_VECTORS)

#define ROW (FEATURE_COUNT * LANE_COUNT)
#define ALL (FEATURE_COUNT * FEATURE_COUNT)

/* From F = 8 on, the sums of matrix products start from +0, so that they never give -0; as
   in the original project, whose small matrices take another path. Adding -0 changes nothing. */
#define PLUS_ZERO ((REAL)(FEATURE_COUNT >= 8 ? 0.0 : -0.0))

LEAF(scalar_const_set)
{
    const int count = SCALAR_VECTORS;
    for (int k = 0; k < count; k++)
        VSTORE(bound->out + k * WIDTH, VSPLAT(bound->value));
}

#if LAYOUT == PACKED
#include "leaf_packed.h"
#elif LAYOUT == TENSOR
#include "leaf_tensor.h"
#else
#include "leaf_lanes.h"
#endif

#define ENTRY(id, NAME, kernel, in1, in2, out, n_constants, cost, flags, c0, c1, c2) \
    [LEAF_OF(id)] = FN(kernel),
static const Leaf FN(leaves)[LEAF_COUNT] = {
    OP_TABLE(ENTRY)
    [CUSTOM_SCALAR] = FN(scalar_custom),
    [CUSTOM_VECTOR] = FN(vector_custom),
    [CUSTOM_MATRIX] = FN(matrix_custom),
#if LAYOUT == LANES || LAYOUT == ONE_LANE
    [UNIFORM_MATRIX_VECTOR] = FN(uniform_matrix_vector_product),
#endif
#define PAIR_ENTRY(kind, KIND, first, FIRST, second, SECOND) \
    [PAIR_##KIND + FIRST * PAIR_SECOND_COUNT + SECOND] = FN(kind##_##first##_then_##second),
    PAIR_TABLE(PAIR_ENTRY)
    [SCALED_THEN_SUM] = FN(scaled_then_sum),
    [SCALED_THEN_DIFF] = FN(scaled_then_diff),
    [SCALED_THEN_NEGATED_DIFF] = FN(scaled_then_negated_diff),
    [OUTER_THEN_SUM] = FN(outer_then_sum),
    [OUTER_THEN_DIFF] = FN(outer_then_diff),
    [OUTER_THEN_NEGATED_DIFF] = FN(outer_then_negated_diff),
};

#undef FN
#undef LEAF
#undef PADDED_VECTORS
#undef SCALAR_VECTORS
#undef VECTOR_VECTORS
#undef MATRIX_VECTORS
#undef VLOAD
#undef VSTORE
#undef ELEMENTWISE
#undef ELEMENTWISE_2
#undef FOR_EACH_KIND
#undef PAIR
#undef PAIR_SECONDS
#undef PAIR_FIRSTS
#undef PAIR_ENTRY
#undef SIGN
#undef CLIP
#undef INTERPOLATE
#undef TRANSCENDENTAL
#undef LIBRARY
#undef POWER
#undef CUSTOM
#undef ROW
#undef ALL
#undef PLUS_ZERO
#undef ENTRY
#undef VARIANT
#undef FEATURE_COUNT
#undef LANE_COUNT
#undef LAYOUT
