/* Drawing and mutating programs; the op table says how constants are drawn and mutated. */
#include "program_space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    double low, high;
    int mutation;
} RoleInfo;

#define ROW(number, NAME, low, high, mutation) [number] = {low, high, mutation},
static const RoleInfo ROLE_INFO[ROLE_COUNT] = {ROLE_TABLE(ROW)};
#undef ROW

int mutable_program_init(MutableProgram *program, int capacity)
{
    memset(program, 0, sizeof *program);
    Instruction *code = malloc((size_t)(capacity ? capacity : 1) * COMPONENT_COUNT * sizeof *code);
    if (!code)
        return -1;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        program->code[c] = code + (size_t)c * (size_t)capacity;
    program->capacity = capacity;
    return 0;
}

void mutable_program_free(MutableProgram *program)
{
    free(program->code[0]);
    memset(program, 0, sizeof *program);
}

void mutable_program_copy(MutableProgram *program, const ProgramView *source)
{
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        program->size[c] = source->size[c];
        if (source->size[c])
            memcpy(program->code[c], source->code[c],
                   (size_t)source->size[c] * sizeof(Instruction));
    }
}

int program_space_capacity(const ProgramSpace *space)
{
    int capacity = 1;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        capacity = space->init_size[c] > capacity ? space->init_size[c] : capacity;
        /* TRADE inserts before it removes. */
        capacity = space->max_size[c] + 1 > capacity ? space->max_size[c] + 1 : capacity;
    }
    return capacity;
}

static uint8_t draw_input(const ProgramSpace *space, Stream *stream, char kind)
{
    int count = space->registers[kind == 's' ? 0 : kind == 'v' ? 1 : 2];
    return (uint8_t)stream_below(stream, (uint32_t)count);
}

/* Evolved code never writes the label s0 or the features v0. */
static uint8_t draw_output(const ProgramSpace *space, Stream *stream, char kind)
{
    int first = kind != 'm', count = space->registers[kind == 's' ? 0 : kind == 'v' ? 1 : 2];
    return (uint8_t)(first + (int)stream_below(stream, (uint32_t)(count - first)));
}

static double get_constant(const Instruction *ins, int index)
{
    return OP_INFO[ins->op].flags & OP_ACT ? ins->act : (double)ins->f[index];
}

static void set_constant(Instruction *ins, int index, double value)
{
    if (OP_INFO[ins->op].flags & OP_ACT)
        ins->act = value;
    else
        ins->f[index] = (float)value;
}

/* Uniform in [low, high): 24 bits for float32 fields, so that rounding never reaches high. */
static double draw_constant(const Instruction *ins, const RoleInfo *role, Stream *stream)
{
    double u = OP_INFO[ins->op].flags & OP_ACT ? stream_uniform(stream)
                                               : (double)(stream_next(stream) >> 40) * 0x1p-24;
    return role->low + (role->high - role->low) * u;
}

static void draw_instruction(const ProgramSpace *space, Stream *stream, int component,
                             Instruction *ins)
{
    memset(ins, 0, sizeof *ins);
    ins->op = space->ops[component][stream_below(stream, (uint32_t)space->op_count[component])];
    const OpInfo *op = &OP_INFO[ins->op];
    if (op->in1)
        ins->in1 = draw_input(space, stream, op->in1);
    if (op->in2)
        ins->in2 = draw_input(space, stream, op->in2);
    if (op->out)
        ins->out = draw_output(space, stream, op->out);
    for (int i = 0; i < op->constants; i++)
        set_constant(ins, i, draw_constant(ins, &ROLE_INFO[op->role[i]], stream));
}

static void draw_component(const ProgramSpace *space, Stream *stream, int component,
                           MutableProgram *program)
{
    for (int i = 0; i < program->size[component]; i++)
        draw_instruction(space, stream, component, &program->code[component][i]);
}

void program_space_draw(const ProgramSpace *space, Stream *stream, MutableProgram *program)
{
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        program->size[c] = space->init_size[c];
        if (space->op_count[c])
            draw_component(space, stream, c, program);
        else
            memset(program->code[c], 0, (size_t)program->size[c] * sizeof(Instruction));
    }
}

/* Log-normal change of magnitude, sigma 1; "scale or flip" flips the sign instead with
   probability 0.1. Zero has no magnitude to scale. */
static double scaled(double value, int may_flip, Stream *stream)
{
    if (may_flip && stream_uniform(stream) < 0.1)
        return -value;
    double magnitude = fabs(value);
    if (magnitude == 0)
        return value;
    double change = exp(log(magnitude) + stream_normal(stream));
    return isfinite((float)change) ? copysign(change, value) : value;
}

/* The odds of a weight times a log-normal factor, sigma ln 10. */
static double with_other_odds(double weight, Stream *stream)
{
    double change = M_LN10 * stream_normal(stream);
    double changed = 1 / (1 + exp(log1p(-weight) - log(weight) - change));
    return changed > 0 && changed < 1 ? changed : weight;
}

