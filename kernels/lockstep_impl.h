/* The interpreter for one precision: binds a canonical program to memory and leaf
   functions, then drives it through training and validation.

   Included with REAL_BITS (64 or 32), ISA_SUFFIX and VECTOR_BYTES defined. */
#include "bound.h"

#define VARIANT F4_L16
#define FEATURE_COUNT 4
#define LANE_COUNT 16
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT F8_L16
#define FEATURE_COUNT 8
#define LANE_COUNT 16
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT F16_L16
#define FEATURE_COUNT 16
#define LANE_COUNT 16
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT F4
#define FEATURE_COUNT 4
#define LANE_COUNT bound->lanes
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT F16
#define FEATURE_COUNT 16
#define LANE_COUNT bound->lanes
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT any
#define FEATURE_COUNT bound->features
#define LANE_COUNT bound->lanes
#define LAYOUT LANES
#include "leaf_functions.h"
#define VARIANT L1
#define FEATURE_COUNT bound->features
#define LANE_COUNT 1
#define LAYOUT ONE_LANE
#include "leaf_functions.h"

/* Ten tasks, the original project's batch, do not fill 8-wide vectors. */
#define PACKED_LANES (REAL_BITS == 64 ? 10 : 12)
#if VECTOR_BYTES == 64
#define VARIANT F4_packed
#define FEATURE_COUNT 4
#define LANE_COUNT PACKED_LANES
#define LAYOUT PACKED
#include "leaf_functions.h"
#define VARIANT F8_packed
#define FEATURE_COUNT 8
#define LANE_COUNT PACKED_LANES
#define LAYOUT PACKED
#include "leaf_functions.h"
#define VARIANT F16_packed
#define FEATURE_COUNT 16
#define LANE_COUNT PACKED_LANES
#define LAYOUT PACKED
#include "leaf_functions.h"
#endif

#define VARIANT_LEAVES(variant) PASTE3(leaves, REAL_NAME, variant)

/* Lanes of a block of tasks: as few as fill vectors, or for nine or ten tasks packed ones:
   200 random programs at F = 4 took 0.65 us per task packed and 0.73 in 16 lanes, the
   two-layer network at F = 16 3.8 and 5.5. */
static int block_lanes(int tasks, int features)
{
    int packs = VECTOR_BYTES == 64 && (features == 4 || features == 8 || features == 16);
    if (packs && tasks > 8 && tasks <= PACKED_LANES)
        return PACKED_LANES;
    return (tasks + WIDTH - 1) / WIDTH * WIDTH;
}

static const Leaf *choose_leaves(int features, int lanes)
{
#if VECTOR_BYTES == 64
    if (lanes == PACKED_LANES)
        return features == 4 ? VARIANT_LEAVES(F4_packed)
               : features == 8 ? VARIANT_LEAVES(F8_packed) : VARIANT_LEAVES(F16_packed);
#endif
    if (lanes == 1)
        return VARIANT_LEAVES(L1);
    if (lanes == 16 && features == 4)
        return VARIANT_LEAVES(F4_L16);
    if (lanes == 16 && features == 8)
        return VARIANT_LEAVES(F8_L16);
    if (lanes == 16 && features == 16)
        return VARIANT_LEAVES(F16_L16);
    return features == 4 ? VARIANT_LEAVES(F4) : features == 16 ? VARIANT_LEAVES(F16)
                                                               : VARIANT_LEAVES(any);
}

/* Where a component's instructions read the features and the label: pointed at each
   example's row in turn, so that no row is ever copied. */
typedef struct {
    Bound *code;
    int count, random;
    const REAL ***feature_slots, ***label_slots;
    int feature_count, label_count;
} BoundComponent;

typedef struct {
    REAL *reg[3 * MAX_REGISTERS];
    char *registers;  /* start and size of all registers, to zero them */
    size_t register_bytes;
    REAL *scratch;
    uint64_t *keys;  /* [random instruction][lane] */
    int features, lanes, used_lanes;  /* lanes beyond the used ones hold no task */
    const Leaf *leaves;
    BoundComponent component[COMPONENT_COUNT];
    RegisterSet state, uniform;  /* of a wide frame: what predict needs from before, and which
                                    matrices of it all lanes share */
    int copies_features, copies_label;  /* the program writes v0 or s0: copy, don't point */
} Frame;

static size_t register_elements(int bit, int features, int lanes)
{
    size_t f = (size_t)features;
    return (size_t)lanes * (bit < MAX_REGISTERS ? 1 : bit < 2 * MAX_REGISTERS ? f : f * f);
}

static size_t scratch_elements(int features, int lanes)
{
    size_t f = (size_t)features;
    return f * f * (size_t)lanes + (lanes == 1 ? 4 * f : 0);
}

static int random_count(const CanonicalProgram *program)
{
    int count = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        for (int i = 0; i < program->component[c].size; i++)
            count += (OP_INFO[program->component[c].code[i].op].flags & OP_RANDOM) != 0;
    return count;
}

