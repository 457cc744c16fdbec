"""Modules that can be run on many tasks at once, each with weights of its own."""

from __future__ import annotations

import copy

import torch
from torch import nn


def prepared(model: nn.Module) -> nn.Module:
    """A copy of the model whose forward pass neither draws numbers nor keeps state.

    Batch norms lose their running statistics and normalise each task by its own examples, as
    in Finn et al. 2017: statistics that are shared by tasks would leak between them, and
    vmap cannot update them.

    Raises:
        ValueError: If ``model`` is no module, has no trainable parameter, or holds a module
            that draws random numbers, keeps other state or has no shape yet; names it.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model: expected a torch.nn.Module, received {type(model).__name__}")
    for name, module in model.named_modules():
        problem = _problem(module)
        if problem:
            where = f" at {name!r}" if name else ""
            raise ValueError(
                f"model: expected modules without {problem}, "
                f"received {type(module).__name__}{where}"
            )
    model = torch.func.replace_all_batch_norm_modules_(copy.deepcopy(model))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("model: expected trainable parameters, received none")
    return model


def _problem(module: nn.Module) -> str | None:
    if isinstance(module, nn.modules.lazy.LazyModuleMixin) and module.has_uninitialized_params():
        return "uninitialised parameters (run it once on an example)"
    if isinstance(module, nn.modules.dropout._DropoutNd):
        rate = module.p
    else:
        rate = getattr(module, "dropout", 0.0)  # recurrent layers, attention
    if isinstance(module, nn.RReLU) or (isinstance(rate, float) and rate > 0):
        return "randomness (tasks must give the same gradients again)"
    if isinstance(module, nn.modules.instancenorm._InstanceNorm) and module.track_running_stats:
        return "running statistics (track_running_stats=False)"
    return None
