import pytest

torch = pytest.importorskip("torch")

from nas.networks import OPERATIONS, operation  # noqa: E402


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("out_channels", [4, 6])
def test_every_operation_gives_the_asked_channels_and_size(name, stride, size, out_channels):
    module = operation(name, 4, out_channels, stride)
    y = module(torch.randn(2, 4, size, size))
    assert y.shape == (2, out_channels, -(-size // stride), -(-size // stride))


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_affine_no_batch_norm_has_parameters(name):
    for module in operation(name, 4, 6, 2, affine=False).modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert not module.affine


def test_parameter_counts_follow_the_formulas():
    c = 16
    assert count(operation("nor_conv_3x3", c, c)) == 9 * c * c + 2 * c
    assert count(operation("sep_conv_5x5", c, c)) == 2 * (25 * c + c * c + 2 * c)
    assert count(operation("dil_conv_3x3", c, c)) == 9 * c + c * c + 2 * c
    assert count(operation("conv_7x1_1x7", c, c)) == 14 * c * c + 2 * c
    assert count(operation("skip_connect", c, c, 2)) == c * c + 2 * c
    assert count(operation("skip_connect", c, c)) == count(operation("avg_pool_3x3", c, c)) == 0


def test_no_connection_gives_zeros_with_zero_gradients():
    x = torch.randn(1, 4, 6, 6, requires_grad=True)
    y = operation("none", 4, 8, 2)(x)
    assert y.shape == (1, 8, 3, 3) and not y.any()
    y.sum().backward()
    assert not x.grad.any()


def test_the_average_leaves_out_the_border():
    y = operation("avg_pool_3x3", 1, 1)(torch.ones(1, 1, 4, 4))
    assert torch.equal(y, torch.ones(1, 1, 4, 4))


def test_an_unknown_operation_is_refused():
    with pytest.raises(ValueError, match="nor_conv_3x3.*received 'conv_9x9'"):
        operation("conv_9x9", 4, 4)
