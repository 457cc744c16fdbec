/* An update rule's live code, and how far each instruction reaches. Included by
   update_rule_impl.h. */

#define STEP SCALAR_BIT(0)
#define SCHEDULE SCALAR_BIT(1)
#define LOSS SCALAR_BIT(2)
#define WEIGHT_DECAY SCALAR_BIT(3)
#define GRADIENT VECTOR_BIT(0)
#define PARAMETER VECTOR_BIT(1)
#define UPDATE VECTOR_BIT(2)
#define FILLED (STEP | SCHEDULE | LOSS | WEIGHT_DECAY | GRADIENT | PARAMETER)

typedef struct {
    const Instruction *code[RULE_COMPONENTS][MAX_INSTRUCTIONS];
    int size[RULE_COMPONENTS];
    RegisterSet used, written;
} LiveRule;

/* Registers needed before a component, given those needed after; keeps its live code. */
static RegisterSet live_component(LiveRule *live, const RuleView *rule, int component,
                                  RegisterSet needed)
{
    int first = MAX_INSTRUCTIONS;
    for (int i = rule->size[component] - 1; i >= 0; i--) {
        const Instruction *ins = &rule->code[component][i];
        if (!(registers_written(ins) & needed))
            continue;
        needed = (needed & ~registers_written(ins)) | registers_read(ins);
        live->code[component][--first] = ins;
    }
    live->size[component] = MAX_INSTRUCTIONS - first;
    memmove(live->code[component], live->code[component] + first,
            (size_t)live->size[component] * sizeof live->code[component][0]);
    return needed;
}

static void find_live_code(LiveRule *live, const RuleView *rule)
{
    RegisterSet before = 0, found = 0;
    do {
        before = found;
        found = live_component(live, rule, RULE_UPDATE, before | UPDATE) & ~FILLED;
    } while (found != before);
    live_component(live, rule, RULE_SETUP, before);
    live->used = UPDATE | GRADIENT | PARAMETER;
    live->written = 0;
    for (int c = 0; c < RULE_COMPONENTS; c++)
        for (int i = 0; i < live->size[c]; i++) {
            live->written |= registers_written(live->code[c][i]);
            live->used |= registers_written(live->code[c][i]) | registers_read(live->code[c][i]);
        }
}

/* How an instruction runs: at once, on all of a tensor; on a piece of it at a time, with the
   elementwise instructions around it; or, the global norm, once all tensors have come so far. */
typedef enum { ON_SCALARS, ON_PIECES, ON_TENSOR, ON_ALL } Extent;

static Extent extent_of(const OpInfo *op, int number)
{
    if (number == VECTOR_GLOBAL_NORM_OP)
        return ON_ALL;
    if (op->in1 == 'v' && op->out == 's')
        return ON_TENSOR;
    if (op->out == 's')
        return ON_SCALARS;
    return op->flags & (OP_RANDOM | OP_KEEPS_OUTPUT) ? ON_TENSOR : ON_PIECES;
}
