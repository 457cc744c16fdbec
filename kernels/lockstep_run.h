/* Training and validation of a bound program; see lockstep_impl.h. */

/* What one evaluation of one block of tasks needs while it runs. */
typedef struct {
    const TaskBatch *batch;
    const CanonicalProgram *program;
    const RunOptions *options;
    const TaskBlock *block;
    int train_count, valid_count, epochs;
    double *fitness;  /* [task of the block], best epoch so far */
    Stop *stop;
    Trace *trace;
    int64_t *alive;   /* [lane]: -1 while training goes on, else 0 */
    int64_t *valid;   /* the same within one validation */
    double *loss;     /* [8][lane] */
    uint64_t *probe;  /* [lane] running hash of the errors, or null */
} Evaluation;

INLINE vdouble prediction_error(vdouble prediction, vdouble label, int classify)
{
    if (classify) {
        vdouble p = vsigmoid(prediction);
        vlong wrong = (label > splat(0.5)) ^ (p > splat(0.5));
        return as_double(wrong & as_long(splat(1.0)));
    }
    return vabs(label - prediction);
}

static int stop_reason(double error, int first)
{
    return first + (isnan(error) ? 0 : isinf(error) ? 1 : 2);
}

/* Ends the run of the living lanes of this vector whose error is over the limit. */
static __attribute__((noinline)) void stop_lanes(Evaluation *evaluation, int64_t *alive, int lane,
                                                 vdouble error, int first_reason, int epoch,
                                                 int step)
{
    for (int i = 0; i < DOUBLES; i++) {
        if (!alive[lane + i] || error[i] <= evaluation->options->max_abs_error)
            continue;
        alive[lane + i] = 0;
        Stop *stop = &evaluation->stop[lane + i];
        if (stop->reason != STOP_NONE && first_reason != STOP_TRAIN_NAN)
            continue;  /* the first failed validation counts */
        stop->reason = stop_reason(error[i], first_reason);
        stop->epoch = epoch;
        stop->step = step;
        if (first_reason == STOP_TRAIN_NAN)
            stop->train_steps = (int64_t)epoch * evaluation->train_count + step + 1;
    }
}

static int none_alive(const int64_t *alive, int lanes)
{
    int64_t all = 0;
    for (int lane = 0; lane < lanes; lane++)
        all |= alive[lane];
    return !all;
}

/* Mixes a vector of errors into the lanes' hashes; stopped lanes count as zero. */
INLINE void probe_errors(uint64_t *probe, vdouble error, vlong alive)
{
    vulong h = *(vulong *)probe ^ (vulong)(as_long(error) & alive);
    h *= MIX_1;
    *(vulong *)probe = h ^ (h >> 32);
}

static void trace_predictions(double *target, const Frame *frame, const Evaluation *evaluation,
                              int steps, int step)
{
    const REAL *prediction = frame->reg[register_bit('s', 1)];
    if (target)
        for (int t = 0; t < evaluation->block->tasks; t++)
            target[(size_t)(evaluation->block->first_task + t) * steps + step] =
                (double)prediction[t];
}

/* Fills features and label before a component runs, where pointing is not enough. */
INLINE void fill(Frame *frame, BoundComponent *component, const REAL *features,
                 const REAL *label)
{
    point(component->feature_slots, component->feature_count, features);
    if (label)
        point(component->label_slots, component->label_count, label);
    if (frame->copies_features)
        memcpy(frame->reg[register_bit('v', 0)], features,
               padded(sizeof(REAL) * (size_t)frame->features * frame->lanes));
    if (frame->copies_label) {
        size_t bytes = padded(sizeof(REAL) * (size_t)frame->lanes);
        if (label)
            memcpy(frame->reg[register_bit('s', 0)], label, bytes);
        else
            memset(frame->reg[register_bit('s', 0)], 0, bytes);
    }
}

/* One epoch of training. Returns 0 when no lane is left. `lanes`, `classify`, `probing` and
   `tracing` are constants in the variants below: the checks between the components cost as
   much as two instructions otherwise. */
