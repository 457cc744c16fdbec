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
    """Regularized evolution of programs on one task batch: one island."""

    cdef Evolution evolution
    cdef CompiledBatch batch, first_tasks, other_tasks
    cdef MutableProgram *seeds
    cdef bint running

    def __cinit__(self, CompiledProgramSpace space, CompiledBatch batch, options, uint64_t key,
                  seeds=(), int island=0, CompiledBatch first_tasks=None,
                  CompiledBatch other_tasks=None):
        """`options`: dict with the fields of EvolutionOptions; `seeds`: (raw, offsets) pairs;
        `first_tasks`, `other_tasks`: the batch in two, if there is a hurdle between them."""
        cdef const uint8_t[::1] raw
        cdef const int32_t[::1] offsets
        cdef ProgramView view
        cdef int i, c, capacity
        memset(&self.evolution, 0, sizeof(Evolution))
        self.batch, self.first_tasks, self.other_tasks = batch, first_tasks, other_tasks
        self.evolution.space = space.space
        self.evolution.batch = batch.batch
        if first_tasks is not None:
            self.evolution.first_tasks = first_tasks.batch
            self.evolution.other_tasks = other_tasks.batch
        self.evolution.kernels = batch.kernels
        self.evolution.options = options
        self.evolution.island = island
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

    def reset(self, uint64_t key):
        """Starts anew with this stream: no individual, empty caches."""
        evolution_empty_caches(&self.evolution)
        evolution_forget_alive(&self.evolution)
        evolution_drop_improvements(&self.evolution)
        self.evolution.ring.count = self.evolution.ring.next = 0
        self.evolution.best_birth.number = -1
        self.evolution.hurdle = -INFINITY
        self.evolution.stream.state = key
        memset(&self.evolution.statistics, 0, sizeof(EvolutionStatistics))

    def immigrate(self, const uint8_t[::1] raw, const int32_t[::1] offsets, birth):
        """Puts a program of another island into the population; `birth`: as in `improvements`."""
        cdef ProgramView view
        cdef Birth origin = birth
        _view(&view, _instructions(raw), &offsets[0])
        if evolution_immigrate(&self.evolution, &view, origin):
            raise MemoryError("not enough memory to evaluate a program")

    @property
    def island(self):
        return self.evolution.island

    @island.setter
    def island(self, int value):
        self.evolution.island = value

    @property
    def capacity(self):
        """Most instructions of a component function that there is room for."""
        return self.evolution.child.program.capacity

    @property
    def statistics(self):
        """Counters as a dict, mutation outcomes by mutation number."""
        return self.evolution.statistics

    @property
    def best(self):
        """(fitness, birth, instruction bytes, component sizes), or None."""
        if self.evolution.best_birth.number < 0:
            return None
        return (self.evolution.best_fitness, self.evolution.best_birth,
                *_mutable_arrays(&self.evolution.best))

    def take_improvements(self):
        """New best programs since the last call: dicts of birth, parent, fitnesses, mutation
        number, and both programs as (instruction bytes, component sizes)."""
        taken = []
        cdef Improvement *item
        for i in range(self.evolution.improvement_count):
            item = &self.evolution.improvements[i]
            taken.append({
                "birth": item.birth,
                "fitness": item.fitness,
                "mutation": item.mutation,
                "program": _mutable_arrays(&item.program),
                "parent": item.parent if item.parent.number >= 0 else None,
                "parent_fitness": item.parent_fitness,
                "parent_program": _mutable_arrays(&item.parent_program),
            })
        evolution_drop_improvements(&self.evolution)
        return taken

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

    def birth(self, int slot):
        """Where the individual in a slot comes from."""
        return self.evolution.individuals[slot].birth

    def is_full(self, int slot):
        """Whether the fitness of the individual in a slot is that of all tasks."""
        cdef Score *score = &self.evolution.individuals[slot].score
        return score.full == score.full and self.evolution.ring.fitness[slot] == score.full

    @property
    def unique(self):
        """Number of different canonical programs in the population."""
        cdef int i
        return len({(self.evolution.individuals[i].key[0], self.evolution.individuals[i].key[1])
                    for i in range(self.evolution.ring.count)})

    @property
    def scalars(self):
        """Of the state, what is one number."""
        return {
            "stream": self.evolution.stream.state,
            "next_slot": self.evolution.ring.next,
            "hurdle": self.evolution.hurdle,
            "statistics": self.evolution.statistics,
        }

    def population(self, double[:, ::1] scores, int64_t[:, ::1] births, int32_t[:, ::1] sizes):
        """Fills in, by slot: fitness, first and full score; number, generation and island;
        component sizes. Returns all instructions, as bytes."""
        cdef Individual *individual
        cdef int i, c
        cdef size_t total = 0, at = 0, part
        for i in range(self.evolution.ring.count):
            individual = &self.evolution.individuals[i]
            scores[i, 0] = self.evolution.ring.fitness[i]
            scores[i, 1] = individual.score.first
            scores[i, 2] = individual.score.full
            births[i, 0] = individual.birth.number
            births[i, 1] = individual.birth.generation
            births[i, 2] = individual.birth.island
            for c in range(COMPONENT_COUNT):
                sizes[i, c] = individual.program.size[c]
                total += individual.program.size[c] * sizeof(Instruction)
        code = bytearray(total)
        cdef char *target = code
        for i in range(self.evolution.ring.count):
            individual = &self.evolution.individuals[i]
            for c in range(COMPONENT_COUNT):
                part = individual.program.size[c] * sizeof(Instruction)
                memcpy(target + at, individual.program.code[c], part)
                at += part
        return code

    def restore(self, scalars, best, const double[:, ::1] scores, const int64_t[:, ::1] births,
                const int32_t[:, ::1] sizes, const uint8_t[::1] code):
        """Sets the whole state as `scalars`, `best` and `population` gave it; fills the caches
        from the population alone and drops the improvements. No size may be above `capacity`."""
        cdef Individual *individual
        cdef ProgramView view
        cdef const uint8_t[::1] raw
        cdef int i, c
        cdef size_t at = 0
        if self.running:
            raise RuntimeError("this evolution is running in another thread")
        evolution_drop_improvements(&self.evolution)
        self.evolution.stream.state = scalars["stream"]
        self.evolution.ring.next = scalars["next_slot"]
        self.evolution.hurdle = scalars["hurdle"]
        self.evolution.statistics = scalars["statistics"]
        self.evolution.ring.count = <int> scores.shape[0]
        for i in range(self.evolution.ring.count):
            individual = &self.evolution.individuals[i]
            self.evolution.ring.fitness[i] = scores[i, 0]
            individual.score = Score(scores[i, 1], scores[i, 2])
            individual.birth = Birth(births[i, 0], births[i, 1], <int32_t> births[i, 2])
            for c in range(COMPONENT_COUNT):
                view.size[c] = sizes[i, c]
                view.code[c] = <const Instruction *> (&code[0] + at) if sizes[i, c] else NULL
                at += sizes[i, c] * sizeof(Instruction)
            mutable_program_copy(&individual.program, &view)
        self.evolution.best_birth.number = -1
        if best is not None:
            self.evolution.best_fitness, self.evolution.best_birth, raw, best_sizes = best
            at = 0
            for c in range(COMPONENT_COUNT):
                view.size[c] = best_sizes[c]
                view.code[c] = <const Instruction *> (&raw[0] + at) if best_sizes[c] else NULL
                at += view.size[c] * sizeof(Instruction)
            mutable_program_copy(&self.evolution.best, &view)
        if evolution_recall(&self.evolution):
            raise MemoryError("not enough memory for a population")
