"""The notebooks: they run, and hold their outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def read(path: Path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_outputs_are_stored(path: Path) -> None:
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    assert all(cell.outputs for cell in cells)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert path.stat().st_size < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run(path: Path, tmp_path: Path) -> None:
    notebook = read(path)
    stored = [cell.get("outputs", []) for cell in notebook.cells]
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    for cell, before in zip(notebook.cells, stored, strict=True):
        after = cell.get("outputs", [])
        kinds = [[sorted(o.get("data", {})) for o in outputs] for outputs in (before, after)]
        assert kinds[0] == kinds[1], cell.source
        texts = ["".join(o.get("text", "") for o in outputs) for outputs in (before, after)]
        assert texts[0] == texts[1], cell.source  # a search gives the same result anywhere
