/* The compiled program evolution loop: one island. */
#ifndef AMZ_EVOLUTION_H
#define AMZ_EVOLUTION_H

#include "fitness_cache.h"
#include "key_index.h"
#include "lockstep.h"
#include "population.h"
#include "program_space.h"

typedef enum { MEAN_FITNESS, MEDIAN_FITNESS } Combination;

typedef struct {
    int population_size, tournament_size;
    int attempts;              /* mutations at most, until no individual alive has the form */
    Combination combination;
    double max_abs_error;
    double max_cost;           /* train budget of the live code; infinite: none */
    int must_learn;            /* what cannot learn is not run */
    int fec_train, fec_valid;  /* examples of the equivalence probe; 0, 0: no FEC */
    double hurdle_percentile;  /* of the population's fitness on the first tasks */
    size_t canonical_bytes, fec_bytes;
    int canonical_flags, run_flags;
} EvolutionOptions;

/* Children of one mutation, by what became of them. */
typedef struct {
    int64_t children, neutral, better, worse;
} MutationOutcome;

typedef struct {
    int64_t individuals;
    int64_t immigrants;
    int64_t unchanged;      /* children whose live code is their parent's */
    int64_t canonical_hits, fec_hits, probe_failures, over_budget, hurdle_stops, evaluations;
    int64_t non_learners;   /* programs that cannot learn */
    int64_t verifications;  /* of those, evaluations of an apparent best one */
    int64_t train_steps, cache_clears;
    MutationOutcome outcome[MUTATION_COUNT + 1];  /* the last: unmutated copies */
} EvolutionStatistics;

/* Where an individual comes from. */
typedef struct {
    int64_t number;      /* in order of creation on its island; -1: no individual */
    int64_t generation;  /* how many ancestors; 0: initial */
    int32_t island;      /* where it was created */
} Birth;

/* An individual with what its children can reuse. */
typedef struct {
    MutableProgram program;
    RegisterSet *gap[COMPONENT_COUNT];  /* as in CanonicalProgram */
    uint64_t key[2];                    /* canonical fingerprint */
    Score score;
    int64_t caches_emptied;             /* their number when its fitness was found */
    Birth birth;
} Individual;

/* A new best program and its parent. */
typedef struct {
    MutableProgram program, parent_program;
    Birth birth, parent;
    double fitness, parent_fitness;
    int mutation;  /* MUTATION_COUNT: none */
} Improvement;

typedef struct {
    ProgramSpace space;
    EvolutionOptions options;
    const LockstepKernels *kernels;
    const TaskBatch *batch;
    const TaskBatch *first_tasks, *other_tasks;  /* parts of batch; null: no hurdle */
    int island;
    Ring ring;
    Individual *individuals;    /* [slot] */
    KeyIndex alive;             /* the population by canonical fingerprint, if attempts > 1 */
    Individual child;
    MutableProgram best;
    double best_fitness;
    Birth best_birth;
    Improvement *improvements;  /* until the caller drops them */
    int improvement_count, improvement_room;
    const MutableProgram *seeds;  /* initial programs, taken in turn; none: random ones */
    int seed_count;
    Stream stream;
    double hurdle;              /* least fitness on the first tasks to run the others */
    double *hurdle_scratch;
    CanonicalCache canonical_cache;
    EquivalenceCache fec;
    int64_t caches_emptied;     /* how often; no fitness is handed on across it */
    EvolutionStatistics statistics;
    CanonicalProgram canonical;
    Workspace *workspace;
    double *task_fitness;
    Stop *stops;
} Evolution;

/* Returns 0, or -1 when memory is short; free in either case. The caller has filled in
   space, options, kernels, batches, island, seeds and stream. */
int evolution_init(Evolution *evolution);
void evolution_free(Evolution *evolution);

/* Creates `count` individuals. Returns 0, or -1 when memory is short. */
int evolution_run(Evolution *evolution, int64_t count);

/* Puts a program from another island in the place of the oldest individual, evaluated on
   this island's tasks. Returns 0, or -1 when memory is short. */
int evolution_immigrate(Evolution *evolution, const ProgramView *program, Birth birth);

/* Forgets all fitness by program. */
void evolution_empty_caches(Evolution *evolution);

/* After the population was set: sets what its children can reuse, and fills the caches with
   what the population alone tells, so that they are a function of it. Returns 0 or -1. */
int evolution_recall(Evolution *evolution);

/* Forgets which canonical forms are alive. */
void evolution_forget_alive(Evolution *evolution);

void evolution_drop_improvements(Evolution *evolution);

/* What follows is for the loop itself. */

/* Sets key and gaps of evolution->child, and the canonical program. Returns 0 or -1. */
int evolution_analyse_child(Evolution *evolution);

/* The fitness of evolution->child, which was analysed; also sets its score.
   *exact: 0 if the fitness is an approximation. Returns 0, or -1 when memory is short. */
int evolution_evaluate_child(Evolution *evolution, double *fitness, int *exact);

/* The score of the canonical program on all tasks, without any cache. Returns 0 or -1. */
int evolution_evaluate_in_full(Evolution *evolution, Score *score);

/* The fitness at the present hurdle: that of all tasks, or of the first ones if they do not
   take it. Returns whether the score says it. */
int evolution_fitness_of_score(const Evolution *evolution, const Score *score, double *fitness);

/* Sets the hurdle from the population. */
void evolution_raise_hurdle(Evolution *evolution);

/* Makes the child the best program. */
void evolution_set_best(Evolution *evolution, double fitness);

/* The same, and records it with its parent (null: none). Returns 0 or -1. */
int evolution_add_improvement(Evolution *evolution, double fitness, const Individual *parent,
                              double parent_fitness, int mutation);

#endif
