/* tournament -> mutate -> canonical form -> cache -> probe -> cache -> evaluate */
#include "evolution.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int individual_init(Individual *individual, int capacity)
{
    memset(individual, 0, sizeof *individual);
    size_t gaps = (size_t)capacity + 1;
    individual->gap[0] = malloc(gaps * COMPONENT_COUNT * sizeof(RegisterSet));
    for (int c = 1; individual->gap[0] && c < COMPONENT_COUNT; c++)
        individual->gap[c] = individual->gap[c - 1] + gaps;
    return mutable_program_init(&individual->program, capacity) || !individual->gap[0] ? -1 : 0;
}

static void individual_free(Individual *individual)
{
    mutable_program_free(&individual->program);
    free(individual->gap[0]);
}

int evolution_init(Evolution *evolution)
{
    const EvolutionOptions *options = &evolution->options;
    const size_t size = (size_t)options->population_size;
    int capacity = program_space_capacity(&evolution->space);
    for (int i = 0; i < evolution->seed_count; i++)
        for (int c = 0; c < COMPONENT_COUNT; c++)
            if (evolution->seeds[i].size[c] >= capacity)
                capacity = evolution->seeds[i].size[c] + 1;
    evolution->ring = (Ring){.size = options->population_size};
    evolution->ring.fitness = calloc(size, sizeof(double));
    evolution->individuals = calloc(size, sizeof *evolution->individuals);
    evolution->workspace = workspace_create();
    evolution->task_fitness = malloc((size_t)evolution->batch->tasks * sizeof(double));
    evolution->stops = malloc((size_t)evolution->batch->tasks * sizeof(Stop));
    evolution->best_individual = -1;
    canonical_program_init(&evolution->canonical);
    if (!evolution->ring.fitness || !evolution->individuals || !evolution->workspace
        || !evolution->task_fitness || !evolution->stops
        || individual_init(&evolution->child, capacity)
        || mutable_program_init(&evolution->best, capacity))
        return -1;
    for (size_t i = 0; i < size; i++)
        if (individual_init(&evolution->individuals[i], capacity))
            return -1;
    return canonical_cache_init(&evolution->canonical_cache, options->canonical_bytes)
           || equivalence_cache_init(&evolution->fec, options->fec_bytes)
               ? -1 : 0;
}

