"""Results of long measurements, kept from one call of a script to the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class ResultFile:
    """One JSON line per result, under a key; a script that was interrupted goes on.

    Args:
        path: The file; made if it is not there. None keeps results in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        if path is None or not path.exists():
            return
        whole, _, _ = path.read_text().rpartition("\n")  # a killed script may leave half a line
        for line in whole.splitlines():
            record = json.loads(line)
            self._known[record["key"]] = record["result"]
        path.write_text(whole + "\n" if whole else "")

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, key: str, measure: Callable[[], Any]) -> Any:
        """The result under ``key``, measured now if it is not known."""
        if key not in self._known:
            result = measure()
            self._known[key] = result
            if self._path is not None:
                with open(self._path, "a") as file:
                    file.write(json.dumps({"key": key, "result": result}) + "\n")
        return self._known[key]


def add_results_option(parser: Any) -> None:
    """Add ``--results FILE``."""
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FILE",
        help="keep single results in FILE and take those that are there: to interrupt and go on",
    )
