"""Update rules as PyTorch optimizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from automl_zero._config_values import boolean, integer, number
from automl_zero.program import Program
from l2o._gradients import has_gradient
from l2o.optim._compiled import CompiledRule, compile_rule
from l2o.optim._plan import register_name
from l2o.optim._rule_steps import Bucket, run_foreach, run_one_by_one
from l2o.optim._runtime import run_together, tensor_seed
from l2o.optim._state_checks import checked_state_dict, restored_numbers
from l2o.rules import RuleFile, find_rule, parse_rule


class EvolvedOptimizer(Optimizer):
    """An update rule as an optimizer: ``parameter -= lr * update``.

    It does at each step what the rule's program says, in the parameters' dtype, on their device.
    Only live code runs, and only what the program reads at the next step is stored: vectors as
    tensors like the parameter, scalars that depend on a tensor (a norm of its gradient) as
    tensors of one number, and the rest (the step, powers of a constant) as float64 tensors of
    one number on the CPU. Parameters of float16 and bfloat16 work, with the precision of their
    type in all of the rule: one that squares gradients, as Adam does, needs float32 parameters
    and autocast.

    Args:
        params: Parameters, or groups of them, as PyTorch's optimizers take them. Each group may
            have its own ``lr``, ``weight_decay``, ``total_steps`` and ``maximize``.
        rule: A rule as :func:`l2o.rules.find_rule` takes it: a program, its text, a name of
            :data:`l2o.rules.HAND_WRITTEN_RULES` or the file of a found rule.
        lr: The learning rate. None takes that of the file. A 0-dimensional tensor keeps
            ``torch.compile`` from compiling again when a scheduler changes it.
        weight_decay: What the rule reads as its weight decay (``s3``). None takes that of the
            file, else 0.
        total_steps: Length of the training: rules that read the schedule (``s1``) need it. At
            step ``t`` they find ``(t - 1) / total_steps``; later steps find what the last one
            found.
        maximize: Follow the gradient upwards.
        foreach: Run over lists of tensors, which is faster; None does so except within
            ``torch.compile``, whose compiler makes the lists itself. False in one group holds for
            all of them.
        seed: Keys the draws of random ops: tensor ``i`` of all gets the key
            ``automl_zero.streams.stream_key(seed, "tensor", i)``.

    Raises:
        ValueError: If ``rule`` is no rule, a setting is wrong or missing, a parameter is no real
            floating-point tensor, or a weight decay is given to a rule that has none.

    >>> model = torch.nn.Linear(3, 1)
    >>> optimizer = EvolvedOptimizer(model.parameters(), "adamw", lr=0.01, weight_decay=0.1)
    >>> model(torch.ones(3)).sum().backward()
    >>> optimizer.step()
    >>> sorted(optimizer.state[model.weight])
    ['step', 'v3', 'v4']
    """

    def __init__(
        self,
        params: Iterable[Any],
        rule: Program | RuleFile | str | Path,
        lr: float | Tensor | None = None,
        weight_decay: float | None = None,
        total_steps: int | None = None,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        seed: int = 0,
    ) -> None:
        found = find_rule(rule)
        self._rule: CompiledRule = compile_rule(found.rule)
        self._seed = integer("seed", seed, 0)
        has_decay = "weight_decay" in self._rule.plan.reads
        if weight_decay is None:
            weight_decay = found.weight_decay if has_decay else None
        defaults = {
            "lr": found.learning_rate if lr is None else lr,
            "weight_decay": 0.0 if weight_decay is None else weight_decay,
            "total_steps": total_steps,
            "maximize": maximize,
            "foreach": foreach,
            "rule": str(found.rule),
        }
        super().__init__(params, defaults)

    @property
    def rule(self) -> Program:
        """The rule's live code: what runs."""
        return self._rule.plan.live

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with settings of their own if they shall differ.

        Raises:
            ValueError: If a setting is wrong or missing, or a parameter not suited.
        """
        super().add_param_group(param_group)
        try:
            self._check_group(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def _check_group(self, group: Mapping[str, Any]) -> None:
        reads = self._rule.plan.reads
        if isinstance(group["lr"], Tensor):
            if group["lr"].numel() != 1:
                raise ValueError(f"lr: expected one number, received {group['lr'].numel()}")
        elif group["lr"] is None:
            raise ValueError("lr: expected a number for a rule that has none of its own")
        else:
            number("lr", group["lr"], 0.0)
        if number("weight_decay", group["weight_decay"], 0.0) and "weight_decay" not in reads:
            raise ValueError(
                "weight_decay: expected 0 for a rule that does not read it (s3), "
                f"received {group['weight_decay']}"
            )
        if group["total_steps"] is not None:
            integer("total_steps", group["total_steps"], 1)
        elif "schedule" in reads:
            raise ValueError(
                "total_steps: expected a number for a rule that reads the schedule (s1)"
            )
        boolean("maximize", group["maximize"])
        if group["foreach"] is not None:
            boolean("foreach", group["foreach"])
        if group["rule"] != self.defaults["rule"]:
            raise ValueError("rule: expected the same one in all groups")
        for param in group["params"]:
            if not param.is_floating_point():
                raise ValueError(
                    f"params: expected real floating-point tensors, received {param.dtype}"
                )

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
            loss: The loss of the batch, for rules that read it (``s2``) where there is no
                closure. A tensor on a GPU is waited for.

        Returns:
            What the closure returns, or ``loss``.

        Raises:
            ValueError: If the rule reads the loss and there is none, or a gradient is sparse.
        """
        if closure is not None:
            if loss is not None:
                raise ValueError("loss: expected none beside a closure, received one")
            with torch.enable_grad():
                loss = closure()
        if loss is None and "loss" in self._rule.plan.reads:
            raise ValueError(
                "loss: expected step(loss=...) or a closure for a rule that reads the loss (s2)"
            )
        compiling = torch.compiler.is_compiling()
        one_by_one = compiling or any(group["foreach"] is False for group in self.param_groups)
        everything = [param for group in self.param_groups for param in group["params"]]
        new = [param for param in everything if has_gradient(param) and not self.state[param]]
        if new:
            self._start(new, everything)
        buckets = [self._bucket(group) for group in self.param_groups]
        (run_one_by_one if one_by_one else run_foreach)(self._rule, buckets, loss)
        return loss

    def _bucket(self, group: dict[str, Any]) -> Bucket:
        """The parameters of a group that have gradients, with their state."""
        params = [param for param in group["params"] if has_gradient(param)]
        grads = [param.grad for param in params]
        return Bucket(group, params, grads, [self.state[param] for param in params])

    # Scalars have one dimension: what a compiled step writes to a 0-dimensional float64 tensor on
    # the CPU may get lost (torch 2.13). Not traced: equal zeros would become one tensor.
    @torch.compiler.disable
    def _start(self, new: list[Tensor], everything: list[Tensor]) -> None:
        """Give a state to parameters that have a gradient for the first time."""
        plan, setup = self._rule.plan, self._rule.setup
        for param in new:
            state = self.state[param]
            if plan.is_random:
                position = next(i for i, item in enumerate(everything) if item is param)
                state["seed"] = tensor_seed(self._seed, position)
            if plan.counts_steps:
                state["step"] = torch.zeros(1, dtype=torch.float64)
            for register, value in plan.numbers.items():
                state[register_name(register)] = torch.tensor([value], dtype=torch.float64)
            for register, start in plan.tensors.items():
                if start is not None:
                    shape = param.shape if register[0] == "v" else (1,)
                    state[register_name(register)] = _full_like(param, shape, start)
        if setup is not None:
            has_seeds = "seeds: " in self._rule.source.setup
            results = run_together(
                [setup([p], *([[self.state[p]["seed"]]] if has_seeds else [])) for p in new]
            )
            for param, lists in zip(new, results, strict=True):
                for register, (value,) in zip(self._rule.source.own_start, lists, strict=True):
                    value = value.reshape(1) if register[0] == "s" else value
                    self.state[param][register_name(register)] = value

    # State -------------------------------------------------------------------------

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state that :meth:`state_dict` gave.

        Raises:
            ValueError: If it is of another rule, or does not fit the parameters; names the
                field.
        """
        params = [param for group in self.param_groups for param in group["params"]]
        checked = checked_state_dict(self._rule.plan, state_dict, params)
        super().load_state_dict(checked)
        restored_numbers(self._rule.plan, self.state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        groups = self.param_groups
        if not hasattr(self, "_rule") and groups:  # a copy or an unpickled one
            self._rule = compile_rule(parse_rule(groups[0]["rule"]))
            self._seed = 0


def _full_like(param: Tensor, shape: Sequence[int], value: float) -> Tensor:
    if shape == param.shape:
        return torch.full_like(param, value, memory_format=torch.preserve_format)
    return param.new_full(tuple(shape), value)