INLINE int train_lanes(Evaluation *evaluation, Frame *frame, int epoch, const int lanes,
                       const int classify, const int probing, const int tracing)
{
    const TaskBatch *batch = evaluation->batch;
    const vdouble limit = splat(evaluation->options->max_abs_error);
    const int count = evaluation->train_count;
    const Rows *rows = &evaluation->block->train;
    const size_t row_bytes = rows->row_bytes, label_offset = rows->label_offset;
    BoundComponent predict = frame->component[PREDICT], learn = frame->component[LEARN];
    REAL *prediction = frame->reg[register_bit('s', 1)];
    int64_t *alive = evaluation->alive;
    const char *row = rows->rows + (size_t)epoch * batch->train_count * row_bytes;

    for (int i = 0; i < count; i++, row += row_bytes) {
        const REAL *features = (const REAL *)row;
        const REAL *label = (const REAL *)(row + label_offset);
        fill(frame, &predict, features, NULL);
        run(&predict);
        vlong bad = {0};
        for (int lane = 0; lane < lanes; lane += DOUBLES) {
            vdouble p = LOAD_DOUBLES(prediction + lane);
            if (classify) {
                p = vsigmoid(p);
                STORE_DOUBLES(prediction + lane, p);
            }
            vdouble error = vabs(LOAD_DOUBLES(label + lane) - p);
            vlong live = *(const vlong *)(alive + lane);
            bad |= live & ~(vlong)(error <= limit);
            if (probing)
                probe_errors(evaluation->probe + lane, error, live);
        }
        if (tracing)
            trace_predictions(evaluation->trace->train_predictions, frame, evaluation,
                              batch->epochs * batch->train_count,
                              epoch * batch->train_count + i);
        if (any(bad)) {
            for (int lane = 0; lane < lanes; lane += DOUBLES) {
                vdouble error = vabs(LOAD_DOUBLES(label + lane) - LOAD_DOUBLES(prediction + lane));
                stop_lanes(evaluation, alive, lane, error, STOP_TRAIN_NAN, epoch, i);
            }
            if (none_alive(alive, lanes))
                return 0;
        }
        fill(frame, &learn, features, label);
        run(&learn);
    }
    return 1;
}

static int train(Evaluation *evaluation, Frame *frame, int epoch)
{
    /* Dead lanes up to 8 or 16 do no harm: their registers are padded. */
    const int classify = evaluation->batch->objective == ACCURACY;
    if (frame->lanes > 8 && !evaluation->trace) {
        if (classify)
            return evaluation->probe ? train_lanes(evaluation, frame, epoch, 16, 1, 1, 0)
                                     : train_lanes(evaluation, frame, epoch, 16, 1, 0, 0);
        return evaluation->probe ? train_lanes(evaluation, frame, epoch, 16, 0, 1, 0)
                                 : train_lanes(evaluation, frame, epoch, 16, 0, 0, 0);
    }
    return train_lanes(evaluation, frame, epoch, frame->lanes, classify,
                       evaluation->probe != NULL, evaluation->trace != NULL);
}

/* Eight partial sums by example number, so that lanes of examples and lanes of tasks add
   the same losses in the same order. */
static double total_loss(const double *loss, int stride)
{
    double even = (loss[0] + loss[4 * stride]) + (loss[2 * stride] + loss[6 * stride]);
    double odd = (loss[stride] + loss[5 * stride]) + (loss[3 * stride] + loss[7 * stride]);
    return even + odd;
}

static double epoch_fitness(double loss, int valid_count, Objective objective)
{
    if (objective == ACCURACY)
        return 1.0 - loss / valid_count;
    double rms = sqrt(loss / valid_count);
    return isfinite(rms) ? 1.0 - 0.63661977236758138243 * atan(rms) : 0.0;
}

static void record_epoch(Evaluation *evaluation, int task, int epoch, double loss)
{
    const TaskBatch *batch = evaluation->batch;
    double fitness = epoch_fitness(loss, batch->valid_count, batch->objective);
    if (fitness > evaluation->fitness[task])
        evaluation->fitness[task] = fitness;
    if (evaluation->trace) {
        size_t at = (size_t)(evaluation->block->first_task + task) * batch->epochs + epoch;
        evaluation->trace->epoch_fitness[at] = fitness;
        evaluation->trace->sum_loss[at] = loss;
    }
}

/* One lane's registers, to set them aside and put them back: a lane that fails in
   validation stops there, while the other lanes run on. */
