"""Source code of found networks, which needs PyTorch alone."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

from nas.networks import (
    _block_network,
    _genotype_network,
    _nas_bench_201,
    _operations,
    _rand_wire,
)
from nas.networks._build import Skeleton, cell_edges
from nas.networks._operations import operation_source
from nas.spaces import (
    Architecture,
    Block,
    BlockPlan,
    BlockSpace,
    CellGenotype,
    ChoiceSpace,
    GenotypeSpace,
    NasBench201Space,
    NasBenchMacroSpace,
    RandWireSpace,
)
from nas.spaces._macro_plan import macro_plan

_MODULES: Final = (_operations, _nas_bench_201, _genotype_network, _block_network, _rand_wire)

_IMPORTS: Final = {
    "Callable": "from collections.abc import Callable",
    "Sequence": "from collections.abc import Sequence",
}


def export_source(space: ChoiceSpace, architecture: Architecture, **skeleton: int | None) -> str:
    """A Python module with the network of an architecture; it needs PyTorch alone.

    Its ``build()`` gives the network of :func:`nas.networks.build_network` with the same
    settings: the same parameters under the same names, so that a ``state_dict`` of one loads
    into the other, and the same outputs. Cells are written out line by line.

    Args:
        space: A space of :mod:`nas.spaces`.
        architecture: One of its architectures.
        **skeleton: As for :func:`nas.networks.build_network`.

    Raises:
        ValueError: As :func:`nas.networks.build_network`.

    >>> from nas.spaces import NasBench201Space
    >>> space = NasBench201Space()
    >>> text = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    >>> source = export_source(space, space.from_text(text))
    >>> print(source[source.index("class Cell"):source.index("class NasBench201Network")].strip())
    class Cell(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.edge_0_1 = ReluConvBN(channels, channels, 3)
            self.edge_1_2 = AvgPool(channels, channels, 3)
            self.edge_0_3 = nn.Identity()
            self.edge_2_3 = ReluConvBN(channels, channels, 1)
    <BLANKLINE>
        def forward(self, x0: torch.Tensor) -> torch.Tensor:
            x1 = self.edge_0_1(x0)
            x2 = self.edge_1_2(x1)
            x3 = self.edge_0_3(x0) + self.edge_2_3(x2)
            return x3
    """
    filled = Skeleton(**skeleton).of(space)  # type: ignore[arg-type]
    architecture = space.from_data(architecture)
    if isinstance(space, NasBench201Space):
        cells, build = _nas_bench_201_parts(space, architecture)
    elif isinstance(space, GenotypeSpace):
        cells, build = _genotype_parts(space, architecture)
    elif isinstance(space, BlockSpace):
        cells, build = "", _block_parts(space.plan(architecture))
    elif isinstance(space, NasBenchMacroSpace):
        cells, build = "", _block_parts(macro_plan(architecture))
    elif isinstance(space, RandWireSpace):
        cells, build = _rand_wire_parts(space, architecture)
    else:
        raise ValueError(f"space: expected a built-in one, received {type(space).__name__}")
    numbers = {
        name: getattr(filled, name)
        for name in ("in_channels", "classes", "width", "depth", "stem_stride")
    }
    settings = ", ".join(f"{k}={v}" for k, v in numbers.items() if v is not None)
    return _module(space.to_text(architecture), cells, build.replace("SETTINGS", settings))


def _nas_bench_201_parts(space: NasBench201Space, architecture: Architecture) -> tuple[str, str]:
    edges = cell_edges(space, architecture)
    members = [
        f"self.edge_{a}_{b} = {operation_source(name, 'channels', 1)}" for a, b, name in edges
    ]
    lines = []
    for target in sorted({b for _, b, _ in edges}):
        terms = [f"self.edge_{a}_{b}(x{a})" for a, b, _ in edges if b == target]
        lines.append(f"x{target} = {' + '.join(terms)}")
    lines.append("return x3" if edges else "return x0 * 0.0  # no edge leads to the output")
    head = "self, channels: int"
    cell = _class("Cell", head, members, "self, x0: torch.Tensor", lines)
    return cell, "return NasBench201Network(Cell, SETTINGS)"


def _genotype_parts(space: GenotypeSpace, architecture: Architecture) -> tuple[str, str]:
    genotype = space.to_genotype(architecture)
    cells = "\n\n\n".join(
        [
            _genotype_cell("NormalCell", genotype.normal, False),
            _genotype_cell("ReductionCell", genotype.reduce, True),
            "def make_cell(\n"
            "    inputs: tuple[int, int], channels: int, reduction: bool, after_reduction: bool\n"
            ") -> nn.Module:\n"
            "    kind = ReductionCell if reduction else NormalCell\n"
            "    return kind(inputs, channels, after_reduction)",
        ]
    )
    outputs = len(genotype.normal.concat), len(genotype.reduce.concat)
    return cells, f"return GenotypeNetwork(make_cell, {outputs}, SETTINGS)"


def _genotype_cell(name: str, cell: CellGenotype, reduction: bool) -> str:
    read = {source for _, _, source in cell.operations()}
    members, lines = [], []
    if 0 in read:
        members += [
            "if after_reduction:",
            "    self.input_0: nn.Module = FactorizedReduce(inputs[0], channels)",
            "else:",
            "    self.input_0 = ReluConvBN(inputs[0], channels, 1)",
        ]
        lines.append("x0 = self.input_0(s0)")
    if 1 in read:
        members.append("self.input_1 = ReluConvBN(inputs[1], channels, 1)")
        lines.append("x1 = self.input_1(s1)")
    for number, node in enumerate(cell.nodes, 2):
        for letter, (operation, source) in zip("ab", node, strict=True):
            stride = 2 if reduction and source < 2 else 1
            member = operation_source(operation, "channels", stride)
            members.append(f"self.node_{number}_{letter} = {member}")
        (_, a), (_, b) = node
        lines.append(f"x{number} = self.node_{number}_a(x{a}) + self.node_{number}_b(x{b})")
    lines.append(f"return torch.cat([{', '.join(f'x{node}' for node in cell.concat)}], 1)")
    head = "self, inputs: tuple[int, int], channels: int, after_reduction: bool"
    return _class(name, head, members, "self, s0: torch.Tensor, s1: torch.Tensor", lines)


def _block_parts(plan: BlockPlan) -> str:
    blocks = "\n".join(f"    {_block(block, plan.gate)}," for block in plan.blocks)
    arguments = [f"blocks, stem={plan.stem}, width={plan.blocks[-1].width}, last={plan.last}"]
    if plan.hidden:
        arguments.append(f"hidden={plan.hidden}")
    arguments.append(f'activation="{plan.activation}"')
    call = ", ".join(arguments)
    return f"blocks = [\n{blocks}\n]\nreturn BlockNetwork(\n    {call},\n    SETTINGS,\n)"


def _block(block: Block, gate: str) -> str:
    if block.kind == "identity":
        return f"ConvBN({block.inputs}, {block.width}, stride={block.stride})"
    tail = f', activation="{block.activation}"'
    if block.stride > 1:
        tail = f", stride={block.stride}{tail}"
    if block.kind == "conv":
        residual = ", residual=True" if block.residual else ""
        return f"ConvBlock({block.inputs}, {block.width}, {block.kernels[0]}{tail}{residual})"
    if block.squeeze:
        tail += f', squeeze={block.squeeze}, gate="{gate}"'
    if block.residual:
        tail += ", residual=True"
    return f"MBConv({block.inputs}, {block.hidden}, {block.width}, {list(block.kernels)}{tail})"


def _rand_wire_parts(space: RandWireSpace, architecture: Architecture) -> tuple[str, str]:
    graphs = []
    for edges in space.graphs(architecture):
        text = textwrap.fill(
            ", ".join(str(edge) for edge in edges), 92, break_long_words=False,
            initial_indent="        ", subsequent_indent="        ",
        )  # fmt: skip
        graphs.append(f"    [\n{text},\n    ],")
    literal = "\n".join(["GRAPHS = [", *graphs, "]"])
    return literal, f"return WiredNetwork({space.nodes}, GRAPHS, SETTINGS)"


def _class(name: str, head: str, members: list[str], call: str, lines: list[str]) -> str:
    init = "".join(f"        {member}\n" for member in members)
    body = "\n".join(f"        {line}" for line in lines)
    return (
        f"class {name}(nn.Module):\n    def __init__({head}) -> None:\n"
        f"        super().__init__()\n{init}\n"
        f"    def forward({call}) -> torch.Tensor:\n{body}"
    )


def _module(text: str, cells: str, build: str) -> str:
    """The whole module: what the generated parts need, then these parts."""
    build = f"def build() -> nn.Module:\n{textwrap.indent(build, '    ')}"
    needed = _definitions([cells, build])
    # A skeleton stands behind the cells that it is made of.
    skeletons = [source for name, source in needed.items() if name.endswith("Network")]
    parts = [source for name, source in needed.items() if not name.endswith("Network")]
    parts += [cells] if cells else []
    parts += [*skeletons, build]
    names = set(_names("\n".join(parts)))
    imports = [line for name, line in _IMPORTS.items() if name in names]
    words = textwrap.fill(text, 95, break_long_words=False, break_on_hyphens=False)
    head = f'"""A network found by architecture search:\n\n{words}\n"""'
    preamble = ["from __future__ import annotations", ""]
    if imports:
        preamble += [*imports, ""]
    preamble += ["import torch", "from torch import nn"]
    return "\n\n\n".join(["\n".join([head, "", *preamble]), *parts]) + "\n"


def _definitions(sources: Iterable[str]) -> dict[str, str]:
    """Source of everything of this package that the sources use, in the order of definition."""
    known = {
        name: item
        for module in _MODULES
        for name, item in vars(module).items()
        if (inspect.isclass(item) or inspect.isfunction(item))
        and item.__module__ == module.__name__
    }
    found: dict[str, str] = {}
    open_names = [name for source in sources for name in _names(source)]
    while open_names:
        name = open_names.pop()
        if name in known and name not in found:
            found[name] = inspect.getsource(known[name]).rstrip()
            open_names += _names(found[name])
    return {name: found[name] for name in known if name in found}


def _names(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
            yield node.id
