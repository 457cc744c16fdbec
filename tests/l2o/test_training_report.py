"""The page about a meta-training."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from automl_zero.cli import main  # noqa: E402
from l2o.learned import CoordinatewiseLSTM, Quadratics, meta_train  # noqa: E402


@pytest.fixture
def folder(tmp_path):
    meta_train(
        CoordinatewiseLSTM(hidden=3), Quadratics(2), iterations=6, batch_size=2, horizon=4,
        validation=Quadratics(2), validation_problems=2, validate_every=2, checkpoint_every=2,
        folder=tmp_path / "training",
    )  # fmt: skip
    return tmp_path / "training"


def test_the_page_shows_curves_and_settings(folder, tmp_path):
    page = tmp_path / "page.html"
    assert main(["l2o", "report", str(folder), "-o", str(page), "--quiet"]) == 0
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "6 of 6" in text and "finished" in text and "coordinatewise_lstm" in text
    assert "default-src 'none'" in text


def test_a_training_before_its_first_checkpoint_has_a_page_too(folder, tmp_path):
    (folder / "training.safetensors").unlink()
    page = tmp_path / "page.html"
    assert main(["l2o", "report", str(folder), "-o", str(page)]) == 0
    assert "0 of 6" in page.read_text() and "Nothing to draw yet" in page.read_text()


def test_what_stands_in_settings_is_text(folder, tmp_path):
    path = folder / "settings.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "note": "<script>alert(1)</script>"}))
    page = tmp_path / "page.html"
    assert main(["l2o", "report", str(folder), "-o", str(page)]) == 0
    assert "<script>alert" not in page.read_text()


def test_damaged_files_are_named(folder, tmp_path, capsys):
    (folder / "training.safetensors").write_bytes(b"no")
    page = tmp_path / "page.html"
    assert main(["l2o", "report", str(folder), "-o", str(page)]) != 0
    assert "training.safetensors: expected a safetensors file" in capsys.readouterr().err
    (folder / "settings.json").write_text("{}")
    assert main(["l2o", "report", str(folder), "-o", str(page)]) != 0
    assert "settings.json: iterations" in capsys.readouterr().err
    assert not page.exists()
