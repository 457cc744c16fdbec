/* Which slots of a population hold a fingerprint: chains of slots, one for each hash value. The
   keys themselves lie with the individuals, and a slot is found by its key alone. */
#ifndef AMZ_KEY_INDEX_H
#define AMZ_KEY_INDEX_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t *first, *next;  /* [hash], [slot]; -1: none */
    uint64_t mask;
} KeyIndex;

/* For slots below `slots`. Returns 0, or -1 when memory is short. */
static inline int key_index_init(KeyIndex *index, size_t slots)
{
    size_t hashes = 16;
    while (hashes < 2 * slots)
        hashes *= 2;
    index->mask = hashes - 1;
    index->first = malloc(hashes * sizeof *index->first);
    index->next = malloc(slots * sizeof *index->next);
    if (!index->first || !index->next)
        return -1;
    memset(index->first, -1, hashes * sizeof *index->first);
    return 0;
}

static inline void key_index_free(KeyIndex *index)
{
    free(index->first);
    free(index->next);
}

static inline void key_index_clear(KeyIndex *index)
{
    memset(index->first, -1, (index->mask + 1) * sizeof *index->first);
}

/* First slot of the chain that the key is in, if it is in any. */
static inline int32_t key_index_chain(const KeyIndex *index, const uint64_t key[2])
{
    return index->first[key[1] & index->mask];
}

static inline void key_index_add(KeyIndex *index, const uint64_t key[2], int32_t slot)
{
    int32_t *first = &index->first[key[1] & index->mask];
    index->next[slot] = *first;
    *first = slot;
}

/* `key`: under which the slot was added. */
static inline void key_index_remove(KeyIndex *index, const uint64_t key[2], int32_t slot)
{
    int32_t *link = &index->first[key[1] & index->mask];
    while (*link != slot)
        link = &index->next[*link];
    *link = index->next[slot];
}

#endif