static void copy_lane(const Frame *frame, int lane, double *aside, int restore)
{
    size_t at = 0;
    for (int bit = 0; bit < 3 * MAX_REGISTERS; bit++) {
        if (!frame->reg[bit])
            continue;
        size_t elements = register_elements(bit, frame->features, 1);
        for (size_t e = 0; e < elements; e++, at++) {
            REAL *x = &frame->reg[bit][e * (size_t)frame->lanes + (size_t)lane];
            if (restore)
                *x = (REAL)aside[at];
            else
                aside[at] = (double)*x;
        }
    }
}

static void set_aside(Evaluation *evaluation, const Frame *frame, double *aside, size_t size,
                      const int64_t *before, int lane)
{
    for (int i = lane; i < lane + DOUBLES && i < frame->lanes; i++)
        if (before[i] && !evaluation->valid[i])
            copy_lane(frame, i, aside + size * (size_t)i, 0);
}

/* Validation in lockstep. `aside`: room for the registers of lanes that fail while epochs
   remain, or null. */
static void validate(Evaluation *evaluation, Frame *frame, int epoch, double *aside,
                     size_t aside_size)
{
    const TaskBatch *batch = evaluation->batch;
    const int classify = batch->objective == ACCURACY, lanes = frame->lanes;
    const vdouble limit = splat(evaluation->options->max_abs_error);
    const int count = evaluation->valid_count, wide = (lanes + 7) / 8 * 8;
    const Rows *rows = &evaluation->block->valid;
    BoundComponent *predict = &frame->component[PREDICT];
    const REAL *prediction = frame->reg[register_bit('s', 1)];
    int64_t *valid = evaluation->valid, before[WIDEST_BLOCK];
    memcpy(valid, evaluation->alive, sizeof(int64_t) * (size_t)wide);
    memset(evaluation->loss, 0, sizeof(double) * 8 * (size_t)wide);

    const char *row = rows->rows;
    for (int i = 0; i < count; i++, row += rows->row_bytes) {
        fill(frame, predict, (const REAL *)row, NULL);
        run(predict);
        const REAL *label = (const REAL *)(row + rows->label_offset);
        double *loss = evaluation->loss + (i & 7) * wide;
        vlong bad = {0};
        for (int lane = 0; lane < lanes; lane += DOUBLES) {
            vdouble error = prediction_error(LOAD_DOUBLES(prediction + lane),
                                             LOAD_DOUBLES(label + lane), classify);
            vlong live = *(const vlong *)(valid + lane);
            bad |= live & ~(vlong)(error <= limit);
            if (evaluation->probe)
                probe_errors(evaluation->probe + lane, error, live);
            *(vdouble *)(loss + lane) += error * error;
        }
        if (evaluation->trace)
            trace_predictions(evaluation->trace->valid_predictions, frame, evaluation,
                              batch->epochs * batch->valid_count, epoch * batch->valid_count + i);
        if (any(bad)) {
            memcpy(before, valid, sizeof(int64_t) * (size_t)wide);
            for (int lane = 0; lane < lanes; lane += DOUBLES) {
                vdouble error = prediction_error(LOAD_DOUBLES(prediction + lane),
                                                 LOAD_DOUBLES(label + lane), classify);
                stop_lanes(evaluation, valid, lane, error, STOP_VALID_NAN, epoch, i);
                if (aside)
                    set_aside(evaluation, frame, aside, aside_size, before, lane);
            }
            if (none_alive(valid, lanes))
                break;
        }
    }
    for (int t = 0; t < evaluation->block->tasks; t++) {
        if (valid[t])
            record_epoch(evaluation, t, epoch, total_loss(evaluation->loss + t, wide));
        else if (aside && evaluation->alive[t])
            copy_lane(frame, t, aside + aside_size * (size_t)t, 1);
        if (!valid[t] && evaluation->trace && evaluation->alive[t]) {
            size_t at = (size_t)(evaluation->block->first_task + t) * batch->epochs + epoch;
            evaluation->trace->epoch_fitness[at] = 0;
        }
    }
}

/* Examples as lanes, for components that depend on no example before. */

