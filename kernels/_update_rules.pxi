# Update rules on optimizees.

_OPTIMIZEE_KINDS = {
    "quadratic": QUADRATIC, "rosenbrock": ROSENBROCK, "rastrigin": RASTRIGIN,
    "classifier": CLASSIFIER,
}


cdef void *_address(array) except? NULL:
    """Where an array's numbers are; null for None. The caller keeps the array."""
    return NULL if array is None else <void *> <uintptr_t> array.ctypes.data


cdef class CompiledProblem:
    """An optimizee with what all rules find alike: start, data and their order.

    Arrays are C-contiguous; those of `real_bytes` 8 or 4 hold float64 or float32.

    kind: a key of _OPTIMIZEE_KINDS; sizes: coordinates of each tensor.
    start [coordinates, seeds], draw_seeds [tensors, seeds]; matrix [n, n] of that precision and
    optimum [n, seeds], or None; widths of the layers, tanh or ReLU, train_x [n, inputs] of that
    precision, train_y [n] int32, order [steps, batch] int32, and the same held out, or None.
    """

    cdef Optimizee optimizee
    cdef const RuleKernels *kernels
    cdef Workspace *workspace
    cdef bint is_busy
    cdef object arrays
    cdef readonly int seeds, coordinates, real_bytes

    def __cinit__(self, str kind, sizes, const double[:, ::1] start,
                  const uint64_t[:, ::1] draw_seeds, int real_bytes, matrix=None, optimum=None,
                  widths=(), bint tanh=False, train_x=None, train_y=None, order=None, test_x=None,
                  test_y=None):
        cdef int i
        cdef bytes name = ISA.encode()
        memset(&self.optimizee, 0, sizeof(Optimizee))
        self.real_bytes = real_bytes
        self.kernels = rule_kernels(name, real_bytes)
        if self.kernels == NULL:
            raise RuntimeError(f"no kernels for instruction set {ISA}")
        self.arrays = (start, draw_seeds, matrix, optimum, train_x, train_y, order, test_x, test_y)
        self.seeds = start.shape[1]
        self.coordinates = start.shape[0]
        self.optimizee.kind = _OPTIMIZEE_KINDS[kind]
        self.optimizee.tensors = len(sizes)
        for i in range(len(sizes)):
            self.optimizee.size[i] = sizes[i]
        self.optimizee.matrix = _address(matrix)
        self.optimizee.optimum = <const double *> _address(optimum)
        self.optimizee.layers = max(len(widths) - 1, 0)
        for i in range(len(widths)):
            self.optimizee.width[i] = widths[i]
        self.optimizee.activation = TANH if tanh else RELU
        self.optimizee.train_x = _address(train_x)
        self.optimizee.train_y = <const int32_t *> _address(train_y)
        self.optimizee.test_x = _address(test_x)
        self.optimizee.test_y = <const int32_t *> _address(test_y)
        self.optimizee.order = <const int32_t *> _address(order)
        self.optimizee.batch = 0 if order is None else order.shape[1]
        self.optimizee.test_count = 0 if test_x is None else test_x.shape[0]
        self.workspace = workspace_create()
        if self.workspace == NULL:
            raise MemoryError("not enough memory for the problem")

    def __dealloc__(self):
        workspace_free(self.workspace)

    cdef void _describe(self, RuleTrial *trial):
        cdef const double[:, ::1] start = self.arrays[0]
        cdef const uint64_t[:, ::1] draw_seeds = self.arrays[1]
        memset(trial, 0, sizeof(RuleTrial))
        trial.optimizee = &self.optimizee
        trial.seeds = self.seeds
        trial.start = &start[0, 0]
        trial.draw_seeds = &draw_seeds[0, 0]

    def try_rule(self, const uint8_t[::1] raw, int setup_size, const double[::1] learning_rates,
                 const double[::1] weight_decays, const double[::1] schedule,
                 double[:, :, ::1] loss, double[:, ::1] final, double[:, ::1] accuracy):
        """Trains with a rule, whose instructions `raw` holds, setup first.

        `schedule` [steps] is what the learning rates are multiplied by.

        Fills `loss` [settings, seeds, steps], `final` and `accuracy` [settings, seeds].
        """
        cdef RuleView rule
        cdef RuleTrial trial
        cdef RuleOutcome outcome
        cdef int failed
        # Threads that try rules on one problem at the same time need memory of their own.
        cdef bint is_own = not self.is_busy
        cdef Workspace *workspace = self.workspace if is_own else workspace_create()
        if workspace == NULL:
            raise MemoryError("not enough memory to try a rule")
        self._describe(&trial)
        rule.code[0] = _instructions(raw)
        rule.size[0] = setup_size
        rule.code[1] = rule.code[0] + setup_size
        rule.size[1] = <int> (raw.shape[0] // sizeof(Instruction)) - setup_size
        trial.settings = learning_rates.shape[0]
        trial.steps = loss.shape[2]
        trial.learning_rate = &learning_rates[0]
        trial.weight_decay = &weight_decays[0]
        trial.schedule = &schedule[0]
        outcome.loss = &loss[0, 0, 0]
        outcome.final = &final[0, 0]
        outcome.accuracy = &accuracy[0, 0]
        if is_own:
            self.is_busy = True
        with nogil:
            failed = self.kernels.try_rule(workspace, &rule, &trial, outcome)
        if is_own:
            self.is_busy = False
        else:
            workspace_free(workspace)
        if failed:
            raise MemoryError("not enough memory to try a rule")

    def gradient(self, double[::1] loss, double[:, ::1] gradient):
        """Fills `loss` [seeds] and `gradient` [coordinates, seeds] at the start, for the first
        minibatch."""
        cdef RuleTrial trial
        cdef Workspace *workspace = workspace_create()
        cdef int failed = -1
        if workspace != NULL:
            self._describe(&trial)
            trial.settings = trial.steps = 1
            failed = self.kernels.gradient(workspace, &trial, &loss[0], &gradient[0, 0])
            workspace_free(workspace)
        if failed:
            raise MemoryError("not enough memory for a gradient")


def multiply_adds(int real_bytes, int64_t rounds):
    """Multiplications and additions that so many rounds of nothing else are; for benchmarks."""
    cdef bytes name = ISA.encode()
    return rule_kernels(name, real_bytes).multiply_adds(rounds)
