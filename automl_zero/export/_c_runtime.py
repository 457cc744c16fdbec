"""C text of exported C files: helper functions, and the model around the program."""

from __future__ import annotations

from typing import Final

HELPERS: Final = {
    "ordered_dot": """\
/* Sum of a[k * a_step] * b[k * b_step], or of the a alone if b is NULL. Up to three terms from
   left to right; of four or more, term k goes to accumulator k % 4. */
static double ordered_dot(ptrdiff_t n, const double *a, ptrdiff_t a_step, const double *b,
                          ptrdiff_t b_step)
{
    double acc[4] = {0.0, 0.0, 0.0, 0.0};
    const ptrdiff_t lanes = n < 4 ? 1 : 4;
    for (ptrdiff_t k = 0; k < n; k++) {
        const double term = b ? a[k * a_step] * b[k * b_step] : a[k * a_step];
        acc[k % lanes] = k < lanes ? term : acc[k % lanes] + term;
    }
    return lanes == 1 ? acc[0] : (acc[0] + acc[2]) + (acc[1] + acc[3]);
}
""",
    "dots": """\
/* Ordered dots of F vectors each, which start a_row and b_row apart. */
static void dots(ptrdiff_t F, const double *a, ptrdiff_t a_row, ptrdiff_t a_step, const double *b,
                 ptrdiff_t b_row, ptrdiff_t b_step, double *out)
{
    for (ptrdiff_t i = 0; i < F; i++)
        out[i] = ordered_dot(F, a + i * a_row, a_step, b ? b + i * b_row : NULL, b_step);
}
""",
    "matrix_product": """\
static void matrix_product(ptrdiff_t F, const double *a, const double *b, double *out)
{
    for (ptrdiff_t i = 0; i < F; i++)
        for (ptrdiff_t j = 0; j < F; j++)
            out[i * F + j] = ordered_dot(F, a + i * F, 1, b + j, F);
}
""",
    "transpose": """\
static void transpose(ptrdiff_t F, const double *a, double *out)
{
    for (ptrdiff_t i = 0; i < F; i++)
        for (ptrdiff_t j = 0; j < F; j++)
            out[i * F + j] = a[j * F + i];
}
""",
    "stream_key": """\
/* SplitMix64's finaliser (Steele, Lea & Flood 2014). */
static uint64_t mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Key of the numbers of one random instruction: component function and ordinal in it. */
static uint64_t stream_key(uint64_t seed, uint64_t component, uint64_t ordinal)
{
    const uint64_t gamma = 0x9E3779B97F4A7C15u;
    return mix64(mix64(seed + gamma * (component + 1)) + gamma * (ordinal + 1));
}

/* A uniform number in (0, 1). */
static double random_number(uint64_t key, uint64_t position)
{
    const uint64_t z = mix64(key + 0x9E3779B97F4A7C15u * (position + 1));
    return ((double)(z >> 12) + 0.5) * 0x1p-52;
}
""",
    "fill_uniform": """\
/* Uniform numbers in (low, high); low itself if low > high. */
static void fill_uniform(ptrdiff_t n, double *out, double low, double high, uint64_t key,
                         uint64_t step)
{
    for (ptrdiff_t k = 0; k < n; k++)
        out[k] = low > high ? low
                            : low + (high - low) * random_number(key, step * (uint64_t)n + k);
}
""",
    "fill_gaussian": """\
/* Normal numbers, drawn in pairs (Box & Muller 1958). */
static void fill_gaussian(ptrdiff_t n, double *out, double mean, double std, uint64_t key,
                          uint64_t step)
{
    const uint64_t first = step * (uint64_t)((n + 1) / 2 * 2);
    for (ptrdiff_t k = 0; k < n; k += 2) {
        const double radius = sqrt(-2.0 * log(random_number(key, first + k)));
        const double angle = 6.283185307179586 * random_number(key, first + k + 1);
        out[k] = mean + std * (radius * cos(angle));
        if (k + 1 < n)
            out[k + 1] = mean + std * (radius * sin(angle));
    }
}
""",
}
"""Helpers by name, in the order in which they need each other."""

NEEDS: Final = {"dots": "ordered_dot", "matrix_product": "ordered_dot",
                "fill_uniform": "stream_key", "fill_gaussian": "stream_key"}  # fmt: skip

MODEL: Final = """\
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* A program with its memory. */
typedef struct {{
    ptrdiff_t features;
    uint64_t seed;              /* of the task: keys all random draws */
    uint64_t predict_step, learn_step;
    double *s, *v, *m;          /* registers: [{S}], [{V}][features], [{M}][features][features] */
    double *scratch;
}} Model;

/* Empty memory, and what setup makes of it; 0, or -1 if there is no memory. */
int model_start(Model *model, ptrdiff_t features, uint64_t seed);

/* Learn from one example: features x, label y. */
void model_train(Model *model, const double *x, double y);

/* The prediction of one example. */
double model_predict(Model *model, const double *x);

/* Give the memory back. */
void model_free(Model *model);

/* functions */
static void fill(Model *p, const double *x, double label)
{{
    for (ptrdiff_t i = 0; i < p->features; i++)
        p->v[i] = x[i];
    p->s[0] = label;
}}

int model_start(Model *p, ptrdiff_t features, uint64_t seed)
{{
    const size_t F = (size_t)features, counts[4] = {{{S}, {V} * F, {M} * F * F, (2 + F) * F}};
    double **const arrays[4] = {{&p->s, &p->v, &p->m, &p->scratch}};
    int result = 0;
    p->features = features;
    p->seed = seed;
    p->predict_step = p->learn_step = 0;
    for (int i = 0; i < 4; i++) {{
        *arrays[i] = calloc(counts[i] ? counts[i] : 1, sizeof(double));
        if (*arrays[i] == NULL)
            result = -1;
    }}
    if (result == 0)
        setup(p);
    else
        model_free(p);
    return result;
}}

void model_train(Model *p, const double *x, double y)
{{
    fill(p, x, 0.0);
    predict(p);
    p->predict_step++;
{squash}    fill(p, x, y);
    learn(p);
    p->learn_step++;
}}

double model_predict(Model *p, const double *x)
{{
    fill(p, x, 0.0);
    predict(p);
    p->predict_step++;
    return p->s[1];
}}

void model_free(Model *p)
{{
    free(p->s);
    free(p->v);
    free(p->m);
    free(p->scratch);
    p->s = p->v = p->m = p->scratch = NULL;
}}
"""
