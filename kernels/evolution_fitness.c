/* canonical form -> cache -> probe -> cache -> first tasks -> hurdle -> other tasks */
#include "evolution.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean over the first `tasks` tasks, or the upper median as in the original project. */
static double combine(const Evolution *evolution, int tasks)
{
    const double *fitness = evolution->task_fitness;
    if (evolution->options.combination == MEDIAN_FITNESS) {
        double *sorted = evolution->task_fitness + evolution->batch->tasks;
        memcpy(sorted, fitness, (size_t)tasks * sizeof *sorted);
        qsort(sorted, (size_t)tasks, sizeof *sorted, compare_doubles);
        return sorted[tasks / 2];
    }
    double sum = 0;
    for (int t = 0; t < tasks; t++)
        sum += fitness[t];
    return sum / tasks;
}

/* Runs the canonical program on `batch`, whose first task is number `first_task`. */
static int run_kernels(Evolution *evolution, const TaskBatch *batch, int first_task,
                       int train_limit, int valid_limit, uint64_t *probe)
{
    RunOptions options = {evolution->options.max_abs_error, train_limit, valid_limit,
                          probe ? 1 : INT_MAX, evolution->options.run_flags};
    int failed = evolution->kernels->evaluate(evolution->workspace, batch,
                                              &evolution->canonical, &options,
                                              evolution->task_fitness + first_task,
                                              evolution->stops, NULL, probe);
    for (int t = 0; !failed && t < batch->tasks; t++)
        evolution->statistics.train_steps += evolution->stops[t].train_steps;
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

int evolution_evaluate_in_full(Evolution *evolution, Score *score)
{
    evolution->statistics.evaluations++;
    if (run_kernels(evolution, evolution->batch, 0, INT_MAX, INT_MAX, NULL))
        return -1;
    score->full = combine(evolution, evolution->batch->tasks);
    score->first = evolution->first_tasks ? combine(evolution, evolution->first_tasks->tasks)
                                          : score->full;
    return 0;
}

/* Whether the fitness is that of the first tasks. */
static int is_below_hurdle(const Evolution *evolution, const Score *score)
{
    return evolution->first_tasks && score->first < evolution->hurdle;
}

/* Whether the fitness at the present hurdle follows from the score. */
static int suffices(const Evolution *evolution, const Score *score)
{
    return !isnan(score->full) || is_below_hurdle(evolution, score);
}

/* The score of the canonical program, run on no more tasks than the hurdle asks for. */
static int run_up_to_hurdle(Evolution *evolution, Score *score)
{
    if (!evolution->first_tasks)
        return evolution_evaluate_in_full(evolution, score);
    const int first = evolution->first_tasks->tasks;
    if (run_kernels(evolution, evolution->first_tasks, 0, INT_MAX, INT_MAX, NULL))
        return -1;
    *score = (Score){combine(evolution, first), NAN};
    if (is_below_hurdle(evolution, score)) {
        evolution->statistics.hurdle_stops++;
        return 0;
    }
    evolution->statistics.evaluations++;
    if (run_kernels(evolution, evolution->other_tasks, first, INT_MAX, INT_MAX, NULL))
        return -1;
    score->full = combine(evolution, evolution->batch->tasks);
    return 0;
}

/* Whether the canonical program costs more than the train budget. */
static int is_over_budget(const Evolution *evolution)
{
    const CanonicalProgram *canonical = &evolution->canonical;
    double steps = (double)evolution->batch->train_count * evolution->batch->epochs;
    return canonical->setup_cost + steps * canonical->step_cost > evolution->options.max_cost;
}

/* Whether the canonical program is one that must learn and cannot: its prediction does not
   depend on the features of an example, or on the labels of those before. */
static int cannot_learn(const Evolution *evolution)
{
    const LiveComponent *component = evolution->canonical.component;
    return evolution->options.must_learn
           && !(component[PREDICT].reads_first & FEATURES
                && component[LEARN].reads_first & LABEL);
}

/* Score of the canonical program through the equivalence cache. */
static int score_by_probe(Evolution *evolution, Score *score, int *exact)
{
    uint64_t key;
    const EvolutionOptions *options = &evolution->options;
    if (run_kernels(evolution, evolution->batch, 0, options->fec_train, options->fec_valid, &key))
        return -1;
    if (all_failed(evolution)) {
        evolution->statistics.probe_failures++;
        *score = (Score){0, 0};
        return 0;
    }
    if (equivalence_cache_get(&evolution->fec, key, score)) {
        if (suffices(evolution, score)) {
            evolution->statistics.fec_hits++;
            *exact = 0;
            return 0;
        }
        /* The fitness on the first tasks stays: else it would depend on the canonical cache
           which of two equivalent programs is asked. */
        Score own;
        if (evolution_evaluate_in_full(evolution, &own))
            return -1;
        score->full = own.full;
    } else if (run_up_to_hurdle(evolution, score)) {
        return -1;
    }
    if (equivalence_cache_full(&evolution->fec)) {
        evolution_empty_caches(evolution);
        evolution->statistics.cache_clears++;
    }
    equivalence_cache_put(&evolution->fec, key, *score);
    return 0;
}

static int score_of_canonical(Evolution *evolution, Score *score, int *exact)
{
    const CanonicalProgram *canonical = &evolution->canonical;
    /* A score that does not suffice any more goes through the probe again, as it would
       without this cache: the equivalence cache may know the other tasks by now. */
    if (canonical_cache_get(&evolution->canonical_cache, canonical->key, score)
        && suffices(evolution, score)) {
        evolution->statistics.canonical_hits++;
        *exact = !evolution->fec.capacity;
        return 0;
    }
    if (is_over_budget(evolution)) {
        evolution->statistics.over_budget++;
        *score = (Score){0, 0};
        return 0;
    }
    if (cannot_learn(evolution)) {
        evolution->statistics.non_learners++;
        *score = (Score){0, 0};
        return 0;
    }
    if (evolution->fec.capacity ? score_by_probe(evolution, score, exact)
                                : run_up_to_hurdle(evolution, score))
        return -1;
    canonical_cache_put(&evolution->canonical_cache, canonical->key, *score);
    return 0;
}

int evolution_fitness_of_score(const Evolution *evolution, const Score *score, double *fitness)
{
    *fitness = is_below_hurdle(evolution, score) ? score->first : score->full;
    return suffices(evolution, score);
}

int evolution_analyse_child(Evolution *evolution)
{
    Individual *child = &evolution->child;
    CanonicalProgram *canonical = &evolution->canonical;
    ProgramView view = mutable_program_view(&child->program);
    if (canonicalize_program(canonical, &view, evolution->options.canonical_flags))
        return -1;
    canonical_cache_prefetch(&evolution->canonical_cache, canonical->key);
    for (int c = 0; c < COMPONENT_COUNT; c++)
        memcpy(child->gap[c], canonical->gap[c],
               ((size_t)view.size[c] + 1) * sizeof(RegisterSet));
    memcpy(child->key, canonical->key, sizeof child->key);
    return 0;
}

int evolution_evaluate_child(Evolution *evolution, double *fitness, int *exact)
{
    Individual *child = &evolution->child;
    *exact = 1;
    if (score_of_canonical(evolution, &child->score, exact))
        return -1;
    evolution_fitness_of_score(evolution, &child->score, fitness);
    if (is_below_hurdle(evolution, &child->score))
        *exact = 0;
    return 0;
}

/* Fills the caches with what the population tells, and each individual's score with what its
   children would get from them. */
static int recall(Evolution *evolution, Individual *individual)
{
    CanonicalProgram *canonical = &evolution->canonical;
    const EvolutionOptions *options = &evolution->options;
    ProgramView view = mutable_program_view(&individual->program);
    if (canonicalize_program(canonical, &view, options->canonical_flags))
        return -1;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        memcpy(individual->gap[c], canonical->gap[c],
               ((size_t)view.size[c] + 1) * sizeof(RegisterSet));
    memcpy(individual->key, canonical->key, sizeof individual->key);
    individual->caches_emptied = evolution->caches_emptied;
    if (canonical_cache_get(&evolution->canonical_cache, canonical->key, &individual->score))
        return 0;
    if (is_over_budget(evolution) || cannot_learn(evolution)) {
        individual->score = (Score){0, 0};
    } else if (evolution->fec.capacity) {
        uint64_t key;
        if (run_kernels(evolution, evolution->batch, 0, options->fec_train, options->fec_valid,
                        &key))
            return -1;
        if (all_failed(evolution)) {
            individual->score = (Score){0, 0};
        } else if (equivalence_cache_full(&evolution->fec)) {
            individual->caches_emptied = -1;
            return 0;
        } else if (!equivalence_cache_get(&evolution->fec, key, &evolution->child.score)) {
            equivalence_cache_put(&evolution->fec, key, individual->score);
        } else {
            individual->score = evolution->child.score;
        }
    }
    canonical_cache_put(&evolution->canonical_cache, canonical->key, individual->score);
    return 0;
}

int evolution_recall(Evolution *evolution)
{
    const int64_t train_steps = evolution->statistics.train_steps;
    evolution_empty_caches(evolution);
    evolution_forget_alive(evolution);
    for (int slot = 0; slot < evolution->ring.count; slot++) {
        if (recall(evolution, &evolution->individuals[slot]))
            return -1;
        if (evolution->options.attempts > 1)
            key_index_add(&evolution->alive, evolution->individuals[slot].key, slot);
    }
    evolution->statistics.train_steps = train_steps;
    return 0;
}

void evolution_raise_hurdle(Evolution *evolution)
{
    const int count = evolution->ring.count;
    for (int slot = 0; slot < count; slot++)
        evolution->hurdle_scratch[slot] = evolution->individuals[slot].score.first;
    qsort(evolution->hurdle_scratch, (size_t)count, sizeof(double), compare_doubles);
    int rank = (int)(evolution->options.hurdle_percentile / 100 * (count - 1));
    evolution->hurdle = evolution->hurdle_scratch[rank];
}
