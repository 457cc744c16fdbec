/* Liveness, canonical form and fingerprint of programs. */
#include "program.h"

#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define FIRST(kind)                                                             \
    (kind == 's' ? (RegisterSet)1 : kind == 'v' ? (RegisterSet)1 << MAX_REGISTERS \
     : kind == 'm' ? (RegisterSet)1 << (2 * MAX_REGISTERS) : 0)
#define BIT(kind)                                                               \
    (kind == 's' ? 0 : kind == 'v' ? MAX_REGISTERS                              \
     : kind == 'm' ? 2 * MAX_REGISTERS : NO_REGISTER)
#define ROW(id, NAME, kernel, in1, in2, out, n_constants, cost, flags, c0, c1, c2) \
    [id] = {in1, in2, out, n_constants, flags, {c0, c1, c2},                       \
            FIRST(in1), FIRST(in2), FIRST(out), BIT(in1), BIT(in2), BIT(out),            \
            LEAF_OF(id), 0,                                                             \
            (double)cost},
OpInfo OP_INFO[OP_CAPACITY] = {OP_TABLE(ROW)};
#undef ROW

CustomFunctions CUSTOM_FUNCTIONS[CUSTOM_OP_COUNT];

void set_custom_op(int id, char kind, int inputs, int flags, double cost, uint32_t salt,
                   CustomFunctions functions)
{
    const char second = inputs > 1 ? kind : 0;
    const uint8_t leaf = kind == 's' ? CUSTOM_SCALAR : kind == 'v' ? CUSTOM_VECTOR : CUSTOM_MATRIX;
    OP_INFO[id] = (OpInfo){kind, second, kind, 0, (uint8_t)flags, {ROLE_NONE},
                           FIRST(kind), FIRST(second), FIRST(kind),
                           BIT(kind), BIT(second), BIT(kind), leaf, salt, cost};
    CUSTOM_FUNCTIONS[id - OP_COUNT] = functions;
}

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
    free(canonical->gap[0]);
    free(canonical->scratch_reads);
    free(canonical->scratch_writes);
    free(canonical->scratch_live);
    memset(canonical, 0, sizeof *canonical);
}

static int reserve(CanonicalProgram *canonical, int size)
{
    if (canonical->capacity && size <= canonical->capacity)
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
    /* One more than fits: a dead last instruction is written, then dropped. */
    canonical->scratch_live = malloc((total + COMPONENT_COUNT) * sizeof(uint16_t));
    canonical->gap[0] = malloc((total + COMPONENT_COUNT) * sizeof(RegisterSet));
    if (!canonical->scratch_reads || !canonical->scratch_writes || !canonical->scratch_live
        || !canonical->gap[0])
        return -1;
    for (int c = 1; c < COMPONENT_COUNT; c++)
        canonical->gap[c] = canonical->gap[c - 1] + size + 1;
    canonical->capacity = size;
    return 0;
}

/* Registers needed before `size` instructions, given those needed after; fills the gaps. Without branches:
   whether an instruction is live is as good as random. */
static RegisterSet live_before(const RegisterSet *reads, const RegisterSet *writes, int size,
                               RegisterSet live, RegisterSet *gap)
{
    gap[size] = live;
    for (int i = size - 1; i >= 0; i--) {
        RegisterSet used = -(RegisterSet)((live & writes[i]) != 0);
        live = (live & ~writes[i]) | (reads[i] & used);
        gap[i] = live;
    }
    return live;
}

typedef struct {
    uint8_t name[64];  /* new number of each register bit, 255 if none yet */
    uint8_t next[64];  /* next free number, at the first bit of each kind */
    RegisterSet zeros; /* always +0, so all of one kind are the same register */
} Renaming;

/* Of registers that are always +0, the lowest of the kind stands for all. */
static inline unsigned stand_in(RegisterSet zeros, int bit, unsigned number)
{
    RegisterSet of_kind = zeros >> bit & (((RegisterSet)1 << MAX_REGISTERS) - 1);
    return of_kind >> number & 1 ? (unsigned)__builtin_ctzll(of_kind) : number;
}

