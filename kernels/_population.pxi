# The compiled random stream and the population ring, for Python callers.


cdef class CompiledStream:
    """A keyed stream like automl_zero.streams.Stream, for one number at a time.

    `state` is the key plus GAMMA times the numbers drawn; setting it resumes the stream.
    """

    cdef Stream stream

    def __init__(self, uint64_t key):
        self.stream.state = key

    @property
    def state(self):
        return self.stream.state

    @state.setter
    def state(self, uint64_t value):
        self.stream.state = value

    def uint64(self):
        return stream_next(&self.stream)

    def below(self, uint32_t bound):
        if bound == 0:
            raise ValueError("bound: expected a positive integer, received 0")
        return stream_below(&self.stream, bound)

    def uniform(self):
        return stream_uniform(&self.stream)

    def normal(self):
        return stream_normal(&self.stream)


cdef class PopulationRing:
    """Fitnesses of an aging population; the caller keeps the genomes by slot."""

    cdef Ring ring

    def __cinit__(self, int size):
        self.ring.size = size
        self.ring.fitness = <double *> calloc(size, sizeof(double))
        if self.ring.fitness == NULL:
            raise MemoryError(f"not enough memory for a population of {size}")

    def __dealloc__(self):
        free(self.ring.fitness)

    @property
    def count(self):
        return self.ring.count

    @property
    def next_slot(self):
        return self.ring.next

    @property
    def fitnesses(self):
        """Fitnesses by slot, a copy."""
        return [self.ring.fitness[i] for i in range(self.ring.count)]

    def tournament(self, CompiledStream stream, int rounds):
        """Slot of the fittest of `rounds` uniform draws; the first drawn wins ties."""
        if self.ring.count == 0 or rounds < 1:
            raise ValueError("tournament: expected a population and at least one round")
        return ring_tournament(&self.ring, &stream.stream, rounds)

    def replace(self, double fitness):
        """Puts an individual in the oldest one's place; returns the slot."""
        return ring_replace(&self.ring, fitness)

    def restore(self, fitnesses, int next_slot):
        """Sets the whole content, as `fitnesses` and `next_slot` gave it."""
        cdef int i
        if len(fitnesses) > self.ring.size or not 0 <= next_slot < self.ring.size:
            raise ValueError(
                f"fitnesses, next_slot: expected at most {self.ring.size} fitnesses and a slot "
                f"below that, received {len(fitnesses)} and {next_slot}"
            )
        for i in range(len(fitnesses)):
            self.ring.fitness[i] = fitnesses[i]
        self.ring.count = len(fitnesses)
        self.ring.next = next_slot
