/* The harness of update rules for one precision: binds a rule's live code to the registers of
   every tensor, then trains. See update_rule.h.

   Included with REAL_BITS (64 or 32), ISA_SUFFIX and VECTOR_BYTES defined. */
#include "update_rule.h"

#include "bound.h"

#define VARIANT tensor
#define FEATURE_COUNT bound->features
#define LANE_COUNT bound->lanes
#define LAYOUT TENSOR
#include "leaf_functions.h"

#include "rule_code.h"
#include "lane_products.h"
#include "optimizees.h"
#include "arithmetic_limit.h"

#define LEAVES PASTE3(leaves, REAL_NAME, tensor)

/* Elements of a register that a run of elementwise instructions works on at a time: the
   registers of common rules then fit into the L1 cache together. */
enum { PIECE = 1024 };

/* Lanes that are trained at the same time at most. */
enum { WIDEST_TRIAL = 16 };

/* Memory ------------------------------------------------------------------------------- */

typedef struct {
    Bound bound;
    Extent extent;
    const REAL *pattern_of;  /* the scalar that `pattern` repeats for four coordinates, or null */
    REAL *pattern;
    int a_is_vector, b_is_vector;
} Step;

typedef struct {
    const RuleTrial *trial;
    const Optimizee *optimizee;
    int first, lanes, used_lanes;  /* of the block */
    Landscape land;
    REAL *vector[MAX_REGISTERS], *scalar[MAX_TENSORS][MAX_REGISTERS];
    REAL *parameter, *rate;        /* the rate as a pattern */
    Step *steps[RULE_COMPONENTS][MAX_TENSORS];
    REAL *patterns[RULE_COMPONENTS][MAX_TENSORS];  /* [step][4 * lanes] */
    uint64_t *keys[RULE_COMPONENTS][MAX_TENSORS];  /* [step][lane] */
    int step_count[RULE_COMPONENTS];
    REAL *scratch;
    char *zeroed;                  /* where registers begin */
    size_t zeroed_bytes;
    int64_t alive[WIDEST_TRIAL];
} Training;

static int padded_coordinates(int size)
{
    return (size + 3) / 4 * 4;
}

/* Lays out the memory at *next, or only counts it. */
static void training_memory(Training *training, const LiveRule *live, char **next)
{
    const Optimizee *optimizee = training->optimizee;
    const size_t lanes = (size_t)training->lanes, slack = ALIGNMENT / sizeof(REAL);
    Landscape *land = &training->land;
    size_t elements = 0;
    /* Behind each tensor there is room for the vector that begins at its last number. */
    for (int t = 0; t < optimizee->tensors; t++) {
        land->offset[t] = elements;
        elements += (size_t)padded_coordinates(optimizee->size[t]) * lanes + slack;
    }
    char *start = *next;
    for (int r = 0; r < MAX_REGISTERS; r++) {
        if (live->used & VECTOR_BIT(r))
            training->vector[r] = take(next, elements * sizeof(REAL));
        for (int t = 0; t < optimizee->tensors; t++)
            if (live->used & SCALAR_BIT(r))
                training->scalar[t][r] = take(next, lanes * sizeof(REAL));
    }
    /* A rule that writes the parameter's register gets a copy at every step. */
    training->parameter = live->written & PARAMETER ? take(next, elements * sizeof(REAL))
                                                    : training->vector[1];
    training->zeroed = start;
    training->zeroed_bytes = (size_t)(*next - start);
    training->rate = take(next, 4 * lanes * sizeof(REAL));
    training->scratch = take(next, 6 * lanes * sizeof(REAL));
    landscape_memory(land, next);
    for (int c = 0; c < RULE_COMPONENTS; c++)
        for (int t = 0; t < optimizee->tensors; t++) {
            const size_t size = (size_t)live->size[c];
            training->steps[c][t] = take(next, (size + 1) * sizeof(Step));
            training->patterns[c][t] = take(next, size * 4 * lanes * sizeof(REAL));
            training->keys[c][t] = take(next, size * lanes * sizeof(uint64_t));
        }
}

/* Binding -------------------------------------------------------------------------------- */

/* Lanes that fill up a block do what its first one does. */
static int number_of_lane(const Training *training, int lane)
{
    return training->first + (lane < training->used_lanes ? lane : 0);
}

static int seed_of_lane(const Training *training, int lane)
{
    return number_of_lane(training, lane) % training->trial->seeds;
}

static const REAL *operand(const Training *training, int tensor, char kind, int number)
{
    return kind == 's' ? training->scalar[tensor][number]
                       : training->vector[number] + training->land.offset[tensor];
}