static void alter_constant(const ProgramSpace *space, Stream *stream, Instruction *ins)
{
    const OpInfo *op = &OP_INFO[ins->op];
    int index = (int)stream_below(stream, op->constants);
    const RoleInfo *role = &ROLE_INFO[op->role[index]];
    double value = get_constant(ins, index);
    const int log_odds = role->mutation == MUTATE_LOG_ODDS;
    if (role->mutation == MUTATE_REDRAW || (space->zero_constants_mutate && value == 0)
        || (log_odds && !(value > 0 && value < 1)))  /* 0 and 1 have no odds to scale */
        value = draw_constant(ins, role, stream);
    else if (log_odds)
        value = with_other_odds(value, stream);
    else
        value = scaled(value, role->mutation == MUTATE_SCALE_OR_FLIP, stream);
    set_constant(ins, index, value);
    if (op->role[0] == ROLE_LOW && ins->f[0] > ins->f[1]) {
        float low = ins->f[1];
        ins->f[1] = ins->f[0];
        ins->f[0] = low;
    }
}

static void alter_instruction(const ProgramSpace *space, Stream *stream, Instruction *ins)
{
    const OpInfo *op = &OP_INFO[ins->op];
    if (!op->out)
        return;
    int inputs = (op->in1 != 0) + (op->in2 != 0);
    int choice = (int)stream_below(stream, (uint32_t)(1 + inputs + (op->constants != 0)));
    if (choice == 0)
        ins->out = draw_output(space, stream, op->out);
    else if (choice > inputs)
        alter_constant(space, stream, ins);
    else if (choice == 1)
        ins->in1 = draw_input(space, stream, op->in1);
    else
        ins->in2 = draw_input(space, stream, op->in2);
}

/* Both return the position. */
static int insert_instruction(const ProgramSpace *space, Stream *stream, int component,
                               MutableProgram *program)
{
    Instruction *code = program->code[component];
    int size = program->size[component]++;
    int position = (int)stream_below(stream, (uint32_t)size + 1);
    memmove(code + position + 1, code + position, (size_t)(size - position) * sizeof *code);
    draw_instruction(space, stream, component, &code[position]);
    return position;
}

static int remove_instruction(Stream *stream, int component, MutableProgram *program)
{
    Instruction *code = program->code[component];
    int size = program->size[component]--;
    int position = (int)stream_below(stream, (uint32_t)size);
    memmove(code + position, code + position + 1, (size_t)(size - position - 1) * sizeof *code);
    return position;
}

/* A component function that may change: uniform among those with ops; -1 if none has. */
static int draw_component_number(const ProgramSpace *space, Stream *stream)
{
    int open[COMPONENT_COUNT], count = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        if (space->op_count[c])
            open[count++] = c;
    return count ? open[stream_below(stream, (uint32_t)count)] : -1;
}

static int draw_mutation(const ProgramSpace *space, Stream *stream)
{
    double total = 0, sum = 0;
    int last = IDENTITY;
    for (int m = 0; m < MUTATION_COUNT; m++)
        total += space->mutation_weight[m];
    double u = stream_uniform(stream) * total;
    for (int m = 0; m < MUTATION_COUNT; m++) {
        if (space->mutation_weight[m] <= 0)
            continue;
        last = m;
        sum += space->mutation_weight[m];
        if (u < sum)
            break;
    }
    return last;
}

Mutation program_space_mutate(const ProgramSpace *space, Stream *stream,
                              MutableProgram *program)
{
    Mutation done = {.mutation = MUTATION_COUNT, .change = CHANGED_NOTHING};
    if (space->mutation_probability < 1 && stream_uniform(stream) >= space->mutation_probability)
        return done;
    done.mutation = draw_mutation(space, stream);
    if (done.mutation == IDENTITY)
        return done;
    if (done.mutation == RANDOMIZE_ALGORITHM) {
        for (int c = 0; c < COMPONENT_COUNT; c++)
            if (space->op_count[c])
                draw_component(space, stream, c, program);
        done.change = CHANGED_MUCH;
        return done;
    }
    int c = draw_component_number(space, stream);
    if (c < 0)
        return done;
    int size = program->size[c];
    done.component = c;
    switch (done.mutation) {
    case ALTER_PARAM:
    case RANDOMIZE_INSTRUCTION:
        if (!size)
            break;
        done.change = REPLACED_ONE;
        done.position = (int)stream_below(stream, (uint32_t)size);
        if (done.mutation == ALTER_PARAM)
            alter_instruction(space, stream, &program->code[c][done.position]);
        else
            draw_instruction(space, stream, c, &program->code[c][done.position]);
        break;
    case RANDOMIZE_COMPONENT_FUNCTION:
        done.change = CHANGED_MUCH;
        draw_component(space, stream, c, program);
        break;
    case INSERT_INSTRUCTION:
        if (size >= space->max_size[c])
            break;
        done.change = INSERTED_ONE;
        done.position = insert_instruction(space, stream, c, program);
        break;
    case REMOVE_INSTRUCTION:
        if (size <= space->min_size[c])
            break;
        done.change = REMOVED_ONE;
        done.position = remove_instruction(stream, c, program);
        break;
    case TRADE_INSTRUCTION:
        if (size >= program->capacity)
            break;
        done.change = CHANGED_MUCH;
        insert_instruction(space, stream, c, program);
        remove_instruction(stream, c, program);
        break;
    }
    return done;
}
