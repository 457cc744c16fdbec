/* Ops that mix features, for a lane count that does not fill whole vectors: 10 tasks, the
   original project's batch, in float64 on 8-wide vectors (12 in float32 on 16-wide ones).

   Lanes of consecutive features follow each other without padding, so four features are
   exactly PERIOD vectors, and the four partial sums of every sum are these PERIOD vectors
   added feature by feature. Against padding to 16 lanes this saves 3/8 of all work and
   keeps a 16x16 matrix (20 KB instead of 32) with its vectors in the L1 cache.
   FEATURE_COUNT is a multiple of 4. See leaf_functions.h. */

#define PERIOD (4 * LANE_COUNT / WIDTH)
#define HALF_PERIOD ((2 * LANE_COUNT + WIDTH - 1) / WIDTH)
#define LANE_VECTORS ((LANE_COUNT + WIDTH - 1) / WIDTH)
#define PERIODS (FEATURE_COUNT / 4)  /* of one row */
#define EACH_PERIOD _Pragma("GCC unroll 8") for (int k = 0; k < PERIOD; k++)

/* WIDTH elements starting at element `offset` of `count` vectors; beyond the end anything. */
INLINE VREAL FN(window)(const VREAL *x, int count, int offset)
{
    int first = offset / WIDTH, shift = offset % WIDTH;
    VREAL a = x[first < count ? first : count - 1];
    VREAL b = x[first + 1 < count ? first + 1 : count - 1];
    VMASK index;
    for (int i = 0; i < WIDTH; i++)
        index[i] = shift + i;
    return shift ? SHUFFLE_2(a, b, index) : a;
}

/* The lanes' values x repeated for four features. */
INLINE void FN(repeat)(const REAL *x, VREAL pattern[PERIOD])
{
    VREAL a = VLOAD(x), b = LANE_COUNT > WIDTH ? VLOAD(x + WIDTH) : a;
    EACH_PERIOD {
        VMASK index;
        for (int i = 0; i < WIDTH; i++)
            index[i] = (k * WIDTH + i) % LANE_COUNT;
        pattern[k] = SHUFFLE_2(a, b, index);
    }
}

/* (sum 0 + sum 2) + (sum 1 + sum 3) of every lane. */
INLINE void FN(combine)(const VREAL sums[PERIOD], VREAL total[LANE_VECTORS])
{
    VREAL half[HALF_PERIOD];
    _Pragma("GCC unroll 8") for (int k = 0; k < HALF_PERIOD; k++)
        half[k] = sums[k] + FN(window)(sums, PERIOD, 2 * LANE_COUNT + k * WIDTH);
    _Pragma("GCC unroll 8") for (int k = 0; k < LANE_VECTORS; k++)
        total[k] = half[k] + FN(window)(half, HALF_PERIOD, LANE_COUNT + k * WIDTH);
}

/* Exactly LANE_COUNT elements: what follows may be the next register. By masked stores: a
   plain copy of an odd number of bytes goes through the stack and stalls. */
INLINE void FN(store_lanes)(REAL *out, const VREAL x[LANE_VECTORS])
{
#if REAL_BITS == 64
    VSTORE(out, x[0]);
    _mm512_mask_storeu_pd(out + WIDTH, (1 << (LANE_COUNT - WIDTH)) - 1, (__m512d)x[1]);
#else
    _mm512_mask_storeu_ps(out, (1 << LANE_COUNT) - 1, (__m512)x[0]);
#endif
}

/* The sum over `periods` periods of `term`, which may use j, the offset of a vector. */
#define SUM_PERIODS(name, parameters, term)                                     \
    INLINE void FN(name) parameters                                             \
    {                                                                           \
        VREAL sums[PERIOD];                                                     \
        EACH_PERIOD {                                                           \
            int j = k * WIDTH;                                                  \
            sums[k] = term;                                                     \
        }                                                                       \
        for (int q = 1; q < periods; q++)                                       \
            EACH_PERIOD {                                                       \
                int j = (q * PERIOD + k) * WIDTH;                               \
                sums[k] += term;                                                \
            }                                                                   \
        FN(combine)(sums, total);                                               \
    }
SUM_PERIODS(sum_of, (const REAL *x, int periods, VREAL total[LANE_VECTORS]), VLOAD(x + j))
SUM_PERIODS(sum_of_products, (const REAL *x, const REAL *y, int periods,
                              VREAL total[LANE_VECTORS]), (VLOAD(x + j) * VLOAD(y + j)))

#define EACH_LANE_VECTOR for (int k = 0; k < LANE_VECTORS; k++)

LEAF(vector_inner_product)
{
    VREAL total[LANE_VECTORS];
    FN(sum_of_products)(bound->a, bound->b, PERIODS, total);
    FN(store_lanes)(bound->out, total);
}

