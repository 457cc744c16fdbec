/* Liveness, canonical form and fingerprint of programs. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define ROW(id, NAME, kernel, in1, in2, out, n_constants, cost, flags, c0, c1, c2) \
    [id] = {in1, in2, out, n_constants, flags, {c0, c1, c2}, (double)cost},
const OpInfo OP_INFO[OP_COUNT] = {OP_TABLE(ROW)};
#undef ROW

void canonical_program_init(CanonicalProgram *canonical)
{
    memset(canonical, 0, sizeof *canonical);
}

void canonical_program_free(CanonicalProgram *canonical)
{
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        free(canonical->component[c].code);
        free(canonical->component[c].live_after);
    }
    free(canonical->scratch_reads);
    free(canonical->scratch_writes);
    memset(canonical, 0, sizeof *canonical);
}

static int reserve(CanonicalProgram *canonical, int size)
{
    if (size <= canonical->capacity)
        return 0;
    size = size < 64 ? 64 : size;
    canonical_program_free(canonical);
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        LiveComponent *live = &canonical->component[c];
        live->code = malloc((size_t)size * sizeof *live->code);
        live->live_after = malloc((size_t)size * sizeof *live->live_after);
        if (!live->code || !live->live_after)
            return -1;
    }
    size_t total = (size_t)size * COMPONENT_COUNT;
    canonical->scratch_reads = malloc(total * sizeof(RegisterSet));
    canonical->scratch_writes = malloc(total * sizeof(RegisterSet));
    if (!canonical->scratch_reads || !canonical->scratch_writes)
        return -1;
    canonical->capacity = size;
    return 0;
}

/* Registers needed before `size` instructions, given those needed after. */
static RegisterSet live_before(const RegisterSet *reads, const RegisterSet *writes, int size,
                               RegisterSet live)
{
    for (int i = size - 1; i >= 0; i--) {
        RegisterSet used = live & writes[i];
        live = used ? (live & ~writes[i]) | reads[i] : live;
    }
    return live;
}

typedef struct {
    uint8_t name[3 * MAX_REGISTERS];  /* new number of each register bit, 255 if none yet */
    uint8_t next[3];                  /* next free number per kind */
} Renaming;

static void renaming_start(Renaming *renaming)
{
    memset(renaming->name, 255, sizeof renaming->name);
    renaming->name[register_bit('s', 0)] = 0;  /* label */
    renaming->name[register_bit('s', 1)] = 1;  /* prediction */
    renaming->name[register_bit('v', 0)] = 0;  /* features */
    renaming->next[0] = 2;
    renaming->next[1] = 1;
    renaming->next[2] = 0;
}

static uint8_t rename_register(Renaming *renaming, char kind, uint8_t number)
{
    uint8_t *name = &renaming->name[register_bit(kind, number)];
    if (*name == 255)
        *name = renaming->next[kind == 's' ? 0 : kind == 'v' ? 1 : 2]++;
    return *name;
}

/* Inputs of a commutative instruction in a fixed order: known names first, the smaller
   first. Unknown names sort by old number, so that the result is its own canonical form. */
static void sort_inputs(const Renaming *renaming, const OpInfo *op, Instruction *instruction)
{
    uint8_t a = renaming->name[register_bit(op->in1, instruction->in1)];
    uint8_t b = renaming->name[register_bit(op->in2, instruction->in2)];
    if (b < a || (a == 255 && b == 255 && instruction->in2 < instruction->in1)) {
        uint8_t swap = instruction->in1;
        instruction->in1 = instruction->in2;
        instruction->in2 = swap;
    }
}

static void rename_instruction(Renaming *renaming, Instruction *instruction)
{
    const OpInfo *op = &OP_INFO[instruction->op];
    if (op->flags & OP_COMMUTATIVE)
        sort_inputs(renaming, op, instruction);
    if (op->in1)
        instruction->in1 = rename_register(renaming, op->in1, instruction->in1);
    if (op->in2)
        instruction->in2 = rename_register(renaming, op->in2, instruction->in2);
    if (op->out)
        instruction->out = rename_register(renaming, op->out, instruction->out);
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static void fingerprint(CanonicalProgram *canonical)
{
    uint64_t low = 0x243F6A8885A308D3ull, high = 0x13198A2E03707344ull;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        const LiveComponent *live = &canonical->component[c];
        for (int i = 0; i < live->size; i++) {
            uint64_t words[3];
            memcpy(words, &live->code[i], sizeof words);
            low = fold(low ^ words[0], GAMMA);
            high = fold(high + words[0], MIX_1);
            if (words[1] | words[2]) {  /* constants: few instructions have any */
                low = fold(low ^ words[1], MIX_2) ^ fold(words[2] ^ GAMMA, MIX_1);
                high = fold(high + words[2], MIX_2) + fold(words[1] ^ MIX_2, GAMMA);
            }
        }
        low = fold(low ^ (uint64_t)(c + 1), MIX_1);
        high = fold(high + (uint64_t)(live->size + 1), MIX_2);
    }
    canonical->key[0] = mix64(low ^ (high >> 32));
    canonical->key[1] = mix64(high ^ (low << 32));
}