static size_t frame_bytes(RegisterSet used, int features, int lanes, int instructions,
                          int randoms)
{
    size_t bytes = padded(scratch_elements(features, lanes) * sizeof(REAL));
    for (RegisterSet left = used; left; left &= left - 1)
        bytes += padded(register_elements(__builtin_ctzll(left), features, lanes) * sizeof(REAL));
    bytes += padded((size_t)instructions * sizeof(Bound)) + COMPONENT_COUNT * ALIGNMENT;
    bytes += padded((size_t)instructions * 6 * sizeof(REAL **)) + 6 * ALIGNMENT;
    return bytes + padded((size_t)randoms * ((size_t)lanes + 8) * sizeof(uint64_t));
}

static void frame_registers(Frame *frame, RegisterSet used, int features, int lanes, char **next)
{
    frame->features = features;
    frame->lanes = frame->used_lanes = lanes;
    frame->leaves = choose_leaves(features, lanes);
    frame->registers = *next;
    for (RegisterSet left = used; left; left &= left - 1) {
        int bit = __builtin_ctzll(left);
        frame->reg[bit] = take(next, register_elements(bit, features, lanes) * sizeof(REAL));
    }
    frame->register_bytes = (size_t)(*next - frame->registers);
    frame->scratch = take(next, scratch_elements(features, lanes) * sizeof(REAL));
}

/* Which leaf runs two instructions at once; 0: none. Operand positions as in the leaves. */
static int pair_first(int op)
{
    switch (op) {
    case SCALAR_SUM_OP: return PAIR_SCALAR + PAIR_SUM * PAIR_SECOND_COUNT;
    case SCALAR_DIFF_OP: return PAIR_SCALAR + PAIR_DIFF * PAIR_SECOND_COUNT;
    case SCALAR_PRODUCT_OP: return PAIR_SCALAR + PAIR_PRODUCT * PAIR_SECOND_COUNT;
    case SCALAR_HEAVYSIDE_OP: return PAIR_SCALAR + PAIR_HEAVYSIDE * PAIR_SECOND_COUNT;
    case VECTOR_SUM_OP: return PAIR_VECTOR + PAIR_SUM * PAIR_SECOND_COUNT;
    case VECTOR_DIFF_OP: return PAIR_VECTOR + PAIR_DIFF * PAIR_SECOND_COUNT;
    case VECTOR_PRODUCT_OP: return PAIR_VECTOR + PAIR_PRODUCT * PAIR_SECOND_COUNT;
    case VECTOR_HEAVYSIDE_OP: return PAIR_VECTOR + PAIR_HEAVYSIDE * PAIR_SECOND_COUNT;
    default: return 0;
    }
}

static int pair_second(int op, int result_is_second)
{
    switch (op) {
    case SCALAR_SUM_OP: case VECTOR_SUM_OP: return THEN_SUM;
    case SCALAR_DIFF_OP: case VECTOR_DIFF_OP:
        return result_is_second ? THEN_NEGATED_DIFF : THEN_DIFF;
    case SCALAR_PRODUCT_OP: case VECTOR_PRODUCT_OP: return THEN_PRODUCT;
    case SCALAR_MAX_OP: case VECTOR_MAX_OP:
        return result_is_second ? THEN_MAX_OF_OTHER : THEN_MAX;
    default: return -1;
    }
}

/* The merged leaf for instruction i and the next, which uses its result once; or 0.
   Every result is rounded as if it went through memory, so merging changes no bit. */
static int merged_leaf(const LiveComponent *live, int i)
{
    if (i + 1 >= live->size)
        return 0;
    const Instruction *ins = &live->code[i], *next = &live->code[i + 1];
    const OpInfo *op = &OP_INFO[ins->op], *next_op = &OP_INFO[next->op];
    if (!op->out || next_op->in1 != op->out || next_op->in2 != op->out)
        return 0;
    if ((next->in1 == ins->out) == (next->in2 == ins->out))
        return 0;
    int result_is_second = next->in2 == ins->out;
    int base = pair_first(ins->op);
    if (base) {
        int second = pair_second(next->op, result_is_second);
        return second < 0 ? 0 : base + second;
    }
    /* Products whose result is not stored, so it must not be needed any more. */
    if (ins->op == SCALAR_VECTOR_PRODUCT_OP)
        base = SCALED_THEN_SUM;
    else if (ins->op == VECTOR_OUTER_PRODUCT_OP)
        base = OUTER_THEN_SUM;
    else
        return 0;
    if ((live->live_after[i + 1] & registers_written(ins)) && next->out != ins->out)
        return 0;
    if (next->op == VECTOR_SUM_OP || next->op == MATRIX_SUM_OP)
        return base;
    if (next->op == VECTOR_DIFF_OP || next->op == MATRIX_DIFF_OP)
        return result_is_second ? base + 1 : base + 2;
    return 0;
}

typedef struct {
    BoundComponent *bound;
    const Frame *frame;
    int component;
} Binder;

