"""The table of cells on digits: training, the file, and reading it."""

import pytest

pytest.importorskip("torch")

import make_digits_table  # noqa: E402

from nas.benchmarks import DigitsTable  # noqa: E402
from nas.spaces import NasBench201Space  # noqa: E402

SPACE = NasBench201Space()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table whose accuracies are made up: the length of the cell's key, and the seed."""
    path = tmp_path_factory.mktemp("table") / "digits.parquet"
    cells = make_digits_table.different_cells()
    results = [
        [
            {"seed": seed, "validation": len(SPACE.key(cell)) + seed, "test": 2.0 * cell[0]}
            for seed in (0, 4)
        ]
        for cell in cells
    ]
    make_digits_table.write_table(cells, results, path)
    return path, cells


def test_cells_are_one_per_class_in_an_order_that_is_fixed(table):
    _, cells = table
    assert len(cells) == 6466
    assert len({SPACE.key(cell) for cell in cells}) == 6466
    assert cells == make_digits_table.different_cells()
    assert cells != sorted(cells)


def test_isomorphic_cells_share_their_numbers(table):
    digits = DigitsTable(table[0])
    first, second = (1, 2, 3, 0, 4, 3), (1, 3, 2, 4, 0, 3)
    assert SPACE.key(first) == SPACE.key(second)
    assert digits.validation(first) == digits.validation(second) == len(SPACE.key(first)) + 2
    assert digits.validation(first, seed=4) == len(SPACE.key(first)) + 4
    assert digits.test((0,) * 6) == 0.0
    assert len(digits) == 15625
    with pytest.raises(ValueError, match="validation_9"):
        digits.validation(first, seed=9)


def test_other_tables_are_told(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "short.parquet"
    pq.write_table(pa.table({"validation_0": [1.0], "test_0": [1.0]}), path)
    with pytest.raises(ValueError, match=r"short\.parquet: expected 15625 rows"):
        DigitsTable(path)
    pq.write_table(pa.table({"validation_0": [1.0]}), path)
    with pytest.raises(ValueError, match=r"short\.parquet: expected columns test_SEED"):
        DigitsTable(path)
    path.write_bytes(b"none")
    with pytest.raises(ValueError, match=r"short\.parquet"):
        DigitsTable(path)


def test_training_is_a_pure_function_of_cell_and_seeds():
    torch = pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    import _digits_training as training

    short = training.Settings(epochs=1, batch=200)
    cell = (3, 1, 4, 0, 2, 3)
    torch.manual_seed(5)
    first = training.train(cell, (0, 1), short)
    torch.manual_seed(6)
    assert training.train(cell, (0, 1), short) == first
    assert [entry["seed"] for entry in first] == [0, 1]
    assert first[0]["validation"] != first[1]["validation"]
    # A cell without a way through knows nothing of the image.
    empty = training.train((0,) * 6, (0,), short)
    assert empty[0]["validation"] < 20


def test_seeds_side_by_side_do_not_see_each_other():
    torch = pytest.importorskip("torch")
    import _digits_training as training

    cell, settings = (3, 1, 4, 0, 2, 3), training.Settings()
    both = training.SideBySide(cell, (0, 1), settings)
    alone = training.SideBySide(cell, (1,), settings)
    x = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(both(x)[:, 1:], alone(x[:, 1:]), rtol=1e-4, atol=1e-5)


def test_only_live_edges_are_built():
    pytest.importorskip("torch")
    from _digits_training import live_edges

    assert live_edges((3, 3, 3, 3, 0, 0)) == [(3, "nor_conv_3x3")]
    assert live_edges((0,) * 6) == []
    assert [edge for edge, _ in live_edges((1,) * 6)] == list(range(6))


@pytest.mark.slow  # starts processes, which import torch
def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    results = tmp_path / "results.jsonl"
    arguments = ["--check", "2", "--seeds", "0,1", "--results", str(results)]
    assert make_digits_table.main([*arguments[:1], "1", *arguments[2:]]) == 0
    first = results.read_text()
    assert make_digits_table.main(arguments) == 0
    assert results.read_text().startswith(first)
    assert len(results.read_text().splitlines()) == 2