enum { KEEP_LIVE = 1, KEEP_DEAD };

int canonicalize_program(CanonicalProgram *canonical, const ProgramView *program, int flags)
{
    const RegisterSet harness = LABEL | FEATURES;
    int largest = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        largest = program->size[c] > largest ? program->size[c] : largest;
    if (reserve(canonical, largest))
        return -1;

    RegisterSet *reads[COMPONENT_COUNT], *writes[COMPONENT_COUNT];
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        reads[c] = canonical->scratch_reads + (size_t)c * canonical->capacity;
        writes[c] = canonical->scratch_writes + (size_t)c * canonical->capacity;
        for (int i = 0; i < program->size[c]; i++) {
            const Instruction *ins = &program->code[c][i];
            const OpInfo *op = &OP_INFO[ins->op];
            RegisterSet out = op->out ? (RegisterSet)1 << register_bit(op->out, ins->out) : 0;
            RegisterSet in = op->flags & OP_KEEPS_OUTPUT ? out : 0;
            if (op->in1)
                in |= (RegisterSet)1 << register_bit(op->in1, ins->in1);
            if (op->in2)
                in |= (RegisterSet)1 << register_bit(op->in2, ins->in2);
            reads[c][i] = in;
            writes[c][i] = out;
        }
    }

    /* Predict runs after setup, after learn, and (in validation) after predict; the
       harness refills label and features before each run of predict and learn. */
    RegisterSet after[COMPONENT_COUNT], before_predict = 0, before_learn = 0;
    for (;;) {
        after[PREDICT] = PREDICTION | ((before_learn | before_predict) & ~harness);
        RegisterSet predict = live_before(reads[PREDICT], writes[PREDICT],
                                          program->size[PREDICT], after[PREDICT]);
        after[LEARN] = predict & ~harness;
        RegisterSet learn =
            live_before(reads[LEARN], writes[LEARN], program->size[LEARN], after[LEARN]);
        if (predict == before_predict && learn == before_learn)
            break;
        before_predict = predict;
        before_learn = learn;
    }
    after[SETUP] = before_predict & ~harness;

    Renaming renaming;
    renaming_start(&renaming);
    canonical->setup_cost = canonical->step_cost = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        LiveComponent *live = &canonical->component[c];
        const int size = program->size[c];
        const uint8_t keep_dead = flags & CANONICAL_KEEP_DEAD ? KEEP_DEAD : 0;
        RegisterSet needed = after[c];
        uint8_t keep[MAX_INSTRUCTIONS];
        live->size = 0;
        for (int i = size - 1; i >= 0; i--) {
            int used = (needed & writes[c][i]) != 0;
            if (used)
                needed = (needed & ~writes[c][i]) | reads[c][i];
            keep[i] = used ? KEEP_LIVE : writes[c][i] ? keep_dead : 0;
            live->size += keep[i] != 0;
        }
        /* Second pass, forward: copy, rename, and count what the component depends on. */
        int position = 0;
        live->reads_first = live->writes = 0;
        for (int i = 0; i < size; i++) {
            if (!keep[i])
                continue;
            Instruction *ins = &live->code[position++];
            *ins = program->code[c][i];
            double cost = keep[i] == KEEP_LIVE ? OP_INFO[ins->op].cost : 0;
            *(c == SETUP ? &canonical->setup_cost : &canonical->step_cost) += cost;
            if (!(flags & CANONICAL_KEEP_NAMES))
                rename_instruction(&renaming, ins);
            const OpInfo *op = &OP_INFO[ins->op];
            RegisterSet out = (RegisterSet)1 << register_bit(op->out, ins->out);
            RegisterSet in = op->flags & OP_KEEPS_OUTPUT ? out : 0;
            if (op->in1)
                in |= (RegisterSet)1 << register_bit(op->in1, ins->in1);
            if (op->in2)
                in |= (RegisterSet)1 << register_bit(op->in2, ins->in2);
            live->reads_first |= in & ~live->writes;
            live->writes |= out;
            /* completed below */
            live->live_after[position - 1] = in | (keep[i] == KEEP_DEAD ? DEAD_CODE : 0);
        }
    }

    /* `live_after` under the new names. Everything that survives is live, so one backward
       pass per component gives it; what is needed at the end is what a later component
       reads first. */
    RegisterSet state = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        state |= canonical->component[c].reads_first;
    state |= PREDICTION;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        LiveComponent *live = &canonical->component[c];
        RegisterSet needed = state;
        for (int i = live->size - 1; i >= 0; i--) {
            const Instruction *ins = &live->code[i];
            RegisterSet in = live->live_after[i] & ~DEAD_CODE;
            live->live_after[i] = needed | (live->live_after[i] & DEAD_CODE);
            RegisterSet out =
                (RegisterSet)1 << register_bit(OP_INFO[ins->op].out, ins->out);
            needed = (needed & ~out) | in;
        }
    }
    fingerprint(canonical);
    return 0;
}
