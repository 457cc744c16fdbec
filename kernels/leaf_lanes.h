/* Ops that mix features, lane vector by lane vector: register [feature][lane] with as many
   lanes as fill whole vectors, or one lane. See leaf_functions.h. */

/* The vector of lanes that the mixing ops work on: with one lane, a plain number. */
#if LAYOUT == ONE_LANE
#define LANE REAL
#define LANE_WIDTH 1
#define LANE_SPLAT(x) (x)
#define LANE_SQRT REAL_SQRT
#else
#define LANE VREAL
#define LANE_WIDTH WIDTH
#define LANE_SPLAT(x) ((x) - (VREAL){0})
#define LANE_SQRT VSQRT
#endif
#define LOAD(p) (*(const LANE *)(p))
#define STORE(p, x) (*(LANE *)(p) = (x))
#define EACH_LANE for (int lane = 0; lane < LANE_COUNT; lane += LANE_WIDTH)

/* The fixed order of every sum: four interleaved partial sums, combined (0+2)+(1+3), so
   that additions overlap (a chain of 16 dependent additions costs 48 cycles, four chains
   12). Fewer than four terms are added left to right. */
#define SUM_TERMS(name, parameters, term)                                       \
    INLINE LANE FN(name) parameters                                             \
    {                                                                           \
        int j;                                                                  \
        LANE s0, s1, s2, s3;                                                    \
        j = 0, s0 = term;                                                       \
        if (count < 4) {                                                        \
            for (j = 1; j < count; j++)                                         \
                s0 += term;                                                     \
            return s0;                                                          \
        }                                                                       \
        j = 1, s1 = term;                                                       \
        j = 2, s2 = term;                                                       \
        j = 3, s3 = term;                                                       \
        _Pragma("GCC unroll 4") for (j = 4; j + 4 <= count;) {                  \
            s0 += term, j++;                                                    \
            s1 += term, j++;                                                    \
            s2 += term, j++;                                                    \
            s3 += term, j++;                                                    \
        }                                                                       \
        if (j < count)                                                          \
            s0 += term, j++;                                                    \
        if (j < count)                                                          \
            s1 += term, j++;                                                    \
        if (j < count)                                                          \
            s2 += term, j++;                                                    \
        return (s0 + s2) + (s1 + s3);                                           \
    }
SUM_TERMS(sum_of, (const REAL *x, int count, int stride), LOAD(x + (size_t)j * stride))
SUM_TERMS(sum_of_products, (const REAL *x, const REAL *y, int count, int x_stride, int y_stride),
          (LOAD(x + (size_t)j * x_stride) * LOAD(y + (size_t)j * y_stride)))
/* x is one number per feature, the same in all lanes. */
SUM_TERMS(sum_of_uniform_products, (const REAL *x, const REAL *y, int count, int y_stride),
          (LANE_SPLAT(x[j]) * LOAD(y + (size_t)j * y_stride)))

LEAF(vector_inner_product)
{
    EACH_LANE
        STORE(bound->out + lane, FN(sum_of_products)(bound->a + lane, bound->b + lane, FEATURE_COUNT,
                                                     LANE_COUNT, LANE_COUNT));
}

LEAF(vector_cosine)
{
    EACH_LANE {
        const REAL *x = bound->a + lane, *y = bound->b + lane;
        LANE dot = FN(sum_of_products)(x, y, FEATURE_COUNT, LANE_COUNT, LANE_COUNT);
        LANE xx = FN(sum_of_products)(x, x, FEATURE_COUNT, LANE_COUNT, LANE_COUNT);
        LANE yy = FN(sum_of_products)(y, y, FEATURE_COUNT, LANE_COUNT, LANE_COUNT);
        STORE(bound->out + lane, dot / (LANE_SQRT(xx) * LANE_SQRT(yy)));
    }
}

#define NORM(name, count)                                                       \
    LEAF(name)                                                                  \
    {                                                                           \
        EACH_LANE {                                                             \
            const REAL *x = bound->a + lane;                                    \
            STORE(bound->out + lane,                                            \
                  LANE_SQRT(FN(sum_of_products)(x, x, count, LANE_COUNT, LANE_COUNT)));   \
        }                                                                       \
    }
#define MEAN(name, count)                                                       \
    LEAF(name)                                                                  \
    {                                                                           \
        EACH_LANE                                                               \
            STORE(bound->out + lane,                                            \
                  FN(sum_of)(bound->a + lane, count, LANE_COUNT) / (REAL)(count));   \
    }