static RegisterSet wide_uniform_matrices(const LiveComponent *predict, RegisterSet state)
{
    RegisterSet other = 0;
    for (int i = 0; i < predict->size; i++) {
        const Instruction *ins = &predict->code[i];
        const OpInfo *op = &OP_INFO[ins->op];
        if (op->in1 == 'm' && ins->op != MATRIX_VECTOR_PRODUCT_OP)
            other |= (RegisterSet)1 << register_bit('m', ins->in1);
        if (op->in2 == 'm')
            other |= (RegisterSet)1 << register_bit('m', ins->in2);
    }
    RegisterSet matrices = ~(RegisterSet)0 << (2 * MAX_REGISTERS);
    return state & matrices & ~other & ~DEAD_CODE;
}

static RegisterSet wide_state(const LiveComponent *predict)
{
    return (predict->reads_first | (PREDICTION & ~predict->writes)) & ~(LABEL | FEATURES);
}

/* Whether validation examples can run as lanes: predict must not read back what it
   writes. Matrices with a lane per example outgrow the L1 cache beyond F = 4, so then only
   programs whose matrices are shared by all examples qualify. */
static int can_run_wide(const TaskBatch *batch, const CanonicalProgram *program)
{
    const LiveComponent *predict = &program->component[PREDICT];
    RegisterSet state = wide_state(predict);
    RegisterSet matrices = ~(RegisterSet)0 << (2 * MAX_REGISTERS);
    if ((state & predict->writes) || (predict->writes & (LABEL | FEATURES)))
        return 0;
    RegisterSet per_lane = (state | predict->writes) & matrices & ~DEAD_CODE;
    per_lane &= ~wide_uniform_matrices(predict, state);
    return batch->features <= 4 || !per_lane;
}

static void bind_wide(Frame *wide, const CanonicalProgram *program, const RunOptions *options,
                      int features, int lanes, char **next)
{
    const LiveComponent *predict = &program->component[PREDICT];
    RegisterSet uniform = wide_uniform_matrices(predict, wide_state(predict));
    RegisterSet used = predict->reads_first | predict->writes | PREDICTION | FEATURES | LABEL;
    memset(wide, 0, sizeof *wide);
    frame_registers(wide, used & ~uniform, features, lanes, next);
    for (int bit = 2 * MAX_REGISTERS; bit < 3 * MAX_REGISTERS; bit++)
        if (uniform >> bit & 1)
            wide->reg[bit] = take(next, register_elements(bit, features, 1) * sizeof(REAL));
    uint64_t *keys = wide->keys =
        take(next, (size_t)random_count(program) * ((size_t)lanes + 8) * sizeof(uint64_t));
    bind_component(wide, predict, PREDICT, options->flags, uniform, next, &keys);
    memset(wide->reg[register_bit('s', 0)], 0, padded(sizeof(REAL) * (size_t)lanes));
}

/* Copies the state of one task's lane to all lanes of the wide frame. */
static void spread_state(const Frame *frame, Frame *wide, int lane,
                         const CanonicalProgram *program)
{
    const LiveComponent *predict = &program->component[PREDICT];
    RegisterSet state = wide_state(predict), uniform = wide_uniform_matrices(predict, state);
    for (RegisterSet left = state; left; left &= left - 1) {
        int bit = __builtin_ctzll(left);
        size_t elements = register_elements(bit, frame->features, 1);
        const REAL *from = frame->reg[bit] + lane;
        REAL *to = wide->reg[bit];
        if (uniform >> bit & 1) {
            for (size_t e = 0; e < elements; e++)
                to[e] = from[e * (size_t)frame->lanes];
            continue;
        }
        for (size_t e = 0; e < elements; e++) {
            VREAL x = VSPLAT(from[e * (size_t)frame->lanes]);
            for (int k = 0; k < wide->lanes; k += WIDTH)
                *(VREAL *)(to + e * (size_t)wide->lanes + k) = x;
        }
    }
}

/* Runs predict on all examples of one task. With `training`, only checks for errors that
   would stop training; otherwise records the epoch's fitness. */
