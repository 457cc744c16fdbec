"""Modules that load wherever PyTorch is."""

from __future__ import annotations

import copy

from torch import fx, nn


def to_standalone(module: nn.Module) -> fx.GraphModule:
    """The module as a graph of PyTorch's own modules, which loads without the classes it is of.

    ``torch.save`` keeps the class of a module by name; to load it, the file that defines the
    class must be there, and all that it imports. What this gives has PyTorch's modules only,
    under the same names, with copies of the parameters, and a generated ``forward``; it can be
    trained, saved with ``torch.save`` and loaded with ``torch.load(path, weights_only=False)``
    where nothing but PyTorch is installed.

    Args:
        module: Any module whose ``forward`` torch.fx can trace: what it does must not depend on
            the values of tensors.

    Raises:
        ValueError: If it cannot be traced, or does something else in training than in
            evaluation outside of its modules (as ``functional.dropout`` does).

    >>> graph = to_standalone(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    >>> sorted(graph.state_dict())
    ['0.bias', '0.weight']
    """
    copied = copy.deepcopy(module)
    try:
        evaluated = fx.symbolic_trace(copied.eval()).code
        graph = fx.symbolic_trace(copied.train())
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"module: expected a forward that does not depend on values, received "
            f"{type(module).__name__}: {error}"
        ) from None
    if graph.code != evaluated:
        raise ValueError(
            "module: expected a forward that is the same in training and evaluation but for its "
            f"modules, received {type(module).__name__}; use nn.Dropout for functional.dropout"
        )
    return graph.train(module.training)
