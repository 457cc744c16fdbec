"""Meta-gradients against plain automatic differentiation, one task after another."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import nn  # noqa: E402

from automl_zero.streams import Stream  # noqa: E402
from l2o.maml import (  # noqa: E402
    ANIL,
    MAML,
    FirstOrderMAML,
    MetaSGD,
    Reptile,
    SinusoidTasks,
    Task,
    TaskBatch,
    conv4,
    sinusoid_net,
)

MSE = nn.functional.mse_loss


def sinusoids(count=4, shots=5):
    batch = SinusoidTasks(shots).sample(count, Stream(3))
    return TaskBatch(*(getattr(batch, name).double() for name in batch.__slots__))


def images(count=3, size=12):
    x = Stream(4).normal((count, 10, 1, size, size))
    y = torch.arange(5).repeat(count, 2)
    x = torch.from_numpy(x)
    return TaskBatch(x[:, :5], y[:, :5], x[:, 5:], y[:, 5:])


def plain_meta_gradient(model, batch, loss, lr, steps, first_order=False, adapted=None):
    """What the paper's equations say, with nothing but autograd.grad and a loop."""
    names = [name for name, _ in model.named_parameters()]
    adapted = names if adapted is None else adapted
    total = 0.0
    for task in batch:
        params = dict(model.named_parameters())
        for _ in range(steps):
            value = loss(torch.func.functional_call(model, params, task.support_x), task.support_y)
            moving = [params[name] for name in adapted]
            gradients = torch.autograd.grad(value, moving, create_graph=not first_order)
            params = params | {
                name: params[name] - lr * gradient
                for name, gradient in zip(adapted, gradients, strict=True)
            }
        total = total + loss(torch.func.functional_call(model, params, task.query_x), task.query_y)
    mean = total / len(batch)
    return float(mean.detach()), torch.autograd.grad(mean, list(model.parameters()))


def gradients(learner):
    return [value.grad for value in learner.model.parameters()]


@pytest.mark.parametrize("vectorized", [True, False])
@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("steps", [1, 3])
def test_the_meta_gradient_is_that_of_a_loop_over_tasks(vectorized, order, steps):
    model, batch = sinusoid_net(8).double(), sinusoids()
    learner = MAML(model, inner_lr=0.02, steps=steps, order=order, loss=MSE, vectorized=vectorized)
    loss = learner.backward(batch)
    expected, plain = plain_meta_gradient(model, batch, MSE, 0.02, steps, order == "first")
    assert loss == pytest.approx(expected, rel=1e-12)
    for mine, theirs in zip(gradients(learner), plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


def test_convolutions_with_batch_norm_have_the_same_meta_gradient():
    model, batch = conv4(5, width=4).double(), images()
    learner = MAML(model, inner_lr=0.4)
    learner.backward(batch)
    _, plain = plain_meta_gradient(model, batch, nn.functional.cross_entropy, 0.4, 1)
    for mine, theirs in zip(gradients(learner), plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_orders_differ_only_in_second_derivatives():
    model, batch = sinusoid_net(8).double(), sinusoids()
    second, first = (MAML(model, inner_lr=0.05, loss=MSE, order=o) for o in ("second", "first"))
    assert second.backward(batch) == first.backward(batch)
    assert not torch.allclose(gradients(second)[0], gradients(first)[0], rtol=1e-3)


def test_anil_adapts_the_head_and_meta_trains_everything():
    model, batch = sinusoid_net(8).double(), sinusoids()
    learner = ANIL(model, inner_lr=0.05, steps=2, loss=MSE)
    learner.backward(batch)
    head = ["head.weight", "head.bias"]
    _, plain = plain_meta_gradient(model, batch, MSE, 0.05, 2, adapted=head)
    for mine, theirs in zip(gradients(learner), plain, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)
    adapted = learner.adapt(batch[0])
    start = dict(learner.model.named_parameters())
    assert {name for name in start if not torch.equal(adapted[name], start[name])} == set(head)


def test_meta_sgd_learns_rates_by_the_right_gradient():
    batch = sinusoids()
    learner = MetaSGD(sinusoid_net(8).double(), inner_lr=0.05, loss=MSE)
    learner.backward(batch)
    rate = learner.rate("head.bias")
    step, values = 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            rate += sign * step
            values.append(float(learner.meta_loss(batch).detach()))
            rate -= sign * step
    assert float(rate.grad) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)
    assert len(list(learner.parameters())) == 2 * len(list(learner.model.parameters()))


def test_reptile_moves_towards_the_mean_of_trained_weights():
    model, batch = sinusoid_net(8).double(), sinusoids()
    learner = Reptile(model, inner_lr=0.05, steps=3, minibatch=4, loss=MSE)
    learner.backward(batch)
    ends = []
    for task in batch:
        x, y = torch.cat([task.support_x, task.query_x]), torch.cat([task.support_y, task.query_y])
        params = dict(model.named_parameters())
        for part in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]):
            loss = MSE(torch.func.functional_call(model, params, x[part]), y[part])
            steps = torch.autograd.grad(loss, list(params.values()))
            params = {
                name: (params[name] - 0.05 * step).detach().requires_grad_()
                for name, step in zip(params, steps, strict=True)
            }
        ends.append(params)
    for name, start in learner.model.named_parameters():
        mean = torch.stack([end[name] for end in ends]).mean(0)
        torch.testing.assert_close(start.grad, start.detach() - mean, rtol=1e-9, atol=1e-12)


