"""What a program does, in plain NumPy: one task, one example at a time.

This is the oracle. It is slow on purpose: every other way of running programs has to
give the same numbers, so this one should be easy to believe. Read it from the bottom:
:func:`evaluate` trains and validates a program on a task, :func:`run_component` runs one
of its component functions, :func:`run_instruction` one instruction, and
:data:`MEANINGS`, straight from the op table, says what an instruction computes.

Two things are fixed so that results can agree to the last bit: the order of summation
(:func:`ordered_sum`) and the random numbers (:class:`Draws`).

Index:
    :func:`evaluate` → :class:`Evaluation`
    :func:`run_component`, :func:`run_instruction`, :class:`Memory`, :class:`Draws`
    :func:`ordered_sum`, :func:`sigmoid`, :func:`fitness_of_rms`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from automl_zero.liveness import FEATURES, LABEL, PREDICTION, SUPERVISED, Register, random_ordinals
from automl_zero.ops import COLUMN, CONSTANT_ROLES, INDEX, OPS, ROW, Op
from automl_zero.program import Instruction, MemorySizes, Program
from automl_zero.streams import Stream, stream_key

if TYPE_CHECKING:
    from automl_zero.tasks import Task

Float64Array = NDArray[np.float64]

MAX_FEATURES: Final = 1024


# What an instruction computes ------------------------------------------------------


def ordered_sum(x: Any, axis: int | None = None) -> Any:
    """The sum over one axis, or over all elements, in the engine's fixed order.

    Floating-point addition is not associative. Up to three terms are added from left to
    right. Four or more go to four accumulators, term ``j`` to accumulator ``j % 4``, in
    order; the result is ``(acc0 + acc2) + (acc1 + acc3)``. Four independent chains keep
    a scalar machine busy and need no shuffles on a vector machine.

    Args:
        x: Array of at least one term.
        axis: Axis to sum over; None sums all elements in row-major order.

    >>> float(ordered_sum(np.array([1.0, 2.0, 3.0, 4.0, 5.0])))
    15.0
    """
    terms = np.ravel(x) if axis is None else np.moveaxis(np.asarray(x), axis, 0)
    count, rest = len(terms), terms.shape[1:]
    if count < 4:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total
    whole = count // 4 * 4
    # accumulate adds strictly in order, which reduce does not promise.
    quads = terms[:whole].reshape(whole // 4, 4, *rest)
    acc = np.add.accumulate(quads, axis=0)[-1]
    for position in range(whole, count):
        acc[position - whole] += terms[position]
    return (acc[0] + acc[2]) + (acc[1] + acc[3])


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of one instruction at one step; the same ones whenever asked.

    Args:
        seed: Seed of the task.
        component: Position of the component function in the program.
        ordinal: Position of the instruction among the live random ones of its function.
        step: How often the function has run before in this evaluation.

    >>> float(Draws(seed=1, component=0, ordinal=0, step=0).uniform(2.0, -2.0, ()))
    2.0
    """

    seed: int
    component: int = 0
    ordinal: int = 0
    step: int = 0

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Float64Array:
        """Independent uniform numbers in (low, high); ``low`` itself if ``low > high``."""
        if low > high:
            return np.full(shape, low)
        u = self._stream(math.prod(shape)).uniform(shape)
        return low + (high - low) * u

    def gaussian(self, mean: float, std: float, shape: tuple[int, ...]) -> Float64Array:
        """Independent normal numbers, drawn in pairs (Box & Muller 1958)."""
        count = math.prod(shape)
        pairs = (count + 1) // 2
        u1, u2 = self._stream(2 * pairs).uniform((pairs, 2)).T
        radius, angle = np.sqrt(-2.0 * np.log(u1)), 2.0 * np.pi * u2
        normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return mean + std * normal.ravel()[:count].reshape(shape)

    def _stream(self, numbers_per_step: int) -> Stream:
        key = stream_key(self.seed, self.component, self.ordinal)
        return Stream(key, position=self.step * numbers_per_step)


_VOCABULARY: Final[Mapping[str, Any]] = {
    "__builtins__": {},
    "sum": ordered_sum,
    "int": int,
    **{
        name: getattr(np, name)
        for name in (
            "abs", "arange", "arccos", "arcsin", "arctan", "cos", "exp", "float32", "full", "log",
            "outer", "power", "sin", "sqrt", "square", "stack", "tan", "tile", "where",
        )
    },
}  # fmt: skip


def _compile(op: Op) -> Callable[..., Any]:
    """The op's meaning as a function of inputs, old output, F, draws and constants."""
    arguments = ["a", "b", "out", "F", "uniform", "gaussian", *(r.name for r in op.constants)]
    # The text is a literal of the op table, never data.
    return eval(f"lambda {', '.join(arguments)}: {op.numpy or None}", dict(_VOCABULARY))


