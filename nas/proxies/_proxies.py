"""Scores of untrained networks, each from at most one batch of images."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from nas.objectives._costs import count_parameters, one_thread


def synflow(network: nn.Module, shape: Sequence[int]) -> float:
    """Synaptic flow: the sum over all weights of ``w * dR/dw``.

    Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic
    flow" (NeurIPS 2020), as a proxy by Abdelfattah et al., "Zero-cost proxies for lightweight
    NAS" (ICLR 2021). R is the sum of the outputs for an image of ones, with all weights
    replaced by their size and batch norms left out. The sum is over weights of convolutions
    and linear layers. It needs no data.

    Args:
        network: Any; it is not changed.
        shape: Of an image: channels, height, width.

    Returns:
        At least 0. It grows by orders of magnitude with depth: compare ranks.

    >>> layer = nn.Linear(2, 1, bias=False)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[2.0, -3.0]]))
    >>> synflow(nn.Sequential(nn.Flatten(), layer), (2, 1, 1))
    5.0
    """
    network = _without_batch_norms(copy.deepcopy(network)).double().train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = _layer_weights(network)
    with one_thread():
        network(torch.ones(1, *shape, dtype=torch.double)).sum().backward()
    return sum(float((w.detach() * w.grad).abs().sum()) for w in weights if w.grad is not None)


def grad_norm(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Sum over layers of the norm of the gradient of the loss on one batch.

    Abdelfattah et al. 2021, section 3.1: the Euclidean norm for the weights of each convolution
    and linear layer.

    Args:
        network: Any; it is not changed.
        images: Shape ``[N, channels, H, W]``.
        labels: Shape ``[N]``.
    """
    network = copy.deepcopy(network).train()
    network.zero_grad()
    with one_thread():
        F.cross_entropy(network(images), labels).backward()
    return sum(float(w.grad.norm()) for w in _layer_weights(network) if w.grad is not None)


def naswot(network: nn.Module, images: torch.Tensor) -> float:
    """How differently the images of a batch switch the network's ReLUs.

    Mellor et al., "Neural architecture search without training" (ICML 2021): two images are as
    alike as the number of ReLU outputs that are zero for both or for neither. The score is the
    logarithm of the determinant of the matrix of that number for all pairs (equation 2).

    Args:
        network: Any with ReLUs as modules; it is not changed.
        images: Shape ``[N, channels, H, W]``; 32 or more of them.

    Returns:
        Minus infinity if two images switch all ReLUs alike, or there are none.
    """
    network = copy.deepcopy(network).train()
    kernel = torch.zeros(len(images), len(images), dtype=torch.double)

    def add(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        code = (output.flatten(1) > 0).float()
        # Sums of at most 2**24 ones are exact in float32.
        kernel.add_((code @ code.T + (1 - code) @ (1 - code).T).double())

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
            module.register_forward_hook(add)
    with one_thread(), torch.no_grad():
        network(images)
    sign, value = torch.linalg.slogdet(kernel)
    return float(value) if sign > 0 else float("-inf")


def jacobian_covariance(network: nn.Module, images: torch.Tensor) -> float:
    """How differently a network's output reacts to small changes of different images.

    The first version of "Neural architecture search without training" (arXiv 2006.04647v1):
    with the eigenvalues s of the correlation matrix of the gradients of the summed output in
    each image, the score is ``-sum(log(s + 1e-5) + 1 / (s + 1e-5))``.

    Args:
        network: Any; it is not changed.
        images: Shape ``[N, channels, H, W]``.

    Returns:
        Minus infinity if a gradient is the same everywhere, as without any input.
    """
    network = copy.deepcopy(network).train()
    images = images.clone().requires_grad_()
    with one_thread():
        (slopes,) = torch.autograd.grad(network(images).sum(), [images], materialize_grads=True)
    jacobian = slopes.flatten(1).double()
    jacobian = jacobian - jacobian.mean(1, keepdim=True)
    length = jacobian.norm(dim=1, keepdim=True)
    if not bool((length > 0).all()) or not bool(torch.isfinite(length).all()):
        return float("-inf")
    correlation = (jacobian / length) @ (jacobian / length).T
    # Rounding can put the smallest eigenvalues a little below 0.
    values = torch.linalg.eigvalsh(correlation).clamp_min(0.0) + 1e-5
    return -float((values.log() + 1.0 / values).sum())


def proxy_scores(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, float]:
    """All proxies of one network; the number of parameters first, as the one to beat.

    Args:
        network: A classifier; it is not changed.
        images: Shape ``[N, channels, H, W]``.
        labels: Shape ``[N]``.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> scores = proxy_scores(network, torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 0, 1, 0, 1]))
    >>> list(scores)
    ['parameters', 'synflow', 'naswot', 'jacobian_covariance', 'grad_norm']
    >>> scores["parameters"]
    58.0
    """
    return {
        "parameters": float(count_parameters(network)),
        "synflow": synflow(network, images.shape[1:]),
        "naswot": naswot(network, images),
        "jacobian_covariance": jacobian_covariance(network, images),
        "grad_norm": grad_norm(network, images, labels),
    }


def _layer_weights(network: nn.Module) -> list[torch.Tensor]:
    layers = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    return [module.weight for module in network.modules() if isinstance(module, layers)]


def _without_batch_norms(network: nn.Module) -> nn.Module:
    for name, child in network.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(network, name, nn.Identity())
        else:
            _without_batch_norms(child)
    return network
