"""The shipped table of cells on digits."""

import numpy as np

from nas.benchmarks import DigitsTable


def test_the_shipped_table_knows_every_cell():
    digits = DigitsTable()
    cells = {
        digits.space.key(cell): tuple(
            digits.value(cell, f"{part}_{seed}")
            for part in ("validation", "test")
            for seed in range(3)
        )
        for cell in digits.architectures()
    }
    assert len(cells) == 6466
    validation, test = (digits.values(name) for name in ("validation", "test"))
    assert validation.min() > 5 and test.max() < 100
    assert np.corrcoef(validation, test)[0, 1] > 0.95