static void run_wide(Evaluation *evaluation, Frame *wide, const ExampleLanes *examples, int task,
                     int epoch, int training)
{
    const TaskBatch *batch = evaluation->batch;
    const int classify = batch->objective == ACCURACY, lanes = wide->lanes;
    const vdouble limit = splat(evaluation->options->max_abs_error);
    BoundComponent *predict = &wide->component[PREDICT];
    const REAL *prediction = wide->reg[register_bit('s', 1)];
    uint64_t first_step = (uint64_t)epoch
                          * (uint64_t)(evaluation->train_count + evaluation->valid_count);
    if (!training)
        first_step += (uint64_t)evaluation->train_count;
    vdouble loss[8 / DOUBLES] = {{0}};
    vlong index;
    for (int i = 0; i < DOUBLES; i++)
        index[i] = i;

    const char *row = examples->rows.rows;
    for (int chunk = 0; chunk < examples->chunks; chunk++, row += examples->rows.row_bytes) {
        const REAL *label = (const REAL *)(row + examples->rows.label_offset);
        int first = chunk * lanes;
        set_step(predict, first_step + (uint64_t)first);
        point(predict->feature_slots, predict->feature_count, (const REAL *)row);
        run(predict);
        for (int lane = 0; lane < lanes; lane += DOUBLES) {
            vlong real = index + (int64_t)(first + lane) < (int64_t)examples->examples;
            vdouble p = LOAD_DOUBLES(prediction + lane), y = LOAD_DOUBLES(label + lane);
            vdouble error = !training ? prediction_error(p, y, classify)
                                      : vabs(y - (classify ? vsigmoid(p) : p));
            vlong bad = real & ~(vlong)(error <= limit);
            if (any(bad)) {
                int i = 0;
                while (!bad[i])
                    i++;
                Stop *stop = &evaluation->stop[task];
                stop->reason = stop_reason(error[i], training ? STOP_TRAIN_NAN : STOP_VALID_NAN);
                stop->epoch = epoch;
                stop->step = first + lane + i;
                if (training) {
                    stop->train_steps = stop->step + 1;
                    evaluation->alive[task] = 0;
                }
                return;
            }
            error = as_double(as_long(error) & real);
            loss[lane / DOUBLES % (8 / DOUBLES)] += error * error;
        }
    }
    if (!training) {
        double sums[8];
        memcpy(sums, loss, sizeof sums);
        record_epoch(evaluation, task, epoch, total_loss(sums, 1));
    }
}

static void evaluate_block(Evaluation *evaluation, Frame *frame, Frame *wide, double *aside,
                           size_t aside_size)
{
    const TaskBatch *batch = evaluation->batch;
    const CanonicalProgram *program = evaluation->program;
    const TaskBlock *block = evaluation->block;
    const int epoch_steps = evaluation->train_count + evaluation->valid_count;
    /* The sigmoid of accuracy training is state too, unless predict writes the prediction. */
    const int keeps_prediction = batch->objective == ACCURACY
                                 && !(program->component[PREDICT].writes & PREDICTION);
    const int train_wide = wide && batch->wide_train && !program->component[LEARN].size
                           && evaluation->train_count == batch->train_count
                           && !keeps_prediction;

    memset(frame->registers, 0, frame->register_bytes);
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        set_keys(frame, &program->component[c], c, block->seed, block->tasks, 0);
        set_step(&frame->component[c], 0);
    }
    run(&frame->component[SETUP]);

    for (int epoch = 0; epoch < evaluation->epochs; epoch++) {
        set_step(&frame->component[PREDICT], (uint64_t)epoch * (uint64_t)epoch_steps);
        set_step(&frame->component[LEARN], (uint64_t)epoch * (uint64_t)evaluation->train_count);
        if (train_wide) {
            for (int t = 0; t < block->tasks; t++) {
                int task = block->first_task + t;
                set_keys(wide, &program->component[PREDICT], PREDICT, &batch->seeds[task], 1, 1);
                spread_state(frame, wide, t, program);
                run_wide(evaluation, wide, &batch->wide_train[task], t, epoch, 1);
                if (evaluation->alive[t])
                    run_wide(evaluation, wide, &batch->wide_valid[task], t, epoch, 0);
            }
            return;
        }
        if (!train(evaluation, frame, epoch))
            return;
        if (wide) {
            for (int t = 0; t < block->tasks; t++) {
                if (!evaluation->alive[t])
                    continue;
                int task = block->first_task + t;
                set_keys(wide, &program->component[PREDICT], PREDICT, &batch->seeds[task], 1, 1);
                spread_state(frame, wide, t, program);
                run_wide(evaluation, wide, &batch->wide_valid[task], t, epoch, 0);
            }
        } else {
            validate(evaluation, frame, epoch, epoch + 1 < evaluation->epochs ? aside : NULL,
                     aside_size);
        }
    }
}