MEANINGS: Final[tuple[Callable[..., Any], ...]] = tuple(_compile(op) for op in OPS)
"""What each op computes, by op id."""


def _custom_meaning(op: Op) -> Callable[..., Any]:
    """The user's function, element by element."""
    from automl_zero.custom_ops import meaning_of

    return meaning_of(op)


# Positions are computed in float32, values in float64.
_CONSTANT_TYPE: Final = {
    role.name: np.float32 if role in (INDEX, ROW, COLUMN) else np.float64 for role in CONSTANT_ROLES
}


class Memory:
    """The registers of one program on one task, all 0 at the start.

    Args:
        sizes: How many registers of each kind.
        features: F, 1..1024.

    Attributes:
        features: F.
        scalars: Shape ``[S]``.
        vectors: Shape ``[V, F]``.
        matrices: Shape ``[M, F, F]``.

    Raises:
        ValueError: If ``features`` is outside 1..1024.

    >>> memory = Memory(MemorySizes(2, 1, 0), features=3)
    >>> memory["v", 0] = [1.0, 2.0, 3.0]
    >>> memory["s", 1] = memory["v", 0][2]
    >>> memory.scalars
    array([0., 3.])
    """

    def __init__(self, sizes: MemorySizes, features: int) -> None:
        if not 1 <= features <= MAX_FEATURES:
            raise ValueError(f"features: expected 1..{MAX_FEATURES}, received {features}")
        self.features = features
        self.scalars: Float64Array = np.zeros(sizes.scalars)
        self.vectors: Float64Array = np.zeros((sizes.vectors, features))
        self.matrices: Float64Array = np.zeros((sizes.matrices, features, features))
        self._kinds = {"s": self.scalars, "v": self.vectors, "m": self.matrices}

    def __getitem__(self, register: Register) -> Any:
        return self._kinds[register[0]][register[1]]

    def __setitem__(self, register: Register, value: Any) -> None:
        self._kinds[register[0]][register[1]] = value


def run_instruction(instruction: Instruction, memory: Memory, draws: Draws | None = None) -> None:
    """Run one instruction: read its inputs, compute its meaning, write its output.

    Args:
        instruction: Its registers must exist in ``memory`` (see :meth:`Program.check`).
        memory: Changed in place.
        draws: Random numbers; needed by random ops only.

    Raises:
        ValueError: If a random op gets no ``draws``.
    """
    op, output = instruction.op, instruction.output
    if output is None:
        return
    if op.random and draws is None:
        raise ValueError(f"draws: expected Draws for the random op {op.name}, received None")
    a, b = ([memory[register] for register in instruction.inputs] + [None, None])[:2]
    constants = [_CONSTANT_TYPE[role](value) for role, value in instruction.constants.items()]
    meaning = MEANINGS[op.id] if op.id < len(OPS) else _custom_meaning(op)
    uniform, gaussian = (draws.uniform, draws.gaussian) if draws else (None, None)
    with np.errstate(all="ignore"):
        memory[output] = meaning(
            a, b, memory[output], memory.features, uniform, gaussian, *constants
        )


def run_component(
    program: Program,
    component: str,
    memory: Memory,
    *,
    seed: int = 0,
    step: int = 0,
    ordinals: Mapping[int, int] | None = None,
) -> None:
    """Run one component function once.

    Args:
        program: The program.
        component: Name of the component function.
        memory: Changed in place.
        seed: Seed of the task; keys the draws.
        step: How often the function has run before in this evaluation.
        ordinals: The ordinal of each random instruction by position, from
            :func:`automl_zero.liveness.random_ordinals`; looked up there if None.
    """
    if ordinals is None:
        ordinals = random_ordinals(program)[component]
    index = program.components.index(component)
    for position, instruction in enumerate(program[component]):
        draws = None
        if instruction.op.random:
            draws = Draws(seed, index, ordinals[position], step)
        run_instruction(instruction, memory, draws)


