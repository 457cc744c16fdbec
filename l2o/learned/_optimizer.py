"""Learned optimizers in PyTorch training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.optim import Optimizer

from automl_zero._config_values import boolean, choice, integer, number
from l2o._gradients import has_gradient
from l2o.learned._layout import Layout
from l2o.learned._network import LearnedOptimizerNetwork, State, load_network

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights"


def shipped_networks() -> tuple[str, ...]:
    """Names of the trained networks that are shipped.

    >>> "mlp" in shipped_networks()
    True
    """
    return tuple(sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.safetensors")))


def find_network(network: LearnedOptimizerNetwork | str | Path) -> LearnedOptimizerNetwork:
    """A network, the shipped one of a name, or that of a file.

    Raises:
        ValueError: If there is none; names the file and the field.
    """
    if isinstance(network, LearnedOptimizerNetwork):
        return network
    if not isinstance(network, str | Path):
        raise ValueError(
            "network: expected a LearnedOptimizerNetwork, a name or a file, received "
            f"{type(network).__name__}"
        )
    if isinstance(network, Path) or "/" in network or network.endswith(".safetensors"):
        return load_network(network)
    choice("network", network, shipped_networks())
    return load_network(WEIGHTS_FOLDER / f"{network}.safetensors")


class LearnedOptimizer(Optimizer):
    """A meta-trained network as an optimizer: ``parameter += lr * network(gradient, ...)``.

    All parameters go through the network in one call, in float32 whatever their own type. Each
    has its state in ``state[parameter]``: entries of its coordinates ``[n, ...]``, of the tensor,
    and of the whole problem, which all parameters share.

    Args:
        params: Parameters, or groups of them, as PyTorch's optimizers take them. Each group may
            have its own ``lr`` and ``maximize``. They are on the device of the network.
        network: A network, the name of a shipped one (:func:`shipped_networks`) or a file.
        lr: Factor of the updates; a learned optimizer brings its own step sizes, so 1. It is
            what schedulers change.
        maximize: Follow the gradient upwards.
        total_steps: How many steps will be made, for networks that read it (``mlp``): steps get
            smaller towards the end, and stay small after it.

    Raises:
        ValueError: If there is no such network, a setting is wrong, ``total_steps`` is missing,
            or a parameter is no real floating-point tensor.

    Example:
        >>> model = torch.nn.Linear(3, 1)
        >>> optimizer = LearnedOptimizer(model.parameters(), "mlp", total_steps=1000)
        >>> model(torch.ones(3)).square().sum().backward()
        >>> optimizer.step()
        >>> optimizer.state[model.weight]["momentum0"].shape
        torch.Size([3])
    """

    def __init__(
        self,
        params: Iterable[Any],
        network: LearnedOptimizerNetwork | str | Path,
        lr: float = 1.0,
        *,
        maximize: bool = False,
        total_steps: int | None = None,
    ) -> None:
        self.network = find_network(network)
        if total_steps is not None:
            integer("total_steps", total_steps, 1)
        elif self.network.reads_length:
            raise ValueError(
                f"total_steps: expected how many steps the training has, which "
                f"{self.network.kind} reads, received none"
            )
        self.total_steps = total_steps
        self._forget_flat_state()
        super().__init__(params, {"lr": lr, "maximize": maximize})

    @classmethod
    def load(cls, path: str | Path) -> Callable[..., LearnedOptimizer]:
        """The optimizer of a file, to be given parameters, and settings if wanted.

        >>> make = LearnedOptimizer.load(WEIGHTS_FOLDER / "mlp.safetensors")
        >>> optimizer = make(torch.nn.Linear(3, 1).parameters(), total_steps=1000)

        Raises:
            ValueError: If the file is damaged or something else; names the file and the field.
        """
        return partial(cls, network=find_network(Path(path)))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own if they shall differ.

        Raises:
            ValueError: If a setting is wrong, or a parameter not suited.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            number("lr", group["lr"], 0.0)
            boolean("maximize", group["maximize"])
            for param in group["params"]:
                if not param.is_floating_point():
                    raise ValueError(
                        f"params: expected real floating-point tensors, received {param.dtype}"
                    )
        except ValueError:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        loss: float | Tensor | None = None,
    ) -> Any:
        """Make one step with the gradients there are.

        Args:
            closure: Evaluates the model again, and returns the loss.
            loss: The loss of the batch, for networks that read it where there is no closure.

        Returns:
            What the closure returns, or ``loss``.

        Raises:
            ValueError: If the network reads the loss and there is none, or a gradient is sparse.
        """
        if closure is not None:
            if loss is not None:
                raise ValueError("loss: expected none beside a closure, received one")
            with torch.enable_grad():
                loss = closure()
        if loss is None and self.network.reads_loss:
            raise ValueError(
                "loss: expected step(loss=...) or a closure for a network that reads the loss"
            )
        pairs = [
            (param, group)
            for group in self.param_groups
            for param in group["params"]
            if has_gradient(param)
        ]
        if not pairs:
            return loss
        params = [param for param, _ in pairs]
        parameters = self._flat(params)
        if [id(param) for param in params] != self._order:
            self._gather(params, parameters)
        gradients = self._flat([-p.grad if group["maximize"] else p.grad for p, group in pairs])
        value = None if loss is None else torch.as_tensor(loss).detach().float().reshape(1)
        update, state = self.network(gradients, parameters, self._state, self._layout, value)
        for name, value in self._state.items():
            value.copy_(state[name])
        parts = [part[0] for part in self._layout.unflatten(update)]
        for (param, group), part in zip(pairs, parts, strict=True):
            param.add_(part.to(param.dtype), alpha=group["lr"])
        return loss

    def _flat(self, tensors: list[Tensor]) -> Tensor:
        """Tensors side by side, float32 ``[1, N]``."""
        rows = [tensor.reshape(1, -1) for tensor in tensors]
        return torch.cat([row if row.dtype == torch.float32 else row.float() for row in rows], 1)

    # State: one tensor for all parameters, of which ``self.state`` holds views.

    def _forget_flat_state(self) -> None:
        self._order: list[int] = []
        self._layout = Layout([(1,)])
        self._state: State = {}

    def _gather(self, params: list[Tensor], parameters: Tensor) -> None:
        """Make the flat state of these parameters, from their own where they have one."""
        before, levels = self._state, self.network.state_levels()
        self._layout = Layout.of(params)
        self._state = {
            name: value.clone()
            for name, value in self.network.begin(
                parameters, self._layout, self.total_steps
            ).items()
        }
        known = next((own for own in self.state.values() if own), None)
        for name, value in self._state.items():
            if levels[name] == "problem":
                if before:
                    value.copy_(before[name])
                elif known is not None:
                    value[0].copy_(known[name])
                # Parameters that this step leaves out share it too.
                for own in self.state.values():
                    if own:
                        own[name] = value[0]
                views = [value[0]] * len(params)
            elif levels[name] == "tensor":
                views = list(value[0].unbind(0))
            else:
                views = list(value[0].split(self._layout.sizes))
            for param, view in zip(params, views, strict=True):
                if name in self.state[param] and levels[name] != "problem":
                    view.copy_(self.state[param][name])
                self.state[param][name] = view
        self._order = [id(param) for param in params]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave.

        Raises:
            ValueError: If it is of another network, or does not fit the parameters; names the
                field.
        """
        params = [param for group in self.param_groups for param in group["params"]]
        groups = state_dict.get("param_groups") if isinstance(state_dict, Mapping) else None
        states = state_dict.get("state") if isinstance(state_dict, Mapping) else None
        if not isinstance(groups, list) or not isinstance(states, Mapping):
            raise ValueError("state_dict: expected param_groups and state")
        order = [index for group in groups for index in group.get("params", ())]
        own = dict(zip(order, params, strict=False))
        for index, state in states.items():
            place = f"state_dict.state[{index!r}]"
            if index not in own or not isinstance(state, Mapping):
                raise ValueError(f"{place}: expected the state of a parameter")
            self._check_state(place, state, own[index])
        super().load_state_dict(state_dict)
        # PyTorch gives a state its parameter's type, which may be too coarse for averages.
        for index, state in states.items():
            param = own[index]
            self.state[param] = {
                name: value.detach().to(param.device, torch.float32, copy=True)
                for name, value in state.items()
            }
        self._forget_flat_state()

    def _check_state(self, place: str, state: Mapping[str, Any], param: Tensor) -> None:
        if not state:
            return
        layout = Layout.of([param])
        levels = self.network.state_levels()
        expected = self.network.initial_state(self._flat([param.detach()]), layout)
        if state.keys() != expected.keys():
            raise ValueError(
                f"{place}: expected {', '.join(sorted(expected))}, "
                f"received {', '.join(sorted(map(str, state)))}"
            )
        for name, value in expected.items():
            shape = value[0, 0].shape if levels[name] == "tensor" else value[0].shape
            given = state[name]
            if not isinstance(given, Tensor) or given.shape != shape:
                received = list(given.shape) if isinstance(given, Tensor) else given
                raise ValueError(
                    f"{place}.{name}: expected shape {list(shape)}, received {received}"
                )

    def __getstate__(self) -> dict[str, Any]:
        own = {"network": self.network, "total_steps": self.total_steps}
        return {**super().__getstate__(), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._forget_flat_state()
