"""Update rules as source of PyTorch optimizers that need nothing else."""

from __future__ import annotations

import ast
import importlib.util
import keyword
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from automl_zero._config_values import number
from automl_zero.program import Program
from l2o.optim._expressions import number_text
from l2o.optim._foreach_source import ForeachSource, foreach_source, function_source
from l2o.optim._plan import RulePlan, plan_rule, register_name
from l2o.rules import RuleFile, find_rule

_INDENT: Final = "    "

_STEP: Final = '''
@torch.no_grad()
def step(
    self, closure: Callable[[], Any] | None = None, *, loss: float | Tensor | None = None
) -> Any:
    """Make one step with the gradients there are.

    Args:
        closure: Evaluates the model again, and returns the loss.
        loss: The loss of the batch, for a rule that reads it where there is no closure.
    """
    if closure is not None:
        with torch.enable_grad():
            loss = closure()
'''

_ALIKE: Final = '''
def _alike(self, group: dict[str, Any]) -> Iterable[list[Tensor]]:
    """The parameters with gradients, by device, dtype and what is one number for all."""
    parts: dict[Any, list[Tensor]] = {{}}
    for param in group["params"]:
        if not has_gradient(param):
            continue
{state}        parts.setdefault(({key}), []).append(param)
    return parts.values()
'''

_HAS_GRADIENT: Final = '''
def has_gradient(param: Tensor) -> bool:
    """Whether there is something to do for a parameter."""
    if param.grad is None or param.numel() == 0:
        return False
    if param.grad.layout != torch.strided:
        raise ValueError(f"params: expected dense gradients, received {param.grad.layout}")
    return True
'''

_FLOAT64: Final = '''
def float64(value: float | Tensor) -> Tensor:
    """A number as a tensor: its arithmetic is IEEE 754, where Python would raise for 1/0."""
    return torch.as_tensor(value, dtype=torch.float64, device="cpu")
'''


def export_optimizer(
    rule: Program | RuleFile | str | Path,
    name: str = "FoundOptimizer",
    lr: float | None = None,
    weight_decay: float | None = None,
) -> str:
    """A Python module with a rule as a class of a ``torch.optim.Optimizer``.

    It needs PyTorch alone (and NumPy for rules with random ops), runs over lists of tensors with
    ``torch._foreach`` functions, and follows :class:`EvolvedOptimizer` step for step.

    Args:
        rule: A rule as :func:`l2o.rules.find_rule` takes it.
        name: Name of the class.
        lr: Its default learning rate; None takes that of the rule's file, else the caller of
            the class has to give one.
        weight_decay: Its default weight decay; None takes that of the file, else 0.

    Raises:
        ValueError: If ``rule`` is no rule, ``name`` no name of a class, a setting no number >= 0,
            or a weight decay is given for a rule that does not read it.

    >>> source = export_optimizer("momentum", name="Momentum", lr=0.1)
    >>> print(source[source.index("    torch._foreach_mul_") : source.index("def has_gradient")])
        torch._foreach_mul_(v2, 0.9)
        torch._foreach_add_(v2, grads)
        torch._foreach_add_(v2, params, alpha=weight_decay)
        torch._foreach_add_(params, v2, alpha=k0)
    <BLANKLINE>
    <BLANKLINE>
    <BLANKLINE>
    """
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"name: expected a name of a class, received {name!r}")
    found = find_rule(rule)
    plan = plan_rule(found.rule)
    source = foreach_source(plan)
    lr = found.learning_rate if lr is None else number("lr", lr, 0.0)
    has_decay = "weight_decay" in plan.reads
    if weight_decay is not None and number("weight_decay", weight_decay, 0.0) and not has_decay:
        raise ValueError(
            f"weight_decay: expected none for a rule that does not read it, received {weight_decay}"
        )
    decay = (weight_decay if weight_decay is not None else found.weight_decay) or 0.0
    methods = [
        _init(plan, source, lr, decay),
        _step(plan, source),
        _start(plan, source),
        _alike(plan),
    ]
    body = "\n\n".join(textwrap.indent(method.strip("\n"), _INDENT) for method in methods)
    helpers, is_random = _helpers(plan, source)
    blocks = [
        f"class {name}(Optimizer):\n{_class_docstring(plan)}\n\n{body}",
        *([source.setup] if source.setup else []),
        _documented(source.update),
        _HAS_GRADIENT,
        _FLOAT64,
        *helpers,
    ]
    head = [_module_docstring(plan, found.origin), _imports(source, is_random)]
    text = "\n\n\n".join(block.strip("\n") for block in blocks)
    return "\n\n".join(head) + f"\n\n\n{text}\n"


