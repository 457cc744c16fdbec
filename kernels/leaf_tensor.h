/* Ops that mix coordinates, for the update rules of tensors: registers [coordinate][lane] with
   any number of coordinates, and a multiple of four lanes.

   As in leaf_packed.h, lanes of consecutive coordinates follow each other without padding, so
   four coordinates are a whole number of vectors (64 bytes at least), and the four partial sums
   of every sum are those vectors added four coordinates by four. An operand of one number per
   lane is given as a pattern: repeated for four coordinates. There are no matrices. See
   leaf_functions.h. */

#define PERIOD (4 * LANE_COUNT / WIDTH)  /* vectors of four coordinates */
#define FOURS ((FEATURE_COUNT + 3) / 4)

/* `chunk` vectors of the partial sums of `term` over `fours` fours, from vector `first` on. */
#define PARTIAL_SUMS(chunk, term)                                               \
    {                                                                           \
        VREAL partial[chunk];                                                   \
        for (int k = 0; k < chunk; k++) {                                       \
            size_t at = (size_t)(first + k) * WIDTH;                            \
            partial[k] = term(VLOAD, at);                                       \
        }                                                                       \
        for (int q = 1; q < fours; q++)                                         \
            for (int k = 0; k < chunk; k++) {                                   \
                size_t at = (size_t)(q * period + first + k) * WIDTH;           \
                partial[k] += term(VLOAD, at);                                  \
            }                                                                   \
        for (int k = 0; k < chunk; k++)                                         \
            VSTORE(sums + (first + k) * WIDTH, partial[k]);                     \
        first += chunk;                                                         \
    }

/* The sum of every lane in the order of sum_of in leaf_lanes.h, to `total`. `sums` has room for
   a pattern. Chunks of partial sums stay in registers; four of them hide the latency of
   additions. */
#define SUM(name, parameters, term)                                             \
    INLINE void FN(name) parameters                                             \
    {                                                                           \
        const int period = 4 * lanes / WIDTH, fours = count / 4;                \
        int first = 0, done = 4 * fours * lanes;                                \
        if (!fours) {                                                           \
            for (int lane = 0; lane < lanes; lane++) {                          \
                REAL sum = term(VALUE_AT, lane);                                \
                for (int at = lane + lanes; at < count * lanes; at += lanes)    \
                    sum += term(VALUE_AT, at);                                  \
                total[lane] = sum;                                              \
            }                                                                   \
            return;                                                             \
        }                                                                       \
        while (first + 4 <= period)                                             \
            PARTIAL_SUMS(4, term)                                               \
        while (first + 2 <= period)                                             \
            PARTIAL_SUMS(2, term)                                               \
        while (first < period)                                                  \
            PARTIAL_SUMS(1, term)                                               \
        for (int e = 0; e < count * lanes - done; e++)                          \
            sums[e] += term(VALUE_AT, (done + e));                              \
        for (int lane = 0; lane < lanes; lane++)                                \
            total[lane] = (sums[lane] + sums[2 * lanes + lane])                 \
                          + (sums[lanes + lane] + sums[3 * lanes + lane]);      \
    }
#define VALUE_AT(p) (*(p))
#define TERM(load, at) load(x + (at))
#define PRODUCT_TERM(load, at) (load(x + (at)) * load(y + (at)))
SUM(sum_of, (const REAL *x, int count, int lanes, REAL *sums, REAL *total), TERM)
SUM(sum_of_products, (const REAL *x, const REAL *y, int count, int lanes, REAL *sums, REAL *total),
    PRODUCT_TERM)

#define EACH_LANE for (int lane = 0; lane < LANE_COUNT; lane++)

LEAF(vector_inner_product)
{
    FN(sum_of_products)(bound->a, bound->b, FEATURE_COUNT, LANE_COUNT, bound->scratch, bound->out);
}

LEAF(vector_cosine)
{
    REAL *sums = bound->scratch, *xx = sums + 4 * LANE_COUNT, *yy = xx + LANE_COUNT;
    FN(sum_of_products)(bound->a, bound->a, FEATURE_COUNT, LANE_COUNT, sums, xx);
    FN(sum_of_products)(bound->b, bound->b, FEATURE_COUNT, LANE_COUNT, sums, yy);
    FN(sum_of_products)(bound->a, bound->b, FEATURE_COUNT, LANE_COUNT, sums, bound->out);
    EACH_LANE bound->out[lane] /= REAL_SQRT(xx[lane]) * REAL_SQRT(yy[lane]);
}

LEAF(vector_norm)
{
    FN(sum_of_products)(bound->a, bound->a, FEATURE_COUNT, LANE_COUNT, bound->scratch, bound->out);
    EACH_LANE bound->out[lane] = REAL_SQRT(bound->out[lane]);
}

/* The squared norm of one tensor: the harness adds them up. */
LEAF(vector_global_norm)
{
    FN(sum_of_products)(bound->a, bound->a, FEATURE_COUNT, LANE_COUNT, bound->scratch, bound->out);
}

LEAF(vector_mean)
{
    FN(sum_of)(bound->a, FEATURE_COUNT, LANE_COUNT, bound->scratch, bound->out);
    EACH_LANE bound->out[lane] /= (REAL)FEATURE_COUNT;
}