#define ST_DEV(name, count)                                                     \
    LEAF(name)                                                                  \
    {                                                                           \
        EACH_LANE {                                                             \
            const REAL *x = bound->a + lane;                                    \
            LANE mean = FN(sum_of)(x, count, LANE_COUNT) / (REAL)(count);            \
            LANE square = FN(sum_of_products)(x, x, count, LANE_COUNT, LANE_COUNT) / (REAL)(count); \
            STORE(bound->out + lane, LANE_SQRT(square - mean * mean));          \
        }                                                                       \
    }
NORM(vector_norm, FEATURE_COUNT)
NORM(vector_global_norm, FEATURE_COUNT) /* there is one tensor */
NORM(matrix_norm, ALL)
MEAN(vector_mean, FEATURE_COUNT)
MEAN(matrix_mean, ALL)
ST_DEV(vector_st_dev, FEATURE_COUNT)
ST_DEV(matrix_st_dev, ALL)

LEAF(matrix_row_norm)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        EACH_LANE {
            const REAL *x = bound->a + (size_t)i * ROW + lane;
            STORE(bound->out + i * LANE_COUNT + lane,
                  LANE_SQRT(FN(sum_of_products)(x, x, FEATURE_COUNT, LANE_COUNT, LANE_COUNT)));
        }
}

LEAF(matrix_column_norm)
{
    for (int j = 0; j < FEATURE_COUNT; j++)
        EACH_LANE {
            const REAL *x = bound->a + j * LANE_COUNT + lane;
            STORE(bound->out + j * LANE_COUNT + lane,
                  LANE_SQRT(FN(sum_of_products)(x, x, FEATURE_COUNT, ROW, ROW)));
        }
}

LEAF(matrix_row_mean)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        EACH_LANE
            STORE(bound->out + i * LANE_COUNT + lane,
                  FN(sum_of)(bound->a + (size_t)i * ROW + lane, FEATURE_COUNT, LANE_COUNT)
                      / (REAL)FEATURE_COUNT);
}

LEAF(matrix_row_st_dev)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        EACH_LANE {
            const REAL *x = bound->a + (size_t)i * ROW + lane;
            LANE mean = FN(sum_of)(x, FEATURE_COUNT, LANE_COUNT) / (REAL)FEATURE_COUNT;
            LANE square =
                FN(sum_of_products)(x, x, FEATURE_COUNT, LANE_COUNT, LANE_COUNT) / (REAL)FEATURE_COUNT;
            STORE(bound->out + i * LANE_COUNT + lane, LANE_SQRT(square - mean * mean));
        }
}

LEAF(scalar_broadcast)
{
    EACH_LANE {
        LANE x = LOAD(bound->a + lane);
        for (int j = 0; j < FEATURE_COUNT; j++)
            STORE(bound->out + j * LANE_COUNT + lane, x);
    }
}

LEAF(scalar_vector_product)
{
    EACH_LANE {
        LANE x = LOAD(bound->a + lane);
        for (int j = 0; j < FEATURE_COUNT; j++)
            STORE(bound->out + j * LANE_COUNT + lane, x * LOAD(bound->b + j * LANE_COUNT + lane));
    }
}

LEAF(scalar_matrix_product)
{
    const int count = ALL;
    EACH_LANE {
        LANE x = LOAD(bound->a + lane);
        for (int j = 0; j < count; j++)
            STORE(bound->out + (size_t)j * LANE_COUNT + lane,
                  x * LOAD(bound->b + (size_t)j * LANE_COUNT + lane));
    }
}

/* out = matrix of `expression` in x = a[i], y = b[j] and z = c[i][j]. */
#define OUTER(name, expression)                                                 \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int i = 0; i < FEATURE_COUNT; i++)                                      \
            EACH_LANE {                                                         \
                const REAL *c = bound->c + (size_t)i * ROW + lane;              \
                REAL *out = bound->out + (size_t)i * ROW + lane;                \
                LANE x = LOAD(bound->a + i * LANE_COUNT + lane);                     \
                (void)c;                                                        \
                for (int j = 0; j < FEATURE_COUNT; j++) {                            \
                    LANE y = LOAD(bound->b + j * LANE_COUNT + lane);                 \
                    STORE(out + j * LANE_COUNT, expression);                         \
                }                                                               \
            }                                                                   \
    }
OUTER(vector_outer_product, x * y)
OUTER(outer_then_sum, LOAD(c + j * LANE_COUNT) + x * y)
OUTER(outer_then_diff, LOAD(c + j * LANE_COUNT) - x * y)
OUTER(outer_then_negated_diff, x * y - LOAD(c + j * LANE_COUNT))