# Training and validating -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What happened when a program was trained and validated on a task.

    Attributes:
        fitness: The best epoch's fitness, in [0, 1]; 0 if there is none.
        epoch_fitness: Fitness of each validated epoch.
        sum_loss: Sum of the validation losses of each validated epoch (squared errors,
            or misclassified examples); infinite if validation stopped early.
        stop: ``"none"``, or what stopped the program: ``"train_nan"``, ``"train_inf"``,
            ``"train_large"`` (an error above ``max_abs_error``), ``"valid_nan"``, ...
            A stop in training ends the evaluation and wins over one in validation, which
            ends an epoch; of the latter the first is named.
        stop_epoch: Epoch of the stop, from 0; -1 if none.
        stop_step: Step of the stop within that epoch's training or validation; -1 if none.
        train_steps: Training examples seen, the failing one included.
        train_predictions: ``s1`` after each training example's predict (after the sigmoid
            for accuracy), the failing one included; one array per epoch.
        valid_predictions: ``s1`` after each validation example's predict (never squashed).
        train_errors: Absolute errors of the training examples, without the failing one.
        valid_errors: Absolute errors of the validation examples (0 or 1 for accuracy),
            without the failing one.
        scalars_after_setup: The scalars once setup has run.
        memory: The memory as the evaluation left it.
    """

    fitness: float
    epoch_fitness: tuple[float, ...]
    sum_loss: tuple[float, ...]
    stop: str
    stop_epoch: int
    stop_step: int
    train_steps: int
    train_predictions: tuple[Float64Array, ...]
    valid_predictions: tuple[Float64Array, ...]
    train_errors: tuple[Float64Array, ...]
    valid_errors: tuple[Float64Array, ...]
    scalars_after_setup: Float64Array
    memory: Memory

    @property
    def scalars_end(self) -> Float64Array:
        """The scalars at the end."""
        return self.memory.scalars


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return 1.0 / (1.0 + np.exp(-x))


def fitness_of_rms(rms: float) -> float:
    """Fitness of a root mean square error: ``1 - (2/pi) * atan(rms)``; 0 if not finite.

    >>> fitness_of_rms(0.0), round(fitness_of_rms(1.0), 12), fitness_of_rms(math.nan)
    (1.0, 0.5, 0.0)
    """
    if not math.isfinite(rms):
        return 0.0
    return float(1.0 - 0.63661977236758138243 * np.arctan(rms))


def evaluate(
    program: Program,
    task: Task,
    *,
    max_abs_error: float = 100.0,
    memory: MemorySizes | None = None,
    train_limit: int | None = None,
    valid_limit: int | None = None,
) -> Evaluation:
    """Train a program on a task and validate it after each epoch.

    Setup runs once. Per training example: features to ``v0``, 0 to ``s0``, predict; ``s1``
    is the prediction (for accuracy it is replaced by its sigmoid); then features to
    ``v0``, the label to ``s0``, learn. Validation runs predict only. The memory is never
    reset in between.

    Args:
        program: A supervised program.
        task: The data: a :class:`~automl_zero.tasks.Task`, or anything with its attributes.
        max_abs_error: Errors above it, or NaN, stop the training and end the evaluation;
            in validation they make the epoch's fitness 0. The default is the original
            project's.
        memory: Registers to provide; by default as many as the program needs.
        train_limit: Train on so many examples in all, then validate; by default on all.
            0 gives fitness 0: a program over its train budget.
        valid_limit: Validate on so many examples. The mean loss is still over all.

    Raises:
        ValueError: If the program is not a supervised one or does not fit ``memory``, F is
            outside 1..1024, or an option is out of range.

    >>> from automl_zero.tasks import Task
    >>> task = Task([[1.0], [2.0], [-1.0]], [2.0, 4.0, -2.0], [[3.0]], [6.0])
    >>> program = Program.parse('''
    ... def Setup():
    ...   s2 = 0.5
    ... def Predict():
    ...   s1 = dot(v0, v1)
    ... def Learn():
    ...   s3 = s0 - s1
    ...   s3 = s2 * s3
    ...   v2 = s3 * v0
    ...   v1 = v1 + v2
    ... ''')
    >>> evaluate(program, task).sum_loss
    (2.25,)
    """
    memory_sizes = _checked_options(program, max_abs_error, memory, train_limit, valid_limit)
    cells = Memory(memory_sizes, np.shape(task.train_x)[1])
    ordinals = random_ordinals(program)

    def run(component: str, step: int) -> None:
        numbers = ordinals[component]
        run_component(program, component, cells, seed=task.seed, step=step, ordinals=numbers)

    def predict(x: Any, step: int) -> None:
        cells[FEATURES] = x
        cells[LABEL] = 0.0
        run("predict", step)

    def learn(x: Any, y: Any, step: int) -> None:
        cells[FEATURES] = x
        cells[LABEL] = y
        run("learn", step)

    # Steps count as if nothing ever stopped early, so that a program draws the same
    # numbers whatever happened before.
    def train(epoch: int, order: Any) -> _Pass:
        passed = _Pass(max_abs_error)
        examples = zip(task.train_x[order], task.train_y[order], strict=True)
        for position, (x, y) in enumerate(examples):
            predict(x, epoch * (len(order) + valid_count) + position)
            if task.objective == "accuracy":
                cells[PREDICTION] = sigmoid(cells[PREDICTION])
            if not passed.goes_on(cells[PREDICTION], y - cells[PREDICTION]):
                break
            learn(x, y, epoch * len(order) + position)
        return passed

    def validate(epoch: int, train_count: int) -> _Pass:
        passed = _Pass(max_abs_error)
        examples = zip(task.valid_x[:valid_limit], task.valid_y[:valid_limit], strict=True)
        for position, (x, y) in enumerate(examples):
            predict(x, epoch * (train_count + valid_count) + train_count + position)
            if task.objective == "accuracy":
                error = float((y > 0.5) != (sigmoid(cells[PREDICTION]) > 0.5))
                loss = error
            else:
                error = y - cells[PREDICTION]
                loss = error * error
            if not passed.goes_on(cells[PREDICTION], error):
                break
            passed.losses[position % 8] += float(loss)
        return passed

    def fitness_of(passed: _Pass) -> float:
        if passed.stop:
            return 0.0
        mean_loss = passed.loss / len(task.valid_y)
        return (
            1.0 - mean_loss
            if task.objective == "accuracy"
            else fitness_of_rms(math.sqrt(mean_loss))
        )

    valid_count = len(task.valid_y[:valid_limit])
    trainings: list[_Pass] = []
    validations: list[_Pass] = []
    stop = ("none", -1, -1)
    remaining = len(task.train_y) * task.epochs if train_limit is None else train_limit
    with np.errstate(all="ignore"):
        run("setup", 0)
        scalars_after_setup = cells.scalars.copy()
        for epoch in range(task.epochs):
            order = task.epoch_order[epoch][:remaining]
            if len(order) == 0:
                break
            remaining -= len(order)
            trainings.append(train(epoch, order))
            if trainings[-1].stop:
                stop = (f"train_{trainings[-1].stop}", epoch, len(trainings[-1].errors))
                break
            validations.append(validate(epoch, len(order)))
            if validations[-1].stop and stop[0] == "none":
                stop = (f"valid_{validations[-1].stop}", epoch, len(validations[-1].errors))

    epoch_fitness = tuple(fitness_of(passed) for passed in validations)
    return Evaluation(
        fitness=max(epoch_fitness, default=0.0),
        epoch_fitness=epoch_fitness,
        sum_loss=tuple(passed.loss for passed in validations),
        stop=stop[0],
        stop_epoch=stop[1],
        stop_step=stop[2],
        train_steps=sum(len(passed.predictions) for passed in trainings),
        train_predictions=tuple(np.array(passed.predictions) for passed in trainings),
        valid_predictions=tuple(np.array(passed.predictions) for passed in validations),
        train_errors=tuple(np.array(passed.errors) for passed in trainings),
        valid_errors=tuple(np.array(passed.errors) for passed in validations),
        scalars_after_setup=scalars_after_setup,
        memory=cells,
    )


@dataclass(slots=True)
class _Pass:
    """One pass over examples: what was predicted, how far off, and whether it stopped."""

    max_abs_error: float
    predictions: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=lambda: [0.0] * 8)
    stop: str = ""

    @property
    def loss(self) -> float:
        """Sum of the losses, from eight partial sums by example number."""
        if self.stop:
            return math.inf
        a, b, c, d, e, f, g, h = self.losses
        return ((a + e) + (c + g)) + ((b + f) + (d + h))

    def goes_on(self, prediction: Any, error: Any) -> bool:
        """Note an example; whether its error is small enough to go on."""
        self.predictions.append(float(prediction))
        size = abs(float(error))
        if math.isnan(size):
            self.stop = "nan"
        elif size > self.max_abs_error:
            self.stop = "large" if math.isfinite(size) else "inf"
        else:
            self.errors.append(size)
        return not self.stop


def _checked_options(
    program: Program,
    max_abs_error: float,
    memory: MemorySizes | None,
    train_limit: int | None,
    valid_limit: int | None,
) -> MemorySizes:
    """The memory to provide, once all options are found to make sense."""
    if program.components != SUPERVISED.components:
        raise ValueError(
            f"program: expected the component functions {', '.join(SUPERVISED.components)}, "
            f"received {', '.join(program.components)}"
        )
    if not max_abs_error > 0:
        raise ValueError(f"max_abs_error: expected a positive number, received {max_abs_error}")
    for name, limit in (("train_limit", train_limit), ("valid_limit", valid_limit)):
        if limit is not None and limit < 0:
            raise ValueError(f"{name}: expected an integer >= 0 or None, received {limit}")
    if memory is None:
        return program.required_memory()
    program.check(memory)
    return memory
