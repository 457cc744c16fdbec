"""``automl-zero l2o``: commands that another package adds."""

from __future__ import annotations

import importlib
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from automl_zero.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def declared(monkeypatch):
    """The entry points that pyproject.toml declares, whatever is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    group = "automl_zero.commands"
    points = metadata.EntryPoints(
        metadata.EntryPoint(name, value, group)
        for name, value in project["entry-points"][group].items()
    )
    monkeypatch.setattr(metadata, "entry_points", lambda **wanted: points.select(**wanted))
    return points


def test_declared_commands_exist(declared):
    for point in declared:
        module, _, name = point.value.partition(":")
        assert hasattr(importlib.import_module(module), name)


def test_help_lists_commands_of_other_packages(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "l2o" in shown and "evolve" in shown
    assert main(["l2o", "--help"]) == 0
    assert "export" in capsys.readouterr().out


def test_a_rule_is_exported_to_a_file(tmp_path, capsys):
    path = tmp_path / "my_optimizer.py"
    assert main(["l2o", "export", "lion", "-o", str(path), "--lr", "0.001"]) == 0
    source = path.read_text()
    compile(source, str(path), "exec")
    assert "class MyOptimizer(Optimizer):" in source and "= 0.001" in source
    assert main(["l2o", "export", "lion", "--name", "Lion"]) == 0
    assert "class Lion(Optimizer):" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["l2o", "nothing"], "No such command 'nothing'"),
        (["l2o", "export", "nothing"], "rule: expected a Program"),
        (["l2o", "export", "sgd", "--name", "1"], "name: expected a name of a class"),
        (["l2o", "export", "sgd", "-o", "no/such/folder.py"], "--out: expected an existing folder"),
    ],
)
def test_wrong_commands_are_one_line_and_exit_code_2(words, message, capsys):
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