static RegisterSet registers_used(const CanonicalProgram *program)
{
    RegisterSet used = LABEL | PREDICTION | FEATURES;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        used |= program->component[c].reads_first | program->component[c].writes;
    return used & ~DEAD_CODE;
}

static void trace_scalars(const Evaluation *evaluation, const Frame *frame)
{
    if (!evaluation->trace || !evaluation->trace->scalars)
        return;
    for (int t = 0; t < evaluation->block->tasks; t++)
        for (int s = 0; s < MAX_REGISTERS; s++)
            evaluation->trace->scalars[(size_t)(evaluation->block->first_task + t)
                                           * MAX_REGISTERS + s] =
                frame->reg[s] ? (double)frame->reg[s][t] : NAN;
}

static int evaluate(Workspace *workspace, const TaskBatch *batch,
                    const CanonicalProgram *program, const RunOptions *options, double *fitness,
                    Stop *stop, Trace *trace, uint64_t *probe)
{
    const int features = batch->features;
    const RegisterSet used = registers_used(program);
    int instructions = 0, lanes = 0, wide_lanes = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        instructions += program->component[c].size;
    for (int b = 0; b < batch->block_count; b++)
        lanes = batch->blocks[b].lanes > lanes ? batch->blocks[b].lanes : lanes;
    int train_count = options->train_limit < batch->train_count ? options->train_limit
                                                                : batch->train_count;
    int valid_count = options->valid_limit < batch->valid_count ? options->valid_limit
                                                                : batch->valid_count;
    if (!(options->flags & RUN_NO_WIDE) && !trace && !probe && batch->wide_valid
        && valid_count == batch->valid_count && can_run_wide(batch, program)) {
        wide_lanes = batch->wide_valid[0].lanes;
        if (batch->wide_train && batch->wide_train[0].lanes > wide_lanes)
            wide_lanes = batch->wide_train[0].lanes;
    }
    const int randoms = random_count(program);
    size_t need = frame_bytes(used, features, lanes, instructions, randoms) + 16 * ALIGNMENT;
    if (wide_lanes)
        need += frame_bytes(used, features, wide_lanes, instructions, randoms);
    size_t aside_size = 0, state_bytes = padded((size_t)(8 + 2 + 1) * WIDEST_BLOCK * 8);
    if (batch->epochs > 1)
        for (int bit = 0; bit < 3 * MAX_REGISTERS; bit++)
            if (used >> bit & 1)
                aside_size += register_elements(bit, features, 1);
    if (workspace_reserve(&workspace->arena, &workspace->arena_bytes, need)
        || workspace_reserve((char **)&workspace->buffer, &workspace->buffer_bytes,
                             state_bytes + aside_size * WIDEST_BLOCK * sizeof(double)))
        return -1;

    Evaluation evaluation = {.batch = batch, .program = program, .options = options,
                             .train_count = train_count, .valid_count = valid_count};
    evaluation.epochs = options->epoch_limit < batch->epochs ? options->epoch_limit
                                                             : batch->epochs;
    Stop stops[WIDEST_BLOCK];
    evaluation.trace = trace;
    evaluation.loss = workspace->buffer;
    evaluation.alive = (int64_t *)workspace->buffer + 8 * WIDEST_BLOCK;
    evaluation.valid = evaluation.alive + WIDEST_BLOCK;
    uint64_t *hashes = (uint64_t *)evaluation.valid + WIDEST_BLOCK;
    double *aside = aside_size ? workspace->buffer + state_bytes / sizeof(double) : NULL;
    if (probe)
        *probe = GAMMA;

    Frame frame, wide;
    frame.lanes = 0;
    for (int b = 0; b < batch->block_count; b++) {
        const TaskBlock *block = &batch->blocks[b];
        if (block->lanes != frame.lanes || block->tasks != frame.used_lanes) {
            char *next = workspace->arena;
            memset(&frame, 0, sizeof frame);
            frame.copies_features = frame.copies_label = 0;
            for (int c = 0; c < COMPONENT_COUNT; c++) {
                frame.copies_features |= (program->component[c].writes & FEATURES) != 0;
                frame.copies_label |= (program->component[c].writes & LABEL) != 0;
            }
            frame_registers(&frame, used, features, block->lanes, &next);
            frame.used_lanes = block->tasks;
            uint64_t *keys = frame.keys =
                take(&next, (size_t)randoms * ((size_t)block->lanes + 8) * sizeof(uint64_t));
            for (int c = 0; c < COMPONENT_COUNT; c++)
                bind_component(&frame, &program->component[c], c, options->flags, 0, &next,
                               &keys);
            if (wide_lanes)
                bind_wide(&wide, program, options, features, wide_lanes, &next);
        }
        evaluation.block = block;
        evaluation.fitness = fitness + block->first_task;
        evaluation.stop = stop ? stop + block->first_task : stops;
        evaluation.probe = probe ? hashes : NULL;
        for (int lane = 0; lane < WIDEST_BLOCK; lane++) {
            evaluation.alive[lane] = lane < block->tasks ? -1 : 0;
            hashes[lane] = (uint64_t)lane;
        }
        for (int t = 0; t < block->tasks; t++) {
            evaluation.fitness[t] = 0;
            evaluation.stop[t] =
                (Stop){STOP_NONE, -1, -1, (int64_t)train_count * evaluation.epochs};
        }
        evaluate_block(&evaluation, &frame, wide_lanes ? &wide : NULL, aside, aside_size);
        trace_scalars(&evaluation, &frame);
        if (probe)
            for (int t = 0; t < block->tasks; t++)
                *probe = mix64(*probe ^ hashes[t]) + GAMMA
                         * (uint64_t)(evaluation.stop[t].reason * 4096 + evaluation.stop[t].step);
    }
    return 0;
}

