"""An architecture search that is killed on purpose; see :mod:`tests.killed_search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nas
from nas.strategies import NSGA2
from tests.killed_search import serve
from tests.nas.toy import SPACE, two_objectives


def search(folder: Path | None, **options: Any) -> nas.SearchOutcome:
    """Begin a search in a folder or go on with it; a checkpoint after every step."""
    settings: dict[str, Any] = {"evaluations": 40, "batch": 3, "checkpoint_seconds": 0, **options}
    return nas.search(
        SPACE,
        two_objectives,
        NSGA2(SPACE, population_size=8, seed=5),
        run_dir=folder,
        resume=folder is not None and (folder / "run.json").exists(),
        **settings,
    )


if __name__ == "__main__":
    serve(search)
