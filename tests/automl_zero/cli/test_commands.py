"""Commands that other packages add by entry points."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import pytest

from automl_zero.cli import _commands, main


def entry(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, _commands.GROUP)


def test_an_added_command_is_listed_and_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = [entry("extra", "automl_zero.cli:app"), entry("ops", "no.such:module")]
    monkeypatch.setattr(_commands.metadata, "entry_points", lambda group: entries)
    assert main(["extra", "configs"]) == 0
    assert "demo" in capsys.readouterr().out
    assert main(["--help"]) == 0
    assert "extra" in capsys.readouterr().out
    assert main(["ops"]) == 0  # the own command, whatever others add


@pytest.mark.parametrize("value", ["no.such:module", "automl_zero:nothing", "automl_zero"])
def test_one_that_cannot_be_loaded_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    found: list[Any] = [entry("broken", value)]
    monkeypatch.setattr(_commands.metadata, "entry_points", lambda group: found)
    assert main(["broken"]) == 1
    assert capsys.readouterr().err.startswith(f"automl-zero: broken: cannot load {value}: ")
