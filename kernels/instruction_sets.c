/* Finds the kernels that were built for an instruction set. */
#include <string.h>

#include "lockstep.h"
#include "update_rule.h"

#ifdef HAVE_ISA_V2
#define FOR_V2(X, kernels) X(kernels, v2)
#else
#define FOR_V2(X, kernels)
#endif
#ifdef HAVE_ISA_V3
#define FOR_V3(X, kernels) X(kernels, v3)
#else
#define FOR_V3(X, kernels)
#endif
#ifdef HAVE_ISA_V4
#define FOR_V4(X, kernels) X(kernels, v4)
#else
#define FOR_V4(X, kernels)
#endif
#ifdef HAVE_ISA_BASELINE
#define FOR_BASELINE(X, kernels) X(kernels, baseline)
#else
#define FOR_BASELINE(X, kernels)
#endif
#define FOR_EACH_ISA(X, kernels)                                                \
    FOR_V2(X, kernels) FOR_V3(X, kernels) FOR_V4(X, kernels) FOR_BASELINE(X, kernels)

#define DECLARE_LOCKSTEP(kernels, isa) extern const LockstepKernels kernels##_f64_##isa, kernels##_f32_##isa;
#define DECLARE_RULES(kernels, isa) extern const RuleKernels kernels##_f64_##isa, kernels##_f32_##isa;
FOR_EACH_ISA(DECLARE_LOCKSTEP, lockstep)
FOR_EACH_ISA(DECLARE_RULES, rules)

#define FIND(kernels, isa)                                                      \
    if (!strcmp(name, #isa))                                                    \
        return real_bytes == 8 ? &kernels##_f64_##isa : &kernels##_f32_##isa;

const LockstepKernels *lockstep_kernels(const char *name, int real_bytes)
{
    FOR_EACH_ISA(FIND, lockstep)
    return NULL;
}

const RuleKernels *rule_kernels(const char *name, int real_bytes)
{
    FOR_EACH_ISA(FIND, rules)
    return NULL;
}
