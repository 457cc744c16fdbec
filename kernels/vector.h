/* SIMD vectors of VECTOR_BYTES, through the compiler's vector extension: one source for
   every instruction set. Loads and stores need no alignment. */
#ifndef AMZ_VECTOR_H
#define AMZ_VECTOR_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE4_1__)
#include <immintrin.h>
#endif

enum { DOUBLES = VECTOR_BYTES / 8, FLOATS = VECTOR_BYTES / 4 };

typedef double vdouble __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef int64_t vlong __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef uint64_t vulong __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
typedef float vfloat __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vint __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef float vhalf __attribute__((vector_size(VECTOR_BYTES / 2), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
/* The loops over examples stay functions of their own: inlined into one large function they
   lose their registers, which cost up to 25 cycles an example. */
#define NOINLINE __attribute__((noinline))

INLINE vdouble splat(double x)
{
    return x - (vdouble){0};
}

INLINE vulong splat_u(uint64_t x)
{
    return x - (vulong){0};
}

INLINE vdouble as_double(vlong x)
{
    return (vdouble)x;
}

INLINE vlong as_long(vdouble x)
{
    return (vlong)x;
}

/* mask ? a : b, with all bits of each mask lane equal. */
INLINE vdouble choose(vlong mask, vdouble a, vdouble b)
{
    return as_double((as_long(a) & mask) | (as_long(b) & ~mask));
}

INLINE vdouble vabs(vdouble x)
{
    return as_double(as_long(x) & INT64_MAX);
}

/* a > b ? a : b, and a < b ? a : b: the second if one of them is NaN. */
INLINE vdouble vlarger(vdouble a, vdouble b)
{
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
    return (vdouble)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
    return (vdouble)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (vdouble)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return choose(a > b, a, b);
#endif
}

INLINE vdouble vsmaller(vdouble a, vdouble b)
{
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
    return (vdouble)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
    return (vdouble)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (vdouble)_mm_min_pd((__m128d)a, (__m128d)b);
#else
    return choose(a < b, a, b);
#endif
}

INLINE vdouble vsqrt(vdouble x)
{
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
    return (vdouble)_mm512_sqrt_pd((__m512d)x);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
    return (vdouble)_mm256_sqrt_pd((__m256d)x);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (vdouble)_mm_sqrt_pd((__m128d)x);
#else
    for (int i = 0; i < DOUBLES; i++)
        x[i] = __builtin_sqrt(x[i]);
    return x;
#endif
}

INLINE vfloat vsqrt_float(vfloat x)
{
#if VECTOR_BYTES == 64 && defined(__AVX512F__)
    return (vfloat)_mm512_sqrt_ps((__m512)x);
#elif VECTOR_BYTES == 32 && defined(__AVX__)
    return (vfloat)_mm256_sqrt_ps((__m256)x);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (vfloat)_mm_sqrt_ps((__m128)x);
#else
    for (int i = 0; i < FLOATS; i++)
        x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}

/* Elements of the vectors a, b (numbered on through b) by index. */
#ifdef __clang__
#define SHUFFLE_2(a, b, index)                                                  \
    ({                                                                          \
        __typeof__(a) two_[2] = {a, b}, picked_;                                \
        for (unsigned e_ = 0; e_ < sizeof(a) / sizeof((a)[0]); e_++)            \
            picked_[e_] = ((__typeof__((a)[0] + 0) *)two_)[(index)[e_]];        \
        picked_;                                                                \
    })
#else
#define SHUFFLE_2(a, b, index) __builtin_shuffle(a, b, index)
#endif

/* Whether any lane of a mask is set. */
INLINE int any(vlong mask)
{
#if VECTOR_BYTES == 64 && defined(__AVX512DQ__)
    return _mm512_movepi64_mask((__m512i)mask) != 0;
#elif VECTOR_BYTES == 32 && defined(__AVX__)
    return _mm256_movemask_pd((__m256d)mask) != 0;
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return _mm_movemask_pd((__m128d)mask) != 0;
#else
    int64_t all = 0;
    for (int i = 0; i < DOUBLES; i++)
        all |= mask[i];
    return all != 0;
#endif
}

/* Two halves of a float vector as doubles, and back. */
INLINE vdouble load_floats(const float *p)
{
    return __builtin_convertvector(*(const vhalf *)p, vdouble);
}

INLINE void store_floats(float *p, vdouble x)
{
    *(vhalf *)p = __builtin_convertvector(x, vhalf);
}

#endif
