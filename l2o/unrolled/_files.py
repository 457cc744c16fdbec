"""Solvers as safetensors files with their settings as JSON in the header."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from l2o import _checkpoint as checkpoint
from l2o.unrolled._alista import ALISTA, TISTA
from l2o.unrolled._lamp import GLISTA, LAMP
from l2o.unrolled._lista import LISTA, LISTACP, LISTACPSS
from l2o.unrolled._solver import UnrolledSolver

SOLVERS: Final[dict[str, type[UnrolledSolver]]] = {
    kind.__name__: kind for kind in (ALISTA, GLISTA, LAMP, LISTA, LISTACP, LISTACPSS, TISTA)
}


def save_solver(path: str | Path, solver: UnrolledSolver) -> None:
    """Write a solver, its dictionary included, to a safetensors file.

    Raises:
        ValueError: If it is none of this package's classes.
    """
    kind = type(solver).__name__
    if SOLVERS.get(kind) is not type(solver):
        raise ValueError(f"solver: expected one of {', '.join(SOLVERS)}, received {kind}")
    state = {"solver": kind, "settings": solver.settings()}
    checkpoint.write_tensors(Path(path), solver.state_dict(), state)


def load_solver(path: str | Path) -> UnrolledSolver:
    """The solver of a file that :func:`save_solver` wrote.

    Raises:
        ValueError: If the file is damaged or foreign; names the file and the field.
    """
    path = Path(path)
    tensors, state = checkpoint.read_tensors(path)
    if not isinstance(state, dict) or state.get("solver") not in SOLVERS:
        raise ValueError(f"{path}: solver: expected one of {', '.join(SOLVERS)}")
    settings = state.get("settings")
    if not isinstance(settings, dict):
        raise ValueError(f"{path}: settings: expected an object, received {settings!r}")
    if "dictionary" not in tensors:
        raise ValueError(f"{path}: dictionary: expected this tensor, received none")
    try:
        solver = SOLVERS[state["solver"]](tensors["dictionary"], **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: settings: {error}") from None
    checkpoint.fill(path, solver.state_dict(), tensors)
    return solver
