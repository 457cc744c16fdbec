"""Plug-and-play ADMM: the denoiser's bound, the condition, convergence."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from l2o.unrolled import (  # noqa: E402
    Denoiser,
    PlugAndPlayADMM,
    blur_operator,
    train_denoiser,
)
from l2o.unrolled._denoiser import convolution_norm  # noqa: E402


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    return torch.tensor(datasets.load_digits().images / 16, dtype=torch.float32)


@pytest.fixture(scope="module")
def denoiser(digits):
    module = Denoiser((8, 8), epsilon=0.7, layers=3, width=8)
    losses = train_denoiser(module, digits[:1500], iterations=100, lr=0.01)
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])
    return module


@pytest.fixture(scope="module")
def blur():
    kernel = torch.tensor([1.0, 6.0, 1.0]) / 8
    return blur_operator(kernel[:, None] * kernel, (8, 8))


def test_the_norm_of_a_convolution_is_that_of_its_matrix():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 2, 3, 3, generator=generator, dtype=torch.float64)
    inputs = torch.eye(2 * 30, dtype=torch.float64).reshape(-1, 2, 5, 6)
    padded = torch.nn.functional.pad(inputs, (1, 1, 1, 1), mode="circular")
    matrix = torch.nn.functional.conv2d(padded, weight).reshape(60, -1)
    expected = float(torch.linalg.matrix_norm(matrix, 2))
    assert float(convolution_norm(weight, (5, 6))) == pytest.approx(expected, rel=1e-10)


def test_no_two_images_break_the_bound_of_the_residual(denoiser):
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(200, 8, 8, generator=generator)
    for size in (1e-3, 1.0):
        second = first + size * torch.randn(first.shape, generator=generator)
        with torch.no_grad():
            change = (first - denoiser(first)) - (second - denoiser(second))
        ratio = change.flatten(1).norm(dim=1) / (first - second).flatten(1).norm(dim=1)
        assert float(ratio.max()) <= 0.7 + 1e-3
    assert denoiser.lipschitz() <= 0.7 + 1e-5


def test_the_condition_is_that_of_the_theorem(denoiser, blur):
    epsilon = denoiser.lipschitz()
    strong = (6 / 8 - 2 / 8) ** 4  # the blur at the highest frequency, squared
    expected = epsilon / ((1 + epsilon - 2 * epsilon**2) * strong)
    admm = PlugAndPlayADMM(blur, denoiser)
    assert admm.least_alpha == pytest.approx(expected, rel=1e-4)
    assert admm.guaranteed
    with pytest.raises(ValueError, match="alpha: expected a number > "):
        PlugAndPlayADMM(blur, denoiser, alpha=0.9 * expected)
    assert not PlugAndPlayADMM(blur, denoiser, alpha=0.9 * expected, check=False).guaranteed
    with pytest.raises(ValueError, match="not guaranteed"):
        PlugAndPlayADMM(torch.ones(3, 64), denoiser)


def test_it_converges_and_recovers_more_than_the_inverse_filter(denoiser, blur, digits):
    clean = digits[1500:1600]
    generator = torch.Generator().manual_seed(1)
    measured = clean.reshape(-1, 64) @ blur.T
    measured = measured + 0.05 * torch.randn(measured.shape, generator=generator)
    result = PlugAndPlayADMM(blur, denoiser).solve(measured, iterations=100)
    assert float(result.changes[-1]) < 1e-9 * float(result.changes[0])
    inverse = torch.linalg.solve(blur, measured.T).T.reshape(clean.shape)
    error = (result.images - clean).square().mean()
    assert float(error) < 0.9 * float((inverse - clean).square().mean())


def test_blurring_keeps_the_sum_and_moves_nothing(blur):
    point = torch.zeros(8, 8)
    point[3, 4] = 1.0
    blurred = (blur @ point.flatten()).reshape(8, 8)
    assert float(blurred.sum()) == pytest.approx(1.0)
    assert float(blurred[3, 4]) == pytest.approx(36 / 64)
    assert float(blurred[2, 4]) == pytest.approx(float(blurred[4, 4]))
    shifted = blur_operator(torch.tensor([[0.0, 0.0, 1.0]]), (8, 8)) @ point.flatten()
    assert float(shifted.reshape(8, 8)[3, 5]) == 1.0


def test_wrong_arguments_are_named(denoiser):
    with pytest.raises(ValueError, match="epsilon: expected a number"):
        Denoiser((8, 8), epsilon=1.5)
    with pytest.raises(ValueError, match=r"images: expected the shape \(batch, 8, 8\)"):
        denoiser(torch.zeros(1, 9, 9))
    with pytest.raises(ValueError, match=r"operator: expected the shape \(measurements, 64\)"):
        PlugAndPlayADMM(torch.eye(3), denoiser)
    with pytest.raises(ValueError, match="measurements: expected the shape"):
        PlugAndPlayADMM(torch.eye(64), denoiser).solve(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="kernel: expected odd sizes"):
        blur_operator(torch.ones(2, 2), (8, 8))
    with pytest.raises(ValueError, match="lr: expected one at which training converges"):
        train_denoiser(Denoiser((8, 8), width=2), torch.full((4, 8, 8), math.inf), iterations=2)
