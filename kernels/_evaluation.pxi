# Task batches, evaluation of programs, canonical forms.

KEEP_DEAD = CANONICAL_KEEP_DEAD
KEEP_NAMES = CANONICAL_KEEP_NAMES
NO_WIDE = RUN_NO_WIDE
NO_FUSION = RUN_NO_FUSION

cdef extern from *:
    """
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    static const char *const BUILT_ISAS[] = {
    #ifdef HAVE_ISA_V4
        "v4",
    #endif
    #ifdef HAVE_ISA_V3
        "v3",
    #endif
    #ifdef HAVE_ISA_V2
        "v2",
    #endif
    #ifdef HAVE_ISA_BASELINE
        "baseline",
    #endif
        0};
    static int cpu_runs(const char *isa)
    {
        __builtin_cpu_init();
        if (isa[0] == 'b')
            return 1;
        int v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
        int v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")
                 && __builtin_cpu_supports("fma");
        int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
                 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
                 && __builtin_cpu_supports("avx512cd");
        return isa[1] == '2' ? v2 : isa[1] == '3' ? v3 : v4;
    }
    #else
    static const char *const BUILT_ISAS[] = {"baseline", 0};
    static int cpu_runs(const char *isa) { (void)isa; return 1; }
    #endif
    """
    const char *BUILT_ISAS[]
    int cpu_runs(const char *isa)


def instruction_sets():
    """Names of the instruction sets that were built and that this processor runs, best first."""
    names = []
    cdef int i = 0
    while BUILT_ISAS[i] != NULL:
        if cpu_runs(BUILT_ISAS[i]):
            names.append(BUILT_ISAS[i].decode())
        i += 1
    return names


def _chosen_instruction_set():
    available = instruction_sets()
    wanted = os.environ.get("AUTOML_ZERO_ISA", "")
    if not wanted:
        return available[0]
    if wanted not in available:
        raise ValueError(
            f"environment variable AUTOML_ZERO_ISA: expected one of {', '.join(available)}, "
            f"received {wanted!r}"
        )
    return wanted


ISA = _chosen_instruction_set()


cdef const LockstepKernels *_kernels(int real_bytes) except NULL:
    cdef bytes name = ISA.encode()
    cdef const LockstepKernels *kernels = lockstep_kernels(name, real_bytes)
    if kernels == NULL:
        raise RuntimeError(f"no kernels for instruction set {ISA}")
    return kernels


cdef class CompiledBatch:
    """Tasks in lockstep layout. Arrays as in TaskBatch; `lanes` 0 lets the batch choose."""

    cdef TaskBatch *batch
    cdef const LockstepKernels *kernels
    cdef readonly int tasks, features, train_count, valid_count, epochs, real_bytes

    def __cinit__(self, const double[:, :, ::1] train_x, const double[:, ::1] train_y,
                  const double[:, :, ::1] valid_x, const double[:, ::1] valid_y,
                  const int32_t[:, :, ::1] epoch_order, const uint64_t[::1] seeds,
                  bint classify, int real_bytes, int lanes=0):
        cdef TaskData data
        cdef double nothing = 0
        self.tasks = data.tasks = train_x.shape[0]
        self.train_count = data.train_count = train_x.shape[1]
        self.features = data.features = valid_x.shape[2]
        self.valid_count = data.valid_count = valid_x.shape[1]
        self.epochs = data.epochs = epoch_order.shape[1]
        self.real_bytes = real_bytes
        data.train_x = &train_x[0, 0, 0]
        data.train_y = &train_y[0, 0]
        data.valid_x = &valid_x[0, 0, 0]
        data.valid_y = &valid_y[0, 0]
        data.epoch_order = &epoch_order[0, 0, 0]
        data.seeds = &seeds[0]
        self.kernels = _kernels(real_bytes)
        with nogil:
            self.batch = task_batch_create(&data, ACCURACY if classify else RMS_ERROR,
                                           self.kernels, real_bytes, lanes)
        if self.batch == NULL:
            raise MemoryError("not enough memory for the task batch")

    def __dealloc__(self):
        task_batch_free(self.batch)

    @property
    def nbytes(self):
        """Bytes of example data."""
        return self.batch.bytes


cdef void _view(ProgramView *view, const Instruction *code, const int32_t *offsets) noexcept nogil:
    cdef int c
    for c in range(COMPONENT_COUNT):
        view.code[c] = code + offsets[c]
        view.size[c] = offsets[c + 1] - offsets[c]


cdef const Instruction *_instructions(const uint8_t[::1] raw) noexcept nogil:
    return <const Instruction *> &raw[0] if raw.shape[0] else NULL


