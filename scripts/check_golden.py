"""Compare an interpreter with results of the original AutoML-Zero program.

    python scripts/check_golden.py --programs tests/golden/random_programs.json.gz \\
        --tasks tests/golden/tasks.json.gz --op-vectors tests/golden/op_vectors.json.gz

Takes any files of the format of tests/golden/README.md, .json or .json.gz. Fitnesses must
agree to 1e-9, and where the interpreter tells, so must the kind and step of early stops;
programs marked as rounding-sensitive are counted but not judged. Single instructions must
agree to 1e-13 relative. Exits with 1 on a mismatch, with 2 on a bad file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from _common import Row, argument_parser, machine_line, print_rows, write_json
from _golden import (
    FITNESS_TOLERANCE,
    VECTOR_TOLERANCE,
    GoldenProgram,
    GoldenVector,
    Outcome,
    decode,
    golden_program,
    golden_task,
    golden_vector,
    program_mismatch,
    read_records,
    vector_difference,
)

from automl_zero import reference
from automl_zero.reference import Memory
from automl_zero.tasks import Task

QUICK_STRIDE = 10


# Each interpreter is two functions: programs of one task and max_abs_error to outcomes, and
# one vector to the memories it leaves (of every way in which the interpreter can run it).


def reference_outcomes(
    programs: list[GoldenProgram], task: Task, max_abs_error: float
) -> Iterator[Outcome]:
    """Outcomes by :mod:`automl_zero.reference`."""
    for golden in programs:
        result = reference.evaluate(golden.program, task, max_abs_error=max_abs_error)
        yield Outcome(result.fitness, result.stop, result.stop_step)


def reference_memories(golden: GoldenVector) -> Iterator[Memory]:
    """The memory after the instruction, by :mod:`automl_zero.reference`."""
    memory = golden.memory()
    reference.run_instruction(golden.instruction, memory)
    yield memory


def compiled_outcomes(
    programs: list[GoldenProgram], task: Task, max_abs_error: float
) -> Iterator[Outcome]:
    """Outcomes by the compiled interpreter: fitness as searches get it, stops as traced."""
    from automl_zero import evaluation

    plain = [golden.program for golden in programs]
    fitness = evaluation.evaluate(plain, task, max_abs_error=max_abs_error)
    for program, row in zip(plain, fitness, strict=True):
        (run,) = evaluation.trace(program, task, max_abs_error=max_abs_error)
        yield Outcome(float(row[0]), run.stop, run.stop_step)


def compiled_memories(golden: GoldenVector) -> Iterator[Memory]:
    """The memory after the instruction, by the compiled interpreter with few and many lanes."""
    from automl_zero import evaluation

    for lanes in (1, 8, 16):
        memory = golden.memory()
        memory.scalars[...], memory.vectors[...], memory.matrices[...] = evaluation.run_instruction(
            golden.instruction, memory.scalars, memory.vectors, memory.matrices, lanes=lanes
        )
        yield memory


INTERPRETERS: dict[
    str, tuple[Callable[..., Iterator[Outcome]], Callable[..., Iterator[Memory]]]
] = {
    "reference": (reference_outcomes, reference_memories),
    "compiled": (compiled_outcomes, compiled_memories),
}


def check_programs(
    programs: list[GoldenProgram],
    tasks: dict[int, Task],
    outcomes: Callable[..., Iterator[Outcome]],
) -> tuple[list[Row], list[str]]:
    """Rows and mismatches of a programs file."""
    groups: dict[tuple[int, float], list[GoldenProgram]] = {}
    for golden in programs:
        groups.setdefault((golden.task, golden.max_abs_error), []).append(golden)
    mismatches = []
    worst = 0.0
    skipped = 0
    start = time.perf_counter()
    for (task, max_abs_error), group in groups.items():
        results = outcomes(group, tasks[task], max_abs_error)
        for golden, outcome in zip(group, results, strict=True):
            if golden.rounding_sensitive:
                skipped += 1
                continue
            worst = max(worst, abs(outcome.fitness - golden.fitness))
            difference = program_mismatch(golden, outcome)
            if difference:
                mismatches.append(
                    f"program {golden.id} ({golden.tag}) on task {golden.task}: {difference}"
                )
    rows = [
        Row("programs_checked", len(programs) - skipped),
        Row("programs_rounding_sensitive", skipped),
        Row("programs_mismatched", len(mismatches), target="<= 0"),
        Row("programs_worst_difference", worst, "fitness", f"<= {FITNESS_TOLERANCE:g}"),
        Row("programs_seconds", time.perf_counter() - start, "s"),
    ]
    return rows, mismatches


def check_vectors(
    vectors: list[GoldenVector], run: Callable[..., Iterator[Memory]]
) -> tuple[list[Row], list[str]]:
    """Rows and mismatches of an op vectors file."""
    mismatches = []
    worst = 0.0
    for position, golden in enumerate(vectors):
        difference = max(vector_difference(golden, memory) for memory in run(golden))
        worst = max(worst, difference)
        if difference > VECTOR_TOLERANCE:
            mismatches.append(
                f"vector {position} '{golden.instruction}', F={golden.features}: relative "
                f"difference {difference:g}"
            )
    rows = [
        Row("vectors_checked", len(vectors)),
        Row("vectors_mismatched", len(mismatches), target="<= 0"),
        Row("vectors_worst_difference", worst, "relative", f"<= {VECTOR_TOLERANCE:g}"),
    ]
    return rows, mismatches


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    parser = argument_parser(__doc__)
    parser.add_argument("--programs", type=Path, required=True, metavar="FILE")
    parser.add_argument("--tasks", type=Path, required=True, metavar="FILE")
    parser.add_argument("--op-vectors", type=Path, metavar="FILE")
    parser.add_argument("--interpreter", choices=list(INTERPRETERS), default="compiled")
    options = parser.parse_args(arguments)
    stride = QUICK_STRIDE if options.quick else 1
    outcomes, run = INTERPRETERS[options.interpreter]

    try:
        programs = decode(options.programs, read_records(options.programs), golden_program)
        tasks = dict(decode(options.tasks, read_records(options.tasks), golden_task))
        for golden in programs:
            if golden.task not in tasks:
                raise ValueError(
                    f"{options.programs}: program {golden.id} needs task {golden.task}, "
                    f"{options.tasks} has {sorted(tasks)}"
                )
        vectors = []
        if options.op_vectors is not None:
            vectors = decode(options.op_vectors, read_records(options.op_vectors), golden_vector)
    except ValueError as error:
        print(f"check_golden: {error}", file=sys.stderr)
        return 2

    print(machine_line())
    print(f"settings: interpreter {options.interpreter}, 1 record in {stride}")
    rows, mismatches = check_programs(programs[::stride], tasks, outcomes)
    if vectors:
        more_rows, more_mismatches = check_vectors(vectors[::stride], run)
        rows += more_rows
        mismatches += more_mismatches
    print_rows(rows)
    for line in mismatches:
        print(f"MISMATCH {line}")
    write_json(rows, options.json)
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
