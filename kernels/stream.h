/* Keyed random streams: number n of a stream is mix64(key + GAMMA * (n + 1)), SplitMix64
   (Steele, Lea & Flood 2014). The same numbers as automl_zero/streams.py. */
#ifndef AMZ_STREAM_H
#define AMZ_STREAM_H

#include <math.h>
#include <stdint.h>

#define GAMMA 0x9E3779B97F4A7C15ull
#define MIX_1 0xBF58476D1CE4E5B9ull
#define MIX_2 0x94D049BB133111EBull

static inline uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * MIX_1;
    z = (z ^ (z >> 27)) * MIX_2;
    return z ^ (z >> 31);
}

/* Key of the draws of one random instruction on one task. */
static inline uint64_t instruction_key(uint64_t task_seed, int component, uint64_t ordinal)
{
    uint64_t key = mix64(task_seed + GAMMA * (uint64_t)(component + 1));
    return mix64(key + GAMMA * (ordinal + 1));
}

/* A stream consumed from the front: `state` is key + GAMMA * (numbers drawn so far). */
typedef struct {
    uint64_t state;
} Stream;

static inline uint64_t stream_next(Stream *stream)
{
    return mix64(stream->state += GAMMA);
}

/* Uniform in 0..bound-1; the bias is below bound / 2^64. */
static inline uint32_t stream_below(Stream *stream, uint32_t bound)
{
    return (uint32_t)(((unsigned __int128)stream_next(stream) * bound) >> 64);
}

/* Uniform in the open interval (0, 1). */
static inline double stream_uniform(Stream *stream)
{
    return ((double)(stream_next(stream) >> 12) + 0.5) * 0x1p-52;
}

static inline double stream_normal(Stream *stream)
{
    double radius = sqrt(-2.0 * log(stream_uniform(stream)));
    return radius * cos(6.283185307179586 * stream_uniform(stream));
}

#endif