static int run_instruction(Workspace *workspace, const Instruction *ins, int features, int lanes,
                           uint64_t key, uint64_t step, const int sizes[3], double *scalars,
                           double *vectors, double *matrices)
{
    double *memory[3] = {scalars, vectors, matrices};
    RegisterSet used = 0;
    for (int kind = 0; kind < 3; kind++)
        for (int r = 0; r < sizes[kind]; r++)
            used |= (RegisterSet)1 << (kind * MAX_REGISTERS + r);
    size_t need = frame_bytes(used, features, lanes, 1, 1) + 16 * ALIGNMENT;
    if (workspace_reserve(&workspace->arena, &workspace->arena_bytes, need))
        return -1;
    Frame frame;
    memset(&frame, 0, sizeof frame);
    char *next = workspace->arena;
    frame_registers(&frame, used, features, lanes, &next);
    memset(frame.registers, 0, frame.register_bytes);
    uint64_t *keys = frame.keys = take(&next, ((size_t)lanes + 8) * sizeof(uint64_t));
    Instruction code = *ins;
    RegisterSet live_after = 0;
    LiveComponent live = {&code, &live_after, 1, 0, 0};
    bind_component(&frame, &live, SETUP, 0, 0, &next, &keys);
    for (int lane = 0; lane < lanes + 8; lane++)
        frame.keys[lane] = key;
    set_step(&frame.component[SETUP], step);
    for (int pass = 0; pass < 2; pass++) {
        for (int kind = 0; kind < 3; kind++)
            for (int r = 0; r < sizes[kind]; r++) {
                int bit = kind * MAX_REGISTERS + r;
                size_t elements = register_elements(bit, features, 1);
                double *x = memory[kind] + (size_t)r * elements;
                for (size_t e = 0; e < elements; e++) {
                    REAL *y = frame.reg[bit] + e * (size_t)lanes;
                    for (int lane = 0; !pass && lane < lanes; lane++)
                        y[lane] = (REAL)x[e];
                    if (pass)
                        x[e] = (double)y[0];
                }
            }
        if (!pass)
            run(&frame.component[SETUP]);
    }
    return 0;
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)
const LockstepKernels PASTE3(lockstep, REAL_NAME, ISA_SUFFIX);
const LockstepKernels PASTE3(lockstep, REAL_NAME, ISA_SUFFIX) = {
    STRING(ISA_SUFFIX), evaluate, run_instruction, block_lanes,
};
