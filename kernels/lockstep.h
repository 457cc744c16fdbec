/* The compiled interpreter: runs one program on many tasks in lockstep.

   A task is a lane. Register r of a block of L lanes is laid out [feature][lane]
   (matrices [row][column][lane]), so one dispatch per instruction serves all lanes and
   every leaf function is a loop over contiguous lanes. Each lane's arithmetic is the same
   whatever L is and whatever instruction set the code was compiled for: sums have a fixed
   order, there is no contraction, and the transcendental functions are our own. */
#ifndef AMZ_LOCKSTEP_H
#define AMZ_LOCKSTEP_H

#include <stddef.h>
#include <stdint.h>

#include "program.h"

enum { ALIGNMENT = 64 };  /* bytes; also what every register and data row is padded to */
enum { WIDEST_BLOCK = 16 };

typedef enum { RMS_ERROR, ACCURACY } Objective;

/* Examples of a set of lanes, as rows [features F*lanes][label lanes], each part padded. */
typedef struct {
    char *rows;
    size_t row_bytes, label_offset;
} Rows;

/* One block of up to WIDEST_BLOCK tasks. */
typedef struct {
    int first_task, tasks, lanes;
    Rows train;                /* [epoch][example] */
    Rows valid;                /* [example] */
    uint64_t seed[WIDEST_BLOCK];
} TaskBlock;

/* Examples of one task as lanes: [chunk][...] rows of `lanes` examples. */
typedef struct {
    Rows rows;
    int examples, lanes, chunks;
} ExampleLanes;

typedef struct {
    int tasks, features, train_count, valid_count, epochs;
    int real_bytes;            /* 8: float64, 4: float32 */
    Objective objective;
    int block_count;
    TaskBlock *blocks;
    ExampleLanes *wide_valid;  /* [task] */
    ExampleLanes *wide_train;  /* [task]; null if epochs > 1 */
    uint64_t *seeds;           /* [task] */
    size_t bytes;
} TaskBatch;

/* Where the numbers of a batch come from; all arrays C-contiguous. */
typedef struct {
    int tasks, features, train_count, valid_count, epochs;
    const double *train_x, *train_y, *valid_x, *valid_y;
    const int32_t *epoch_order;  /* [task][epoch][train_count] */
    const uint64_t *seeds;
} TaskData;

void task_batch_free(TaskBatch *batch);

enum StopReason {
    STOP_NONE,
    STOP_TRAIN_NAN, STOP_TRAIN_INF, STOP_TRAIN_LARGE,
    STOP_VALID_NAN, STOP_VALID_INF, STOP_VALID_LARGE
};

/* Per-example output of one evaluation, on request; arrays may be null. */
typedef struct {
    double *train_predictions;  /* [task][epochs * train_count] */
    double *valid_predictions;  /* [task][epochs * valid_count] */
    double *epoch_fitness;      /* [task][epochs], NaN where not reached */
    double *sum_loss;           /* [task][epochs], NaN where not reached */
    double *scalars;            /* [task][MAX_REGISTERS] at the end, NaN if never used */
} Trace;

/* How one task's evaluation ended. */
typedef struct {
    int reason, epoch, step;    /* step within the epoch's training or validation */
    int64_t train_steps;        /* training examples executed, the failing one included */
} Stop;

enum {
    RUN_NO_WIDE = 1,   /* never run examples as lanes */
    RUN_NO_FUSION = 2, /* never merge two instructions into one leaf */
};

typedef struct {
    double max_abs_error;
    int train_limit, valid_limit;  /* examples per epoch; INT_MAX: all */
    int epoch_limit;
    int flags;
} RunOptions;

/* Scratch memory of one thread; grows as needed, never shrinks. */
typedef struct Workspace Workspace;
Workspace *workspace_create(void);
void workspace_free(Workspace *workspace);

typedef struct {
    const char *name;  /* "v4" ... */
    /* Fitness of one program on every task of the batch. `stop` [task], `trace` and
       `probe` (hash of all errors met, for functional equivalence) may be null.
       Returns 0, or -1 when memory is short. */
    int (*evaluate)(Workspace *, const TaskBatch *, const CanonicalProgram *,
                    const RunOptions *, double *fitness, Stop *stop, Trace *trace,
                    uint64_t *probe);
    /* Runs one instruction on `lanes` copies of a memory: scalars [S], vectors [V][F],
       matrices [M][F][F], changed in place; lane 0 is read back. For tests. */
    int (*run_instruction)(Workspace *, const Instruction *, int features, int lanes,
                           uint64_t key, uint64_t step, const int sizes[3],
                           double *scalars, double *vectors, double *matrices);
    /* Lanes to use for a block of so many tasks. */
    int (*block_lanes)(int tasks, int features);
} LockstepKernels;

/* Returns null when memory is short. `lanes` forces the block width (0: choose). */
TaskBatch *task_batch_create(const TaskData *data, Objective objective, const LockstepKernels *kernels,
                             int real_bytes, int lanes);
/* The kernels of one precision for the named instruction set, or null. */
const LockstepKernels *lockstep_kernels(const char *isa, int real_bytes);

struct Workspace {
    char *arena;
    size_t arena_bytes;
    double *buffer;
    size_t buffer_bytes;
};

int workspace_reserve(char **memory, size_t *have, size_t need);

static inline size_t padded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

#endif
