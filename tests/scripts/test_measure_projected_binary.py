"""The script that measures hand-written and found programs on pairs of image classes."""

import json

import measure_projected_binary as script

from automl_zero import Program
from automl_zero.evolution import hand_built_program
from automl_zero.tasks import projected_binary_tasks


def test_every_program_is_measured_on_held_out_pairs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "FACTORS", (0.1, 10))
    rows = tmp_path / "rows.json"
    assert script.main(["--quick", "--full", "--json", str(rows)]) == 0
    values = {row["name"]: row["value"] for row in json.loads(rows.read_text())}
    for name in script.HAND_WRITTEN:
        assert values[f"digits_{name}"] > 85
        assert values[f"digits_{name}_full"] > 85  # 64 features instead of 16
    assert "279 training, 34 validation examples" in capsys.readouterr().out


def test_tuning_changes_the_learning_rate_and_nothing_else():
    program = hand_built_program("linear")
    tasks = projected_binary_tasks("digits", 4, seed=1)
    wild = script.with_constant(program, 0, 10.0)
    better = script.tuned(wild, tasks)
    assert better["setup"][0].act < 10.0
    assert better == script.with_constant(program, 0, better["setup"][0].act)


def test_the_constant_one_is_no_setting():
    text = "def Setup():\n  s2 = 1.0\n  s3 = 0.5\ndef Predict():\ndef Learn():"
    assert script.scalar_constants(Program.parse(text)) == [1]
