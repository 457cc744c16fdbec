"""What all meta-learners share: adaptation by gradient steps, prediction, evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from automl_zero._config_values import boolean, integer
from l2o.maml._modules import prepared
from l2o.maml._tasks import Task, TaskBatch

Parameters: TypeAlias = dict[str, torch.Tensor]
Loss: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class TaskScores:
    """How a learner does on the query examples of tasks, after adapting to each.

    Args:
        losses: Loss of each task, ``[tasks]``.
        accuracies: Share of right classes of each task, ``[tasks]``; None if the targets are
            no class numbers.
    """

    losses: torch.Tensor
    accuracies: torch.Tensor | None

    @property
    def loss(self) -> float:
        """Mean over the tasks."""
        return float(self.losses.mean())

    @property
    def accuracy(self) -> float:
        """Mean over the tasks.

        Raises:
            ValueError: If the tasks are no classification.
        """
        if self.accuracies is None:
            raise ValueError("accuracy: expected tasks with class numbers as targets")
        return float(self.accuracies.mean())


class MetaLearner(nn.Module):
    """Base class: a model whose start is learned, and how it adapts to a task from there.

    The learner is a module: its ``parameters()`` are what meta-training changes (the model's
    start and, in :class:`~l2o.maml.MetaSGD`, learning rates); ``model`` is its own copy of
    the model.

    Tasks are run together: weights get an axis of tasks, ``torch.func.vmap`` maps the forward
    pass over it, and one backward pass gives every task its own gradient, because a task's
    loss depends on nothing but its own slice. ``vectorized=False`` runs a Python loop over the
    tasks instead, for modules that vmap cannot take; results agree to rounding.

    Args:
        model: Any module; see :class:`~l2o.maml.MAML` for what it may hold.
        steps: Gradient steps of an adaptation.
        loss: Mean loss of predictions and targets of one task, a scalar.
        adapted: Names of parameters or modules that adapt; the others keep their
            meta-learned values. None adapts all trainable ones.
        vectorized: Run the tasks of a batch together.

    Raises:
        ValueError: If an argument is wrong or the model holds what cannot be meta-trained.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        steps: int,
        loss: Loss = nn.functional.cross_entropy,
        adapted: tuple[str, ...] | list[str] | str | None = None,
        vectorized: bool = True,
    ) -> None:
        super().__init__()
        self.model = prepared(model)
        self.steps = integer("steps", steps, 1)
        if not callable(loss):
            raise ValueError(f"loss: expected a function, received {loss!r}")
        self.loss = loss
        self.vectorized = boolean("vectorized", vectorized)
        self.adapted = _adapted_names(self.model, adapted)

    # What a method defines.

    def rate(self, name: str) -> torch.Tensor | float:
        """Learning rate of an adapted parameter: a number, or a tensor of its shape."""
        raise NotImplementedError

    def backward(self, batch: TaskBatch) -> float:
        """Add the meta-gradient of a batch to ``parameters()``'s ``grad``; the meta-loss."""
        raise NotImplementedError

    def _examples(self, step: int, count: int) -> slice | list[int]:
        """Which of ``count`` support examples an inner step looks at."""
        return slice(None)

    # What they share.

    def settings(self) -> dict[str, object]:
        """What decides how the learner adapts, as plain data; checkpoints keep it."""
        names = ("steps", "adapted", "inner_lr", "order", "minibatch")
        known = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return {"learner": type(self).__name__, **known}

    def adapt(self, tasks: Task | TaskBatch, steps: int | None = None) -> Parameters:
        """The model's parameters after gradient steps on the support examples.

        Args:
            tasks: A task, or a batch of them; query examples are not looked at.
            steps: Gradient steps; None takes as many as in meta-training. More often help, but
                learned rates may be too large for them.

        Returns:
            Parameters by name, detached. Of a batch, with the tasks as first axis.

        Raises:
            ValueError: If an argument is wrong, or vmap cannot run the model.
        """
        steps = self.steps if steps is None else integer("steps", steps, 0)
        batch = TaskBatch.of(tasks) if isinstance(tasks, Task) else tasks
        if not isinstance(batch, TaskBatch):
            raise ValueError(f"tasks: expected a Task or TaskBatch, received {type(tasks)}")
        fast = self._descend(batch.support_x, batch.support_y, steps, create_graph=False)
        fast = {
            name: value.detach().expand(len(batch), *value.shape[1:])
            for name, value in fast.items()
        }
        return {name: value[0] for name, value in fast.items()} if batch is not tasks else fast

    def predict(
        self, x: torch.Tensor, params: Mapping[str, torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Outputs of the model.

        Args:
            x: Inputs ``[n, ...]``; for the parameters of a batch of tasks ``[tasks, n, ...]``.
            params: What :meth:`adapt` gave; None takes the meta-learned start.

        Raises:
            ValueError: If the parameters are not the model's.
        """
        own: Parameters = dict(self.model.named_parameters())
        params = own if params is None else dict(params)
        if params.keys() != own.keys():
            different = sorted(params.keys() ^ own.keys())
            raise ValueError(f"params: expected the model's parameters, these differ: {different}")
        stacked = {params[name].ndim - own[name].ndim for name in own}
        if stacked not in ({0}, {1}):
            raise ValueError(
                "params: expected parameters of one task or of a batch, received other shapes"
            )
        with torch.no_grad():
            return self._forward(params, x) if stacked == {1} else self._call(params, x)

    def evaluate(self, tasks: Task | TaskBatch, steps: int | None = None) -> TaskScores:
        """Adapt to the support examples of each task, then look at its query examples.

        Args:
            tasks: A task or a batch of them.
            steps: Gradient steps; None takes as many as in meta-training.

        Raises:
            ValueError: As in :meth:`adapt`.
        """
        batch = TaskBatch.of(tasks) if isinstance(tasks, Task) else tasks
        outputs = self.predict(batch.query_x, self.adapt(batch, steps))
        losses = torch.stack(
            [self.loss(*pair) for pair in zip(outputs, batch.query_y, strict=True)]
        )
        accuracies = None
        if not batch.query_y.is_floating_point() and outputs.ndim == batch.query_y.ndim + 1:
            accuracies = (outputs.argmax(-1) == batch.query_y).double().mean(1)
        return TaskScores(losses, accuracies)

    def _start(self, count: int) -> Parameters:
        """The model's parameters with an axis of ``count`` equal slices, no memory of their own.

        Parameters that do not adapt keep an axis of length 1: they are shared.
        """
        return {
            name: value.unsqueeze(0).expand(count if name in self.adapted else 1, *value.shape)
            for name, value in self.model.named_parameters()
        }

    def _descend(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        steps: int,
        *,
        create_graph: bool,
        first_order: bool = False,
    ) -> Parameters:
        """Parameters of each task after gradient steps on ``x`` ``[tasks, n, ...]``.

        Args:
            x: Inputs.
            y: Targets.
            steps: How many.
            create_graph: Keep what the meta-gradient needs.
            first_order: Take the steps' gradients as constants.
        """
        params = self._start(len(x))
        if not create_graph:
            params = {name: value.detach() for name, value in params.items()}
        for step in range(steps):
            part = self._examples(step, x.shape[1])
            moving = [params[name] for name in self.adapted]
            if not create_graph:
                moving = [value.detach().requires_grad_() for value in moving]
                params |= dict(zip(self.adapted, moving, strict=True))
            with torch.enable_grad():
                # The sum: a task's slice then gets the gradient of that task's own loss.
                total = self._losses(params, x[:, part], y[:, part]).sum()
                gradients = torch.autograd.grad(
                    total,
                    moving,
                    create_graph=create_graph and not first_order,
                    materialize_grads=True,
                )
            with torch.set_grad_enabled(create_graph):
                for name, value, gradient in zip(self.adapted, moving, gradients, strict=True):
                    params[name] = value - self.rate(name) * gradient
        return params

    def _losses(self, params: Parameters, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Loss of each task, ``[tasks]``."""

        def task_loss(own: Parameters, shared: Parameters, x: torch.Tensor, y: torch.Tensor):  # type: ignore[no-untyped-def]
            return self.loss(self._call(own | shared, x), y)

        losses: torch.Tensor = self._map(task_loss, params, x, y)
        if losses.ndim != 1:
            raise ValueError(
                f"loss: expected a function to a scalar, received {list(losses.shape[1:])}"
            )
        return losses

    def _forward(self, params: Parameters, x: torch.Tensor) -> torch.Tensor:
        """Outputs of each task, ``[tasks, n, ...]``."""
        return self._map(lambda own, shared, x: self._call(own | shared, x), params, x)

    def _map(
        self, function: Callable[..., torch.Tensor], params: Parameters, *data: torch.Tensor
    ) -> torch.Tensor:
        """``function(own, shared, *data)`` of every task, stacked."""
        count = len(data[0])
        shared = {name: value[0] for name, value in params.items() if len(value) < count}
        own = {name: value for name, value in params.items() if name not in shared}
        axes = ({name: 0 for name in own}, None, *(0 for _ in data))
        if not own or not self.vectorized:
            return torch.stack(
                [
                    function(
                        {name: value[task] for name, value in own.items()},
                        shared,
                        *(each[task] for each in data),
                    )
                    for task in range(count)
                ]
            )
        with _explained():
            result: torch.Tensor = vmap(function, in_dims=axes)(own, shared, *data)
        return result

    def _call(self, params: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        # Attention in plain operations: the fused kernels have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            result: torch.Tensor = functional_call(self.model, dict(params), (x,))
        return result


@contextmanager
def _explained() -> Iterator[None]:
    """vmap's refusals as an error that says what to do."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if not any(word in text.lower() for word in ("vmap", "functorch", "batching rule")):
            raise
        raise ValueError(
            "model: expected a forward pass that vmap can run over tasks "
            f"(vectorized=False loops over them instead): {text}"
        ) from error


def _adapted_names(
    model: nn.Module, adapted: tuple[str, ...] | list[str] | str | None
) -> tuple[str, ...]:
    """Names of the parameters that adapt: those named, and those below a module that is."""
    trainable = [name for name, value in model.named_parameters() if value.requires_grad]
    if adapted is None:
        return tuple(trainable)
    wanted = (adapted,) if isinstance(adapted, str) else tuple(adapted)
    for name in wanted:
        if not any(_below(each, name) for each in trainable):
            raise ValueError(
                f"adapted: expected trainable parameters or modules of the model "
                f"({', '.join(trainable)}), received {name!r}"
            )
    chosen = tuple(each for each in trainable if any(_below(each, name) for name in wanted))
    if not chosen:
        raise ValueError("adapted: expected at least one name, received none")
    return chosen


def _below(parameter: str, name: str) -> bool:
    return parameter == name or parameter.startswith(f"{name}.")
