/* Programs as the kernels see them, and what is known about them before they run. */
#ifndef AMZ_PROGRAM_H
#define AMZ_PROGRAM_H

#include <stdint.h>

#include "op_table.h"

#define ENUMERATE(id, NAME, kernel, in1, in2, out, n_constants, cost, flags, c0, c1, c2) NAME = id,
enum op_id { OP_TABLE(ENUMERATE) };
#undef ENUMERATE

/* Component functions of a supervised program, in the order in which programs store them. */
enum { SETUP, PREDICT, LEARN, COMPONENT_COUNT };

enum { MAX_REGISTERS = 20, MAX_INSTRUCTIONS = 1000, NO_REGISTER = 3 * MAX_REGISTERS };

/* The 24 bytes of one instruction; the same layout as INSTRUCTION_DTYPE in program.py. */
typedef struct {
    uint8_t op, in1, in2, out;
    float f[3];
    double act;
} Instruction;

_Static_assert(sizeof(Instruction) == 24, "INSTRUCTION_DTYPE in program.py has 24 bytes");

typedef struct {
    const Instruction *code[COMPONENT_COUNT];
    int size[COMPONENT_COUNT];
} ProgramView;

/* A set of registers: bits 0-19 scalars, 20-39 vectors, 40-59 matrices. */
typedef uint64_t RegisterSet;

/* Ops behind the table: users' own, registered at run time. */
enum { OP_CAPACITY = OP_COUNT + CUSTOM_OP_COUNT };

/* Numbers of leaf functions: the original ops by id, those that run users' own ops, one for
   each kind, then the ops behind the original ones. They enter fingerprints, so what is known
   of a program must not move when the op table grows. Others stand in lockstep_impl.h. */
enum {
    CUSTOM_SCALAR = ORIGINAL_OP_COUNT, CUSTOM_VECTOR, CUSTOM_MATRIX,
    FIRST_OTHER_LEAF = OP_COUNT + 3
};
#define LEAF_OF(id) ((id) < ORIGINAL_OP_COUNT ? (id) : (id) + 3)

/* One row of the op table. Register kinds are 's', 'v', 'm' or 0. */
typedef struct {
    char in1, in2, out;
    uint8_t constants;      /* how many */
    uint8_t flags;          /* OP_COMMUTATIVE | OP_RANDOM | ... */
    uint8_t role[3];        /* ROLE_... of each constant */
    /* The first register of each operand's kind, as a set (empty if there is no operand)
       and as a bit number (NO_REGISTER): adding the register's number needs no branch. */
    RegisterSet first1, first2, first_out;
    uint8_t bit1, bit2, bit_out;
    uint8_t leaf;           /* which leaf function runs it: LEAF_OF(id), or CUSTOM_... */
    uint32_t salt;          /* tells users' own ops apart in fingerprints, whatever their ids */
    double cost;            /* of the train budget */
} OpInfo;

extern OpInfo OP_INFO[OP_CAPACITY];

/* out[i] = f(a[i], b[i]) for all numbers in blocks of 64 bytes. `out` may be `a` or `b`; ops of
   one operand ignore `b`. */
typedef void (*ElementFunction)(intptr_t blocks, const void *a, const void *b, void *out);

/* Of users' own ops, in float64 and float32. */
typedef struct {
    ElementFunction f64, f32;
} CustomFunctions;
extern CustomFunctions CUSTOM_FUNCTIONS[CUSTOM_OP_COUNT];

/* Makes op `id`, OP_COUNT at least, an elementwise op on registers of one kind. */
void set_custom_op(int id, char kind, int inputs, int flags, double cost, uint32_t salt,
                   CustomFunctions functions);

static inline int register_bit(char kind, int number)
{
    return number + (kind == 's' ? 0 : kind == 'v' ? MAX_REGISTERS : 2 * MAX_REGISTERS);
}

static inline RegisterSet registers_written(const Instruction *ins)
{
    return OP_INFO[ins->op].first_out << ins->out;
}

static inline RegisterSet registers_read(const Instruction *ins)
{
    const OpInfo *op = &OP_INFO[ins->op];
    RegisterSet kept = -(RegisterSet)((op->flags & OP_KEEPS_OUTPUT) != 0);
    return op->first1 << ins->in1 | op->first2 << ins->in2 | (op->first_out << ins->out & kept);
}

#define SCALAR_BIT(number) ((RegisterSet)1 << (number))
#define VECTOR_BIT(number) ((RegisterSet)1 << (MAX_REGISTERS + (number)))

/* In `live_after`: the instruction itself is dead (only with CANONICAL_KEEP_DEAD). */
#define DEAD_CODE ((RegisterSet)1 << 63)

#define LABEL SCALAR_BIT(0)
#define PREDICTION SCALAR_BIT(1)
#define FEATURES VECTOR_BIT(0)

/* Live code of one component function. `live_after[i]` are the registers whose values are
   still needed once instruction i has run. */
typedef struct {
    Instruction *code;
    RegisterSet *live_after;
    int size;
    RegisterSet reads_first;  /* read before they are written: the state it depends on */
    RegisterSet writes;
} LiveComponent;

/* The canonical form of a program: live code only, without instructions that write zeros
   over zeros, commutative inputs sorted, registers renumbered by first use. It alone decides
   the fitness. */
typedef struct {
    LiveComponent component[COMPONENT_COUNT];
    double setup_cost, step_cost;  /* of the live code, for the train budget */
    uint64_t key[2];               /* 128-bit fingerprint of the canonical form */
    /* Of the program as given: gap[c][i] are the registers needed just before instruction i
       of component c (gap[c][size]: at its end). An instruction is live if it writes a
       register of the gap after it. */
    RegisterSet *gap[COMPONENT_COUNT];
    RegisterSet *scratch_reads, *scratch_writes;
    uint16_t *scratch_live;  /* [component][capacity + 1] */
    int capacity;
} CanonicalProgram;

enum { CANONICAL_KEEP_DEAD = 1, CANONICAL_KEEP_NAMES = 2 };

void canonical_program_init(CanonicalProgram *canonical);
void canonical_program_free(CanonicalProgram *canonical);

/* Returns 0, or -1 when memory is short. `flags` switch the two steps off (tests: the
   result must not change a bit of any fitness). */
int canonicalize_program(CanonicalProgram *canonical, const ProgramView *program, int flags);

#endif
