/* Validation, and training of programs that learn nothing, with the examples of one task as
   lanes: for predict functions that depend on no example before. See lockstep_impl.h. */

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
    wide->state = wide_state(predict);
    wide->uniform = uniform;
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
static void spread_state(const Frame *frame, Frame *wide, int lane)
{
    const RegisterSet uniform = wide->uniform;
    for (RegisterSet left = wide->state; left; left &= left - 1) {
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

/* Ends a task's run at its first error over the limit in the chunk from example `first`. */
static NOINLINE void stop_wide(Evaluation *evaluation, const Frame *wide,
                                                const REAL *label, int task, int epoch, int first,
                                                int training)
{
    const int classify = evaluation->batch->objective == ACCURACY;
    const REAL *prediction = wide->reg[register_bit('s', 1)];
    for (int lane = 0; lane < wide->lanes; lane += DOUBLES) {
        vdouble p = LOAD_DOUBLES(prediction + lane), y = LOAD_DOUBLES(label + lane);
        vdouble error = !classify ? vabs(y - p)
                        : training ? vabs(y - vsigmoid(p)) : prediction_error(p, y, 1);
        for (int i = 0; i < DOUBLES; i++) {
            if (error[i] <= evaluation->options->max_abs_error)
                continue;
            Stop *stop = &evaluation->stop[task];
            if (training) {
                stop->train_steps = first + lane + i + 1;
                evaluation->alive[task] = 0;
            } else {
                evaluation->valid[task] = 0;
                if (stop->reason != STOP_NONE)
                    return;  /* the first failed validation counts */
            }
            stop->reason = stop_reason(error[i], training ? STOP_TRAIN_NAN : STOP_VALID_NAN);
            stop->epoch = epoch;
            stop->step = first + lane + i;
            return;
        }
    }
}

/* Runs predict on all examples of one task. With `training`, only checks for errors that
   would stop training; otherwise leaves the sum of the losses in evaluation->total. */
static NOINLINE void run_wide(Evaluation *evaluation, Frame *wide, const ExampleLanes *examples, int task,
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
    for (int first = 0; first < examples->examples; first += lanes) {
        const REAL *label = (const REAL *)(row + examples->rows.label_offset);
        set_step(predict, first_step + (uint64_t)first);
        point(predict->feature_slots, predict->feature_count, (const REAL *)row);
        run(predict);
        vlong bad = {0};
        for (int lane = 0; lane < lanes; lane += DOUBLES) {
            vdouble p = LOAD_DOUBLES(prediction + lane), y = LOAD_DOUBLES(label + lane);
            vdouble error = !classify ? vabs(y - p)
                            : training ? vabs(y - vsigmoid(p)) : prediction_error(p, y, 1);
            if (first + lane + DOUBLES > examples->examples) {
                vlong real = index < (int64_t)(examples->examples - first - lane);
                error = as_double(as_long(error) & real);
            }
            bad |= ~(vlong)(error <= limit);
            loss[lane / DOUBLES % (8 / DOUBLES)] += error * error;
        }
        if (any(bad)) {
            stop_wide(evaluation, wide, label, task, epoch, first, training);
            return;
        }
        row += examples->rows.row_bytes;
    }
    double sums[8];
    memcpy(sums, loss, sizeof sums);
#define PART(part) sums[part]
    evaluation->total[task] = TOTAL(PART);
#undef PART
}

/* One pass over the block's living tasks, each task's examples as lanes. */
static void run_tasks_wide(Evaluation *evaluation, const Frame *frame, Frame *wide, int epoch,
                           int training)
{
    const TaskBatch *batch = evaluation->batch;
    const LiveComponent *predict = &evaluation->program->component[PREDICT];
    if (!training)
        memcpy(evaluation->valid, evaluation->alive, sizeof(int64_t) * WIDEST_BLOCK);
    for (int t = 0; t < evaluation->block->tasks; t++) {
        if (!evaluation->alive[t])
            continue;
        int task = evaluation->block->first_task + t;
        const ExampleLanes *examples = training ? batch->wide_train : batch->wide_valid;
        set_keys(wide, predict, PREDICT, &batch->seeds[task], 1, 1);
        spread_state(frame, wide, t);
        run_wide(evaluation, wide, &examples[task], t, epoch, training);
    }
}