/* out = vector of `expression` in x = scalar a, y = b[j] and z = c[j]. */
#define SCALED(name, expression)                                                \
    LEAF(name)                                                                  \
    {                                                                           \
        EACH_LANE {                                                             \
            LANE x = LOAD(bound->a + lane);                                     \
            for (int j = 0; j < FEATURE_COUNT; j++) {                                \
                LANE y = LOAD(bound->b + j * LANE_COUNT + lane);                     \
                LANE z = LOAD(bound->c + j * LANE_COUNT + lane);                     \
                STORE(bound->out + j * LANE_COUNT + lane, expression);               \
            }                                                                   \
        }                                                                       \
    }
SCALED(scaled_then_sum, z + x * y)
SCALED(scaled_then_diff, z - x * y)
SCALED(scaled_then_negated_diff, x * y - z)

LEAF(matrix_vector_product)
{
    REAL *out = bound->out == bound->b ? bound->scratch : bound->out;
    EACH_LANE
        for (int i = 0; i < FEATURE_COUNT; i++)
            STORE(out + i * LANE_COUNT + lane,
                  FN(sum_of_products)(bound->a + (size_t)i * ROW + lane, bound->b + lane,
                                      FEATURE_COUNT, LANE_COUNT, LANE_COUNT)
                      + PLUS_ZERO);
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * (size_t)ROW);
}

/* a: one matrix for all lanes. */
LEAF(uniform_matrix_vector_product)
{
    REAL *out = bound->out == bound->b ? bound->scratch : bound->out;
    EACH_LANE
        for (int i = 0; i < FEATURE_COUNT; i++)
            STORE(out + i * LANE_COUNT + lane,
                  FN(sum_of_uniform_products)(bound->a + (size_t)i * FEATURE_COUNT, bound->b + lane,
                                              FEATURE_COUNT, LANE_COUNT)
                      + PLUS_ZERO);
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * (size_t)ROW);
}

#if LAYOUT == ONE_LANE
/* With one lane the columns are the contiguous dimension: four rows of partial sums in
   the order of sum_of, a row of the product at a time. */
LEAF(matrix_matrix_product)
{
    const int n = FEATURE_COUNT;
    REAL *out = bound->out == bound->a || bound->out == bound->b ? bound->scratch : bound->out;
    REAL *partial = bound->scratch + (size_t)n * n;
    for (int i = 0; i < n; i++) {
        const REAL *x = bound->a + (size_t)i * n;
        const int parts = n < 4 ? 1 : 4;
        for (int k = 0; k < n; k++) {
            const REAL *restrict y = bound->b + (size_t)k * n;
            REAL *restrict sum = partial + (size_t)(k % parts) * n;
            if (k < parts)
                for (int j = 0; j < n; j++)
                    sum[j] = x[k] * y[j];
            else
                for (int j = 0; j < n; j++)
                    sum[j] += x[k] * y[j];
        }
        REAL *restrict row = out + (size_t)i * n;
        for (int j = 0; j < n; j++)
            row[j] = (parts == 1 ? partial[j]
                                 : (partial[j] + partial[2 * n + j])
                                       + (partial[n + j] + partial[3 * n + j]))
                     + PLUS_ZERO;
    }
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * (size_t)n * n);
}
#else
LEAF(matrix_matrix_product)
{
    REAL *out = bound->out == bound->a || bound->out == bound->b ? bound->scratch : bound->out;
    for (int i = 0; i < FEATURE_COUNT; i++)
        EACH_LANE
            for (int j = 0; j < FEATURE_COUNT; j++)
                STORE(out + (size_t)i * ROW + j * LANE_COUNT + lane,
                      FN(sum_of_products)(bound->a + (size_t)i * ROW + lane,
                                          bound->b + j * LANE_COUNT + lane, FEATURE_COUNT,
                                          LANE_COUNT, ROW)
                          + PLUS_ZERO);
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * (size_t)FEATURE_COUNT * ROW);
}
#endif

LEAF(matrix_transpose)
{
    REAL *out = bound->out == bound->a ? bound->scratch : bound->out;
    for (int i = 0; i < FEATURE_COUNT; i++)
        for (int j = 0; j < FEATURE_COUNT; j++)
            EACH_LANE
                STORE(out + (size_t)i * ROW + j * LANE_COUNT + lane,
                      LOAD(bound->a + (size_t)j * ROW + i * LANE_COUNT + lane));
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * (size_t)FEATURE_COUNT * ROW);
}

LEAF(vector_column_broadcast)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        EACH_LANE {
            LANE x = LOAD(bound->a + i * LANE_COUNT + lane);
            for (int j = 0; j < FEATURE_COUNT; j++)
                STORE(bound->out + (size_t)i * ROW + j * LANE_COUNT + lane, x);
        }
}

LEAF(vector_row_broadcast)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        memcpy(bound->out + (size_t)i * ROW, bound->a, sizeof(REAL) * (size_t)ROW);
}

