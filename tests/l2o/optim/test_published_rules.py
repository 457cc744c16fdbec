"""Published rules as programs, against PyTorch's optimizers and the papers' equations."""

from __future__ import annotations

import pytest

from l2o.rules import HAND_WRITTEN_RULES

torch = pytest.importorskip("torch")

from l2o.optim import EvolvedOptimizer  # noqa: E402

SHAPES = [(4, 3), (7,), (2, 2, 2), ()]
LR, STEPS = 0.02, 25


class ByEquation:
    """An optimizer that applies a function of (state, parameter, gradient) to each tensor."""

    def __init__(self, params, update, weight_decay):
        self.params, self.update, self.decay = params, update, weight_decay
        self.momenta = [torch.zeros_like(param) for param in params]

    @torch.no_grad()
    def step(self):
        for position, param in enumerate(self.params):
            direction, self.momenta[position] = self.update(self.momenta[position], param.grad)
            param -= LR * (direction + self.decay * param)


def lion(m, g):
    """Chen et al. 2023, algorithm 2."""
    return torch.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g


def powersign(m, g):
    """Bello et al. 2017: e^(sign(g) sign(m)) g."""
    m = 0.9 * m + 0.1 * g
    return torch.exp(torch.sign(g) * torch.sign(m)) * g, m


def addsign(m, g):
    """Bello et al. 2017: (1 + sign(g) sign(m)) g."""
    m = 0.9 * m + 0.1 * g
    return (1 + torch.sign(g) * torch.sign(m)) * g, m


def signum(m, g):
    """Bernstein et al. 2018, algorithm 2."""
    m = 0.9 * m + 0.1 * g
    return torch.sign(m), m


def by_torch(name, params, decay):
    settings = {"lr": LR, "weight_decay": decay}
    return {
        "sgd": lambda: torch.optim.SGD(params, **settings),
        "momentum": lambda: torch.optim.SGD(params, momentum=0.9, **settings),
        "nesterov": lambda: torch.optim.SGD(params, momentum=0.9, nesterov=True, **settings),
        "rmsprop": lambda: torch.optim.RMSprop(params, **settings),
        "adagrad": lambda: torch.optim.Adagrad(params, **settings),
        "adam": lambda: torch.optim.Adam(params, **settings),
        "adamw": lambda: torch.optim.AdamW(params, **settings),
        "lion": lambda: ByEquation(params, lion, decay),
        "powersign": lambda: ByEquation(params, powersign, decay),
        "addsign": lambda: ByEquation(params, addsign, decay),
        "signum": lambda: ByEquation(params, signum, decay),
    }[name]()


def parameters():
    generator = torch.Generator().manual_seed(3)
    return [
        torch.nn.Parameter(torch.randn(shape, dtype=torch.float64, generator=generator))
        for shape in SHAPES
    ]


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", HAND_WRITTEN_RULES)
def test_a_published_rule_is_the_published_optimizer(name, decay, foreach):
    if decay and name in ("powersign", "addsign"):
        decay = 0.0  # the paper has none
    ours, theirs = parameters(), parameters()
    pair = [
        (ours, EvolvedOptimizer(ours, name, lr=LR, weight_decay=decay, foreach=foreach)),
        (theirs, by_torch(name, theirs, decay)),
    ]
    for step in range(STEPS):
        for params, optimizer in pair:
            # A quadratic with a moving centre: gradients depend on the parameters.
            generator = torch.Generator().manual_seed(step)
            for param in params:
                noise = torch.randn(param.shape, dtype=torch.float64, generator=generator)
                param.grad = param.detach() + noise
            optimizer.step()
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-10)
