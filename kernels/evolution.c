/* tournament -> mutate -> fitness -> the oldest one's place */
#include "evolution.h"

#include <math.h>
#include <string.h>

/* Whether the child's fitness is the best so far; an approximation is checked in full. */
static int is_best(Evolution *evolution, double *fitness, int exact, int *yes)
{
    const int any = evolution->best_birth.number >= 0;
    *yes = !any || *fitness > evolution->best_fitness;
    if (*yes && !exact) {
        Score score;
        evolution->statistics.verifications++;
        if (evolution_evaluate_in_full(evolution, &score))
            return -1;
        *fitness = score.full;
        *yes = !any || *fitness > evolution->best_fitness;
    }
    return 0;
}

/* A fitness that is an approximation is only apparent: the program is evaluated in full
   before it is recorded as the best. `parent` is null for initial programs. */
static int record_best(Evolution *evolution, double fitness, int exact, const Individual *parent,
                       double parent_fitness, int mutation)
{
    int yes;
    if (is_best(evolution, &fitness, exact, &yes))
        return -1;
    return yes ? evolution_add_improvement(evolution, fitness, parent, parent_fitness, mutation)
               : 0;
}

static void count_outcome(Evolution *evolution, int mutation, int parent, double fitness)
{
    MutationOutcome *outcome = &evolution->statistics.outcome[mutation];
    double before = evolution->ring.fitness[parent];
    outcome->children++;
    if (!memcmp(evolution->individuals[parent].key, evolution->child.key,
                sizeof evolution->child.key))
        outcome->neutral++;
    else if (fitness > before)
        outcome->better++;
    else if (fitness < before)
        outcome->worse++;
}

/* Whether the child's live code is its parent's, told from the parent's gaps: 68 % of the
   demo's children, for which analysis and look-up can be left out. */
static int is_neutral(const Individual *parent, const Individual *child,
                      const Mutation *mutation)
{
    const int c = mutation->component, at = mutation->position;
    switch (mutation->change) {
    case CHANGED_NOTHING:
        return 1;
    case REPLACED_ONE:
        return !((registers_written(&parent->program.code[c][at])
                  | registers_written(&child->program.code[c][at])) & parent->gap[c][at + 1]);
    case INSERTED_ONE:
        return !(registers_written(&child->program.code[c][at]) & parent->gap[c][at]);
    case REMOVED_ONE:
        return !(registers_written(&parent->program.code[c][at]) & parent->gap[c][at + 1]);
    default:
        return 0;
    }
}

/* Whether a child with its parent's live code takes over what is known of it; if so, sets its
   gaps, key and score. A fitness from before the caches were cleared is not handed on: it may
   have come from an equivalence that is forgotten now. */
static int inherits(Evolution *evolution, const Individual *parent, const Mutation *mutation)
{
    Individual *child = &evolution->child;
    const int c = mutation->component, at = mutation->position;
    if (!evolution->canonical_cache.set_count || evolution->options.canonical_flags
        || parent->caches_emptied != evolution->caches_emptied)
        return 0;
    for (int k = 0; k < COMPONENT_COUNT; k++)
        memcpy(child->gap[k], parent->gap[k],
               ((size_t)parent->program.size[k] + 1) * sizeof(RegisterSet));
    size_t rest = (size_t)(parent->program.size[c] - at) * sizeof(RegisterSet);
    if (mutation->change == INSERTED_ONE)
        memmove(child->gap[c] + at + 1, parent->gap[c] + at, rest + sizeof(RegisterSet));
    else if (mutation->change == REMOVED_ONE)
        memmove(child->gap[c] + at, parent->gap[c] + at + 1, rest);
    memcpy(child->key, parent->key, sizeof child->key);
    child->score = parent->score;
    return 1;
}

/* Whether an individual has this canonical form. */
static int is_alive(const Evolution *evolution, const uint64_t key[2])
{
    int32_t slot = key_index_chain(&evolution->alive, key);
    while (slot >= 0 && memcmp(evolution->individuals[slot].key, key, 2 * sizeof *key))
        slot = evolution->alive.next[slot];
    return slot >= 0;
}

/* A child is mutated until no individual alive has its canonical form, `attempts` times at
   most. In the demo 45 % of the children of one mutation have been seen before. */
