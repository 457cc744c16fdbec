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
    double *loss;     /* [8][WIDEST_BLOCK] partial sums */
    double *total;    /* [lane] their sums */
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
static NOINLINE void stop_lanes(Evaluation *evaluation, int64_t *alive, int lane,
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

/* Asks for the next example: rows pass through the L1 cache once, and without this a network
   on 8,000 examples takes 325 us per task instead of 250. */
INLINE void prefetch_row(const char *row, size_t bytes)
{
    for (size_t k = 0; k < bytes; k += ALIGNMENT)
        __builtin_prefetch(row + k);
}

/* One epoch of training. Returns 0 when no lane is left. `lanes`, `classify`, `probing` and
   `tracing` are constants in the variants below: the checks between the components cost as
   much as two instructions otherwise. */
INLINE int train_lanes(Evaluation *evaluation, Frame *frame, int epoch, const int lanes,
                       const int classify, const int probing, const int tracing)
{
    const TaskBatch *batch = evaluation->batch;
    const vdouble limit = splat(evaluation->options->max_abs_error);
    const size_t count = (size_t)evaluation->train_count;
    const Rows *rows = &evaluation->block->train;
    const size_t row_bytes = rows->row_bytes, label_offset = rows->label_offset;
    BoundComponent predict = frame->component[PREDICT], learn = frame->component[LEARN];
    REAL *prediction = frame->reg[register_bit('s', 1)];
    int64_t *alive = evaluation->alive;
    const char *row = rows->rows + (size_t)epoch * batch->train_count * row_bytes;

    for (size_t i = 0; i < count; i++, row += row_bytes) {
        const REAL *features = (const REAL *)row;
        const REAL *label = (const REAL *)(row + label_offset);
        prefetch_row(row + row_bytes, row_bytes);
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
                              epoch * batch->train_count + (int)i);
        if (any(bad)) {
            for (int lane = 0; lane < lanes; lane += DOUBLES) {
                vdouble error = vabs(LOAD_DOUBLES(label + lane) - LOAD_DOUBLES(prediction + lane));
                stop_lanes(evaluation, alive, lane, error, STOP_TRAIN_NAN, epoch, (int)i);
            }
            if (none_alive(alive, lanes))
                return 0;
        }
        fill(frame, &learn, features, label);
        run(&learn);
    }
    return 1;
}

static NOINLINE int train(Evaluation *evaluation, Frame *frame, int epoch)
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

/* The sum of the losses is eight partial sums by example number, so that lanes of examples
   and lanes of tasks add the same losses in the same order. */
#define TOTAL(x) (((x(0) + x(4)) + (x(2) + x(6))) + ((x(1) + x(5)) + (x(3) + x(7))))

