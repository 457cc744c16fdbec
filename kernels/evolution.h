/* The compiled program evolution loop. */
#ifndef AMZ_EVOLUTION_H
#define AMZ_EVOLUTION_H

#include "fitness_cache.h"
#include "lockstep.h"
#include "population.h"
#include "program_space.h"

typedef enum { MEAN_FITNESS, MEDIAN_FITNESS } Combination;

typedef struct {
    int population_size, tournament_size;
    Combination combination;
    double max_abs_error;
    double max_cost;           /* train budget of the live code; infinite: none */
    int fec_train, fec_valid;  /* examples of the equivalence probe; 0, 0: no FEC */
    size_t canonical_bytes, fec_bytes;
    int canonical_flags, run_flags;
} EvolutionOptions;

/* Children of one mutation, by what became of them. */
typedef struct {
    int64_t children, neutral, better, worse;
} MutationOutcome;

typedef struct {
    int64_t individuals;
    int64_t unchanged;      /* children whose live code is their parent's */
    int64_t canonical_hits, fec_hits, probe_failures, over_budget, evaluations;
    int64_t verifications;  /* of those, evaluations of an apparent best found through FEC */
    int64_t train_steps, cache_clears;
    MutationOutcome outcome[MUTATION_COUNT + 1];  /* the last: unmutated copies */
} EvolutionStatistics;

/* An individual with what its children can reuse. */
typedef struct {
    MutableProgram program;
    RegisterSet *gap[COMPONENT_COUNT];  /* as in CanonicalProgram */
    uint64_t key[2];                    /* canonical fingerprint */
    int64_t cache_clears;               /* their number when its fitness was found */
} Individual;

typedef struct {
    ProgramSpace space;
    EvolutionOptions options;
    const LockstepKernels *kernels;
    const TaskBatch *batch;
    Ring ring;
    Individual *individuals;    /* [slot] */
    Individual child;
    MutableProgram best;
    double best_fitness;
    int64_t best_individual;    /* -1: none yet */
    const MutableProgram *seeds;  /* initial programs, taken in turn; none: random ones */
    int seed_count;
    Stream stream;
    CanonicalCache canonical_cache;
    EquivalenceCache fec;
    EvolutionStatistics statistics;
    CanonicalProgram canonical;
    Workspace *workspace;
    double *task_fitness;
    Stop *stops;
} Evolution;

/* Returns 0, or -1 when memory is short; free in either case. The caller has filled in
   space, options, kernels, batch, seeds and stream. */
int evolution_init(Evolution *evolution);
void evolution_free(Evolution *evolution);

/* Creates `count` individuals. Returns 0, or -1 when memory is short. */
int evolution_run(Evolution *evolution, int64_t count);

#endif
