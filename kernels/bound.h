/* Instructions bound to memory, for one precision: the types and the leaf table that all
   harnesses share.

   Included with REAL_BITS (64 or 32), ISA_SUFFIX and VECTOR_BYTES defined. */
#include "lockstep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "vector.h"
#include "vector_math.h"

#define PASTE3_(a, b, c) a##_##b##_##c
#define PASTE3(a, b, c) PASTE3_(a, b, c)

#if REAL_BITS == 64
typedef double REAL;
typedef vdouble VREAL;
typedef vlong VMASK;
#define REAL_NAME f64
#define WIDTH DOUBLES
#define VSQRT vsqrt
#define REAL_SQRT __builtin_sqrt
#define VABS(x) ((VREAL)((VMASK)(x) & INT64_MAX))
#define LOAD_DOUBLES(p) (*(const vdouble *)(p))
#define STORE_DOUBLES(p, x) (*(vdouble *)(p) = (x))
#else
typedef float REAL;
typedef vfloat VREAL;
typedef vint VMASK;
#define REAL_NAME f32
#define WIDTH FLOATS
#define VSQRT vsqrt_float
#define REAL_SQRT __builtin_sqrtf
#define VABS(x) ((VREAL)((VMASK)(x) & INT32_MAX))
#define LOAD_DOUBLES(p) load_floats(p)
#define STORE_DOUBLES(p, x) store_floats(p, x)
#endif
#define VSPLAT(x) ((REAL)(x) - (VREAL){0})
#define SELECT(mask, a, b) ((VREAL)(((VMASK)(a) & (mask)) | ((VMASK)(b) & ~(mask))))

/* Leaf functions beyond the op table: pairs of instructions merged into one, and an op
   with one operand shared by all lanes. */
enum {
    UNIFORM_MATRIX_VECTOR = FIRST_OTHER_LEAF,
    SCALED_THEN_SUM, SCALED_THEN_DIFF, SCALED_THEN_NEGATED_DIFF,
    OUTER_THEN_SUM, OUTER_THEN_DIFF, OUTER_THEN_NEGATED_DIFF,
    PAIR_SCALAR,
    PAIR_VECTOR = PAIR_SCALAR + 4 * 6,
    LEAF_COUNT = PAIR_VECTOR + 4 * 6
};

/* Elementwise pairs that are merged: the first instruction and the second's use of it. */
enum { PAIR_SUM, PAIR_DIFF, PAIR_PRODUCT, PAIR_HEAVYSIDE, PAIR_FIRST_COUNT };
enum {
    THEN_SUM, THEN_DIFF, THEN_NEGATED_DIFF, THEN_PRODUCT, THEN_MAX, THEN_MAX_OF_OTHER,
    PAIR_SECOND_COUNT
};
#define PAIR_ROW(X, kind, KIND, first, FIRST)                                   \
    X(kind, KIND, first, FIRST, sum, THEN_SUM)                                  \
    X(kind, KIND, first, FIRST, diff, THEN_DIFF)                                \
    X(kind, KIND, first, FIRST, negated_diff, THEN_NEGATED_DIFF)                \
    X(kind, KIND, first, FIRST, product, THEN_PRODUCT)                          \
    X(kind, KIND, first, FIRST, max, THEN_MAX)                                  \
    X(kind, KIND, first, FIRST, max_of_other, THEN_MAX_OF_OTHER)
#define PAIR_TABLE(X)                                                           \
    PAIR_ROW(X, scalar, SCALAR, sum, PAIR_SUM)                                  \
    PAIR_ROW(X, scalar, SCALAR, diff, PAIR_DIFF)                                \
    PAIR_ROW(X, scalar, SCALAR, product, PAIR_PRODUCT)                          \
    PAIR_ROW(X, scalar, SCALAR, heavyside, PAIR_HEAVYSIDE)                      \
    PAIR_ROW(X, vector, VECTOR, sum, PAIR_SUM)                                  \
    PAIR_ROW(X, vector, VECTOR, diff, PAIR_DIFF)                                \
    PAIR_ROW(X, vector, VECTOR, product, PAIR_PRODUCT)                          \
    PAIR_ROW(X, vector, VECTOR, heavyside, PAIR_HEAVYSIDE)
_Static_assert(PAIR_FIRST_COUNT * PAIR_SECOND_COUNT == 4 * 6, "as many leaves as pairs");

/* An instruction with everything looked up. */
typedef struct Bound Bound;
typedef void (*Leaf)(Bound *);
struct Bound {
    Leaf run;
    REAL *out;
    union {
        REAL *first_out;           /* of a merged pair's first instruction */
        ElementFunction function;  /* of a user's own op */
    };
    const REAL *a, *b, *c;
    REAL value;            /* const-set ops */
    int element;
    int features, lanes, used_lanes;
    REAL *scratch;         /* as large as a matrix, for outputs that alias an input */
    double first, second;  /* random ops: low and range, or mean and standard deviation;
                              clip: low and high */
    const uint64_t *keys;  /* per lane */
    uint64_t offset, draws;  /* both already times GAMMA */
};

/* Layouts of the lanes, see leaf_functions.h. */
#define LANES 1
#define ONE_LANE 2
#define PACKED 3
#define TENSOR 4

/* Takes `bytes` from a bump allocator over the arena. */
static void *take(char **next, size_t bytes)
{
    void *memory = *next;
    *next += padded(bytes);
    return memory;
}

static void bind_constants(Bound *bound, const Instruction *ins, const Leaf *leaves, int features)
{
    const OpInfo *op = &OP_INFO[ins->op];
    uint64_t elements = (uint64_t)(op->out == 's' ? 1 : op->out == 'v' ? features
                                                                        : features * features);
    float row, column;
    switch (op->role[0]) {
    case ROLE_VALUE:
    case ROLE_WEIGHT:
        bound->value = (REAL)ins->act;
        break;
    case ROLE_INDEX:
    case ROLE_ROW:  /* indices are float32 products, truncated; out of range sets nothing */
        row = (float)features * ins->f[0];
        column = op->role[0] == ROLE_ROW ? (float)features * ins->f[1] : 0.0f;
        if (!(row >= 0 && row < (float)features && column >= 0 && column < (float)features)) {
            bound->run = leaves[0];
            break;
        }
        bound->element = op->role[0] == ROLE_ROW ? (int)row * features + (int)column : (int)row;
        bound->value = (REAL)ins->f[op->constants - 1];
        break;
    case ROLE_LOW:
        bound->first = ins->f[0];
        if (!(op->flags & OP_RANDOM)) {  /* clip */
            bound->first = ins->f[0] > ins->f[1] ? ins->f[1] : ins->f[0];
            bound->second = ins->f[1];
            break;
        }
        /* low > high is the constant low; adding -0 keeps even a low of -0 */
        bound->second = ins->f[0] > ins->f[1] ? -0.0 : (double)ins->f[1] - (double)ins->f[0];
        bound->draws = elements * GAMMA;
        break;
    case ROLE_MEAN:
        bound->first = ins->f[0];
        bound->second = ins->f[1];
        bound->draws = (elements + 1) / 2 * 2 * GAMMA;
        break;
    }
}

/* Other code may use SSE instructions, which are slow while upper halves are in use. */
INLINE void clear_upper_halves(void)
{
#ifdef __AVX__
    _mm256_zeroupper();
#endif
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