LEAF(vector_cosine)
{
    VREAL dot[LANE_VECTORS], xx[LANE_VECTORS], yy[LANE_VECTORS];
    FN(sum_of_products)(bound->a, bound->b, PERIODS, dot);
    FN(sum_of_products)(bound->a, bound->a, PERIODS, xx);
    FN(sum_of_products)(bound->b, bound->b, PERIODS, yy);
    EACH_LANE_VECTOR dot[k] /= VSQRT(xx[k]) * VSQRT(yy[k]);
    FN(store_lanes)(bound->out, dot);
}

/* Statistics of `rows` runs of `periods` periods each, one result per row. */
#define NORM(name, rows, periods)                                               \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int i = 0; i < rows; i++) {                                        \
            const REAL *x = bound->a + i * ROW;                                 \
            VREAL total[LANE_VECTORS];                                          \
            FN(sum_of_products)(x, x, periods, total);                          \
            EACH_LANE_VECTOR total[k] = VSQRT(total[k]);                        \
            FN(store_lanes)(bound->out + i * LANE_COUNT, total);                \
        }                                                                       \
    }
#define MEAN(name, rows, periods)                                               \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int i = 0; i < rows; i++) {                                        \
            VREAL total[LANE_VECTORS];                                          \
            FN(sum_of)(bound->a + i * ROW, periods, total);                     \
            EACH_LANE_VECTOR total[k] /= (REAL)((periods) * 4);                 \
            FN(store_lanes)(bound->out + i * LANE_COUNT, total);                \
        }                                                                       \
    }
#define ST_DEV(name, rows, periods)                                             \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int i = 0; i < rows; i++) {                                        \
            const REAL *x = bound->a + i * ROW;                                 \
            VREAL mean[LANE_VECTORS], square[LANE_VECTORS];                     \
            FN(sum_of)(x, periods, mean);                                       \
            FN(sum_of_products)(x, x, periods, square);                         \
            EACH_LANE_VECTOR {                                                  \
                mean[k] /= (REAL)((periods) * 4);                               \
                square[k] /= (REAL)((periods) * 4);                             \
                square[k] = VSQRT(square[k] - mean[k] * mean[k]);               \
            }                                                                   \
            FN(store_lanes)(bound->out + i * LANE_COUNT, square);               \
        }                                                                       \
    }
NORM(vector_norm, 1, PERIODS)
NORM(vector_global_norm, 1, PERIODS) /* there is one tensor */
NORM(matrix_norm, 1, FEATURE_COUNT *PERIODS)
NORM(matrix_row_norm, FEATURE_COUNT, PERIODS)
MEAN(vector_mean, 1, PERIODS)
MEAN(matrix_mean, 1, FEATURE_COUNT *PERIODS)
MEAN(matrix_row_mean, FEATURE_COUNT, PERIODS)
ST_DEV(vector_st_dev, 1, PERIODS)
ST_DEV(matrix_st_dev, 1, FEATURE_COUNT *PERIODS)
ST_DEV(matrix_row_st_dev, FEATURE_COUNT, PERIODS)

LEAF(matrix_column_norm)
{
    for (int j = 0; j < ROW; j += WIDTH) {
        VREAL sums[4];
        for (int i = 0; i < FEATURE_COUNT; i++) {
            VREAL x = VLOAD(bound->a + i * ROW + j);
            sums[i & 3] = i < 4 ? x * x : sums[i & 3] + x * x;
        }
        VSTORE(bound->out + j, VSQRT((sums[0] + sums[2]) + (sums[1] + sums[3])));
    }
}

/* out = `expression` in x, the repeated lanes of a, and whatever is at offset j. */
#define REPEATED(name, parameters_from, periods, expression)                    \
    LEAF(name)                                                                  \
    {                                                                           \
        VREAL pattern[PERIOD];                                                  \
        FN(repeat)(bound->a, pattern);                                          \
        for (int q = 0; q < periods; q++)                                       \
            EACH_PERIOD {                                                       \
                int j = (q * PERIOD + k) * WIDTH;                               \
                VREAL x = pattern[k];                                           \
                parameters_from;                                                \
                VSTORE(bound->out + j, expression);                             \
            }                                                                   \
    }
#define Y_FROM_B VREAL y = VLOAD(bound->b + j)
#define YZ_FROM_BC VREAL y = VLOAD(bound->b + j), z = VLOAD(bound->c + j)
REPEATED(scalar_broadcast, (void)0, PERIODS, x)
REPEATED(scalar_vector_product, Y_FROM_B, PERIODS, x * y)
REPEATED(scalar_matrix_product, Y_FROM_B, FEATURE_COUNT *PERIODS, x * y)
REPEATED(scaled_then_sum, YZ_FROM_BC, PERIODS, z + x * y)
REPEATED(scaled_then_diff, YZ_FROM_BC, PERIODS, z - x * y)
REPEATED(scaled_then_negated_diff, YZ_FROM_BC, PERIODS, x * y - z)