static void bind_step(Training *training, int component, int tensor, int position,
                      const Instruction *ins, uint64_t ordinal)
{
    const OpInfo *op = &OP_INFO[ins->op];
    const int size = training->optimizee->size[tensor], lanes = training->lanes;
    Step *step = &training->steps[component][tensor][position];
    Bound *bound = &step->bound;
    memset(step, 0, sizeof *step);
    step->extent = extent_of(op, ins->op);
    bound->features = step->extent == ON_PIECES ? padded_coordinates(size) : size;
    bound->lanes = bound->used_lanes = lanes;
    bound->scratch = training->scratch;
    bound->run = LEAVES[op->leaf];
    if (ins->op >= OP_COUNT)
        bound->function = CUSTOM_FUNCTIONS[ins->op - OP_COUNT].REAL_NAME;
    if (op->in1)
        bound->a = operand(training, tensor, op->in1, ins->in1);
    if (op->in2)
        bound->b = operand(training, tensor, op->in2, ins->in2);
    bound->out = (REAL *)operand(training, tensor, op->out, ins->out);
    step->a_is_vector = op->in1 == 'v';
    step->b_is_vector = op->in2 == 'v';
    if (op->out == 'v' && (op->in1 == 's' || op->in2 == 's')) {
        const REAL **scalar = op->in1 == 's' ? &bound->a : &bound->b;
        step->pattern = training->patterns[component][tensor] + (size_t)position * 4 * (size_t)lanes;
        step->pattern_of = *scalar;
        *scalar = step->pattern;
    }
    bind_constants(bound, ins, LEAVES, size);
    if (op->flags & OP_RANDOM) {
        const RuleTrial *trial = training->trial;
        const uint64_t *seeds = trial->draw_seeds + (size_t)tensor * (size_t)trial->seeds;
        uint64_t *keys = training->keys[component][tensor] + (size_t)position * (size_t)lanes;
        for (int lane = 0; lane < lanes; lane++)
            keys[lane] = instruction_key(seeds[seed_of_lane(training, lane)], component, ordinal);
        bound->keys = keys;
    }
}

/* parameter -= rate * update, as the last instruction of every step. */
static void bind_descent(Training *training, Step *step, int tensor)
{
    const size_t offset = training->land.offset[tensor];
    memset(step, 0, sizeof *step);
    step->extent = ON_PIECES;
    step->b_is_vector = 1;
    step->bound = (Bound){
        .run = LEAVES[SCALED_THEN_DIFF],
        .features = padded_coordinates(training->optimizee->size[tensor]),
        .lanes = training->lanes,
        .a = training->rate,
        .b = training->vector[2] + offset,
        .c = training->parameter + offset,
        .out = training->parameter + offset,
    };
}

static void bind_rule(Training *training, const LiveRule *live)
{
    for (int c = 0; c < RULE_COMPONENTS; c++) {
        for (int t = 0; t < training->optimizee->tensors; t++) {
            uint64_t ordinal = 0;
            for (int i = 0; i < live->size[c]; i++) {
                const Instruction *ins = live->code[c][i];
                bind_step(training, c, t, i, ins, ordinal);
                ordinal += (OP_INFO[ins->op].flags & OP_RANDOM) != 0;
            }
            if (c == RULE_UPDATE)
                bind_descent(training, &training->steps[c][t][live->size[c]], t);
        }
        training->step_count[c] = live->size[c] + (c == RULE_UPDATE);
    }
}

/* Running -------------------------------------------------------------------------------- */

/* The elementwise instructions of a group on one piece of their tensor. */
static void run_piece(Step *steps, int count, size_t at, int coordinates)
{
    for (Step *step = steps; step != steps + count; step++) {
        if (step->extent != ON_PIECES)
            continue;
        Bound bound = step->bound;
        bound.features = coordinates;
        bound.a += step->a_is_vector ? at : 0;
        bound.b += step->b_is_vector ? at : 0;
        bound.c += at;  /* only the descent has one */
        bound.out += at;
        bound.run(&bound);
    }
}

/* Instructions of one tensor, of scalars and elementwise ones: no scalar depends on a vector
   here, so all scalars come first, and patterns keep what they were for each vector. */
static void run_group(Step *steps, int count)
{
    int coordinates = 0;
    for (Step *step = steps; step != steps + count; step++) {
        const int lanes = step->bound.lanes;
        if (step->extent == ON_SCALARS)
            step->bound.run(&step->bound);
        else
            coordinates = step->bound.features;
        if (step->pattern_of)
            for (int k = 0; k < 4; k++)
                memcpy(step->pattern + k * lanes, step->pattern_of, sizeof(REAL) * (size_t)lanes);
    }
    if (!coordinates)
        return;
    const int lanes = steps->bound.lanes, piece = PIECE / lanes / 4 * 4;
    if (coordinates <= 2 * piece) {
        for (Step *step = steps; step != steps + count; step++)
            if (step->extent == ON_PIECES)
                step->bound.run(&step->bound);
        return;
    }
    for (int first = 0; first < coordinates; first += piece)
        run_piece(steps, count, (size_t)first * (size_t)lanes,
                  coordinates - first < piece ? coordinates - first : piece);
}

