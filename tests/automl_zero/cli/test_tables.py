"""The commands that print tables: ops and configs."""

from __future__ import annotations

import json
import tomllib

import pytest

from automl_zero.cli import main
from automl_zero.config import config_names
from automl_zero.ops import OPS, known_ops


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_ops_shows_every_op(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output_of(capsys, "ops").splitlines()
    for op in OPS:
        (line,) = [line for line in lines if f" {op.name} " in line]
        assert line.split()[0] == str(op.id)
    (row,) = [line for line in lines if "VECTOR_CONST_SET_OP" in line]
    assert "v2[index] = value" in row  # brackets are no markup


def test_ops_as_json_has_every_op_and_constant(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(output_of(capsys, "ops", "--json"))
    assert [row["name"] for row in data] == [op.name for op in known_ops()]
    for row, op in zip(data, known_ops(), strict=True):
        assert [item["role"] for item in row["constants"]] == [r.name for r in op.constants]
        assert tuple(item["field"] for item in row["constants"]) == op.constant_fields
        assert len(row["inputs"]) == op.arity


def test_configs_lists_all_with_their_description(capsys: pytest.CaptureFixture[str]) -> None:
    shown = output_of(capsys, "configs")
    for name in config_names():
        assert any(line.startswith(f"{name} ") for line in shown.splitlines())


@pytest.mark.parametrize("name", config_names())
def test_configs_prints_a_file_to_start_from(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert "stop" in tomllib.loads(output_of(capsys, "configs", name))