#define OUTER(name, parameters_from, expression)                                \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int i = 0; i < FEATURE_COUNT; i++) {                               \
            VREAL pattern[PERIOD];                                              \
            REAL *out = bound->out + i * ROW;                                   \
            FN(repeat)(bound->a + i * LANE_COUNT, pattern);                     \
            _Pragma("GCC unroll 4") for (int q = 0; q < PERIODS; q++)           \
                EACH_PERIOD {                                                   \
                    int j = (q * PERIOD + k) * WIDTH;                           \
                    VREAL x = pattern[k];                                       \
                    parameters_from;                                            \
                    VSTORE(out + j, expression);                                \
                }                                                               \
        }                                                                       \
    }
#define ROW_YZ VREAL y = VLOAD(bound->b + j), z = VLOAD(bound->c + i * ROW + j)
OUTER(vector_outer_product, Y_FROM_B, x * y)
OUTER(outer_then_sum, ROW_YZ, z + x * y)
OUTER(outer_then_diff, ROW_YZ, z - x * y)
OUTER(outer_then_negated_diff, ROW_YZ, x * y - z)
OUTER(vector_column_broadcast, (void)0, x)

/* The vector stays in registers for all rows: 20 of 32 at F = 16. */
LEAF(matrix_vector_product)
{
    REAL *out = bound->out == bound->b ? bound->scratch : bound->out;
    VREAL y[PERIODS * PERIOD];
    _Pragma("GCC unroll 32") for (int k = 0; k < PERIODS * PERIOD; k++)
        y[k] = VLOAD(bound->b + k * WIDTH);
    for (int i = 0; i < FEATURE_COUNT; i++) {
        const REAL *x = bound->a + i * ROW;
        VREAL sums[PERIOD], total[LANE_VECTORS];
        EACH_PERIOD sums[k] = VLOAD(x + k * WIDTH) * y[k];
        _Pragma("GCC unroll 4") for (int q = 1; q < PERIODS; q++)
            EACH_PERIOD sums[k] += VLOAD(x + (q * PERIOD + k) * WIDTH) * y[q * PERIOD + k];
        FN(combine)(sums, total);
        EACH_LANE_VECTOR total[k] += PLUS_ZERO;
        FN(store_lanes)(out + i * LANE_COUNT, total);
    }
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * ROW);
}

LEAF(matrix_matrix_product)
{
    REAL *out = bound->out == bound->a || bound->out == bound->b ? bound->scratch : bound->out;
    for (int i = 0; i < FEATURE_COUNT; i++) {
        VREAL row[FEATURE_COUNT][PERIOD];
        for (int j = 0; j < FEATURE_COUNT; j++)
            FN(repeat)(bound->a + i * ROW + j * LANE_COUNT, row[j]);
        for (int q = 0; q < PERIODS; q++) {
            const REAL *y = bound->b + q * PERIOD * WIDTH;
            VREAL sums[4][PERIOD];
            _Pragma("GCC unroll 4") for (int part = 0; part < 4; part++)
                EACH_PERIOD sums[part][k] = row[part][k] * VLOAD(y + part * ROW + k * WIDTH);
            for (int j = 4; j < FEATURE_COUNT; j += 4)
                _Pragma("GCC unroll 4") for (int part = 0; part < 4; part++)
                    EACH_PERIOD sums[part][k] +=
                        row[j + part][k] * VLOAD(y + (j + part) * ROW + k * WIDTH);
            EACH_PERIOD VSTORE(out + i * ROW + (q * PERIOD + k) * WIDTH,
                               ((sums[0][k] + sums[2][k]) + (sums[1][k] + sums[3][k]))
                                   + PLUS_ZERO);
        }
    }
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * FEATURE_COUNT * ROW);
}

LEAF(matrix_transpose)
{
    REAL *out = bound->out == bound->a ? bound->scratch : bound->out;
    for (int i = 0; i < FEATURE_COUNT; i++)
        for (int j = 0; j < FEATURE_COUNT; j++)
            memcpy(out + i * ROW + j * LANE_COUNT, bound->a + j * ROW + i * LANE_COUNT,
                   LANE_COUNT * sizeof(REAL));
    if (out != bound->out)
        memcpy(bound->out, out, sizeof(REAL) * FEATURE_COUNT * ROW);
}

LEAF(vector_row_broadcast)
{
    for (int i = 0; i < FEATURE_COUNT; i++)
        memcpy(bound->out + i * ROW, bound->a, sizeof(REAL) * ROW);
}

LEAF(vector_const_set)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        bound->out[bound->element * LANE_COUNT + lane] = bound->value;
}

LEAF(matrix_const_set)
{
    FN(vector_const_set)(bound);
}

