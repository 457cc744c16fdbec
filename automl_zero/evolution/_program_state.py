"""The state of a program evolution as bytes: an Arrow table with one row per individual."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_zero._config_values import integer, number
from automl_zero.config import MUTATION_TYPES
from automl_zero.evolution._portable_ops import (
    FIRST_CUSTOM_OP,
    FORMER_FIRST_CUSTOM_OP,
    local_ops,
    portable_ops,
)
from automl_zero.evolution._statistics import COUNTS, LATER_COUNTS, OUTCOME_COUNTS
from automl_zero.kernels import _engine
from automl_zero.program import (
    INSTRUCTION_DTYPE,
    MAX_INSTRUCTIONS,
    SUPERVISED_COMPONENTS,
    MemorySizes,
    Program,
)

_FORMAT: Final = "automl-zero program evolution"
_VERSION: Final = 1
_SCORES: Final = ("fitness", "first_fitness", "full_fitness")
_BIRTHS: Final = ("number", "generation", "island")
_SIZES: Final = tuple(f"{name}_size" for name in SUPERVISED_COMPONENTS)
_SCHEMA: Final = pa.schema(
    [(name, pa.float64()) for name in _SCORES]
    + [(name, pa.int64()) for name in _BIRTHS]
    + [(name, pa.int32()) for name in _SIZES]
    + [("code", pa.large_binary())]
)
# The quickest level: 1,000 programs become some 30 kB (checkpoint_kb in scripts/bench_runs.py).
_WRITE: Final = pa.ipc.IpcWriteOptions(
    compression=pa.Codec("zstd", compression_level=1), use_threads=False
)
_READ: Final = pa.ipc.IpcReadOptions(use_threads=False)
_MAX_BYTES: Final = 1 << 32


def save_state(compiled: _engine.CompiledEvolution) -> bytes:
    """Everything that an evolution goes on from."""
    count = len(compiled.fitnesses)
    scores = np.zeros((count, len(_SCORES)))
    births = np.zeros((count, len(_BIRTHS)), np.int64)
    sizes = np.zeros((count, len(_SIZES)), np.int32)
    code = compiled.population(scores, births, sizes)
    ends = np.concatenate([[0], np.cumsum(sizes.sum(axis=1, dtype=np.int64))])
    offsets = ends * INSTRUCTION_DTYPE.itemsize
    columns = [pa.array(column) for table in (scores, births, sizes) for column in table.T]
    best = compiled.best
    op_names, (code, best_code) = portable_ops(code, b"" if best is None else best[2])
    columns.append(
        pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(code)]
        )
    )
    scalars = compiled.scalars
    if math.isinf(scalars["hurdle"]):
        scalars["hurdle"] = None
    meta = {
        "format": _FORMAT,
        "version": _VERSION,
        **scalars,
        "best": None if best is None else [best[0], best[1], best_code.hex(), best[3]],
        **({"custom_ops": op_names, "first_custom_op": FIRST_CUSTOM_OP} if op_names else {}),
    }
    schema = _SCHEMA.with_metadata({"state": json.dumps(meta)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_WRITE) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue().to_pybytes()


def load_state(compiled: _engine.CompiledEvolution, state: bytes) -> None:
    """Go on from a state that :func:`save_state` made or :func:`check_state` accepted."""
    scalars, best, scores, births, sizes, code = _parse(state)
    compiled.restore(scalars, best, scores, births, sizes, code)


def check_state(
    state: bytes,
    memory: MemorySizes,
    population_size: int,
    largest: Mapping[str, int],
) -> None:
    """Make sure that a state from a file can do no harm.

    Args:
        state: As :func:`save_state` made it, perhaps.
        memory: Registers that programs may use.
        population_size: Individuals at most.
        largest: Instructions at most, by component function.

    Raises:
        ValueError: If anything is wrong with it; names the field.
    """
    try:
        _check_parts(*_parse(state), memory, population_size, largest)
    except (pa.ArrowException, OSError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"expected the state of a program evolution: {error!r}") from None


def _check_parts(
    scalars: dict[str, Any],
    best: Any,
    scores: NDArray[np.float64],
    births: NDArray[np.int64],
    sizes: NDArray[np.int32],
    code: NDArray[np.uint8],
    memory: MemorySizes,
    population_size: int,
    largest: Mapping[str, int],
) -> None:
    if births.size and (births.min() < 0 or births[:, 2].max() >= 2**31):
        raise ValueError("number, generation, island: expected numbers that are not negative")
    count = len(scores)
    if count > population_size:
        raise ValueError(f"population: expected at most {population_size}, received {count}")
    _check_scalars(scalars, count, population_size)
    if not np.isfinite(scores[:, 0]).all():
        raise ValueError("fitness: expected finite numbers, received others")
    parts = sizes.tolist()
    if best is not None:
        number("best", best[0], 0, 1)
        _check_counts("best", best[1], _BIRTHS)
        parts.append(list(best[3]))
        code = np.concatenate([code, np.frombuffer(best[2], np.uint8)])
    for row in parts:
        for name, size in zip(SUPERVISED_COMPONENTS, row, strict=True):
            integer(f"{name}_size", size, 0, largest[name])
    if len(code) != sum(map(sum, parts)) * INSTRUCTION_DTYPE.itemsize:
        raise ValueError(f"code: expected {sum(map(sum, parts))} instructions, received others")
    _check_code(code.view(INSTRUCTION_DTYPE), memory)


def _check_scalars(scalars: Mapping[str, Any], count: int, population_size: int) -> None:
    integer("stream", scalars["stream"], 0, 2**64 - 1)
    integer("next_slot", scalars["next_slot"], 0, population_size - 1)
    if count < population_size and scalars["next_slot"] != count:
        raise ValueError(f"next_slot: expected {count}, received {scalars['next_slot']}")
    if scalars["hurdle"] != -math.inf:
        number("hurdle", scalars["hurdle"], 0, 1)
    counts = dict(scalars["statistics"])
    outcomes = counts.pop("outcome", None)
    _check_counts("statistics", counts, COUNTS)
    if not isinstance(outcomes, list) or len(outcomes) != len(MUTATION_TYPES) + 1:
        raise ValueError("statistics.outcome: expected one entry for each mutation type")
    for outcome in outcomes:
        _check_counts("statistics.outcome", outcome, OUTCOME_COUNTS)


def _check_counts(name: str, counts: Any, expected: Sequence[str]) -> None:
    if not isinstance(counts, Mapping) or set(counts) != set(expected):
        raise ValueError(f"{name}: expected {', '.join(expected)}, received {counts!r}")
    for key, value in counts.items():
        integer(f"{name}.{key}", value, 0, 2**31 - 1 if key == "island" else 2**62)


def _check_code(instructions: NDArray[Any], memory: MemorySizes) -> None:
    # Each different instruction once: a population has few.
    unique = np.unique(instructions.view("V24")).view(INSTRUCTION_DTYPE)
    for start in range(0, len(unique), MAX_INSTRUCTIONS):
        some = unique[start : start + MAX_INSTRUCTIONS]
        program = Program.from_arrays(some, np.array([0, 0, 0, len(some)]))
        program.check(memory)
        if program.to_arrays()[0].tobytes() != some.tobytes():
            raise ValueError("code: expected zeros in the fields that an op does not use")


def _parse(state: bytes) -> tuple[dict[str, Any], Any, Any, Any, Any, Any]:
    if len(state) > _MAX_BYTES:
        raise ValueError(f"expected at most {_MAX_BYTES} bytes, received {len(state)}")
    with pa.ipc.open_stream(pa.py_buffer(state), options=_READ) as reader:
        table = reader.read_all().combine_chunks()
    if not table.schema.equals(_SCHEMA):
        raise ValueError("expected other columns")
    table.validate(full=True)
    if any(column.null_count for column in table.columns):
        raise ValueError("expected no missing values")
    meta = json.loads((table.schema.metadata or {})[b"state"])
    for name, expected in (("format", _FORMAT), ("version", _VERSION)):
        if meta.pop(name) != expected:
            raise ValueError(f"{name}: expected {expected!r}")
    best = meta.pop("best")
    op_names = meta.pop("custom_ops", [])
    first = meta.pop("first_custom_op", FORMER_FIRST_CUSTOM_OP if op_names else FIRST_CUSTOM_OP)
    if best is not None:
        fitness, birth, code, lengths = best
        best = (fitness, birth, local_ops(op_names, bytes.fromhex(code), first), tuple(lengths))
    meta["statistics"] = dict.fromkeys(LATER_COUNTS, 0) | meta["statistics"]
    if meta["hurdle"] is None:
        meta["hurdle"] = -math.inf

    def matrix(names: tuple[str, ...], dtype: Any) -> Any:
        columns = [table.column(name).to_numpy() for name in names]
        return np.ascontiguousarray(np.stack(columns, axis=1), dtype)

    raw = table.column("code").combine_chunks()
    code_bytes = local_ops(op_names, b"".join(raw.to_pylist()), first)
    return (
        meta,
        best,
        matrix(_SCORES, np.float64),
        matrix(_BIRTHS, np.int64),
        matrix(_SIZES, np.int32),
        np.frombuffer(code_bytes or bytes(1), np.uint8)[: len(code_bytes)],
    )
