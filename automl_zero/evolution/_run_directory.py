"""The run directory while a search works on it: what all kinds of searches do there."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

from automl_zero._config_values import integer, number
from automl_zero.evolution.executors import capacity
from automl_zero.evolution.runs import Checkpoint, Run

INTERRUPTED: Final = "interrupted"

POLL_SECONDS: Final = 0.05
"""Between looks at the clock and at ``should_stop`` while workers are busy."""

CHECKPOINT_SECONDS: Final = 10.0
"""A checkpoint of eight islands takes some milliseconds; a kill costs 10 s at most."""


@contextlib.contextmanager
def run_directory(
    run_dir: str | PathLike[str] | None,
    *,
    resume: bool,
    kind: str,
    config: Mapping[str, Any],
    config_text: str | None,
    seed: int | None,
    executor: Executor,
    instruction_set: str = "",
) -> Iterator[tuple[Run | None, list[str]]]:
    """The locked run directory; what is put into the list is why the session ended.

    A new one is made, or with ``resume`` that of the same search opened. Without ``run_dir``
    there is none.

    Raises:
        ValueError: If there is nothing to resume, the run is one of another search, or the
            folder is not empty.
    """
    ended: list[str] = []
    if run_dir is None:
        if resume:
            raise ValueError("resume: expected a run_dir to go on with, received none")
        yield None, ended
        return
    if resume:
        run = Run.open(Path(run_dir))
        if run.kind != kind:
            raise ValueError(f"run.json: kind: expected {kind!r}, received {run.kind!r}")
        run.require_config(config)
        for difference in run.differences_of_machine(instruction_set):
            warnings.warn(
                f"{run.path}: {difference}; results may differ", RuntimeWarning, stacklevel=5
            )
    else:
        run = Run.create(
            Path(run_dir),
            kind=kind,
            config=config,
            config_text=config_text,
            seed=seed,
            instruction_set=instruction_set,
        )
    with run.lock():
        run.begin_session(executor=type(executor).__name__, workers=capacity(executor))
        try:
            yield run, ended
        except BaseException as error:
            with contextlib.suppress(OSError):
                run.end_session(_reason(error))
            raise
        run.end_session(ended[0] if ended else "")


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return f"{type(error).__name__}: {error}"


def newest_checkpoint(run: Run) -> Checkpoint | None:
    """The checkpoint to go on from, None in a run without any; warns of damaged ones.

    Raises:
        ValueError: If there are checkpoints, and all are damaged.
    """
    checkpoint, problems = run.checkpoints.newest()
    for problem in problems:
        warnings.warn(f"{run.path}: {problem}", RuntimeWarning, stacklevel=6)
    if checkpoint is None and problems:
        raise ValueError(
            f"{run.path}: expected a checkpoint that can be read, received none; "
            f"start again with a new folder"
        )
    return checkpoint


def clock_part(seconds: float, offset: int) -> bytes:
    """Time of the run and end of its log: what differs from run to run, in a part of its own."""
    return json.dumps({"seconds": seconds, "events": offset}).encode()


def read_clock(text: bytes) -> tuple[float, int]:
    """What :func:`clock_part` was given.

    Raises:
        ValueError: If it is none.
    """
    try:
        data = json.loads(text)
        return number("seconds", data["seconds"], 0), integer("events", data["events"], 0)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"part 'clock': expected seconds and events: {error}") from None


def describe(thing: object) -> dict[str, Any]:
    """The class of a space or a strategy and those of its attributes that are plain values.

    Lists, tuples, mappings and dataclasses of plain values are plain as well.

    >>> from automl_zero.evolution import BitStringSpace
    >>> describe(BitStringSpace(8))
    {'class': 'BitStringSpace', 'length': 8, 'flip_probability': 0.125}
    """
    plain = {name: _plain(value) for name, value in vars(thing).items() if name[0] != "_"}
    kept = {name: value for name, value in plain.items() if value is not ...}
    return {"class": type(thing).__qualname__, **kept}


def _plain(value: Any) -> Any:
    """A value as JSON takes it; ``...`` if it is none."""
    if isinstance(value, str | int | float | bool | None):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        items = {str(key): _plain(item) for key, item in value.items()}
        return ... if ... in items.values() else items
    if isinstance(value, list | tuple):
        found = [_plain(item) for item in value]
        return ... if ... in found else found
    return ...
