/* The population of regularized evolution: an aging ring. A new individual takes the place
   of the oldest; parents are winners of tournaments over the whole ring (Real et al.,
   "Regularized evolution for image classifier architecture search", AAAI 2019). */
#ifndef AMZ_POPULATION_H
#define AMZ_POPULATION_H

#include <stdint.h>

#include "stream.h"

typedef struct {
    int size;         /* individuals it holds when full */
    int count;        /* individuals it holds now */
    int next;         /* slot of the oldest individual, which the next one replaces */
    double *fitness;  /* [size] */
} Ring;

/* Slot of the best of `rounds` uniform draws with replacement; the first drawn wins ties. */
static inline int ring_tournament(const Ring *ring, Stream *stream, int rounds)
{
    int winner = (int)stream_below(stream, (uint32_t)ring->count);
    for (int i = 1; i < rounds; i++) {
        int slot = (int)stream_below(stream, (uint32_t)ring->count);
        if (ring->fitness[slot] > ring->fitness[winner])
            winner = slot;
    }
    return winner;
}

/* Slot that the next individual takes; the caller puts its genome there. */
static inline int ring_replace(Ring *ring, double fitness)
{
    int slot = ring->next;
    ring->fitness[slot] = fitness;
    ring->next = slot + 1 == ring->size ? 0 : slot + 1;
    ring->count += ring->count < ring->size;
    return slot;
}

#endif
