#include "fitness_cache.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Zeroed memory, aligned to huge pages and in huge pages where there are any: look-ups are
   random, and small pages cost 9 % of the loop's time in page faults and more in address
   translation. *memory is what to free. */
static void *cache_memory(size_t bytes, void **memory)
{
    const uintptr_t huge = (uintptr_t)2 << 20;
    const uintptr_t alignment = bytes < huge ? CANONICAL_SET_BYTES : huge;
    *memory = calloc(bytes + alignment, 1);  /* fresh pages are zero already: no second pass */
    if (!*memory)
        return NULL;
    void *aligned = (void *)(((uintptr_t)*memory + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
    if (bytes >= huge)
        madvise(aligned, bytes, MADV_HUGEPAGE);
#endif
    return aligned;
}

static uint64_t largest_power_of_two(uint64_t most)
{
    uint64_t power = 1;
    while (power * 2 <= most)
        power *= 2;
    return power;
}

int canonical_cache_init(CanonicalCache *cache, size_t bytes)
{
    memset(cache, 0, sizeof *cache);
    if (bytes < CANONICAL_SET_BYTES)
        return 0;
    cache->set_count = largest_power_of_two(bytes / CANONICAL_SET_BYTES);
    cache->sets = cache_memory(cache->set_count * CANONICAL_SET_BYTES, &cache->memory);
    return cache->sets ? 0 : -1;
}

void canonical_cache_free(CanonicalCache *cache)
{
    free(cache->memory);
    memset(cache, 0, sizeof *cache);
}

void canonical_cache_clear(CanonicalCache *cache)
{
    if (cache->set_count)
        memset(cache->sets, 0, cache->set_count * CANONICAL_SET_BYTES);
}

static CanonicalEntry *set_of(const CanonicalCache *cache, const uint64_t key[2])
{
    uint64_t set = key[1] & (cache->set_count - 1);
    return (CanonicalEntry *)(cache->sets + set * CANONICAL_SET_BYTES);
}

void canonical_cache_prefetch(const CanonicalCache *cache, const uint64_t key[2])
{
    if (!cache->set_count)
        return;
    const char *set = (const char *)set_of(cache, key);
    __builtin_prefetch(set);
    __builtin_prefetch(set + CANONICAL_SET_BYTES / 2);
}

static CanonicalEntry *canonical_cache_find(const CanonicalCache *cache, const uint64_t key[2])
{
    if (!cache->set_count)
        return NULL;
    CanonicalEntry *entry = set_of(cache, key);
    for (int way = 0; way < CANONICAL_WAYS; way++, entry++)
        if (entry->key[0] == key[0] && entry->key[1] == key[1])
            return entry;
    return NULL;
}

int canonical_cache_get(const CanonicalCache *cache, const uint64_t key[2], Score *score)
{
    const CanonicalEntry *entry = canonical_cache_find(cache, key);
    if (entry)
        *score = entry->score;
    return entry != NULL;
}

void canonical_cache_put(CanonicalCache *cache, const uint64_t key[2], Score score)
{
    if (!cache->set_count)
        return;
    CanonicalEntry *entry = canonical_cache_find(cache, key);
    if (!entry) {
        entry = set_of(cache, key);
        memmove(entry + 1, entry, (CANONICAL_WAYS - 1) * sizeof *entry);
    }
    *entry = (CanonicalEntry){{key[0], key[1]}, score};
}

int equivalence_cache_init(EquivalenceCache *cache, size_t bytes)
{
    memset(cache, 0, sizeof *cache);
    if (bytes < sizeof(EquivalenceEntry) * 16)
        return 0;
    cache->capacity = largest_power_of_two(bytes / sizeof(EquivalenceEntry));
    cache->entries =
        cache_memory(cache->capacity * sizeof *cache->entries, &cache->memory);
    return cache->entries ? 0 : -1;
}

void equivalence_cache_free(EquivalenceCache *cache)
{
    free(cache->memory);
    memset(cache, 0, sizeof *cache);
}

void equivalence_cache_clear(EquivalenceCache *cache)
{
    if (cache->count)
        memset(cache->entries, 0, cache->capacity * sizeof *cache->entries);
    cache->count = 0;
}

static EquivalenceEntry *find(const EquivalenceCache *cache, uint64_t key)
{
    uint64_t at = key & (cache->capacity - 1);
    while (cache->entries[at].key && cache->entries[at].key != key)
        at = (at + 1) & (cache->capacity - 1);
    return &cache->entries[at];
}

int equivalence_cache_get(const EquivalenceCache *cache, uint64_t key, Score *score)
{
    const EquivalenceEntry *entry = find(cache, key | 1);
    *score = entry->score;
    return entry->key != 0;
}

void equivalence_cache_put(EquivalenceCache *cache, uint64_t key, Score score)
{
    EquivalenceEntry *entry = find(cache, key | 1);
    cache->count += entry->key == 0;
    *entry = (EquivalenceEntry){key | 1, score};
}

int equivalence_cache_full(const EquivalenceCache *cache)
{
    return cache->count * 2 > cache->capacity;
}
