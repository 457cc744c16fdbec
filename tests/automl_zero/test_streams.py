"""Keyed streams: the same numbers always, from anywhere."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl_zero.evaluation import _engine
from automl_zero.streams import GAMMA, Stream, mix64, stream_key

ROOT = Path(__file__).parents[2]

# Of the published SplitMix64 generator, seed 1234567.
SPLITMIX64 = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)


def box_muller(u):
    """Standard normal numbers of uniform ones, in NumPy."""
    radius, angle = np.sqrt(-2 * np.log(u[0::2])), 2 * np.pi * u[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()


def test_numbers_are_those_of_splitmix64():
    assert tuple(Stream(1234567).uint64(5).tolist()) == SPLITMIX64
    assert tuple(mix64(1234567 + GAMMA * (n + 1)) for n in range(5)) == SPLITMIX64


def test_a_stream_goes_on_where_it_stopped():
    whole = Stream(7).uint64(10)
    stream = Stream(7)
    assert np.array_equal(np.concatenate([stream.uint64(3), stream.uint64(7)]), whole)
    assert np.array_equal(Stream(7, position=4).uint64(6), whole[4:])


def test_keys_differ_by_seed_and_path():
    paths = [(), (0,), (1,), ("a",), ("a", 0), ("a", 1), (0, "a"), ("ab",), ("a" * 9,), ("a" * 8,)]
    keys = {stream_key(seed, *path) for seed in (0, 1, 2**64 - 1) for path in paths}
    assert len(keys) == 30
    assert stream_key(-1) == stream_key(2**64 - 1)


def test_uniform_numbers_fill_the_open_interval():
    numbers = Stream(1).uniform((100, 100), -1.0, 3.0)
    assert numbers.shape == (100, 100)
    assert -1 < numbers.min() < -0.99 and 2.99 < numbers.max() < 3
    assert abs(numbers.mean() - 1) < 0.05
    assert Stream(1).uniform().shape == ()


@pytest.mark.parametrize("shape", [(), 0, 1, 2, 3, 99, (3, 5), 4096, 4097, (90, 91)])
def test_normal_numbers_come_in_pairs_of_uniform_ones(shape):
    for position in (0, 5):
        stream = Stream(99, position)
        found = stream.normal(shape)
        count = int(np.prod(shape))
        pairs = (count + 1) // 2
        assert stream.position == position + 2 * pairs
        expected = box_muller(Stream(99, position).uniform(2 * pairs))[:count].reshape(shape)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_normal_numbers_are_the_same_in_any_portions_of_pairs():
    whole = Stream(3).normal(9000)
    stream = Stream(3)
    parts = [stream.normal(count) for count in (2, 64, 4096, 4, 4834)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_normal_numbers_are_the_same_bytes_with_every_instruction_set(isa):
    code = "import hashlib; from automl_zero.streams import Stream\n"
    code += "print(hashlib.sha256(Stream(5).normal(20001).tobytes()).hexdigest())"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"AUTOML_ZERO_ISA": isa, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == hashlib.sha256(Stream(5).normal(20001).tobytes()).hexdigest()


def test_seeds_mean_the_same_bytes_forever():
    # If this fails, every published seed means something else: don't change it.
    stream = Stream(stream_key(2026, "forever", 1))
    parts = (
        stream.uint64(100),
        stream.uniform(100),
        stream.normal(101),
        stream.permutation(50).astype(np.int64),
        np.array([stream.below(1000) for _ in range(20)]),
    )
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest == "9b89ed6a675bcf6fdbb9d4bc0db400ee8c7426db0c57ce79a2d6e7426d18737b"


def test_below_and_permutation_cover_their_range():
    stream = Stream(11)
    assert {stream.below(5) for _ in range(200)} == set(range(5))
    assert stream.below(1) == 0
    assert sorted(stream.permutation(30)) == list(range(30))
    with pytest.raises(ValueError, match="bound: expected a positive integer, received 0"):
        stream.below(0)
