/* Update rules in lockstep: one rule trains an optimizee from several seeds, with several
   settings, all at the same time.

   A lane is one (setting, seed) pair. Vector registers are laid out [coordinate][lane], a
   tensor of parameters after the other; scalar registers are [lane], of each tensor its own.
   The data of an optimizee is the same in all lanes. Each lane's arithmetic is the same
   whatever the others are and whatever instruction set the code was compiled for. */
#ifndef AMZ_UPDATE_RULE_H
#define AMZ_UPDATE_RULE_H

#include "lockstep.h"

/* Component functions of an update rule. */
enum { RULE_SETUP, RULE_UPDATE, RULE_COMPONENTS };

enum { MAX_LAYERS = 3, MAX_TENSORS = 2 * MAX_LAYERS };

typedef enum { QUADRATIC, ROSENBROCK, RASTRIGIN, CLASSIFIER } OptimizeeKind;
typedef enum { RELU, TANH } Activation;

/* What is minimised. REAL is float64 or float32; all arrays are C-contiguous. */
typedef struct {
    OptimizeeKind kind;
    int tensors, size[MAX_TENSORS];  /* coordinates of each: weights [input][output], biases */
    const void *matrix;              /* QUADRATIC: REAL [n][n] */
    const double *optimum;           /* of functions, or where it is shifted from: [n][seed] */
    int layers, width[MAX_LAYERS + 1];  /* CLASSIFIER: inputs, hidden units, classes */
    Activation activation;
    const void *train_x, *test_x;    /* REAL [example][input] */
    const int32_t *train_y, *test_y; /* class of each */
    int test_count, batch;
    const int32_t *order;            /* [step][batch]: training examples */
} Optimizee;

typedef struct {
    const Instruction *code[RULE_COMPONENTS];
    int size[RULE_COMPONENTS];
} RuleView;

typedef struct {
    const Optimizee *optimizee;
    int seeds, settings, steps;
    const double *start;          /* [coordinate][seed], the tensors one after the other */
    const double *learning_rate, *weight_decay;  /* [setting] */
    const double *schedule;       /* [step]: what the learning rates are multiplied by */
    const uint64_t *draw_seeds;   /* [tensor][seed]: keys of the rule's own random numbers */
} RuleTrial;

/* Arrays [setting][seed], the loss with a last axis [step]. NaN after the first loss that is
   not finite. */
typedef struct {
    double *loss, *final, *accuracy;
} RuleOutcome;

typedef struct {
    const char *name;
    /* Returns 0, or -1 when memory is short. */
    int (*try_rule)(Workspace *, const RuleView *, const RuleTrial *, RuleOutcome);
    /* Loss and gradient at the start, for the first minibatch; for tests. Arrays [seed] and
       [coordinate][seed]. */
    int (*gradient)(Workspace *, const RuleTrial *, double *loss, double *gradient);
    /* As fast as the processor multiplies and adds; see arithmetic_limit.h. */
    double (*multiply_adds)(int64_t rounds);
} RuleKernels;

/* The kernels of one precision for the named instruction set, or null. */
const RuleKernels *rule_kernels(const char *isa, int real_bytes);

#endif