/* Turns the losses of an epoch into fitnesses, for the tasks that got through it. */
static void finish_epoch(Evaluation *evaluation, int epoch)
{
    const TaskBatch *batch = evaluation->batch;
    const double count = batch->valid_count;
    double fitness[WIDEST_BLOCK];
    for (int k = 0; k < evaluation->block->tasks; k += DOUBLES) {
        vdouble loss = *(vdouble *)(evaluation->total + k) / count;
        vdouble rms = vsqrt(loss);
        vdouble of_rms = 1.0 - 0.63661977236758138243 * varctan(rms);
        of_rms = choose(rms < splat(INFINITY), of_rms, splat(0.0));
        if (batch->objective == ACCURACY)
            of_rms = 1.0 - loss;
        *(vdouble *)(fitness + k) = of_rms;
    }
    for (int t = 0; t < evaluation->block->tasks; t++) {
        if (!evaluation->alive[t])
            continue;
        double reached = evaluation->valid[t] ? fitness[t] : 0;
        if (reached > evaluation->fitness[t])
            evaluation->fitness[t] = reached;
        if (evaluation->trace) {
            size_t at = (size_t)(evaluation->block->first_task + t) * batch->epochs + epoch;
            evaluation->trace->epoch_fitness[at] = reached;
            if (evaluation->valid[t])
                evaluation->trace->sum_loss[at] = evaluation->total[t];
        }
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

/* Validation in lockstep; arguments as in train_lanes. `aside`: room for the registers of
   lanes that fail while epochs remain, or null. */
INLINE void validate_lanes(Evaluation *evaluation, Frame *frame, int epoch, double *aside,
                           size_t aside_size, const int lanes, const int classify,
                           const int probing, const int tracing)
{
    const TaskBatch *batch = evaluation->batch;
    const vdouble limit = splat(evaluation->options->max_abs_error);
    const size_t count = (size_t)evaluation->valid_count;
    const Rows *rows = &evaluation->block->valid;
    const size_t row_bytes = rows->row_bytes, label_offset = rows->label_offset;
    BoundComponent predict = frame->component[PREDICT];
    const REAL *prediction = frame->reg[register_bit('s', 1)];
    int64_t *valid = evaluation->valid, before[WIDEST_BLOCK];
    double *losses = evaluation->loss;
    memcpy(valid, evaluation->alive, sizeof(int64_t) * WIDEST_BLOCK);
    memset(losses, 0, sizeof(double) * 8 * WIDEST_BLOCK);

    const char *row = rows->rows;
    for (size_t i = 0; i < count; i++, row += row_bytes) {
        prefetch_row(row + row_bytes, row_bytes);
        fill(frame, &predict, (const REAL *)row, NULL);
        run(&predict);
        const REAL *label = (const REAL *)(row + label_offset);
        double *loss = losses + (i & 7) * WIDEST_BLOCK;
        vlong bad = {0};
        for (int lane = 0; lane < lanes; lane += DOUBLES) {
            vdouble error = prediction_error(LOAD_DOUBLES(prediction + lane),
                                             LOAD_DOUBLES(label + lane), classify);
            vlong live = *(const vlong *)(valid + lane);
            bad |= live & ~(vlong)(error <= limit);
            if (probing)
                probe_errors(evaluation->probe + lane, error, live);
            *(vdouble *)(loss + lane) += error * error;
        }
        if (tracing)
            trace_predictions(evaluation->trace->valid_predictions, frame, evaluation,
                              batch->epochs * batch->valid_count, epoch * batch->valid_count + (int)i);
        if (any(bad)) {
            memcpy(before, valid, sizeof before);
            for (int lane = 0; lane < lanes; lane += DOUBLES) {
                vdouble error = prediction_error(LOAD_DOUBLES(prediction + lane),
                                                 LOAD_DOUBLES(label + lane), classify);
                stop_lanes(evaluation, valid, lane, error, STOP_VALID_NAN, epoch, (int)i);
                if (aside)
                    set_aside(evaluation, frame, aside, aside_size, before, lane);
            }
            if (none_alive(valid, lanes))
                break;
        }
    }
    for (int t = 0; aside && t < evaluation->block->tasks; t++)
        if (!valid[t] && evaluation->alive[t])
            copy_lane(frame, t, aside + aside_size * (size_t)t, 1);
    for (int k = 0; k < evaluation->block->tasks; k += DOUBLES) {
#define PART(part) (*(const vdouble *)(losses + (part) * WIDEST_BLOCK + k))
        *(vdouble *)(evaluation->total + k) = TOTAL(PART);
#undef PART
    }
}

static NOINLINE void validate(Evaluation *evaluation, Frame *frame, int epoch, double *aside,
                     size_t aside_size)
{
    const int classify = evaluation->batch->objective == ACCURACY;
    if (frame->lanes > 8 && !evaluation->trace && !classify) {
        if (evaluation->probe)
            validate_lanes(evaluation, frame, epoch, aside, aside_size, 16, 0, 1, 0);
        else
            validate_lanes(evaluation, frame, epoch, aside, aside_size, 16, 0, 0, 0);
    } else {
        validate_lanes(evaluation, frame, epoch, aside, aside_size, frame->lanes, classify,
                       evaluation->probe != NULL, evaluation->trace != NULL);
    }
}
