"""What a program predicts with, as a PyTorch module."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl_zero._config_values import integer
from automl_zero.export._elements import SUM_NAMES, Sum, element_form, indices_of
from automl_zero.export._loops import names_in
from automl_zero.export._model import ProgramModel
from automl_zero.export._prepared import Prepared, prepare
from automl_zero.export._source_parts import constant_nodes, docstring
from automl_zero.liveness import PREDICTION, Register
from automl_zero.program import Instruction, Program

if TYPE_CHECKING:
    import torch

_MODULE = '''
class Model(nn.Module):
    """Predictions [...] of features [..., F], many examples at once.

    Parameters are the registers that the program's learn function writes; buffers are what
    its setup function leaves. All are 0 until load_memory or load_state_dict.
    """

    def __init__(self, features, dtype=torch.float64):
        super().__init__()
        zeros = functools.partial(torch.zeros, dtype=dtype)
{registers}

    def load_memory(self, memory):
        """Take over the registers of a trained program: s [S], v [V, F], m [M, F, F] by kind.

        The attributes s, v, m of a NumPy or Numba export, or the memory of a ProgramModel.
        """
        with torch.no_grad():
            for name, value in itertools.chain(self.named_parameters(), self.named_buffers()):
                value.copy_(torch.as_tensor(memory[name[0]][int(name[1:])]))
        return self

    def forward(self, x):
{body}
'''


def to_torch_source(
    program: Program | str,
    *,
    objective: str = "rms_error",
    fitness: float | None = None,
    origin: str = "",
) -> str:
    """A Python module with the program's predictions as a class ``Model(nn.Module)``.

    It needs PyTorch alone. ``Model(features, dtype)`` has the registers that learn writes as
    parameters, so that gradient descent can go on where the program's own learning ended;
    its learn function is not part of it. ``forward`` takes any number of examples at once;
    if the objective is accuracy it gives logits of class 1.

    Args:
        program: A supervised program, or its text.
        objective: ``"rms_error"`` or ``"accuracy"``; for the docstring.
        fitness: For the docstring, if known.
        origin: For the docstring: how the program was found.

    Raises:
        ValueError: If the program is no supervised one, or examples can't be predicted at
            once: predict keeps something for the next example, or draws random numbers.

    >>> source = to_torch_source('''
    ... def Setup():
    ... def Predict():
    ...   v2 = dot(m0, v0)
    ...   s1 = norm(v2)
    ... def Learn():
    ...   m0 = outer(v0, v0)
    ... ''')
    >>> print(source[source.index("    def forward"):].rstrip())
        def forward(self, x):
            F = x.shape[-1]
            m0 = self.m0
            v0 = x
            t0 = torch.einsum("...ik,...k->...i", m0, v0)
            v1 = t0 + (0.0 if F >= 8 else -0.0)
            t0 = torch.einsum("...k,...k->...", v1, v1)
            s1 = torch.sqrt(t0)
            return s1.expand(x.shape[:-1])
    """
    prepared = prepare(program, objective, True)
    _require_batchable(prepared)
    head = docstring(
        prepared,
        "The predictions of a program found by evolution, in PyTorch.\n\n"
        "    module = Model(features).load_memory({'s': ..., 'v': ..., 'm': ...})\n"
        "    module(x)",
        fitness,
        origin,
    )
    imports = "import functools\nimport itertools\n\nimport torch\nfrom torch import nn"
    module = _MODULE.strip("\n").format(registers=_registers(prepared), body=_forward(prepared))
    return f"{head}\n\n{imports}\n\n\n{module}\n"


def to_torch_module(
    program: Program | str | ProgramModel,
    features: int | None = None,
    *,
    memory: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
) -> torch.nn.Module:
    """The module of :func:`to_torch_source`, ready to use.

    Args:
        program: A trained :class:`ProgramModel`, whose memory is taken over; or a program.
        features: Feature count F; None takes that of the model or the memory.
        memory: Registers by kind as :attr:`ProgramModel.memory` has them; None takes those of
            the model, or zeros for a program.
        dtype: Of registers and features; None is float64, which the program was evolved in
            unless configured otherwise.

    Returns:
        The module. Save its ``state_dict()``, not the module: its class is made on the fly.

    Raises:
        ValueError: As :func:`to_torch_source`, or if the feature count is unknown or differs
            from the memory's.
        ImportError: Without PyTorch.

    With a trained model::

        model = compile_numba(program).fit(x, y)
        module = to_torch_module(model, dtype=torch.float32)
        module(torch.as_tensor(x, dtype=torch.float32))
    """
    objective = "rms_error"
    if isinstance(program, ProgramModel):
        memory = program.memory if memory is None else memory
        objective, program = program.objective, program.program
    source = to_torch_source(program, objective=objective)
    if memory is not None:
        width = int(memory["v"].shape[1])
        if features not in (None, width):
            raise ValueError(f"features: expected {width} as in the memory, received {features}")
        features = width
    if features is None:
        raise ValueError("features: expected a number for a program without memory, received none")
    integer("features", features, 1)
    try:
        import torch
    except ModuleNotFoundError:
        advice = "pip install 'automl-zero[torch]'"
        raise ImportError(f"to_torch_module needs torch: {advice}") from None
    names: dict[str, Any] = {"__name__": "automl_zero.export.torch_program"}
    # Written by this package out of a checked program: see _model._module.
    exec(compile(source, "<torch program>", "exec"), names)
    module: torch.nn.Module = names["Model"](features, dtype or torch.float64)
    return module if memory is None else names["Model"].load_memory(module, memory)


def _require_batchable(prepared: Prepared) -> None:
    names = ", ".join(f"{kind}{number}" for kind, number in prepared.carried)
    if names:
        raise ValueError(
            "program: expected a predict function that keeps nothing from example to example, as "
            f"a PyTorch module takes many at once; received one that goes on with {names} "
            "(to_numpy_source and to_numba_source run examples one after the other)"
        )
    random = [item for item in _relevant(prepared) if item.op.random]
    if random:
        raise ValueError(
            "program: expected a predict function without random ops, as their numbers depend on "
            f"the example's position, received '{random[0]}'"
        )


def _relevant(prepared: Prepared) -> list[Instruction]:
    """The instructions of predict that reach the prediction."""
    needed: set[Register] = {PREDICTION}
    found = []
    for item in reversed(prepared.program["predict"]):
        if item.output in needed:
            found.append(item)
            if not item.op.keeps_output:
                needed.discard(item.output)
            needed.update(item.inputs)
    return found[::-1]


def _registers(prepared: Prepared) -> str:
    lines = []
    for kind, number in sorted(prepared.prediction_reads):
        name = f"{kind}{number}"
        shape = {"s": "()", "v": "features", "m": "features, features"}[kind]
        if prepared.is_written((kind, number), "learn"):
            lines.append(f"self.{name} = nn.Parameter(zeros({shape}))")
        else:
            lines.append(f'self.register_buffer("{name}", zeros({shape}))')
    return "\n".join(f"        {line}" for line in lines or ["del zeros  # no registers"])


def _forward(prepared: Prepared) -> str:
    lines = [f"{kind}{n} = self.{kind}{n}" for kind, n in sorted(prepared.prediction_reads)]
    body = [line for item in _relevant(prepared) for line in torch_statements(item)]
    used = set().union(*(names_in(ast.parse(line)) for line in body)) if body else set()
    if "v0" in used:
        lines.append("v0 = x")
    if "s0" in used:
        lines.append("s0 = x.new_zeros(())")
    if "F" in used:
        lines.insert(0, "F = x.shape[-1]")
    lines += [*body, "return s1.expand(x.shape[:-1])"]
    return "\n".join(f"        {line}" for line in lines)


def torch_statements(item: Instruction) -> list[str]:
    """A deterministic instruction as lines on tensors, whose first axes are the examples'."""
    form = element_form(item.op)
    registers = dict(zip("ab", item.inputs, strict=False))
    kind, number = item.output or ("", 0)
    registers["out"] = (kind, number)
    lines = [_sum_line(total, registers) for total in form.sums]
    copy = _parsed(ast.unparse(form.result))
    text = ast.unparse(_ToTensors(item, registers).visit(copy))
    sources = [
        registers[node.id][0] for node in ast.walk(form.result)
        if isinstance(node, ast.Name) and node.id in registers
    ]  # fmt: skip
    if not sources and not form.sums:
        text = f"x.new_tensor({text})"
    elif isinstance(form.result, ast.Name | ast.Subscript) and sources and sources[0] != kind:
        # A broadcast: later sums need all its elements.
        axes = {"v": "F", "m": "F, F"}[kind]
        cut = {"v": "-1", "m": "-2"}[kind]
        text = f"({text}).expand(*({text}).shape[:{cut}], {axes})"
    return [*lines, f"{kind}{number} = {text}"]