static void run_component(Training *training, int component)
{
    const int count = training->step_count[component], tensors = training->optimizee->tensors;
    const int lanes = training->lanes;
    Step *const *steps = training->steps[component];
    for (int i = 0; i < count;) {
        const Extent extent = steps[0][i].extent;
        int end = i + 1;
        if (extent == ON_ALL) {
            REAL *total = training->scratch + 4 * lanes;
            for (int t = 0; t < tensors; t++) {
                Bound *bound = &steps[t][i].bound;
                bound->run(bound);
                for (int lane = 0; lane < lanes; lane++)
                    total[lane] = t ? total[lane] + bound->out[lane] : bound->out[lane];
            }
            for (int t = 0; t < tensors; t++)
                for (int lane = 0; lane < lanes; lane++)
                    steps[t][i].bound.out[lane] = REAL_SQRT(total[lane]);
        } else if (extent == ON_TENSOR) {
            for (int t = 0; t < tensors; t++)
                steps[t][i].bound.run(&steps[t][i].bound);
        } else {
            while (end < count && steps[0][end].extent <= ON_PIECES)
                end++;
            for (int t = 0; t < tensors; t++)
                run_group(steps[t] + i, end - i);
        }
        i = end;
    }
}

static void fill_scalar(Training *training, int number, const double *value)
{
    for (int t = 0; t < training->optimizee->tensors && training->scalar[t][number]; t++)
        for (int lane = 0; lane < training->lanes; lane++)
            training->scalar[t][number][lane] = (REAL)value[lane];
}

static void fill_inputs(Training *training, int step, const double *weight_decay)
{
    double number[WIDEST_TRIAL], position[WIDEST_TRIAL], loss[WIDEST_TRIAL];
    for (int lane = 0; lane < training->lanes; lane++) {
        number[lane] = step + 1;
        position[lane] = (double)step / training->trial->steps;
        loss[lane] = (double)training->land.total[lane];
    }
    fill_scalar(training, 0, number);
    fill_scalar(training, 1, position);
    fill_scalar(training, 2, loss);
    fill_scalar(training, 3, weight_decay);
    if (training->parameter != training->vector[1])
        for (int t = 0; t < training->optimizee->tensors; t++) {
            const size_t offset = training->land.offset[t];
            memcpy(training->vector[1] + offset, training->parameter + offset,
                   sizeof(REAL) * (size_t)training->optimizee->size[t] * (size_t)training->lanes);
        }
}

/* Spreads numbers [coordinate][seed] over the lanes of the block. */
static void spread(const Training *training, const double *from, int count, REAL *to)
{
    const int seeds = training->trial->seeds;
    for (int i = 0; i < count; i++)
        for (int lane = 0; lane < training->lanes; lane++) {
            size_t at = (size_t)i * (size_t)seeds + (size_t)seed_of_lane(training, lane);
            to[(size_t)i * (size_t)training->lanes + (size_t)lane] = (REAL)from[at];
        }
}

static void start_training(Training *training)
{
    const Optimizee *optimizee = training->optimizee;
    const double *from = training->trial->start;
    for (int t = 0; t < optimizee->tensors; t++) {
        spread(training, from, optimizee->size[t], training->parameter + training->land.offset[t]);
        from += (size_t)optimizee->size[t] * (size_t)training->trial->seeds;
    }
    if (optimizee->kind == QUADRATIC)
        for (int i = 0; i < optimizee->size[0]; i++)
            training->land.rows[i] = (const REAL *)optimizee->matrix
                                     + (size_t)i * (size_t)optimizee->size[0];
    if (optimizee->kind != CLASSIFIER)
        spread(training, optimizee->optimum, optimizee->size[0], training->land.optimum);
}

/* Notes the losses of a step; whether a lane is still alive. */
static int record_losses(Training *training, int step, double *loss)
{
    int any_alive = 0;
    for (int lane = 0; lane < training->used_lanes; lane++) {
        double x = (double)training->land.total[lane];
        size_t at = (size_t)(training->first + lane) * (size_t)training->trial->steps;
        loss[at + (size_t)step] = training->alive[lane] ? x : NAN;
        training->alive[lane] &= isfinite(x) != 0;
        any_alive |= training->alive[lane] != 0;
    }
    return any_alive;
}

static void set_rates(Training *training, int step)
{
    const RuleTrial *trial = training->trial;
    const int lanes = training->lanes;
    for (int lane = 0; lane < lanes; lane++) {
        int setting = number_of_lane(training, lane) / trial->seeds;
        REAL rate = (REAL)(trial->learning_rate[setting] * trial->schedule[step]);
        for (int k = 0; k < 4; k++)
            training->rate[k * lanes + lane] = rate;
    }
}

