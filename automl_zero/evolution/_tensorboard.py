"""Epochs as TensorBoard scalars."""

from __future__ import annotations

import time
from os import PathLike, fspath
from types import TracebackType
from typing import Any

from automl_zero.evolution._progress import EpochReport


class TensorBoardCallback:
    """Writes what epochs report as TensorBoard scalars; a callback of a search.

    The step is the number of individuals created. Needs the extra ``tensorboard``, without
    TensorFlow or PyTorch.

    Args:
        folder: Where the event file goes; what ``tensorboard --logdir`` is given.

    Raises:
        ImportError: If TensorBoard is not installed.

    Example::

        with TensorBoardCallback("runs/first/tensorboard") as callback:
            search.run("runs/first", callbacks=[callback])
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoard scalars need TensorBoard: pip install 'automl-zero[tensorboard]'"
            ) from error
        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(fspath(folder))
        self._last: tuple[float, int] | None = None

    def __call__(self, report: EpochReport) -> None:
        """Write the scalars of an epoch."""
        statistics = report.statistics
        island = f"island {report.island}"
        scalars = {
            "fitness/best": report.best_fitness,
            f"fitness of islands/{island} best": statistics.best_fitness,
            f"fitness of islands/{island} mean": statistics.mean_fitness,
            f"diversity/{island}": statistics.unique_in_population,
            "experiment": report.experiment,
        }
        for name in ("canonical_hit_rate", "fec_hit_rate", "evaluation_rate"):
            if hasattr(statistics, name):
                scalars[f"rates/{island} {name}"] = getattr(statistics, name)
        if self._last is not None and report.seconds > self._last[0]:
            seconds, individuals = self._last
            rate = (report.individuals - individuals) / (report.seconds - seconds)
            scalars["individuals per second"] = rate
        self._last = (report.seconds, report.individuals)
        values = [
            self._summary.Value(tag=tag, simple_value=float(value))
            for tag, value in scalars.items()
        ]
        event: Any = self._event(
            wall_time=time.time(),
            step=report.individuals,
            summary=self._summary(value=values),
        )
        self._writer.add_event(event)

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self._writer.close()

    def __enter__(self) -> TensorBoardCallback:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
