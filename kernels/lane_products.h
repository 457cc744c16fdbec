/* Matrix products over lanes, with the sums in registers. Included by update_rule_impl.h.

   Every element of a product is one sum, over k in order, from `start` (or 0) on: so that it
   does not depend on how the product is cut into tiles. */

/* Rows and vectors of a tile: so many sums fit into the registers beside their operands. */
enum { TILE_ROWS = 4, TILE_VECTORS = VECTOR_BYTES == 64 ? 5 : 2 };

/* out[i][n] = start[n] + sum over k of x(i, k) * y[k][n], for `rows` rows of x from `first` on.
   x is shared by all lanes: x(i, k) is x[i][k], or x[k][i] if transposed. */
INLINE void shared_tile(const int rows, const int vectors, const int transposed,
                        const REAL *const *x, int first, int depth, const REAL *y,
                        size_t y_stride, const REAL *start, REAL *out, size_t out_stride)
{
    VREAL sums[TILE_ROWS][TILE_VECTORS];
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++)
        _Pragma("GCC unroll 5") for (int n = 0; n < vectors; n++)
            sums[i][n] = start ? *(const VREAL *)(start + n * WIDTH) : (VREAL){0};
    for (int k = 0; k < depth; k++, y += y_stride) {
        VREAL operand[TILE_VECTORS];
        _Pragma("GCC unroll 5") for (int n = 0; n < vectors; n++)
            operand[n] = *(const VREAL *)(y + n * WIDTH);
        _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++) {
            VREAL factor = VSPLAT(transposed ? x[k][first + i] : x[first + i][k]);
            _Pragma("GCC unroll 5") for (int n = 0; n < vectors; n++)
                sums[i][n] += factor * operand[n];
        }
    }
    /* The last vector may reach into the next row, which is written after. */
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++)
        _Pragma("GCC unroll 5") for (int n = 0; n < vectors; n++)
            *(VREAL *)(out + (size_t)i * out_stride + n * WIDTH) = sums[i][n];
}

INLINE void shared_panel(const int vectors, const int transposed, const REAL *const *x, int rows,
                         int depth, const REAL *y, size_t y_stride, const REAL *start, REAL *out,
                         size_t out_stride)
{
    int i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS) {
        /* The next rows are somewhere in the data set. */
        if (!transposed && i + 2 * TILE_ROWS <= rows)
            for (int r = 0; r < TILE_ROWS; r++)
                for (int k = 0; k < depth; k += ALIGNMENT / (int)sizeof(REAL))
                    __builtin_prefetch(x[i + TILE_ROWS + r] + k);
        shared_tile(TILE_ROWS, vectors, transposed, x, i, depth, y, y_stride, start,
                    out + (size_t)i * out_stride, out_stride);
    }
    for (; i < rows; i++)
        shared_tile(1, vectors, transposed, x, i, depth, y, y_stride, start,
                    out + (size_t)i * out_stride, out_stride);
}

/* The whole product, `count` numbers wide. Rows of `out` may follow each other without padding:
   panels are written from the last to the first and rows in order, so that what a panel writes
   past the end of a row is written again. Past the last row there has to be room. */
INLINE void shared_product(const int transposed, const REAL *const *x, int rows, int depth,
                           const REAL *y, size_t y_stride, const REAL *start, REAL *out,
                           size_t out_stride, int count)
{
    int left = (count + WIDTH - 1) / WIDTH;
    while (left > 0) {
        /* Two halves rather than a whole tile and a thin rest. */
        int vectors = left <= TILE_VECTORS ? left
                      : left < 2 * TILE_VECTORS ? (left + 1) / 2 : TILE_VECTORS;
        left -= vectors;
        const size_t at = (size_t)left * WIDTH;
        const REAL *from = start ? start + at : NULL;
        switch (vectors) {
#define PANEL(n)                                                                \
    case n:                                                                     \
        shared_panel(n, transposed, x, rows, depth, y + at, y_stride, from, out + at, out_stride); \
        break;
        PANEL(1)
        PANEL(2)
#if VECTOR_BYTES == 64
        PANEL(3)
        PANEL(4)
        PANEL(5)
#endif
#undef PANEL
        }
    }
}

