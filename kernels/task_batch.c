/* Task data in lockstep layout, scratch memory, and the list of compiled kernels. */
#include "lockstep.h"

#include <stdlib.h>
#include <string.h>

enum {
    ONE_LANE_FEATURES = 64,  /* from here on one task at a time: 16 lanes of a 64x64 matrix
                                take 512 KB, and one lane's rows fill the vectors anyway */
    WIDE_TRAIN_BYTES = 64 << 20
};

static void put(const Rows *rows, size_t row, size_t element, int real_bytes, double value)
{
    char *at = rows->rows + row * rows->row_bytes + element * (size_t)real_bytes;
    if (real_bytes == 8)
        memcpy(at, &value, 8);
    else {
        float narrow = (float)value;
        memcpy(at, &narrow, 4);
    }
}

static int allocate_rows(TaskBatch *batch, Rows *rows, size_t count, int lanes)
{
    size_t real = (size_t)batch->real_bytes;
    rows->label_offset = padded((size_t)batch->features * (size_t)lanes * real);
    rows->row_bytes = rows->label_offset + padded((size_t)lanes * real);
    size_t bytes = rows->row_bytes * (count ? count : 1);
    rows->rows = aligned_alloc(ALIGNMENT, bytes);
    if (!rows->rows)
        return -1;
    memset(rows->rows, 0, bytes);
    batch->bytes += bytes;
    return 0;
}

/* Writes one example into lane `lane` of a row. */
static void put_example(const TaskBatch *batch, const Rows *rows, size_t row, int lane, int lanes,
                        const double *x, double y)
{
    for (int f = 0; f < batch->features; f++)
        put(rows, row, (size_t)f * (size_t)lanes + (size_t)lane, batch->real_bytes, x[f]);
    put(rows, row, rows->label_offset / (size_t)batch->real_bytes + (size_t)lane,
        batch->real_bytes, y);
}

static int fill_block(TaskBatch *batch, TaskBlock *block, const TaskData *data)
{
    const size_t features = (size_t)data->features, n = (size_t)data->train_count,
                 m = (size_t)data->valid_count;
    if (allocate_rows(batch, &block->train, n * (size_t)data->epochs, block->lanes)
        || allocate_rows(batch, &block->valid, m, block->lanes))
        return -1;
    for (int lane = 0; lane < block->lanes; lane++) {
        /* Lanes without a task repeat the last one: they cost the same and never matter. */
        int t = block->first_task + (lane < block->tasks ? lane : block->tasks - 1);
        size_t task = (size_t)t;
        block->seed[lane] = data->seeds[task];
        for (size_t e = 0; e < (size_t)data->epochs; e++)
            for (size_t i = 0; i < n; i++) {
                size_t order = task * (size_t)data->epochs * n + e * n + i;
                size_t example = task * n + (size_t)data->epoch_order[order];
                put_example(batch, &block->train, e * n + i, lane, block->lanes,
                            data->train_x + example * features, data->train_y[example]);
            }
        for (size_t i = 0; i < m; i++)
            put_example(batch, &block->valid, i, lane, block->lanes,
                        data->valid_x + (task * m + i) * features, data->valid_y[task * m + i]);
    }
    return 0;
}

/* Lanes per chunk: few enough that a handful of vectors stays in the L1 cache. */
static int wide_lanes(int examples, int features)
{
    int most = features <= 4 ? 128 : features <= 16 ? 64 : 32;
    int chunks = (examples + most - 1) / most;
    return ((examples + chunks - 1) / chunks + 15) / 16 * 16;
}

static int fill_wide(TaskBatch *batch, ExampleLanes *wide, int examples, int lanes,
                     const double *x, const double *y, const int32_t *order)
{
    wide->examples = examples;
    wide->lanes = lanes;
    wide->chunks = (examples + lanes - 1) / lanes;
    if (allocate_rows(batch, &wide->rows, (size_t)wide->chunks, lanes))
        return -1;
    for (int i = 0; i < wide->chunks * lanes; i++) {
        int position = i < examples ? i : examples - 1;
        size_t example = order ? (size_t)order[position] : (size_t)position;
        put_example(batch, &wide->rows, (size_t)(i / lanes), i % lanes, lanes,
                    x + example * (size_t)batch->features, y[example]);
    }
    return 0;
}

