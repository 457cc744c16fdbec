# Declarations of the C kernels; see the headers for what each does.


cdef extern from "program.h":
    enum: COMPONENT_COUNT
    enum: MAX_REGISTERS
    enum: CANONICAL_KEEP_DEAD
    enum: CANONICAL_KEEP_NAMES
    enum: OP_COMMUTATIVE
    enum: OP_KEEPS_ZERO
    ctypedef struct Instruction:
        uint8_t op, in1, in2, out
        float f[3]
        double act
    ctypedef struct ProgramView:
        const Instruction *code[3]
        int size[3]
    ctypedef struct LiveComponent:
        Instruction *code
        int size
    ctypedef struct CanonicalProgram:
        LiveComponent component[3]
        double setup_cost
        double step_cost
        uint64_t key[2]
    ctypedef void (*ElementFunction)(intptr_t, const void *, const void *, void *) noexcept
    ctypedef struct CustomFunctions:
        ElementFunction f64, f32
    void set_custom_op(int id, char kind, int inputs, int flags, double cost, uint32_t salt,
                       CustomFunctions)
    void canonical_program_init(CanonicalProgram *) nogil
    void canonical_program_free(CanonicalProgram *) nogil
    int canonicalize_program(CanonicalProgram *, const ProgramView *, int flags) nogil


cdef extern from "lockstep.h":
    ctypedef enum Objective:
        RMS_ERROR
        ACCURACY
    ctypedef struct TaskBatch:
        int tasks
        size_t bytes
        int block_count
    ctypedef struct TaskData:
        int tasks, features, train_count, valid_count, epochs
        const double *train_x
        const double *train_y
        const double *valid_x
        const double *valid_y
        const int32_t *epoch_order
        const uint64_t *seeds
    void task_batch_free(TaskBatch *) nogil
    ctypedef struct Trace:
        double *train_predictions
        double *valid_predictions
        double *epoch_fitness
        double *sum_loss
        double *scalars
    ctypedef struct Stop:
        int reason, epoch, step
        int64_t train_steps
    enum: RUN_NO_WIDE
    enum: RUN_NO_FUSION
    ctypedef struct RunOptions:
        double max_abs_error
        int train_limit, valid_limit, epoch_limit
        int flags
    ctypedef struct Workspace:
        pass
    Workspace *workspace_create() nogil
    void workspace_free(Workspace *) nogil
    ctypedef struct LockstepKernels:
        const char *name
        int (*evaluate)(Workspace *, const TaskBatch *, const CanonicalProgram *,
                        const RunOptions *, double *, Stop *, Trace *, uint64_t *) nogil
        int (*run_instruction)(Workspace *, const Instruction *, int, int, uint64_t, uint64_t,
                               const int *, double *, double *, double *) nogil
    TaskBatch *task_batch_create(const TaskData *, Objective, const LockstepKernels *,
                                 int real_bytes, int lanes) nogil
    const LockstepKernels *lockstep_kernels(const char *isa, int real_bytes) nogil


cdef extern from "update_rule.h":
    enum: MAX_TENSORS
    enum: MAX_LAYERS
    ctypedef enum OptimizeeKind:
        QUADRATIC
        ROSENBROCK
        RASTRIGIN
        CLASSIFIER
    ctypedef enum Activation:
        RELU
        TANH
    ctypedef struct Optimizee:
        OptimizeeKind kind
        int tensors
        int size[6]
        const void *matrix
        const double *optimum
        int layers
        int width[4]
        Activation activation
        const void *train_x
        const void *test_x
        const int32_t *train_y
        const int32_t *test_y
        int test_count, batch
        const int32_t *order
    ctypedef struct RuleView:
        const Instruction *code[2]
        int size[2]
    ctypedef struct RuleTrial:
        const Optimizee *optimizee
        int seeds, settings, steps
        const double *start
        const double *learning_rate
        const double *schedule
        const double *weight_decay
        const uint64_t *draw_seeds
    ctypedef struct RuleOutcome:
        double *loss
        double *final
        double *accuracy
    ctypedef struct RuleKernels:
        const char *name
        int (*try_rule)(Workspace *, const RuleView *, const RuleTrial *, RuleOutcome) nogil
        int (*gradient)(Workspace *, const RuleTrial *, double *, double *) nogil
        double (*multiply_adds)(int64_t) nogil
    const RuleKernels *rule_kernels(const char *isa, int real_bytes) nogil


