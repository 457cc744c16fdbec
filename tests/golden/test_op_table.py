"""The op table is that of the original project."""

from pathlib import Path

import pytest
from _golden import read_records

from automl_zero.ops import OPS, ORIGINAL_OPS

RECORDS = read_records(Path(__file__).parent / "op_table.json.gz")


def test_the_table_begins_with_the_original_ops():
    assert OPS[: len(ORIGINAL_OPS)] == ORIGINAL_OPS
    assert [op.name for op in ORIGINAL_OPS] == [record["name"] for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_an_op_is_the_original_one(record):
    op = OPS[record["id"]]
    assert op.name == record["name"]
    assert list(op.inputs) == [kind for kind in (record["in1"], record["in2"]) if kind]
    assert op.output == (record["out"] or "")
    assert op.arity == record["arity"]
    assert op.cost == record["compute_cost"]
    assert op.random == (not record["deterministic"])
    assert len(op.constants) == len(record["data"])


@pytest.mark.parametrize(
    "record", [record for record in RECORDS if record["data"]], ids=lambda record: record["name"]
)
def test_constants_live_in_the_original_fields(record):
    op = OPS[record["id"]]
    fields = [text.split("(")[0] for text in record["data"]]
    assert list(op.constant_fields) == fields