static int fill_all_wide(TaskBatch *batch, const TaskData *data)
{
    const int n = data->train_count, m = data->valid_count;
    const size_t features = (size_t)data->features;
    const size_t train_bytes = (size_t)data->tasks * (size_t)n * (features + 1)
                               * (size_t)batch->real_bytes;
    const int lanes = wide_lanes(n > m && data->epochs == 1 && train_bytes <= WIDE_TRAIN_BYTES
                                     ? n : m, data->features);
    batch->wide_valid = calloc((size_t)data->tasks, sizeof *batch->wide_valid);
    if (!batch->wide_valid)
        return -1;
    for (size_t t = 0; t < (size_t)data->tasks; t++)
        if (fill_wide(batch, &batch->wide_valid[t], m, lanes,
                      data->valid_x + t * (size_t)m * features, data->valid_y + t * (size_t)m,
                      NULL))
            return -1;
    if (data->epochs > 1 || train_bytes > WIDE_TRAIN_BYTES || n == 0)
        return 0;
    batch->wide_train = calloc((size_t)data->tasks, sizeof *batch->wide_train);
    if (!batch->wide_train)
        return -1;
    for (size_t t = 0; t < (size_t)data->tasks; t++)
        if (fill_wide(batch, &batch->wide_train[t], n, lanes,
                      data->train_x + t * (size_t)n * features, data->train_y + t * (size_t)n,
                      data->epoch_order + t * (size_t)n))
            return -1;
    return 0;
}

TaskBatch *task_batch_create(const TaskData *data, Objective objective,
                             const LockstepKernels *kernels, int real_bytes, int lanes)
{
    TaskBatch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->tasks = data->tasks;
    batch->features = data->features;
    batch->train_count = data->train_count;
    batch->valid_count = data->valid_count;
    batch->epochs = data->epochs;
    batch->real_bytes = real_bytes;
    batch->objective = objective;
    if (!lanes && (data->tasks == 1 || data->features >= ONE_LANE_FEATURES))
        lanes = 1;
    int most = lanes ? lanes : WIDEST_BLOCK;
    batch->block_count = (data->tasks + most - 1) / most;
    batch->blocks = calloc((size_t)batch->block_count, sizeof *batch->blocks);
    batch->seeds = malloc((size_t)data->tasks * sizeof *batch->seeds);
    if (!batch->blocks || !batch->seeds)
        goto fail;
    memcpy(batch->seeds, data->seeds, (size_t)data->tasks * sizeof *batch->seeds);
    for (int b = 0; b < batch->block_count; b++) {
        TaskBlock *block = &batch->blocks[b];
        block->first_task = b * most;
        block->tasks = data->tasks - block->first_task < most ? data->tasks - block->first_task
                                                              : most;
        block->lanes = lanes ? lanes : kernels->block_lanes(block->tasks, data->features);
        if (fill_block(batch, block, data))
            goto fail;
    }
    /* With one lane the features fill the vectors already. */
    if (data->features < ONE_LANE_FEATURES && data->valid_count > 1 && fill_all_wide(batch, data))
        goto fail;
    return batch;
fail:
    task_batch_free(batch);
    return NULL;
}

void task_batch_free(TaskBatch *batch)
{
    if (!batch)
        return;
    for (int b = 0; batch->blocks && b < batch->block_count; b++) {
        free(batch->blocks[b].train.rows);
        free(batch->blocks[b].valid.rows);
    }
    for (int t = 0; t < batch->tasks; t++) {
        if (batch->wide_valid)
            free(batch->wide_valid[t].rows.rows);
        if (batch->wide_train)
            free(batch->wide_train[t].rows.rows);
    }
    free(batch->blocks);
    free(batch->wide_valid);
    free(batch->wide_train);
    free(batch->seeds);
    free(batch);
}

Workspace *workspace_create(void)
{
    return calloc(1, sizeof(Workspace));
}

void workspace_free(Workspace *workspace)
{
    if (!workspace)
        return;
    free(workspace->arena);
    free(workspace->buffer);
    free(workspace);
}

int workspace_reserve(char **memory, size_t *have, size_t need)
{
    if (need <= *have)
        return 0;
    free(*memory);
    *have = 0;
    *memory = aligned_alloc(ALIGNMENT, padded(need + need / 4));
    if (!*memory)
        return -1;
    *have = padded(need + need / 4);
    return 0;
}