def _module_docstring(plan: RulePlan, origin: str) -> str:
    program = textwrap.indent(str(plan.live), _INDENT)
    facts = f"Origin: {origin}\n\n" if origin else ""
    text = (
        f"An update rule as a PyTorch optimizer: parameter -= lr * v2.\n\n{facts}"
        "The program; it finds the step in s0, the share of the training that lies behind in s1,\n"
        "the loss in s2, the weight decay in s3, the gradient in v0 and the parameter in v1:\n\n"
        f"{program}\n"
    )
    printable = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""'


def _class_docstring(plan: RulePlan) -> str:
    lines = [
        '"""The rule as an optimizer.',
        "",
        "Args:",
        "    params: Parameters, or groups of them with settings of their own.",
        "    lr: Learning rate.",
    ]
    if "weight_decay" in plan.reads:
        lines.append("    weight_decay: What the rule reads as its weight decay.")
    if "schedule" in plan.reads:
        lines.append("    total_steps: Length of the training, which the rule's schedule is for.")
    lines.append("    maximize: Follow the gradient upwards.")
    if plan.is_random:
        lines.append("    seed: Keys the random numbers.")
    return textwrap.indent("\n".join([*lines, '"""']), _INDENT)


def _imports(source: ForeachSource, is_random: bool) -> str:
    is_generator = "Generator[" in source.update + source.setup
    abc = ["Callable", *["Generator"] * is_generator, "Iterable"]
    abc += ["Sequence"] * (is_generator or is_random)
    uses_numpy = is_random or "with_element" in source.helpers
    lines = ["from __future__ import annotations", ""]
    lines += ["import math"] * is_random
    lines += [f"from collections.abc import {', '.join(abc)}", "from typing import Any", ""]
    lines += ["import numpy as np"] * uses_numpy
    return "\n".join(
        [*lines, "import torch", "from torch import Tensor", "from torch.optim import Optimizer"]
    )


def _init(plan: RulePlan, source: ForeachSource, lr: float | None, decay: float) -> str:
    parameters = ["self", "params: Iterable[Any]"]
    parameters.append("lr: float | Tensor" + ("" if lr is None else f" = {number_text(lr)}"))
    settings = ["lr"]
    if "weight_decay" in plan.reads:
        parameters.append(f"weight_decay: float = {number_text(decay)}")
        settings.append("weight_decay")
    parameters.append("*")
    if "schedule" in plan.reads:
        parameters.append("total_steps: int")
        settings.append("total_steps")
    parameters.append("maximize: bool = False")
    settings.append("maximize")
    seed = []
    if plan.is_random:
        parameters.append("seed: int = 0")
        seed = ["self._seed = seed"]
    pairs = ", ".join(f'"{name}": {name}' for name in settings)
    body = [*seed, f"super().__init__(params, {{{pairs}}})"]
    return function_source("__init__", parameters, "None", body, _INDENT)


def _step(plan: RulePlan, source: ForeachSource) -> str:
    """The method, from the closure on."""
    lines = [_STEP.strip("\n")]
    if "loss" in plan.reads:
        lines += [
            "    if loss is None:",
            '        raise ValueError("loss: expected step(loss=...) or a closure, received none")',
        ]
    arguments = ["params", "grads"]
    arguments += [f'[state["{register_name(r)}"] for state in states]' for r in plan.tensors]
    if "seeds: " in source.update:
        arguments.append('[state["seed"] for state in states]')
    known = {
        "lr": 'float64(group["lr"])',
        "step": 'float64(states[0]["step"])',
        "schedule": "float64(behind)",
        "loss": "float64(loss)",
        "weight_decay": 'float64(group["weight_decay"])',
    }
    arguments += [known[name] for name in source.inputs]
    arguments += [f'float64(states[0]["{register_name(r)}"])' for r in plan.numbers]
    call = ["update(", *(f"    {argument}," for argument in arguments), ")"]
    has_results, together = bool(plan.numbers), source.is_generator

    inner = ["states = [self.state[param] for param in params]"]
    inner += [
        "grads = [param.grad for param in params]",
        'if group["maximize"]:',
        "    grads = torch._foreach_neg(grads)",
    ]
    if plan.counts_steps:
        inner += ["for state in states:", '    state["step"] += 1']
    if "schedule" in source.inputs:
        inner += [
            'total = group["total_steps"]',
            'behind = (min(states[0]["step"], total) - 1) / total',
        ]
    store = ["for state in states:"]
    names = [register_name(register) for register in plan.numbers]
    store += [f'    state["{name}"] = results[{i}].item()' for i, name in enumerate(names)]
    if together:
        inner += ["updates.append(", *(f"    {line}" for line in call), ")", "parts.append(states)"]
    elif has_results:
        inner += [f"results = {call[0]}", *call[1:], *store]
    else:
        inner += call
    if not any("states" in line for line in inner[1:]):
        del inner[0]
    start = ["self._start()"]
    if together:
        start += ["updates: list[Any] = []", "parts: list[list[dict[str, Any]]] = []"]
    loop = ["for group in self.param_groups:", "    for params in self._alike(group):"]
    loop += [f"        {line}" for line in inner]
    end = ["return loss"]
    if together and has_results:
        end = [
            "for results, states in zip(run_together(updates), parts, strict=True):",
            *(f"    {line}" for line in store),
            *end,
        ]
    elif together:
        start.pop()
        loop.pop()
        end = ["run_together(updates)", *end]
    lines += [f"    {line}" for line in (*start, *loop, *end)]
    return "\n".join(lines)