cdef extern from "stream.h":
    ctypedef struct Stream:
        uint64_t state
    uint64_t stream_next(Stream *) nogil
    uint32_t stream_below(Stream *, uint32_t) nogil
    double stream_uniform(Stream *) nogil
    double stream_normal(Stream *) nogil


cdef extern from "population.h":
    ctypedef struct Ring:
        int size, count, next
        double *fitness
    int ring_tournament(const Ring *, Stream *, int) nogil
    int ring_replace(Ring *, double) nogil


cdef extern from "program_space.h":
    enum: MUTATION_COUNT
    ctypedef struct ProgramSpace:
        int registers[3]
        int op_count[3]
        uint8_t ops[3][256]
        int init_size[3]
        int min_size[3]
        int max_size[3]
        double mutation_probability
        double mutation_weight[8]
        int zero_constants_mutate
    ctypedef struct MutableProgram:
        Instruction *code[3]
        int size[3]
        int capacity
    int mutable_program_init(MutableProgram *, int) nogil
    void mutable_program_free(MutableProgram *) nogil
    void mutable_program_copy(MutableProgram *, const ProgramView *) nogil
    int program_space_capacity(const ProgramSpace *) nogil
    void program_space_draw(const ProgramSpace *, Stream *, MutableProgram *) nogil
    ctypedef struct Mutation:
        int mutation
    Mutation program_space_mutate(const ProgramSpace *, Stream *, MutableProgram *) nogil


cdef extern from "fitness_cache.h":
    ctypedef struct Score:
        double first, full


cdef extern from "evolution.h":
    ctypedef enum Combination:
        MEAN_FITNESS
        MEDIAN_FITNESS
    ctypedef struct EvolutionOptions:
        int population_size, tournament_size, attempts
        Combination combination
        double max_abs_error, max_cost
        int must_learn
        int fec_train, fec_valid
        double hurdle_percentile
        size_t canonical_bytes, fec_bytes
        int canonical_flags, run_flags
    ctypedef struct MutationOutcome:
        int64_t children, neutral, better, worse
    ctypedef struct EvolutionStatistics:
        int64_t individuals, immigrants, unchanged, canonical_hits, fec_hits, probe_failures
        int64_t over_budget, hurdle_stops, evaluations, verifications, train_steps, cache_clears
        int64_t non_learners
        MutationOutcome outcome[9]
    ctypedef struct Birth:
        int64_t number, generation
        int32_t island
    ctypedef struct Individual:
        MutableProgram program
        uint64_t key[2]
        Score score
        int64_t caches_emptied
        Birth birth
    ctypedef struct Improvement:
        MutableProgram program, parent_program
        Birth birth, parent
        double fitness, parent_fitness
        int mutation
    ctypedef struct Evolution:
        ProgramSpace space
        EvolutionOptions options
        const LockstepKernels *kernels
        const TaskBatch *batch
        const TaskBatch *first_tasks
        const TaskBatch *other_tasks
        int island
        Ring ring
        Individual *individuals
        Individual child
        MutableProgram best
        double best_fitness
        Birth best_birth
        Improvement *improvements
        int improvement_count
        const MutableProgram *seeds
        int seed_count
        Stream stream
        double hurdle
        int64_t caches_emptied
        EvolutionStatistics statistics
    int evolution_init(Evolution *) nogil
    void evolution_free(Evolution *) nogil
    int evolution_run(Evolution *, int64_t) nogil
    int evolution_immigrate(Evolution *, const ProgramView *, Birth) nogil
    void evolution_empty_caches(Evolution *) nogil
    int evolution_recall(Evolution *) nogil
    void evolution_forget_alive(Evolution *) nogil
    void evolution_drop_improvements(Evolution *) nogil