LEAF(vector_st_dev)
{
    REAL *sums = bound->scratch, *squares = sums + 4 * LANE_COUNT;
    FN(sum_of_products)(bound->a, bound->a, FEATURE_COUNT, LANE_COUNT, sums, squares);
    FN(sum_of)(bound->a, FEATURE_COUNT, LANE_COUNT, sums, bound->out);
    EACH_LANE {
        REAL mean = bound->out[lane] / (REAL)FEATURE_COUNT;
        bound->out[lane] = REAL_SQRT(squares[lane] / (REAL)FEATURE_COUNT - mean * mean);
    }
}

/* out = `expression` in x, the pattern in a, y from b and z from c. */
#define PATTERNED(name, parameters_from, expression)                            \
    LEAF(name)                                                                  \
    {                                                                           \
        const int period = PERIOD, fours = FOURS;                               \
        for (int q = 0; q < fours; q++)                                         \
            for (int k = 0; k < period; k++) {                                  \
                size_t at = (size_t)(q * period + k) * WIDTH;                   \
                VREAL x = VLOAD(bound->a + k * WIDTH);                          \
                parameters_from;                                                \
                VSTORE(bound->out + at, expression);                            \
            }                                                                   \
    }
#define Y_FROM_B VREAL y = VLOAD(bound->b + at)
#define YZ_FROM_BC VREAL y = VLOAD(bound->b + at), z = VLOAD(bound->c + at)
PATTERNED(scalar_broadcast, (void)0, x)
PATTERNED(scalar_vector_product, Y_FROM_B, x * y)
PATTERNED(scaled_then_sum, YZ_FROM_BC, z + x * y)
PATTERNED(scaled_then_diff, YZ_FROM_BC, z - x * y)
PATTERNED(scaled_then_negated_diff, YZ_FROM_BC, x * y - z)

LEAF(vector_const_set)
{
    EACH_LANE bound->out[(size_t)bound->element * LANE_COUNT + lane] = bound->value;
}

/* Random ops; see leaf_lanes.h. Lane by lane: rules with random numbers are few. */
#define UNIFORM_FILL(name, elements)                                            \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        EACH_LANE {                                                             \
            vulong e;                                                           \
            for (int i = 0; i < DOUBLES; i++)                                   \
                e[i] = (uint64_t)(i + 1);                                       \
            for (int k = 0; k < count; k += DOUBLES, e += DOUBLES) {            \
                vdouble u = uniform_from_bits(                                  \
                    vmix64(bound->keys[lane] + bound->offset + e * GAMMA));     \
                u = splat(bound->first) + splat(bound->second) * u;             \
                for (int i = 0; i < DOUBLES && k + i < count; i++)              \
                    bound->out[(size_t)(k + i) * LANE_COUNT + lane] = (REAL)u[i]; \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
#define GAUSSIAN_FILL(name, elements)                                           \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        EACH_LANE {                                                             \
            vulong e;                                                           \
            for (int i = 0; i < DOUBLES; i++)                                   \
                e[i] = (uint64_t)(2 * i + 1);                                   \
            for (int k = 0; k < count; k += 2 * DOUBLES, e += 2 * DOUBLES) {    \
                vdouble n[2];                                                   \
                vulong state = bound->keys[lane] + bound->offset + e * GAMMA;   \
                normal_pair(uniform_from_bits(vmix64(state)),                   \
                            uniform_from_bits(vmix64(state + GAMMA)), &n[0], &n[1]); \
                for (int i = 0; i < 2 * DOUBLES && k + i < count; i++)          \
                    bound->out[(size_t)(k + i) * LANE_COUNT + lane] =           \
                        (REAL)(bound->first + bound->second * n[i & 1][i / 2]); \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
UNIFORM_FILL(scalar_uniform_set, 1)
UNIFORM_FILL(vector_uniform_set, FEATURE_COUNT)
GAUSSIAN_FILL(scalar_gaussian_set, 1)
GAUSSIAN_FILL(vector_gaussian_set, FEATURE_COUNT)

/* Update rules have no matrices: their wrappers refuse them. */
#define ABSENT(name)                                                            \
    LEAF(name)                                                                  \
    {                                                                           \
        (void)bound;                                                            \
    }
ABSENT(vector_outer_product)
ABSENT(scalar_matrix_product)
ABSENT(matrix_vector_product)
ABSENT(vector_column_broadcast)
ABSENT(vector_row_broadcast)
ABSENT(matrix_norm)
ABSENT(matrix_column_norm)
ABSENT(matrix_row_norm)
ABSENT(matrix_transpose)
ABSENT(matrix_matrix_product)
ABSENT(matrix_mean)
ABSENT(matrix_row_mean)
ABSENT(matrix_row_st_dev)
ABSENT(matrix_st_dev)
ABSENT(matrix_const_set)
ABSENT(matrix_uniform_set)
ABSENT(matrix_gaussian_set)
ABSENT(outer_then_sum)
ABSENT(outer_then_diff)
ABSENT(outer_then_negated_diff)

#undef PERIOD
#undef FOURS
#undef PARTIAL_SUMS
#undef SUM
#undef VALUE_AT
#undef TERM
#undef PRODUCT_TERM
#undef EACH_LANE
#undef PATTERNED
#undef Y_FROM_B
#undef YZ_FROM_BC
#undef UNIFORM_FILL
#undef GAUSSIAN_FILL
#undef ABSENT