/* Four lanes: as many as there always are. */
typedef REAL Quad __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
#if REAL_BITS == 64
typedef int64_t QuadMask __attribute__((vector_size(32), aligned(8), may_alias));
#else
typedef int32_t QuadMask __attribute__((vector_size(16), aligned(4), may_alias));
#endif
#define QUAD(p) (*(const Quad *)(p))
#define STORE_QUAD(p, x) (*(Quad *)(p) = (x))
#define QUAD_SPLAT(x) ((REAL)(x) - (Quad){0})
#define QUAD_SELECT(mask, a, b) \
    ((Quad)(((QuadMask)(a) & (QuadMask)(mask)) | ((QuadMask)(b) & ~(QuadMask)(mask))))
/* a > b ? a : b */
#if REAL_BITS == 64 && defined(__AVX__)
#define LARGER(a, b) ((Quad)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#elif REAL_BITS == 32 && defined(__SSE4_1__)
#define LARGER(a, b) ((Quad)_mm_max_ps((__m128)(a), (__m128)(b)))
#else
#define LARGER(a, b) QUAD_SELECT((a) > (b), a, b)
#endif

#define EACH_QUAD for (int lane = 0; lane < lanes; lane += 4)

/* Where the elements of a matrix with lanes are. */
typedef struct {
    const REAL *at;
    size_t row, column;
} Strided;

enum { QUAD_ROWS = 4, QUAD_COLUMNS = VECTOR_BYTES == 64 ? 5 : 2 };

INLINE void lane_tile(const int rows, const int columns, int depth, Strided x, Strided y,
                      const REAL *start, size_t lanes, REAL *out, size_t out_row)
{
    Quad sums[QUAD_ROWS][QUAD_COLUMNS];
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++)
        _Pragma("GCC unroll 5") for (int j = 0; j < columns; j++)
            sums[i][j] = start ? QUAD(start + (size_t)j * lanes) : (Quad){0};
    for (int k = 0; k < depth; k++, x.at += x.column, y.at += y.row) {
        Quad operand[QUAD_COLUMNS];
        _Pragma("GCC unroll 5") for (int j = 0; j < columns; j++)
            operand[j] = QUAD(y.at + (size_t)j * y.column);
        _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++) {
            Quad factor = QUAD(x.at + (size_t)i * x.row);
            _Pragma("GCC unroll 5") for (int j = 0; j < columns; j++)
                sums[i][j] += factor * operand[j];
        }
    }
    _Pragma("GCC unroll 4") for (int i = 0; i < rows; i++)
        _Pragma("GCC unroll 5") for (int j = 0; j < columns; j++)
            STORE_QUAD(out + (size_t)i * out_row + (size_t)j * lanes, sums[i][j]);
}

/* out(i, j) = start(j) + sum over k of x(i, k) * y(k, j), where every element is one number for
   each lane; columns of `out` are `lanes` apart. */
static NOINLINE void lane_product(int rows, int columns, int depth, Strided x, Strided y,
                                  const REAL *start, int lanes, REAL *out, size_t out_row)
{
    EACH_QUAD
        for (int j = 0; j < columns;) {
            const int wide = j + QUAD_COLUMNS <= columns;
            for (int i = 0; i < rows;) {
                const int tall = i + QUAD_ROWS <= rows;
                Strided xi = {x.at + (size_t)i * x.row + lane, x.row, x.column};
                Strided yj = {y.at + (size_t)j * y.column + lane, y.row, y.column};
                const REAL *from = start ? start + (size_t)j * (size_t)lanes + lane : NULL;
                REAL *to = out + (size_t)i * out_row + (size_t)j * (size_t)lanes + lane;
#define TILE(r, c) lane_tile(r, c, depth, xi, yj, from, (size_t)lanes, to, out_row)
                if (tall && wide)
                    TILE(QUAD_ROWS, QUAD_COLUMNS);
                else if (tall)
                    TILE(QUAD_ROWS, 1);
                else if (wide)
                    TILE(1, QUAD_COLUMNS);
                else
                    TILE(1, 1);
#undef TILE
                i += tall ? QUAD_ROWS : 1;
            }
            j += wide ? QUAD_COLUMNS : 1;
        }
}
