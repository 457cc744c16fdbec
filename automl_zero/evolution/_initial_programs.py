"""Programs that a search can start from, and the train budget's baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from automl_zero._config_values import choice
from automl_zero._program_file import read_program
from automl_zero.config import ComponentConfig, ExperimentConfig
from automl_zero.evaluation import program_cost
from automl_zero.program import Instruction, Program

PROGRAM_FOLDER: Final = Path(__file__).parent.parent / "programs"
"""Where the hand-built programs lie, as text."""

_NO_OP: Final = Instruction("NO_OP")
_OUTPUT_LAYER: Final = 5
"""Instructions at the start of the network's learn that are about error and output layer."""


def hand_built_program(name: str) -> Program:
    """A hand-built program: to compare with, or to start a search from.

    Args:
        name: ``"linear"``: a linear model trained by stochastic gradient descent;
            ``"neural_net"``: two layers with ReLU and biases, likewise;
            ``"damaged_neural_net"``: the network without its random start, which cannot
            learn before a search repairs it; ``"no_op"``: nothing. These are the AutoML-Zero
            search engine's. ``"shallow_neural_net"``: the network whose hidden layer stays
            random, because only the output layer learns; ``"logistic"``: a linear classifier
            with bias; ``"bilinear"``: noisy inputs, a bilinear form of them, normalised
            gradients and averaged weights, as in the best program of the AutoML-Zero paper
            (figure 6).

    Raises:
        ValueError: If there is none of that name.

    >>> print(hand_built_program("linear")["predict"][0])
    s1 = dot(v1, v0)
    """
    if name == "no_op":
        return Program(setup=[], predict=[], learn=[])
    if name == "damaged_neural_net":
        whole = hand_built_program("neural_net")
        return whole.replace(setup=[item for item in whole["setup"] if not item.op.random])
    if name == "shallow_neural_net":
        whole = hand_built_program("neural_net")
        return whole.replace(learn=whole["learn"][:_OUTPUT_LAYER])
    if name not in HAND_BUILT_PROGRAMS:
        raise ValueError(
            f"name: expected one of {', '.join(HAND_BUILT_PROGRAMS)}, received {name!r}"
        )
    return Program.parse((PROGRAM_FOLDER / f"{name}.txt").read_text(encoding="utf-8"))


HAND_BUILT_PROGRAMS: Final = (
    "no_op",
    "linear",
    "logistic",
    "neural_net",
    "damaged_neural_net",
    "shallow_neural_net",
    "bilinear",
)
"""Names that :func:`hand_built_program` takes."""


FOUND_PROGRAMS: Final = tuple(
    sorted(path.stem for path in (PROGRAM_FOLDER / "found").glob("*.txt"))
)
"""Names that :func:`found_program` takes."""


def found_program(name: str) -> Program:
    """A program that a search of this project found; its file says how.

    Args:
        name: ``"bilinear_sgd"``: a classifier, linear plus bilinear, found from the linear
            program by ``image_pairs_from_linear``.

    Raises:
        ValueError: If there is none of that name.

    >>> print(found_program("bilinear_sgd")["predict"][0])
    v1 = dot(m0, v0)
    """
    path = PROGRAM_FOLDER / "found" / f"{choice('name', name, FOUND_PROGRAMS)}.txt"
    return Program.parse(path.read_text(encoding="utf-8"))


def padded(program: Program, components: Mapping[str, ComponentConfig]) -> Program:
    """The program with ``NO_OP`` after each function that is shorter than its initial size."""
    return program.replace(
        **{
            name: body + (_NO_OP,) * (components[name].init_size - len(body))
            for name, body in program.items()
        }
    )


def initial_programs(config: ExperimentConfig) -> list[Program]:
    """The programs that an experiment starts from, padded; none stands for random ones.

    Raises:
        ValueError: If a program file is missing or damaged, or its program needs more
            memory than the experiment has.
    """
    initial = config.population.initial
    if initial == "random":
        return []
    if isinstance(initial, str):
        return [padded(hand_built_program(initial), config.components)]
    programs = []
    for index, path in enumerate(initial):
        try:
            program = read_program(path)
            program.check(config.memory)
        except ValueError as error:
            raise ValueError(f"population.initial[{index}]: {error}") from None
        programs.append(padded(program, config.components))
    return programs


def max_cost(config: ExperimentConfig) -> float:
    """The train budget of a program on the experiment's search tasks; infinite if none.

    It is what so many baseline programs would cost, all training examples of all epochs
    counted. Only live code costs: so programs of one canonical form have one fitness.
    """
    evaluation, tasks = config.evaluation, config.tasks.search
    if not evaluation.train_budget_factor:
        return math.inf
    baseline = hand_built_program(evaluation.train_budget_baseline)
    cost = program_cost(baseline, tasks.train * tasks.epochs)
    return evaluation.train_budget_factor * cost