/* Points an operand at a register, and notes where the rows of examples go instead. */
static void bind_input(const Binder *binder, const REAL **slot, char kind, int number)
{
    int bit = register_bit(kind, number);
    const Frame *frame = binder->frame;
    *slot = frame->reg[bit];
    if (binder->component == SETUP)
        return;
    if (((RegisterSet)1 << bit) == FEATURES && !frame->copies_features)
        binder->bound->feature_slots[binder->bound->feature_count++] = slot;
    if (((RegisterSet)1 << bit) == LABEL && binder->component == LEARN && !frame->copies_label)
        binder->bound->label_slots[binder->bound->label_count++] = slot;
}

static void bind_component(Frame *frame, const LiveComponent *live, int component, int flags,
                           RegisterSet uniform, char **next, uint64_t **keys)
{
    BoundComponent *target = &frame->component[component];
    Binder binder = {target, frame, component};
    memset(target, 0, sizeof *target);
    target->code = take(next, (size_t)live->size * sizeof(Bound));
    target->feature_slots = take(next, (size_t)live->size * 3 * sizeof(REAL **));
    target->label_slots = take(next, (size_t)live->size * 3 * sizeof(REAL **));
    for (int i = 0; i < live->size; i++) {
        const Instruction *ins = &live->code[i];
        const OpInfo *op = &OP_INFO[ins->op];
        Bound *bound = &target->code[target->count++];
        bound->features = frame->features;
        bound->lanes = frame->lanes;
        bound->used_lanes = frame->used_lanes;
        bound->scratch = frame->scratch;
        bound->keys = NULL;
        bound->draws = 0;
        bound->run = frame->leaves[op->leaf];
        if (ins->op >= OP_COUNT)
            bound->function = CUSTOM_FUNCTIONS[ins->op - OP_COUNT].REAL_NAME;
        if (op->in1)
            bind_input(&binder, &bound->a, op->in1, ins->in1);
        if (op->in2)
            bind_input(&binder, &bound->b, op->in2, ins->in2);
        bind_constants(bound, ins, frame->leaves, frame->features);
        if (op->in1 == 'm' && uniform >> register_bit('m', ins->in1) & 1)
            bound->run = frame->leaves[UNIFORM_MATRIX_VECTOR];
        if (op->flags & OP_RANDOM) {
            bound->keys = *keys;
            *keys += frame->lanes + 8;  /* vectors of keys may reach past the last lane */
            target->random++;
        }
        bound->out = op->out ? frame->reg[register_bit(op->out, ins->out)] : NULL;
        int merged = flags & RUN_NO_FUSION ? 0 : merged_leaf(live, i);
        if (merged) {
            bound->first_out = bound->out;
            if (!op->in2)
                bound->b = bound->a;  /* loaded, not used */
            const Instruction *sum = &live->code[++i];
            int other = sum->in1 == ins->out ? sum->in2 : sum->in1;
            bound->run = frame->leaves[merged];
            bind_input(&binder, &bound->c, OP_INFO[sum->op].in1, other);
            bound->out = frame->reg[register_bit(OP_INFO[sum->op].out, sum->out)];
        }
    }
}

/* Keys of the random instructions for each lane. `steps_per_lane` is 0 when lanes are
   tasks, 1 when lanes are consecutive examples of one task. */
static void set_keys(Frame *frame, const LiveComponent *live, int component,
                     const uint64_t *seeds, int seed_count, int steps_per_lane)
{
    BoundComponent *target = &frame->component[component];
    if (!target->random)
        return;
    int position = 0;
    uint64_t ordinal = 0;
    for (int i = 0; i < target->count; i++) {
        Bound *bound = &target->code[i];
        if (!bound->keys)
            continue;
        while (!(OP_INFO[live->code[position].op].flags & OP_RANDOM))
            position++;
        int dead = (live->live_after[position] & DEAD_CODE) != 0;
        uint64_t number = dead ? ((uint64_t)1 << 32) + (uint64_t)position : ordinal++;
        position++;
        uint64_t *keys = (uint64_t *)bound->keys;
        for (int lane = 0; lane < frame->lanes + 8; lane++) {
            int task = lane < seed_count ? lane : seed_count - 1;
            keys[lane] = instruction_key(seeds[task], component, number)
                         + (uint64_t)(steps_per_lane * lane) * bound->draws;
        }
    }
}

/* Makes the next run of the component step number `step`. */
static void set_step(BoundComponent *component, uint64_t step)
{
    if (component->random)
        for (int i = 0; i < component->count; i++)
            component->code[i].offset = step * component->code[i].draws;
}

INLINE void point(const REAL ***slots, int count, const REAL *row)
{
    for (int i = 0; i < count; i++)
        *slots[i] = row;
}

INLINE void run(const BoundComponent *component)
{
    Bound *end = component->code + component->count;
    for (Bound *bound = component->code; bound != end; bound++)
        bound->run(bound);
}

#include "lockstep_run.h"
#include "lockstep_wide.h"
#include "lockstep_evaluate.h"