void evolution_free(Evolution *evolution)
{
    for (int i = 0; evolution->individuals && i < evolution->options.population_size; i++)
        individual_free(&evolution->individuals[i]);
    free(evolution->individuals);
    free(evolution->ring.fitness);
    free(evolution->task_fitness);
    free(evolution->stops);
    workspace_free(evolution->workspace);
    individual_free(&evolution->child);
    mutable_program_free(&evolution->best);
    canonical_program_free(&evolution->canonical);
    canonical_cache_free(&evolution->canonical_cache);
    equivalence_cache_free(&evolution->fec);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean, or the upper median as in the original project. */
static double combine(const Evolution *evolution)
{
    double *fitness = evolution->task_fitness, sum = 0;
    const int tasks = evolution->batch->tasks;
    if (evolution->options.combination == MEDIAN_FITNESS) {
        qsort(fitness, (size_t)tasks, sizeof *fitness, compare_doubles);
        return fitness[tasks / 2];
    }
    for (int t = 0; t < tasks; t++)
        sum += fitness[t];
    return sum / tasks;
}

static int run_kernels(Evolution *evolution, int train_limit, int valid_limit, uint64_t *probe)
{
    RunOptions options = {evolution->options.max_abs_error, train_limit, valid_limit,
                          probe ? 1 : INT_MAX, evolution->options.run_flags};
    int failed = evolution->kernels->evaluate(evolution->workspace, evolution->batch,
                                              &evolution->canonical, &options,
                                              evolution->task_fitness, evolution->stops, NULL,
                                              probe);
    for (int t = 0; !failed && t < evolution->batch->tasks; t++)
        evolution->statistics.train_steps += evolution->stops[t].train_steps;
    return failed;
}

static int evaluate_in_full(Evolution *evolution, double *fitness)
{
    evolution->statistics.evaluations++;
    int failed = run_kernels(evolution, INT_MAX, INT_MAX, NULL);
    *fitness = combine(evolution);
    return failed;
}

/* Whether every task stopped within the probe's training: then the fitness is 0. */
static int all_failed(const Evolution *evolution)
{
    for (int t = 0; t < evolution->batch->tasks; t++) {
        int reason = evolution->stops[t].reason;
        if (reason < STOP_TRAIN_NAN || reason > STOP_TRAIN_LARGE || evolution->stops[t].epoch > 0)
            return 0;
    }
    return 1;
}

/* Fitness of the canonical program through the equivalence cache. */
static int evaluate_by_probe(Evolution *evolution, double *fitness, int *exact)
{
    uint64_t key;
    const EvolutionOptions *options = &evolution->options;
    if (run_kernels(evolution, options->fec_train, options->fec_valid, &key))
        return -1;
    if (all_failed(evolution)) {
        evolution->statistics.probe_failures++;
        *fitness = 0;
        return 0;
    }
    if (equivalence_cache_get(&evolution->fec, key, fitness)) {
        evolution->statistics.fec_hits++;
        *exact = 0;
        return 0;
    }
    if (evaluate_in_full(evolution, fitness))
        return -1;
    if (equivalence_cache_full(&evolution->fec)) {
        equivalence_cache_clear(&evolution->fec);
        canonical_cache_clear(&evolution->canonical_cache);
        evolution->statistics.cache_clears++;
    }
    equivalence_cache_put(&evolution->fec, key, *fitness);
    return 0;
}

/* Fitness of evolution->child, whose key and gaps it also sets.
   *exact: 0 if the fitness is that of a program with the same first errors. */
static int evaluate_child(Evolution *evolution, double *fitness, int *exact)
{
    CanonicalProgram *canonical = &evolution->canonical;
    const TaskBatch *batch = evolution->batch;
    ProgramView view = mutable_program_view(&evolution->child.program);
    *exact = 1;
    if (canonicalize_program(canonical, &view, evolution->options.canonical_flags))
        return -1;
    canonical_cache_prefetch(&evolution->canonical_cache, canonical->key);
    for (int c = 0; c < COMPONENT_COUNT; c++)
        memcpy(evolution->child.gap[c], canonical->gap[c],
               ((size_t)view.size[c] + 1) * sizeof(RegisterSet));
    memcpy(evolution->child.key, canonical->key, sizeof evolution->child.key);
    if (canonical_cache_get(&evolution->canonical_cache, canonical->key, fitness)) {
        evolution->statistics.canonical_hits++;
        *exact = !evolution->fec.capacity;
        return 0;
    }
    double steps = (double)batch->train_count * batch->epochs;
    if (canonical->setup_cost + steps * canonical->step_cost > evolution->options.max_cost) {
        evolution->statistics.over_budget++;
        *fitness = 0;
        return 0;
    }
    if (evolution->fec.capacity ? evaluate_by_probe(evolution, fitness, exact)
                                : evaluate_in_full(evolution, fitness))
        return -1;
    canonical_cache_put(&evolution->canonical_cache, canonical->key, *fitness);
    return 0;
}

/* A fitness that came through the equivalence cache is only apparent: the program is
   evaluated in full before it is recorded as the best. */
static int record_best(Evolution *evolution, double fitness, int exact)
{
    if (!(fitness > evolution->best_fitness) && evolution->best_individual >= 0)
        return 0;
    if (!exact) {
        evolution->statistics.verifications++;
        if (evaluate_in_full(evolution, &fitness))
            return -1;
        if (!(fitness > evolution->best_fitness) && evolution->best_individual >= 0)
            return 0;
    }
    ProgramView view = mutable_program_view(&evolution->child.program);
    mutable_program_copy(&evolution->best, &view);
    evolution->best_fitness = fitness;
    evolution->best_individual = evolution->statistics.individuals;
    return 0;
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
   demo's children, for which analysis and look-up can be left out. If so, sets the child's
   gaps. A fitness from before the caches were cleared is not handed on: it may have come
   from an equivalence that is forgotten now. */
static int inherits(Evolution *evolution, const Individual *parent, const Mutation *mutation)
{
    Individual *child = &evolution->child;
    const int c = mutation->component, at = mutation->position;
    if (!evolution->canonical_cache.set_count || evolution->options.canonical_flags
        || parent->cache_clears != evolution->statistics.cache_clears)
        return 0;
    switch (mutation->change) {
    case CHANGED_NOTHING:
        break;
    case REPLACED_ONE:
        if ((registers_written(&parent->program.code[c][at])
             | registers_written(&child->program.code[c][at])) & parent->gap[c][at + 1])
            return 0;
        break;
    case INSERTED_ONE:
        if (registers_written(&child->program.code[c][at]) & parent->gap[c][at])
            return 0;
        break;
    case REMOVED_ONE:
        if (registers_written(&parent->program.code[c][at]) & parent->gap[c][at + 1])
            return 0;
        break;
    default:
        return 0;
    }
    for (int k = 0; k < COMPONENT_COUNT; k++)
        memcpy(child->gap[k], parent->gap[k],
               ((size_t)parent->program.size[k] + 1) * sizeof(RegisterSet));
    size_t rest = (size_t)(parent->program.size[c] - at) * sizeof(RegisterSet);
    if (mutation->change == INSERTED_ONE)
        memmove(child->gap[c] + at + 1, parent->gap[c] + at, rest + sizeof(RegisterSet));
    else if (mutation->change == REMOVED_ONE)
        memmove(child->gap[c] + at, parent->gap[c] + at + 1, rest);
    memcpy(child->key, parent->key, sizeof child->key);
    return 1;
}

static int create_child(Evolution *evolution, double *fitness)
{
    int parent = ring_tournament(&evolution->ring, &evolution->stream,
                                 evolution->options.tournament_size);
    ProgramView view = mutable_program_view(&evolution->individuals[parent].program);
    mutable_program_copy(&evolution->child.program, &view);
    Mutation mutation = program_space_mutate(&evolution->space, &evolution->stream,
                                             &evolution->child.program);
    if (inherits(evolution, &evolution->individuals[parent], &mutation)) {
        *fitness = evolution->ring.fitness[parent];
        evolution->statistics.unchanged++;
    } else {
        int exact;
        if (evaluate_child(evolution, fitness, &exact)
            || record_best(evolution, *fitness, exact))
            return -1;
    }
    count_outcome(evolution, mutation.mutation, parent, *fitness);
    return 0;
}

static int create_initial(Evolution *evolution, double *fitness)
{
    int exact;
    if (evolution->seed_count) {
        ProgramView seed = mutable_program_view(
            &evolution->seeds[evolution->statistics.individuals % evolution->seed_count]);
        mutable_program_copy(&evolution->child.program, &seed);
    } else {
        program_space_draw(&evolution->space, &evolution->stream, &evolution->child.program);
    }
    return evaluate_child(evolution, fitness, &exact) || record_best(evolution, *fitness, exact)
               ? -1 : 0;
}

static int create_individual(Evolution *evolution)
{
    double fitness;
    int initial = evolution->statistics.individuals < evolution->ring.size;
    if (initial ? create_initial(evolution, &fitness) : create_child(evolution, &fitness))
        return -1;
    evolution->child.cache_clears = evolution->statistics.cache_clears;
    int slot = ring_replace(&evolution->ring, fitness);
    Individual replaced = evolution->individuals[slot];
    evolution->individuals[slot] = evolution->child;
    evolution->child = replaced;
    evolution->statistics.individuals++;
    return 0;
}

int evolution_run(Evolution *evolution, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (create_individual(evolution))
            return -1;
    return 0;
}