static void renaming_start(Renaming *renaming, RegisterSet zeros)
{
    renaming->zeros = zeros;
    memset(renaming->name, 255, sizeof renaming->name);
    renaming->name[register_bit('s', 0)] = 0;  /* label */
    renaming->name[register_bit('s', 1)] = 1;  /* prediction */
    renaming->name[register_bit('v', 0)] = 0;  /* features */
    renaming->name[NO_REGISTER] = 0;
    renaming->next[register_bit('s', 0)] = 2;
    renaming->next[register_bit('v', 0)] = 1;
    renaming->next[register_bit('m', 0)] = 0;
    renaming->next[NO_REGISTER] = 0;
}

/* The new number of register `number` of the kind whose first bit is `bit`. */
static inline uint64_t rename_register(Renaming *renaming, int bit, unsigned number)
{
    uint8_t *name = &renaming->name[bit + (int)number];
    uint8_t *next = &renaming->next[bit];
    int fresh = *name == 255;
    uint8_t new_name = fresh ? *next : *name;
    *name = new_name;
    *next = (uint8_t)(*next + fresh);
    return new_name;
}

/* The first eight bytes of an instruction (op, registers, f[0]) with new register numbers.
   Inputs of a commutative instruction go in a fixed order: known names first, the smaller
   first; unknown names sort by old number, so that the result is its own canonical form.
   Whole words, because reading eight bytes that were just written one by one stalls. */
static inline uint64_t rename_word(Renaming *renaming, const OpInfo *op, uint64_t word)
{
    unsigned a = word >> 8 & 255, b = word >> 16 & 255, out = word >> 24 & 255;
    a = stand_in(renaming->zeros, op->bit1, a);
    b = stand_in(renaming->zeros, op->bit2, b);
    if (op->flags & OP_COMMUTATIVE) {
        unsigned by_name_a = (unsigned)renaming->name[op->bit1 + a] << 8 | a;
        unsigned by_name_b = (unsigned)renaming->name[op->bit2 + b] << 8 | b;
        unsigned smaller = by_name_a < by_name_b ? a : b;
        b = a + b - smaller;
        a = smaller;
    }
    uint64_t in1 = rename_register(renaming, op->bit1, a);
    uint64_t in2 = rename_register(renaming, op->bit2, b);
    uint64_t new_out = rename_register(renaming, op->bit_out, out);
    return (word & 0xFFFFFFFF000000FFull) | in1 << 8 | in2 << 16 | new_out << 24;
}

static inline RegisterSet word_reads(const OpInfo *op, uint64_t word)
{
    RegisterSet kept = -(RegisterSet)((op->flags & OP_KEEPS_OUTPUT) != 0);
    return op->first1 << (word >> 8 & 255) | op->first2 << (word >> 16 & 255)
           | (op->first_out << (word >> 24 & 255) & kept);
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A 128-bit hash that takes an instruction at a time. */
typedef struct {
    uint64_t low, high;
} Fingerprint;

static inline void fingerprint_add(Fingerprint *hash, const OpInfo *op, const uint64_t words[3])
{
    /* Ids of users' own ops depend on the process; they have no constants, so there is room. */
    const uint64_t first = ((words[0] & ~(uint64_t)255) | op->leaf) ^ (uint64_t)op->salt << 32;
    hash->low = fold(hash->low ^ first, GAMMA);
    hash->high = fold(hash->high + first, MIX_1);
    if (words[1] | words[2]) {  /* constants: few instructions have any */
        hash->low = fold(hash->low ^ words[1], MIX_2) ^ fold(words[2] ^ GAMMA, MIX_1);
        hash->high = fold(hash->high + words[2], MIX_2) + fold(words[1] ^ MIX_2, GAMMA);
    }
}

static inline void fingerprint_end_component(Fingerprint *hash, int component, int size)
{
    hash->low = fold(hash->low ^ (uint64_t)(component + 1), MIX_1);
    hash->high = fold(hash->high + (uint64_t)(size + 1), MIX_2);
}

/* `live_after` of all instructions. Everything that survived is live, so one backward pass
   per component gives it; what is needed at the end is what any component reads first. */
static void complete_live_after(CanonicalProgram *canonical)
{
    RegisterSet state = PREDICTION;
    for (int c = 0; c < COMPONENT_COUNT; c++)
        state |= canonical->component[c].reads_first;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        LiveComponent *live = &canonical->component[c];
        RegisterSet needed = state;
        for (int i = live->size - 1; i >= 0; i--) {
            live->live_after[i] = needed | (live->live_after[i] & DEAD_CODE);
            needed = (needed & ~registers_written(&live->code[i]))
                     | registers_read(&live->code[i]);
        }
    }
}