def _sum_line(total: Sum, registers: Mapping[str, Register]) -> str:
    """A sum as an einsum."""
    terms, names = [], []
    for factor in total.factors:
        if factor is not None:
            kind, number = registers[factor.value.id]  # type: ignore[attr-defined]
            letters = "".join(indices_of(factor))
            # A matrix in row-major order.
            terms.append("..." + ("kl" if kind == "m" and letters == "k" else letters))
            names.append(f"{kind}{number}")
    letters = {"vector": "", "matrix": "", "row": "i", "column": "i", "product": "ij"}[total.span]
    return f'{total.name} = torch.einsum("{",".join(terms)}->...{letters}", {", ".join(names)})'


class _ToTensors(ast.NodeTransformer):
    """An element form over whole tensors: operands get the axes of the result."""

    def __init__(self, item: Instruction, registers: Mapping[str, Register]) -> None:
        self._registers = registers
        self._constants = constant_nodes(item)
        self._axes = {"s": "", "v": "i", "m": "ij"}[item.op.output]

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._registers:
            return self._aligned(node.id, "")
        if node.id in self._constants:
            return _plain(self._constants[node.id])
        if node.id in ("i", "j"):
            is_row = self._axes == "ij" and node.id == "i"
            return _parsed("torch.arange(F, device=x.device)" + ("[:, None]" if is_row else ""))
        if node.id in (*SUM_NAMES, "F", "int"):
            return node
        return _parsed("torch.pow" if node.id == "power" else f"torch.{node.id}")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if ast.unparse(node) == "float32(F)":
            return _parsed("torch.tensor(F, dtype=torch.float32)")
        self.generic_visit(node)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return self._aligned(node.value.id, "".join(indices_of(node)))  # type: ignore[attr-defined]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        names = names_in(node.test)
        self.generic_visit(node)
        if names <= {"F", *self._constants}:
            return node
        choices = [node.body, node.orelse]
        if all(isinstance(choice, ast.Constant) for choice in choices):
            # torch.where of two plain numbers would be float32.
            choices[0] = _parsed(f"x.new_tensor({ast.unparse(choices[0])})")
        return ast.Call(_parsed("torch.where"), [node.test, *choices], [])

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        left, right = node.values
        return ast.BinOp(left, ast.BitAnd(), right)

    def _aligned(self, name: str, letters: str) -> ast.expr:
        if name in self._registers:
            kind, number = self._registers[name]
            name = f"{kind}{number}"
        if letters == "ji":
            return _parsed(f"{name}.mT")
        missing = [":" if axis in letters else "None" for axis in self._axes]
        if "None" not in missing:
            return ast.Name(name)
        return _parsed(f"{name}[..., {', '.join(missing)}]")


def _plain(node: ast.expr) -> ast.expr:
    """A constant without NumPy."""
    if isinstance(node, ast.Call):  # a position; PyTorch multiplies it as float32 too
        node = node.args[0]
    return _parsed(ast.unparse(node).replace("np.inf", "torch.inf").replace("np.nan", "torch.nan"))


def _parsed(text: str) -> Any:
    return ast.parse(text, mode="eval").body
