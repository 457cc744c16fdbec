# The space of programs and the compiled evolution loop, for Python callers.


cdef tuple _mutable_arrays(const MutableProgram *program):
    """Instruction bytes and component sizes."""
    cdef int c
    parts = []
    sizes = []
    for c in range(COMPONENT_COUNT):
        sizes.append(program.size[c])
        parts.append((<char *> program.code[c])[:program.size[c] * sizeof(Instruction)])
    return b"".join(parts), tuple(sizes)


cdef class CompiledProgramSpace:
    """Draws and mutates programs given as (instruction bytes, component sizes)."""

    cdef ProgramSpace space

    def __init__(self, registers, ops, init_size, min_size, max_size,
                 double mutation_probability, mutation_weights, bint zero_constants_mutate):
        cdef int c, i
        memset(&self.space, 0, sizeof(ProgramSpace))
        for c in range(COMPONENT_COUNT):
            self.space.registers[c] = registers[c]
            self.space.op_count[c] = len(ops[c])
            for i in range(len(ops[c])):
                self.space.ops[c][i] = ops[c][i]
            self.space.init_size[c] = init_size[c]
            self.space.min_size[c] = min_size[c]
            self.space.max_size[c] = max_size[c]
        for i in range(MUTATION_COUNT):
            self.space.mutation_weight[i] = mutation_weights[i]
        self.space.mutation_probability = mutation_probability
        self.space.zero_constants_mutate = zero_constants_mutate

    def draw(self, CompiledStream stream):
        cdef MutableProgram program
        if mutable_program_init(&program, program_space_capacity(&self.space)):
            raise MemoryError("not enough memory for a program")
        program_space_draw(&self.space, &stream.stream, &program)
        result = _mutable_arrays(&program)
        mutable_program_free(&program)
        return result

    def mutate(self, const uint8_t[::1] raw, const int32_t[::1] offsets, CompiledStream stream):
        """Returns the child's arrays and the number of the mutation that was applied."""
        cdef MutableProgram program
        cdef ProgramView view
        cdef int c, capacity = program_space_capacity(&self.space)
        _view(&view, _instructions(raw), &offsets[0])
        for c in range(COMPONENT_COUNT):
            capacity = max(capacity, view.size[c] + 1)
        if mutable_program_init(&program, capacity):
            raise MemoryError("not enough memory for a program")
        mutable_program_copy(&program, &view)
        mutation = program_space_mutate(&self.space, &stream.stream, &program).mutation
        result = _mutable_arrays(&program)
        mutable_program_free(&program)
        return *result, mutation


cdef class CompiledEvolution:
    """Regularized evolution of programs on one task batch."""

    cdef Evolution evolution
    cdef CompiledBatch batch
    cdef MutableProgram *seeds
    cdef bint running

    def __cinit__(self, CompiledProgramSpace space, CompiledBatch batch, options, uint64_t key,
                  seeds=()):
        """`options`: dict with the fields of EvolutionOptions; `seeds`: (raw, offsets) pairs."""
        cdef const uint8_t[::1] raw
        cdef const int32_t[::1] offsets
        cdef ProgramView view
        cdef int i, c, capacity
        memset(&self.evolution, 0, sizeof(Evolution))
        self.batch = batch
        self.evolution.space = space.space
        self.evolution.batch = batch.batch
        self.evolution.kernels = batch.kernels
        self.evolution.options = options
        self.evolution.stream.state = key
        if seeds:
            self.seeds = <MutableProgram *> calloc(len(seeds), sizeof(MutableProgram))
            if self.seeds == NULL:
                raise MemoryError("not enough memory for the seed programs")
            self.evolution.seeds = self.seeds
            for i, (raw, offsets) in enumerate(seeds):
                _view(&view, _instructions(raw), &offsets[0])
                capacity = max(view.size[0], view.size[1], view.size[2])
                if mutable_program_init(&self.seeds[i], capacity):
                    raise MemoryError("not enough memory for the seed programs")
                self.evolution.seed_count = i + 1
                mutable_program_copy(&self.seeds[i], &view)
        if evolution_init(&self.evolution):
            raise MemoryError("not enough memory for the population and its caches")

    def __dealloc__(self):
        cdef int i
        evolution_free(&self.evolution)
        for i in range(self.evolution.seed_count):
            mutable_program_free(&self.seeds[i])
        free(self.seeds)

    def run(self, int64_t count):
        """Creates `count` individuals, without the GIL."""
        cdef int failed
        if self.running:
            raise RuntimeError("this evolution is already running in another thread")
        self.running = True
        try:
            with nogil:
                failed = evolution_run(&self.evolution, count)
        finally:
            self.running = False
        if failed:
            raise MemoryError("not enough memory to evaluate a program")

    @property
    def statistics(self):
        """Counters as a dict, mutation outcomes by mutation number."""
        return self.evolution.statistics

    @property
    def best(self):
        """(fitness, individual number, instruction bytes, component sizes), or None."""
        if self.evolution.best_individual < 0:
            return None
        return (self.evolution.best_fitness, self.evolution.best_individual,
                *_mutable_arrays(&self.evolution.best))

    @property
    def fitnesses(self):
        """Fitness of every individual of the population, by slot."""
        return [self.evolution.ring.fitness[i] for i in range(self.evolution.ring.count)]

    def program(self, int slot):
        """Instruction bytes and component sizes of the individual in a slot."""
        if not 0 <= slot < self.evolution.ring.count:
            raise ValueError(
                f"slot: expected 0 to {self.evolution.ring.count - 1}, received {slot}")
        return _mutable_arrays(&self.evolution.individuals[slot].program)

    @property
    def unique(self):
        """Number of different canonical programs in the population."""
        cdef int i
        return len({(self.evolution.individuals[i].key[0], self.evolution.individuals[i].key[1])
                    for i in range(self.evolution.ring.count)})