/* Random ops; see leaf_lanes.h. Four features are one block of 4 * LANE_COUNT numbers,
   which is a whole number of vectors of doubles. */
#define BLOCK (4 * LANE_COUNT)

/* Each number's state before its feature's draws: the lanes' keys, repeated. */
INLINE void FN(block_states)(const Bound *bound, uint64_t per_feature, uint64_t states[BLOCK])
{
    for (int feature = 0; feature < 4; feature++)
        for (int lane = 0; lane < LANE_COUNT; lane++)
            states[feature * LANE_COUNT + lane] =
                bound->keys[lane] + bound->offset + (uint64_t)feature * per_feature;
}

#define UNIFORM_FILL(name, elements)                                            \
    LEAF(name)                                                                  \
    {                                                                           \
        uint64_t states[BLOCK];                                                 \
        vdouble low = splat(bound->first), range = splat(bound->second);        \
        FN(block_states)(bound, GAMMA, states);                                 \
        for (int e = 0; e < elements; e += 4)                                   \
            for (int k = 0; k < BLOCK; k += DOUBLES) {                          \
                vulong state = *(vulong *)(states + k) + GAMMA * (uint64_t)(e + 1); \
                STORE_DOUBLES(bound->out + e * LANE_COUNT + k,                  \
                              low + range * uniform_from_bits(vmix64(state)));  \
            }                                                                   \
        bound->offset += bound->draws;                                          \
    }
/* Eight features, four pairs, at a time; F = 4 leaves the second half unused. */
#define GAUSSIAN_FILL(name, elements)                                           \
    LEAF(name)                                                                  \
    {                                                                           \
        uint64_t states[BLOCK];                                                 \
        REAL first[BLOCK], second[BLOCK];                                       \
        vdouble mean = splat(bound->first), std = splat(bound->second);         \
        FN(block_states)(bound, 2 * GAMMA, states);                             \
        for (int e = 0; e < elements; e += 8) {                                 \
            const int pairs = elements - e < 8 ? (elements - e) / 2 : 4;        \
            for (int k = 0; k < pairs * LANE_COUNT; k += DOUBLES) {             \
                vdouble n1, n2;                                                 \
                vulong state = *(vulong *)(states + k) + GAMMA * (uint64_t)(e + 1); \
                normal_pair(uniform_from_bits(vmix64(state)),                   \
                            uniform_from_bits(vmix64(state + GAMMA)), &n1, &n2);\
                STORE_DOUBLES(first + k, mean + std * n1);                      \
                STORE_DOUBLES(second + k, mean + std * n2);                     \
            }                                                                   \
            for (int p = 0; p < pairs; p++) {                                   \
                REAL *out = bound->out + (e + 2 * p) * LANE_COUNT;              \
                memcpy(out, first + p * LANE_COUNT, LANE_COUNT * sizeof(REAL)); \
                memcpy(out + LANE_COUNT, second + p * LANE_COUNT,               \
                       LANE_COUNT * sizeof(REAL));                              \
            }                                                                   \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
UNIFORM_FILL(vector_uniform_set, FEATURE_COUNT)
UNIFORM_FILL(matrix_uniform_set, ALL)
GAUSSIAN_FILL(vector_gaussian_set, FEATURE_COUNT)
GAUSSIAN_FILL(matrix_gaussian_set, ALL)

/* Scalars fill their padded register, past the last lane. */
#define SCALAR_FILL(name, number)                                               \
    LEAF(name)                                                                  \
    {                                                                           \
        for (int lane = 0; lane < LANE_COUNT; lane += DOUBLES) {                \
            vulong state = *(const vulong *)(bound->keys + lane) + bound->offset + GAMMA; \
            vdouble x, rest;                                                    \
            number;                                                             \
            (void)rest;                                                         \
            STORE_DOUBLES(bound->out + lane,                                    \
                          splat(bound->first) + splat(bound->second) * x);      \
        }                                                                       \
        bound->offset += bound->draws;                                          \
    }
SCALAR_FILL(scalar_uniform_set, x = rest = uniform_from_bits(vmix64(state)))
SCALAR_FILL(scalar_gaussian_set, normal_pair(uniform_from_bits(vmix64(state)),
                                             uniform_from_bits(vmix64(state + GAMMA)), &x, &rest))

#undef PERIOD
#undef HALF_PERIOD
#undef LANE_VECTORS
#undef PERIODS
#undef EACH_PERIOD
#undef SUM_PERIODS
#undef EACH_LANE_VECTOR
#undef NORM
#undef MEAN
#undef ST_DEV
#undef REPEATED
#undef Y_FROM_B
#undef YZ_FROM_BC
#undef ROW_YZ
#undef OUTER
#undef BLOCK
#undef UNIFORM_FILL
#undef GAUSSIAN_FILL
#undef SCALAR_FILL
