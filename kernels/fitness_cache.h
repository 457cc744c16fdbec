/* The two caches of the evolution loop. Both are bounded and deterministic. */
#ifndef AMZ_FITNESS_CACHE_H
#define AMZ_FITNESS_CACHE_H

#include <stddef.h>
#include <stdint.h>

/* What is known of a program's fitness. Without a hurdle the two are one. */
typedef struct {
    double first;  /* on the tasks before the hurdle */
    double full;   /* on all tasks; NaN: not known */
} Score;

/* Canonical cache: score by 128-bit fingerprint of the canonical form (two different
   programs among a billion share one with probability 1e-21). Sets of four entries in two
   cache lines; a new entry pushes out the oldest of its set. */
typedef struct {
    uint64_t key[2];
    Score score;
} CanonicalEntry;

enum { CANONICAL_WAYS = 4, CANONICAL_SET_BYTES = CANONICAL_WAYS * sizeof(CanonicalEntry) };

typedef struct {
    char *sets;
    void *memory;        /* what to free */
    uint64_t set_count;  /* a power of two; 0: switched off */
} CanonicalCache;

int canonical_cache_init(CanonicalCache *cache, size_t bytes);
void canonical_cache_free(CanonicalCache *cache);
void canonical_cache_clear(CanonicalCache *cache);
/* Starts loading where the key would be: a look-up waits for main memory. */
void canonical_cache_prefetch(const CanonicalCache *cache, const uint64_t key[2]);
/* Whether the key is there; if so sets *score. */
int canonical_cache_get(const CanonicalCache *cache, const uint64_t key[2], Score *score);
/* Adds the key or sets its score. */
void canonical_cache_put(CanonicalCache *cache, const uint64_t key[2], Score score);

/* Functional equivalence cache: score by a hash of the errors on the first few examples.
   Nothing is ever pushed out: when full it says so, and the caller clears both caches.
   So whether a key is there depends on what was evaluated, not on what was looked up, and
   switching the canonical cache off changes no fitness. */
typedef struct {
    uint64_t key;  /* 0: empty */
    Score score;
} EquivalenceEntry;

typedef struct {
    EquivalenceEntry *entries;
    void *memory;  /* what to free */
    uint64_t capacity, count;
} EquivalenceCache;

int equivalence_cache_init(EquivalenceCache *cache, size_t bytes);
void equivalence_cache_free(EquivalenceCache *cache);
void equivalence_cache_clear(EquivalenceCache *cache);
int equivalence_cache_get(const EquivalenceCache *cache, uint64_t key, Score *score);
void equivalence_cache_put(EquivalenceCache *cache, uint64_t key, Score score);
int equivalence_cache_full(const EquivalenceCache *cache);

#endif
