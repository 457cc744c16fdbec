/* The space of supervised programs: drawing and mutating them. */
#ifndef AMZ_PROGRAM_SPACE_H
#define AMZ_PROGRAM_SPACE_H

#include "program.h"
#include "stream.h"

enum {
    ALTER_PARAM, RANDOMIZE_INSTRUCTION, RANDOMIZE_COMPONENT_FUNCTION, IDENTITY,
    INSERT_INSTRUCTION, REMOVE_INSTRUCTION, TRADE_INSTRUCTION, RANDOMIZE_ALGORITHM,
    MUTATION_COUNT
};

typedef struct {
    int registers[3];  /* scalars, vectors, matrices */
    int op_count[COMPONENT_COUNT];
    uint8_t ops[COMPONENT_COUNT][OP_CAPACITY];
    int init_size[COMPONENT_COUNT], min_size[COMPONENT_COUNT], max_size[COMPONENT_COUNT];
    double mutation_probability;
    double mutation_weight[MUTATION_COUNT];
    int zero_constants_mutate;  /* a constant at 0 is redrawn instead of staying 0 forever */
} ProgramSpace;

/* A program that can change; each component has room for `capacity` instructions. */
typedef struct {
    Instruction *code[COMPONENT_COUNT];
    int size[COMPONENT_COUNT];
    int capacity;
} MutableProgram;

int mutable_program_init(MutableProgram *program, int capacity);
void mutable_program_free(MutableProgram *program);
void mutable_program_copy(MutableProgram *program, const ProgramView *source);

static inline ProgramView mutable_program_view(const MutableProgram *program)
{
    ProgramView view;
    for (int c = 0; c < COMPONENT_COUNT; c++) {
        view.code[c] = program->code[c];
        view.size[c] = program->size[c];
    }
    return view;
}

int program_space_capacity(const ProgramSpace *space);

/* A random program of the initial sizes. */
void program_space_draw(const ProgramSpace *space, Stream *stream, MutableProgram *program);

/* What a mutation did, so that its effect on the live code can be told without a new
   analysis. Several places may have changed: CHANGED_MUCH. */
typedef struct {
    int mutation;  /* its number; MUTATION_COUNT for an unmutated copy */
    enum { CHANGED_NOTHING, REPLACED_ONE, INSERTED_ONE, REMOVED_ONE, CHANGED_MUCH } change;
    int component, position;
} Mutation;

/* Changes the program by one mutation, or with probability 1 - mutation_probability not at
   all. */
Mutation program_space_mutate(const ProgramSpace *space, Stream *stream,
                              MutableProgram *program);

#endif
