/* Memory and records of an evolution. */
#include "evolution.h"

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
    const size_t tasks = (size_t)evolution->batch->tasks;
    int capacity = program_space_capacity(&evolution->space);
    for (int i = 0; i < evolution->seed_count; i++)
        for (int c = 0; c < COMPONENT_COUNT; c++)
            if (evolution->seeds[i].size[c] >= capacity)
                capacity = evolution->seeds[i].size[c] + 1;
    evolution->ring = (Ring){.size = options->population_size};
    evolution->ring.fitness = calloc(size, sizeof(double));
    evolution->individuals = calloc(size, sizeof *evolution->individuals);
    evolution->hurdle = -INFINITY;
    evolution->hurdle_scratch = malloc(size * sizeof(double));
    evolution->workspace = workspace_create();
    evolution->task_fitness = malloc(2 * tasks * sizeof(double));  /* and a sorted copy */
    evolution->stops = malloc(tasks * sizeof(Stop));
    evolution->best_birth.number = -1;
    canonical_program_init(&evolution->canonical);
    if (!evolution->ring.fitness || !evolution->individuals || !evolution->hurdle_scratch
        || !evolution->workspace || !evolution->task_fitness || !evolution->stops
        || individual_init(&evolution->child, capacity)
        || mutable_program_init(&evolution->best, capacity))
        return -1;
    for (size_t i = 0; i < size; i++)
        if (individual_init(&evolution->individuals[i], capacity))
            return -1;
    if (options->attempts > 1 && key_index_init(&evolution->alive, size))
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
    free(evolution->hurdle_scratch);
    free(evolution->task_fitness);
    free(evolution->stops);
    workspace_free(evolution->workspace);
    key_index_free(&evolution->alive);
    individual_free(&evolution->child);
    mutable_program_free(&evolution->best);
    evolution_drop_improvements(evolution);
    free(evolution->improvements);
    canonical_program_free(&evolution->canonical);
    canonical_cache_free(&evolution->canonical_cache);
    equivalence_cache_free(&evolution->fec);
}

void evolution_empty_caches(Evolution *evolution)
{
    canonical_cache_clear(&evolution->canonical_cache);
    equivalence_cache_clear(&evolution->fec);
    evolution->caches_emptied++;
}

void evolution_forget_alive(Evolution *evolution)
{
    if (evolution->options.attempts > 1)
        key_index_clear(&evolution->alive);
}

void evolution_set_best(Evolution *evolution, double fitness)
{
    ProgramView view = mutable_program_view(&evolution->child.program);
    mutable_program_copy(&evolution->best, &view);
    evolution->best_fitness = fitness;
    evolution->best_birth = evolution->child.birth;
}

static int copy_program(MutableProgram *copy, const MutableProgram *program)
{
    int capacity = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        capacity = program->size[c] > capacity ? program->size[c] : capacity;
    if (mutable_program_init(copy, capacity))
        return -1;
    ProgramView view = mutable_program_view(program);
    mutable_program_copy(copy, &view);
    return 0;
}

int evolution_add_improvement(Evolution *evolution, double fitness, const Individual *parent,
                              double parent_fitness, int mutation)
{
    if (evolution->improvement_count == evolution->improvement_room) {
        int room = evolution->improvement_room ? 2 * evolution->improvement_room : 16;
        Improvement *more = realloc(evolution->improvements, (size_t)room * sizeof *more);
        if (!more)
            return -1;
        evolution->improvements = more;
        evolution->improvement_room = room;
    }
    Improvement *improvement = &evolution->improvements[evolution->improvement_count];
    memset(improvement, 0, sizeof *improvement);
    improvement->birth = evolution->child.birth;
    improvement->parent = (Birth){.number = -1};
    improvement->fitness = fitness;
    improvement->mutation = mutation;
    if (copy_program(&improvement->program, &evolution->child.program))
        return -1;
    evolution->improvement_count++;
    if (parent) {
        improvement->parent = parent->birth;
        improvement->parent_fitness = parent_fitness;
        if (copy_program(&improvement->parent_program, &parent->program))
            return -1;
    }
    evolution_set_best(evolution, fitness);
    return 0;
}

void evolution_drop_improvements(Evolution *evolution)
{
    for (int i = 0; i < evolution->improvement_count; i++) {
        mutable_program_free(&evolution->improvements[i].program);
        mutable_program_free(&evolution->improvements[i].parent_program);
    }
    evolution->improvement_count = 0;
}