def evaluate_programs(CompiledBatch batch, const uint8_t[::1] raw, const int32_t[:, ::1] offsets,
                      double[:, ::1] fitness, int[:, :, ::1] stops, int64_t[:, ::1] train_steps,
                      double max_abs_error, double max_setup_cost, double max_cost,
                      int canonical_flags=0, int run_flags=0):
    """Fitness of each program on each task.

    `raw` holds all programs' instructions as bytes, `offsets` [programs, 4] where their
    components start and end. Fills `fitness` [programs, tasks], `stops` [programs, tasks, 3]
    (reason, epoch, step) and `train_steps` [programs, tasks].
    """
    cdef int programs = offsets.shape[0], tasks = batch.tasks, p, t, failed = 0
    cdef const Instruction *code = _instructions(raw)
    cdef CanonicalProgram canonical
    cdef ProgramView view
    cdef RunOptions options
    cdef Stop stop[4096]
    cdef Workspace *workspace = workspace_create()
    options.max_abs_error = max_abs_error
    options.train_limit = options.valid_limit = options.epoch_limit = INT_MAX
    options.flags = run_flags
    if workspace == NULL or tasks > 4096:
        raise MemoryError("not enough memory to evaluate")
    canonical_program_init(&canonical)
    with nogil:
        for p in range(programs):
            _view(&view, code, &offsets[p, 0])
            failed = canonicalize_program(&canonical, &view, canonical_flags)
            if failed:
                break
            if canonical.setup_cost + max_setup_cost * canonical.step_cost > max_cost:
                for t in range(tasks):
                    fitness[p, t] = 0
                    stops[p, t, 0] = -1
                    train_steps[p, t] = 0
                continue
            failed = batch.kernels.evaluate(workspace, batch.batch, &canonical, &options,
                                            &fitness[p, 0], stop, NULL, NULL)
            if failed:
                break
            for t in range(tasks):
                stops[p, t, 0] = stop[t].reason
                stops[p, t, 1] = stop[t].epoch
                stops[p, t, 2] = stop[t].step
                train_steps[p, t] = stop[t].train_steps
    workspace_free(workspace)
    canonical_program_free(&canonical)
    if failed:
        raise MemoryError("not enough memory to evaluate")


def trace_program(CompiledBatch batch, const uint8_t[::1] raw, const int32_t[::1] offsets,
                  double[::1] fitness, int[:, ::1] stops, double[:, ::1] train_predictions,
                  double[:, ::1] valid_predictions, double[:, ::1] epoch_fitness,
                  double[:, ::1] sum_loss, double[:, ::1] scalars, double max_abs_error,
                  int canonical_flags=0):
    """One program with everything recorded; arrays [tasks, ...] are filled where reached."""
    cdef CanonicalProgram canonical
    cdef ProgramView view
    cdef RunOptions options
    cdef Trace trace
    cdef Stop stop[4096]
    cdef int failed, t
    cdef Workspace *workspace = workspace_create()
    if workspace == NULL or batch.tasks > 4096:
        raise MemoryError("not enough memory to evaluate")
    options.max_abs_error = max_abs_error
    options.train_limit = options.valid_limit = options.epoch_limit = INT_MAX
    options.flags = 0
    trace.train_predictions = &train_predictions[0, 0]
    trace.valid_predictions = &valid_predictions[0, 0]
    trace.epoch_fitness = &epoch_fitness[0, 0]
    trace.sum_loss = &sum_loss[0, 0]
    trace.scalars = &scalars[0, 0]
    canonical_program_init(&canonical)
    with nogil:
        _view(&view, _instructions(raw), &offsets[0])
        failed = canonicalize_program(&canonical, &view, canonical_flags)
        if not failed:
            failed = batch.kernels.evaluate(workspace, batch.batch, &canonical, &options,
                                            &fitness[0], stop, &trace, NULL)
    workspace_free(workspace)
    canonical_program_free(&canonical)
    if failed:
        raise MemoryError("not enough memory to evaluate")
    for t in range(batch.tasks):
        stops[t, 0] = stop[t].reason
        stops[t, 1] = stop[t].epoch
        stops[t, 2] = stop[t].step


def canonical_form(const uint8_t[::1] raw, const int32_t[::1] offsets, int flags=0):
    """Canonical form of one program.

    Returns:
        Instruction bytes, component sizes, (setup cost, cost of one predict + learn), and
        the 128-bit fingerprint as an integer.
    """
    cdef CanonicalProgram canonical
    cdef ProgramView view
    cdef int c
    canonical_program_init(&canonical)
    _view(&view, _instructions(raw), &offsets[0])
    if canonicalize_program(&canonical, &view, flags):
        canonical_program_free(&canonical)
        raise MemoryError("not enough memory for the canonical form")
    parts = []
    sizes = []
    for c in range(COMPONENT_COUNT):
        size = canonical.component[c].size
        sizes.append(size)
        if size:
            parts.append((<char *> canonical.component[c].code)[:size * sizeof(Instruction)])
    key = (int(canonical.key[0]) << 64) | int(canonical.key[1])
    cost = (canonical.setup_cost, canonical.step_cost)
    canonical_program_free(&canonical)
    return b"".join(parts), sizes, cost, key


def run_one_instruction(const uint8_t[::1] raw, int features, int lanes, uint64_t key,
                        uint64_t step, double[:] scalars, double[:, :] vectors,
                        double[:, :, :] matrices, int real_bytes=8):
    """Runs one instruction on copies of a memory in `lanes` lanes; changes it in place."""
    cdef int sizes[3]
    cdef Workspace *workspace = workspace_create()
    if workspace == NULL:
        raise MemoryError("not enough memory to run an instruction")
    sizes[0] = scalars.shape[0]
    sizes[1] = vectors.shape[0]
    sizes[2] = matrices.shape[0]
    cdef int failed = _kernels(real_bytes).run_instruction(
        workspace, _instructions(raw), features, lanes, key, step, sizes,
        &scalars[0] if sizes[0] else NULL, &vectors[0, 0] if sizes[1] else NULL,
        &matrices[0, 0, 0] if sizes[2] else NULL)
    workspace_free(workspace)
    if failed:
        raise MemoryError("not enough memory to run an instruction")