/* Positions of the instructions of a component that are kept. */
typedef struct {
    uint16_t *index;
    int size;
} Kept;

static inline int keeps_zero(const Instruction *ins)
{
    return (OP_INFO[ins->op].flags & OP_KEEPS_ZERO) != 0;
}

/* Drops instructions that write zeros where zeros are already, which is a third of the live
   code in the demo. Memory starts at +0, and many ops give +0 if all inputs are +0. Returns
   the registers that are always +0. `after_setup`: registers needed after setup. */
static RegisterSet drop_zeros(const ProgramView *program, Kept kept[COMPONENT_COUNT],
                              RegisterSet *const reads[], RegisterSet *const writes[],
                              RegisterSet after_setup)
{
    /* In setup every register starts at zero, also those that the harness fills later. */
    RegisterSet nonzero = 0;
    int size = 0;
    for (int i = 0; i < kept[SETUP].size; i++) {
        const int at = kept[SETUP].index[i];
        const RegisterSet in = reads[SETUP][at], out = writes[SETUP][at];
        const int zero = keeps_zero(&program->code[SETUP][at]) && !(in & nonzero);
        kept[SETUP].index[size] = (uint16_t)at;
        size += !(zero && !(out & nonzero));
        nonzero = zero ? nonzero & ~out : nonzero | out;
    }
    if (size != kept[SETUP].size) {
        /* What only the dropped ones needed is dead now. */
        RegisterSet needed = after_setup;
        int first = size;
        for (int i = size - 1; i >= 0; i--) {
            const int at = kept[SETUP].index[i];
            if (!(writes[SETUP][at] & needed))
                continue;
            needed = (needed & ~writes[SETUP][at]) | reads[SETUP][at];
            kept[SETUP].index[--first] = (uint16_t)at;
        }
        kept[SETUP].index += first;
        kept[SETUP].size = size - first;
    }

    /* Registers that something else than +0 may be written to, anywhere: first by the
       instructions that are settled at once, then by the few others until nothing changes. */
    RegisterSet changing = LABEL | PREDICTION | FEATURES, before;
    RegisterSet in[COMPONENT_COUNT * MAX_INSTRUCTIONS], out[COMPONENT_COUNT * MAX_INSTRUCTIONS];
    int open = 0;
    for (int c = COMPONENT_COUNT - 1; c >= 0; c--)
        for (int i = 0; i < kept[c].size; i++) {
            const int at = kept[c].index[i];
            in[open] = reads[c][at];
            out[open] = writes[c][at];
            const int zero = keeps_zero(&program->code[c][at]) && !(in[open] & changing);
            changing |= zero ? 0 : out[open];
            open += zero;
        }
    do {
        before = changing;
        for (int i = 0; i < open; i++)
            changing |= in[i] & changing ? out[i] : 0;
    } while (changing != before);
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        size = 0;
        for (int i = 0; i < kept[c].size; i++) {
            kept[c].index[size] = kept[c].index[i];
            size += (writes[c][kept[c].index[i]] & changing) != 0;
        }
        kept[c].size = size;
    }
    return ~changing & (((RegisterSet)1 << (3 * MAX_REGISTERS)) - 1);
}

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
            reads[c][i] = registers_read(&program->code[c][i]);
            writes[c][i] = registers_written(&program->code[c][i]);
        }
    }

    /* Predict runs after setup, after learn, and (in validation) after predict; the
       harness refills label and features before each run of predict and learn. */
    RegisterSet *const *gap = canonical->gap;
    RegisterSet before_predict = 0, before_learn = 0, after_predict = 0, after_learn = 0;
    gap[LEARN][0] = 0;
    for (int round = 0;; round++) {
        RegisterSet needed = PREDICTION | ((before_learn | before_predict) & ~harness);
        if (needed == after_predict)
            break;
        after_predict = needed;
        before_predict = live_before(reads[PREDICT], writes[PREDICT], program->size[PREDICT],
                                     after_predict, gap[PREDICT]);
        needed = before_predict & ~harness;
        if (round && needed == after_learn)
            continue;
        after_learn = needed;
        before_learn = live_before(reads[LEARN], writes[LEARN], program->size[LEARN],
                                   after_learn, gap[LEARN]);
    }
    live_before(reads[SETUP], writes[SETUP], program->size[SETUP], before_predict & ~harness,
                gap[SETUP]);

    Kept kept[COMPONENT_COUNT];
    const int keep_dead = (flags & CANONICAL_KEEP_DEAD) != 0;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        kept[c].index = canonical->scratch_live + (size_t)c * (canonical->capacity + 1);
        kept[c].size = 0;
        for (int i = 0; i < program->size[c]; i++) {  /* without a branch */
            kept[c].index[kept[c].size] = (uint16_t)i;
            kept[c].size += (gap[c][i + 1] & writes[c][i]) != 0
                            || (keep_dead & (writes[c][i] != 0));
        }
    }
    RegisterSet zeros = keep_dead ? 0 : drop_zeros(program, kept, reads, writes,
                                                   before_predict & ~harness);

    Fingerprint hash = {0x243F6A8885A308D3ull, 0x13198A2E03707344ull};  /* digits of pi */
    Renaming renaming;
    renaming_start(&renaming, zeros);
    canonical->setup_cost = canonical->step_cost = 0;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        /* Copy, rename, and find what the component depends on. */
        LiveComponent *live = &canonical->component[c];
        double cost = 0;
        RegisterSet reads_first = 0, written = 0;
        live->size = kept[c].size;
        for (int i = 0; i < live->size; i++) {
            const int from = kept[c].index[i];
            uint64_t words[3];
            memcpy(words, &program->code[c][from], sizeof words);
            const OpInfo *op = &OP_INFO[words[0] & 255];
            const int dead = !(writes[c][from] & gap[c][from + 1]);
            cost += dead ? 0 : op->cost;
            if (!(flags & CANONICAL_KEEP_NAMES))
                words[0] = rename_word(&renaming, op, words[0]);
            memcpy(&live->code[i], words, sizeof words);
            fingerprint_add(&hash, op, words);
            RegisterSet in = word_reads(op, words[0]);
            RegisterSet out = op->first_out << (words[0] >> 24 & 255);
            reads_first |= in & ~written;
            written |= out;
            live->live_after[i] = dead ? DEAD_CODE : 0;  /* completed below */
        }
        live->reads_first = reads_first;
        live->writes = written;
        fingerprint_end_component(&hash, c, live->size);
        *(c == SETUP ? &canonical->setup_cost : &canonical->step_cost) += cost;
    }

    complete_live_after(canonical);
    canonical->key[0] = mix64(hash.low ^ (hash.high >> 32));
    canonical->key[1] = mix64(hash.high ^ (hash.low << 32));
    return 0;
}