def test_gradients_add_up_as_in_torch():
    for make in (FirstOrderMAML, Reptile):
        learner = make(sinusoid_net(4).double(), loss=MSE)
        learner.backward(sinusoids())
        once = [value.clone() for value in gradients(learner)]
        learner.backward(sinusoids())
        for twice, single in zip(gradients(learner), once, strict=True):
            torch.testing.assert_close(twice, 2 * single)


def test_adapting_to_a_batch_is_adapting_to_each_of_its_tasks():
    batch = images()
    learner = MAML(conv4(5, width=4).double(), inner_lr=0.4, steps=2)
    stacked = learner.adapt(batch)
    together = learner.predict(batch.query_x, stacked)
    for index, task in enumerate(batch):
        alone = learner.adapt(task)
        for name, value in alone.items():
            assert not value.requires_grad
            torch.testing.assert_close(stacked[name][index], value)
        torch.testing.assert_close(together[index], learner.predict(task.query_x, alone))


def test_more_steps_fit_the_support_examples_better():
    batch = sinusoids()
    judged_by_support = TaskBatch(batch.support_x, batch.support_y, *[batch.support_x] * 0,
                                  batch.support_x, batch.support_y)  # fmt: skip
    learner = MAML(sinusoid_net().double(), inner_lr=0.01, loss=MSE)
    losses = [learner.evaluate(judged_by_support, steps=steps).loss for steps in (0, 1, 5, 20)]
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]


def test_scores_have_accuracies_for_class_numbers_only():
    scores = MAML(conv4(5, width=4).double()).evaluate(images())
    assert 0 <= scores.accuracy <= 1 and scores.accuracies.shape == scores.losses.shape
    regression = MAML(sinusoid_net().double(), loss=MSE).evaluate(sinusoids()[0])
    assert regression.losses.shape == (1,)
    with pytest.raises(ValueError, match="accuracy: expected tasks with class numbers"):
        _ = regression.accuracy


def test_the_users_model_stays_as_it_is():
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 6), nn.BatchNorm1d(6), nn.Linear(6, 5))
    model.double()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learner = MAML(model)
    learner.backward(images())
    assert model[2].track_running_stats and not learner.model[2].track_running_stats
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_frozen_and_unused_parameters_are_left_alone():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.unused = nn.Linear(1, 1), nn.Linear(1, 1)
            self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, x):
            return self.head(x) * self.frozen

    learner = MAML(Odd().double(), loss=MSE)
    learner.backward(sinusoids())
    assert learner.model.frozen.grad is None
    assert learner.adapted == ("head.weight", "head.bias", "unused.weight", "unused.bias")
    params = learner.adapt(sinusoids()[0])
    assert torch.equal(params["unused.bias"], learner.model.unused.bias)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Dropout(0.5), "without randomness .* received Dropout at '1'"),
        (nn.LSTM(3, 3, 2, dropout=0.1), "without randomness .* received LSTM at '1'"),
        (nn.RReLU(), "without randomness"),
        (nn.LazyLinear(2), "without uninitialised parameters"),
        (nn.InstanceNorm1d(3, track_running_stats=True), "without running statistics"),
    ],
)
def test_modules_that_cannot_be_meta_trained_are_named(module, message):
    with pytest.raises(ValueError, match=f"model: expected modules {message}"):
        MAML(nn.Sequential(nn.Linear(3, 3), module))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.layer(x.flatten(1, 2)[..., :4]).mean(1))


class TiedEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(7, 4), nn.Linear(4, 7)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding((x.flatten(1)[:, :3] > 0).long()).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.GRU(12, 4, batch_first=True), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.cells(x[:, 0])[0][:, -1])


NORMS = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.GELU(), nn.InstanceNorm2d(4, affine=True),
    nn.MaxPool2d(5), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 5),
)  # fmt: skip


@pytest.mark.parametrize("model", [Attention(), TiedEmbedding(), NORMS])
@pytest.mark.parametrize("order", ["second", "first"])
def test_modules_of_many_kinds_run_over_tasks_as_they_run_alone(model, order):
    found = []
    for vectorized in (True, False):
        learner = MAML(model.double(), order=order, steps=2, vectorized=vectorized)
        learner.backward(images())
        found.append(gradients(learner))
    for together, alone in zip(*found, strict=True):
        torch.testing.assert_close(together, alone, rtol=1e-8, atol=1e-11)


def test_recurrent_layers_need_a_loop():
    with pytest.raises(ValueError, match=r"vmap can run over tasks \(vectorized=False"):
        MAML(Recurrent().double()).backward(images())
    learner = MAML(Recurrent().double(), vectorized=False)
    _, plain = plain_meta_gradient(learner.model, images(), nn.functional.cross_entropy, 0.1, 1)
    learner.backward(images())
    for mine, theirs in zip(gradients(learner), plain, strict=True):
        torch.testing.assert_close(mine, theirs)


class Branching(nn.Module):
    """Looks at its values, which vmap cannot do."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 1)

    def forward(self, x):
        y = self.head(x)
        return y if float(y.detach().sum()) > 0 else y * 2


def test_what_vmap_cannot_take_is_explained_and_runs_in_a_loop():
    with pytest.raises(ValueError, match=r"vmap can run over tasks \(vectorized=False"):
        MAML(Branching().double(), loss=MSE).backward(sinusoids())
    learner = MAML(Branching().double(), loss=MSE, vectorized=False)
    assert learner.backward(sinusoids()) > 0
    assert learner.evaluate(sinusoids()).losses.shape == (4,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: expected an integer >= 1"),
        ({"inner_lr": -1.0}, "inner_lr: expected a number >= 0"),
        ({"order": "third"}, "order: expected one of second, first"),
        ({"loss": 3}, "loss: expected a function"),
        ({"adapted": "tail"}, "adapted: expected trainable parameters .* received 'tail'"),
        ({"adapted": []}, "adapted: expected at least one name"),
        ({"learned_rates": 1}, "learned_rates: expected true or false"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        MAML(sinusoid_net(4), **settings)


def test_wrong_models_tasks_and_parameters_are_named():
    with pytest.raises(ValueError, match=r"model: expected a torch.nn.Module, received int"):
        MAML(3)
    with pytest.raises(ValueError, match="model: expected trainable parameters"):
        MAML(nn.ReLU())
    with pytest.raises(ValueError, match="steps: expected an integer >= 2"):
        Reptile(sinusoid_net(4), steps=1)
    learner = MAML(sinusoid_net(4).double(), loss=MSE)
    with pytest.raises(ValueError, match="tasks: expected a Task or TaskBatch"):
        learner.adapt(torch.zeros(3))
    with pytest.raises(ValueError, match=r"params: .* these differ: \['body.0.bias'"):
        learner.predict(torch.zeros(3, 1), {})
    with pytest.raises(ValueError, match="params: .* received other shapes"):
        wrong = {name: value[None, None] for name, value in learner.model.named_parameters()}
        learner.predict(torch.zeros(3, 1), wrong)
    with pytest.raises(ValueError, match="loss: expected a function to a scalar"):
        MAML(sinusoid_net(4).double(), loss=lambda a, b: a - b).backward(sinusoids())
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="query_y: expected as many as in query_x"):
        Task(x, x, x, torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"support_x: expected shape \[tasks, examples"):
        TaskBatch(x[:0], x, x, x)
    with pytest.raises(ValueError, match="query_x: expected 2 tasks as in support_x"):
        TaskBatch(x, x, x[:1], x[:1])
    with pytest.raises(ValueError, match="support_x: expected a tensor, received list"):
        Task([1], x, x, x)
