"""What every learned optimizer is: a network from gradients and state to an update."""

from __future__ import annotations

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn

from automl_zero._config_values import choice, integer
from automl_zero.evolution.runs._json import plain_mapping
from l2o._checkpoint import fill, read_tensors, write_tensors
from l2o.learned._layout import Layout

State = dict[str, Tensor]
"""What an optimizer remembers from step to step, by name."""

LEVELS: Final = ("coordinate", "tensor", "problem")
_FORMAT: Final = "automl-zero learned optimizer"

# Where a kind's class lives; importing the module registers it.
_HOMES: Final = {
    "analytic": "l2o.learned._analytic",
    "coordinatewise_lstm": "l2o.learned._coordinatewise_lstm",
    "rnnprop": "l2o.learned._rnnprop",
    "hierarchical_rnn": "l2o.learned._hierarchical_rnn",
    "small_mlp": "l2o.learned._small_mlp",
    "policy": "l2o.learned._policy",
    "halo": "l2o.halo._network",
}
_KINDS: dict[str, type[LearnedOptimizerNetwork]] = {}


class LearnedOptimizerNetwork(nn.Module, ABC):
    """Base class of the networks of learned optimizers.

    A network is a pure function: gradients, parameters and state go in, an update and the next
    state come out, all of them differentiable by the network's weights and by each other. It
    works on ``P`` problems at once, whose tensors lie side by side: gradients and parameters are
    ``[P, N]``, and a :class:`Layout` tells which coordinates make up which tensor.

    A subclass names itself in ``kind``, and gives :meth:`state_levels`, :meth:`initial_state`
    and :meth:`forward`. Its constructor takes settings of plain data by keyword, keeps each as
    an attribute of the same name and makes its initial weights from a ``seed``, so that
    :func:`save_network` and :func:`load_network` work with no more.

    Example:
        >>> import torch
        >>> class SignDescent(LearnedOptimizerNetwork):
        ...     kind = "sign_descent"
        ...     def __init__(self) -> None:
        ...         super().__init__()
        ...         self.log_rate = nn.Parameter(torch.tensor(-3.0))
        ...     def state_levels(self):
        ...         return {}
        ...     def initial_state(self, parameters, layout):
        ...         return {}
        ...     def forward(self, gradients, parameters, state, layout, loss=None):
        ...         return -self.log_rate.exp() * gradients.sign(), state
        >>> network = SignDescent()
        >>> layout, parameters = Layout([(2,)]), torch.tensor([[1.0, -2.0]])
        >>> update, _ = network(2 * parameters, parameters, {}, layout)
        >>> update.shape
        torch.Size([1, 2])
    """

    kind: ClassVar[str]
    reads_loss: ClassVar[bool] = False
    """Whether :meth:`forward` needs the loss."""
    reads_length: ClassVar[bool] = False
    """Whether it wants to know how many steps are made in all. Then its state has an entry
    ``total_steps`` of the problem, ``[P]``, which :meth:`initial_state` sets to infinity."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "kind" in cls.__dict__:
            _KINDS[cls.kind] = cls

    @abstractmethod
    def state_levels(self) -> Mapping[str, str]:
        """Whose each entry of the state is.

        ``"coordinate"``: shape ``[P, N, ...]``; ``"tensor"``: ``[P, T, ...]``; ``"problem"``:
        ``[P, ...]``. That is what a torch optimizer needs to know to keep a state for each
        parameter.
        """

    @abstractmethod
    def initial_state(self, parameters: Tensor, layout: Layout) -> State:
        """The state before the first step.

        Args:
            parameters: ``[P, N]``; also tells dtype and device.
            layout: Of the tensors.
        """

    def begin(self, parameters: Tensor, layout: Layout, total_steps: int | None = None) -> State:
        """The state before the first of so many steps.

        Args:
            parameters: ``[P, N]``.
            layout: Of the tensors.
            total_steps: How long the optimization will be, for networks that read it.
        """
        state = self.initial_state(parameters, layout)
        if self.reads_length and total_steps is not None:
            length = torch.full_like(state["total_steps"], integer("total_steps", total_steps, 1))
            state["total_steps"] = length
        return state

    @abstractmethod
    def forward(
        self,
        gradients: Tensor,
        parameters: Tensor,
        state: State,
        layout: Layout,
        loss: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """What to add to the parameters, and the next state.

        Args:
            gradients: ``[P, N]``.
            parameters: ``[P, N]``, before the step.
            state: As :meth:`initial_state` or the last step gave it; it is not changed.
            layout: Of the tensors.
            loss: ``[P]``, of the step's gradients; for networks with ``reads_loss``.

        Returns:
            The update ``[P, N]``, so that ``parameters + update`` are the next ones, and the
            next state.
        """

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}


def network_kinds() -> tuple[str, ...]:
    """Names of all kinds of networks that can be made or loaded."""
    return tuple(sorted({*_HOMES, *_KINDS}))


def make_network(kind: str, **settings: Any) -> LearnedOptimizerNetwork:
    """A network by the name of its kind.

    Args:
        kind: One of :func:`network_kinds`.
        **settings: Arguments of its constructor.

    Raises:
        ValueError: If there is no such kind or setting, or its value is wrong.

    Example:
        >>> make_network("coordinatewise_lstm", hidden=8).hidden
        8
    """
    choice("kind", kind, network_kinds())
    if kind not in _KINDS:
        importlib.import_module(_HOMES[kind])
    made = _KINDS[kind]
    known = [name for name in inspect.signature(made.__init__).parameters if name != "self"]
    for name in settings:
        choice(f"settings of {kind}", name, known)
    return made(**settings)


def save_network(
    network: LearnedOptimizerNetwork, path: str | Path, origin: Mapping[str, Any] | None = None
) -> None:
    """Write a network to a safetensors file: weights as tensors, settings as JSON.

    Args:
        network: Any network.
        path: The file.
        origin: Plain data that tells how it was made; kept for people to read.

    Raises:
        ValueError: If ``origin`` is no plain data.
    """
    data = {"format": _FORMAT, "kind": network.kind, "settings": network.settings()}
    if origin is not None:
        data["origin"] = plain_mapping("origin", origin)
    write_tensors(Path(path), network.state_dict(), data)


def load_network(path: str | Path) -> LearnedOptimizerNetwork:
    """The network of a file that :func:`save_network` wrote.

    Raises:
        ValueError: If the file is missing, damaged or something else; names file and field.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> save_network(make_network("rnnprop", hidden=4), file)
        >>> load_network(file).settings()["hidden"]
        4
    """
    path = Path(path)
    tensors, data = read_tensors(path)
    if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
        raise ValueError(f"{path}: format: expected {_FORMAT!r}, received something else")
    settings = data.get("settings")
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise ValueError(f"{path}: settings: expected a table, received {settings!r}")
    try:
        network = make_network(data.get("kind"), **settings)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    fill(path, network.state_dict(), tensors)
    return network