static void train_block(Training *training, const LiveRule *live, RuleOutcome outcome)
{
    const RuleTrial *trial = training->trial;
    double weight_decay[WIDEST_TRIAL];
    for (int lane = 0; lane < training->lanes; lane++) {
        int setting = number_of_lane(training, lane) / trial->seeds;
        weight_decay[lane] = trial->weight_decay[setting];
        training->alive[lane] = lane < training->used_lanes;
    }
    memset(training->zeroed, 0, training->zeroed_bytes);
    bind_rule(training, live);
    run_component(training, RULE_SETUP);
    start_training(training);
    int step = 0, any_alive = 1;
    for (; step < trial->steps && any_alive; step++) {
        loss_and_gradient(&training->land, training->parameter, training->vector[0], step);
        any_alive = record_losses(training, step, outcome.loss);
        if (!any_alive)
            continue;
        fill_inputs(training, step, weight_decay);
        set_rates(training, step);
        run_component(training, RULE_UPDATE);
    }
    for (; step < trial->steps; step++)
        for (int lane = 0; lane < training->used_lanes; lane++)
            outcome.loss[(size_t)(training->first + lane) * (size_t)trial->steps + (size_t)step] =
                NAN;
    if (any_alive)
        final_loss(&training->land, training->parameter, training->vector[0]);
    for (int lane = 0; lane < training->used_lanes; lane++) {
        const double value = training->alive[lane] ? (double)training->land.total[lane] : NAN;
        outcome.final[training->first + lane] = value;
        outcome.accuracy[training->first + lane] =
            isfinite(value) ? (double)training->land.correct[lane] : NAN;
    }
}

/* Memory for the block of lanes from `first` on. Returns -1 when it is short. */
static int prepare_block(Training *training, Workspace *workspace, const LiveRule *live,
                         const RuleTrial *trial, int first)
{
    const int left = trial->seeds * trial->settings - first;
    memset(training, 0, sizeof *training);
    training->trial = trial;
    training->optimizee = training->land.optimizee = trial->optimizee;
    training->first = first;
    training->used_lanes = left < WIDEST_TRIAL ? left : WIDEST_TRIAL;
    training->lanes = training->land.lanes = (training->used_lanes + 3) / 4 * 4;
    char *const nowhere = (char *)(uintptr_t)ALIGNMENT;
    char *next = nowhere;
    training_memory(training, live, &next);
    if (workspace_reserve(&workspace->arena, &workspace->arena_bytes, (size_t)(next - nowhere)))
        return -1;
    next = workspace->arena;
    training_memory(training, live, &next);
    return 0;
}

static int try_rule(Workspace *workspace, const RuleView *rule, const RuleTrial *trial,
                    RuleOutcome outcome)
{
    LiveRule live;
    Training training;
    find_live_code(&live, rule);
    for (int first = 0; first < trial->seeds * trial->settings; first += WIDEST_TRIAL) {
        if (prepare_block(&training, workspace, &live, trial, first))
            return -1;
        train_block(&training, &live, outcome);
    }
    clear_upper_halves();
    return 0;
}

static int gradient_at_start(Workspace *workspace, const RuleTrial *trial, double *loss,
                             double *gradient)
{
    const RuleView nothing = {{NULL, NULL}, {0, 0}};
    const size_t seeds = (size_t)trial->seeds;
    LiveRule live;
    Training training;
    find_live_code(&live, &nothing);
    for (int first = 0; first < trial->seeds; first += WIDEST_TRIAL) {
        if (prepare_block(&training, workspace, &live, trial, first))
            return -1;
        memset(training.zeroed, 0, training.zeroed_bytes);
        start_training(&training);
        loss_and_gradient(&training.land, training.parameter, training.vector[0], 0);
        for (int lane = 0; lane < training.used_lanes; lane++) {
            const size_t seed = (size_t)(first + lane);
            double *to = gradient + seed;
            loss[seed] = (double)training.land.total[lane];
            for (int t = 0; t < trial->optimizee->tensors; t++) {
                const REAL *from = training.vector[0] + training.land.offset[t] + lane;
                for (int i = 0; i < trial->optimizee->size[t]; i++, to += seeds)
                    *to = (double)from[(size_t)i * (size_t)training.lanes];
            }
        }
    }
    clear_upper_halves();
    return 0;
}

const RuleKernels PASTE3(rules, REAL_NAME, ISA_SUFFIX);
const RuleKernels PASTE3(rules, REAL_NAME, ISA_SUFFIX) = {
    STRING(ISA_SUFFIX), try_rule, gradient_at_start, multiply_adds,
};