LEAF(vector_const_set)
{
    EACH_LANE
        STORE(bound->out + (size_t)bound->element * LANE_COUNT + lane, LANE_SPLAT(bound->value));
}

LEAF(matrix_const_set)
{
    FN(vector_const_set)(bound);
}

/* Random ops. Element e of a lane is draw number offset + e of the lane's stream; the
   offset moves on by `draws` after each run (the driver sets it at each epoch's start). */
#if LAYOUT == ONE_LANE
#define UNIFORM_FILL(name, elements)                                            \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        uint64_t first = bound->keys[0] + bound->offset;                        \
        vulong e;                                                               \
        for (int k = 0; k < DOUBLES; k++)                                       \
            e[k] = (uint64_t)(k + 1);                                           \
        for (int k = 0; k < count; k += DOUBLES, e += DOUBLES) {                \
            vdouble u = uniform_from_bits(vmix64(first + e * GAMMA));           \
            STORE_DOUBLES(bound->out + k,                                       \
                          splat(bound->first) + splat(bound->second) * u);      \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
#define GAUSSIAN_FILL(name, elements)                                           \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        uint64_t first = bound->keys[0] + bound->offset;                        \
        vulong e;                                                               \
        for (int k = 0; k < DOUBLES; k++)                                       \
            e[k] = (uint64_t)(2 * k + 1);                                       \
        for (int k = 0; k < count; k += 2 * DOUBLES, e += 2 * DOUBLES) {        \
            vdouble n1, n2;                                                     \
            normal_pair(uniform_from_bits(vmix64(first + e * GAMMA)),           \
                        uniform_from_bits(vmix64(first + e * GAMMA + GAMMA)), &n1, &n2); \
            n1 = splat(bound->first) + splat(bound->second) * n1;               \
            n2 = splat(bound->first) + splat(bound->second) * n2;               \
            for (int i = 0; i < DOUBLES; i++) {                                 \
                if (k + 2 * i < count)                                          \
                    bound->out[k + 2 * i] = (REAL)n1[i];                        \
                if (k + 2 * i + 1 < count)                                      \
                    bound->out[k + 2 * i + 1] = (REAL)n2[i];                    \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
#else
#define UNIFORM_FILL(name, elements)                                            \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        vdouble low = splat(bound->first), range = splat(bound->second);        \
        for (int lane = 0; lane < LANE_COUNT; lane += DOUBLES) {                     \
            vulong state = *(const vulong *)(bound->keys + lane) + bound->offset; \
            for (int e = 0; e < count; e++) {                                   \
                state += GAMMA;                                                 \
                STORE_DOUBLES(bound->out + (size_t)e * LANE_COUNT + lane,            \
                              low + range * uniform_from_bits(vmix64(state)));  \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
#define GAUSSIAN_FILL(name, elements)                                           \
    LEAF(name)                                                                  \
    {                                                                           \
        const int count = elements;                                             \
        vdouble mean = splat(bound->first), std = splat(bound->second);         \
        for (int lane = 0; lane < LANE_COUNT; lane += DOUBLES) {                     \
            vulong state = *(const vulong *)(bound->keys + lane) + bound->offset; \
            for (int e = 0; e < count; e += 2) {                                \
                vdouble n1, n2;                                                 \
                vulong next = state + GAMMA;                                    \
                state = next + GAMMA;                                           \
                normal_pair(uniform_from_bits(vmix64(next)),                    \
                            uniform_from_bits(vmix64(state)), &n1, &n2);        \
                REAL *out = bound->out + (size_t)e * LANE_COUNT + lane;              \
                STORE_DOUBLES(out, mean + std * n1);                            \
                if (e + 1 < count)                                              \
                    STORE_DOUBLES(out + LANE_COUNT, mean + std * n2);                \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
#endif
UNIFORM_FILL(scalar_uniform_set, 1)
UNIFORM_FILL(vector_uniform_set, FEATURE_COUNT)
UNIFORM_FILL(matrix_uniform_set, ALL)
GAUSSIAN_FILL(scalar_gaussian_set, 1)
GAUSSIAN_FILL(vector_gaussian_set, FEATURE_COUNT)
GAUSSIAN_FILL(matrix_gaussian_set, ALL)

#undef LANE
#undef LANE_WIDTH
#undef LANE_SPLAT
#undef LANE_SQRT
#undef LOAD
#undef STORE
#undef EACH_LANE
#undef SUM_TERMS
#undef NORM
#undef MEAN
#undef ST_DEV
#undef OUTER
#undef SCALED
#undef UNIFORM_FILL
#undef GAUSSIAN_FILL