static int create_child(Evolution *evolution, double *fitness)
{
    Individual *child = &evolution->child;
    int slot = ring_tournament(&evolution->ring, &evolution->stream,
                               evolution->options.tournament_size);
    const Individual *parent = &evolution->individuals[slot];
    ProgramView view = mutable_program_view(&parent->program);
    mutable_program_copy(&child->program, &view);
    child->birth.generation = parent->birth.generation + 1;
    Mutation mutation = program_space_mutate(&evolution->space, &evolution->stream,
                                             &child->program);
    const int neutral = is_neutral(parent, child, &mutation);
    int attempt = 1, analysed = 0;
    while (attempt < evolution->options.attempts) {
        if (attempt > 1 || !neutral) {
            if (evolution_analyse_child(evolution))
                return -1;
            analysed = 1;
            if (!is_alive(evolution, child->key))
                break;
        }
        const int last = mutation.mutation;
        mutation = program_space_mutate(&evolution->space, &evolution->stream, &child->program);
        if (mutation.mutation == MUTATION_COUNT)
            mutation.mutation = last;
        attempt++;
        analysed = 0;
    }
    if (attempt == 1 && neutral && inherits(evolution, parent, &mutation)
        && evolution_fitness_of_score(evolution, &child->score, fitness)) {
        evolution->statistics.unchanged++;
    } else {
        int exact;
        if ((!analysed && evolution_analyse_child(evolution))
            || evolution_evaluate_child(evolution, fitness, &exact)
            || record_best(evolution, *fitness, exact, parent, evolution->ring.fitness[slot],
                           mutation.mutation))
            return -1;
    }
    count_outcome(evolution, mutation.mutation, slot, *fitness);
    return 0;
}

static int create_initial(Evolution *evolution, double *fitness)
{
    int exact;
    evolution->child.birth.generation = 0;
    if (evolution->seed_count) {
        ProgramView seed = mutable_program_view(
            &evolution->seeds[evolution->statistics.individuals % evolution->seed_count]);
        mutable_program_copy(&evolution->child.program, &seed);
    } else {
        program_space_draw(&evolution->space, &evolution->stream, &evolution->child.program);
    }
    return evolution_analyse_child(evolution)
                   || evolution_evaluate_child(evolution, fitness, &exact)
                   || record_best(evolution, *fitness, exact, NULL, 0, MUTATION_COUNT)
               ? -1 : 0;
}

/* The child takes the place of the oldest individual. */
static void put_child(Evolution *evolution, double fitness)
{
    evolution->child.caches_emptied = evolution->caches_emptied;
    const int full = evolution->ring.count == evolution->ring.size;
    int slot = ring_replace(&evolution->ring, fitness);
    Individual replaced = evolution->individuals[slot];
    if (evolution->options.attempts > 1) {
        if (full)
            key_index_remove(&evolution->alive, replaced.key, slot);
        key_index_add(&evolution->alive, evolution->child.key, slot);
    }
    evolution->individuals[slot] = evolution->child;
    evolution->child = replaced;
}

static int create_individual(Evolution *evolution)
{
    double fitness;
    const int64_t number = evolution->statistics.individuals;
    evolution->child.birth.number = number;
    evolution->child.birth.island = evolution->island;
    if (number < evolution->ring.size ? create_initial(evolution, &fitness)
                                      : create_child(evolution, &fitness))
        return -1;
    put_child(evolution, fitness);
    evolution->statistics.individuals++;
    if (evolution->first_tasks && (number + 1) % evolution->ring.size == 0)
        evolution_raise_hurdle(evolution);
    return 0;
}

int evolution_run(Evolution *evolution, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (create_individual(evolution))
            return -1;
    return 0;
}

int evolution_immigrate(Evolution *evolution, const ProgramView *program, Birth birth)
{
    double fitness;
    int exact, best;
    mutable_program_copy(&evolution->child.program, program);
    evolution->child.birth = birth;
    evolution->statistics.immigrants++;
    if (evolution_analyse_child(evolution)
        || evolution_evaluate_child(evolution, &fitness, &exact))
        return -1;
    double verified = fitness;
    if (is_best(evolution, &verified, exact, &best))
        return -1;
    if (best)
        evolution_set_best(evolution, verified);
    put_child(evolution, fitness);
    return 0;
}