def _start(plan: RulePlan, source: ForeachSource) -> str:
    lines = []
    body = []
    if plan.is_random:
        lines.append(
            'everything = [param for group in self.param_groups for param in group["params"]]'
        )
        body.append('state["seed"] = tensor_seed(self._seed, position)')
    if plan.counts_steps:
        body.append('state["step"] = 0')
    for register, value in plan.numbers.items():
        body.append(f'state["{register_name(register)}"] = {number_text(value)}')
    for register, start in plan.tensors.items():
        if start is not None:
            text = _filled(register[0], start)
            body.append(f'state["{register_name(register)}"] = {text}')
    if not body and not source.setup:
        return 'def _start(self) -> None:\n    """Nothing to remember from step to step."""'
    is_set_up = bool(source.setup)
    loop = (
        "for position, param in enumerate(everything):"
        if plan.is_random
        else 'for param in (param for group in self.param_groups for param in group["params"]):'
    )
    lines += ["new = []"] * is_set_up
    lines += [loop, "    state = self.state[param]", "    if not state and has_gradient(param):"]
    lines += [f"        {line}" for line in [*body, *["new.append(param)"] * is_set_up]]
    if is_set_up:
        seeds = ', [self.state[param]["seed"]]' if "seeds: " in source.setup else ""
        calls = f"[setup([param]{seeds}) for param in new]"
        if "Generator[" in source.setup:
            calls = f"run_together({calls})"
        lines += [f"lists = {calls}", "for param, values in zip(new, lists, strict=True):"]
        for position, register in enumerate(source.own_start):
            name = register_name(register)
            lines.append(f'    self.state[param]["{name}"] = values[{position}][0]')
    doc = '"""Give a state to parameters that have a gradient for the first time."""'
    return "\n".join(["def _start(self) -> None:", *(f"    {line}" for line in [doc, *lines])])


def _filled(kind: str, value: float) -> str:
    if kind == "s":
        return f"param.new_full((), {number_text(value)})"
    if value == 0.0:
        return "torch.zeros_like(param)"
    return f"torch.full_like(param, {number_text(value)})"


def _alike(plan: RulePlan) -> str:
    parts = ["param.device", "param.dtype"]
    names = ["step"] * plan.counts_steps + [register_name(register) for register in plan.numbers]
    key = ", ".join([*parts, *(f'state["{name}"]' for name in names)])
    state = "        state = self.state[param]\n" if names else ""
    return _ALIKE.format(key=key, state=state)


def _documented(update: str) -> str:
    """The function with a docstring."""
    head, arrow, body = update.partition(" -> ")
    result, colon, rest = body.partition(":\n")
    return f'{head}{arrow}{result}{colon}    """One step, in place."""\n{rest}'


def _helpers(plan: RulePlan, source: ForeachSource) -> tuple[list[str], bool]:
    """Sources of the functions that the written ones call, and whether it draws."""
    names = sorted(source.helpers)
    if "Generator[" in source.update + source.setup:
        names.append("run_together")
    if not plan.is_random:
        return _functions("l2o.optim._runtime", names), False
    sources = _functions("l2o.optim._runtime", [*names, "tensor_seed"])
    draws = ["mix64", "random_numbers", "uniform", "gaussian"]
    sources += _functions("automl_zero.export._numpy_runtime", draws)
    return [*sources, "_BITS = (1 << 64) - 1\n_GAMMA = 0x9E3779B97F4A7C15"], True


def _functions(module: str, names: Sequence[str]) -> list[str]:
    """The text of functions of a module, which is not imported: it may need PyTorch."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"expected the source of {module}")
    text = Path(spec.origin).read_text(encoding="utf-8")
    nodes = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    return [ast.get_source_segment(text, nodes[name]) or "" for name in names]
