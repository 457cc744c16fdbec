"""Who computes what from what: a program as a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl_zero.annotate import line_comments
from automl_zero.liveness import (
    FEATURES,
    LABEL,
    PREDICTION,
    SUPERVISED,
    Register,
    live_program,
    needed_registers,
)
from automl_zero.program import Program

if TYPE_CHECKING:
    import networkx


def dataflow_graph(program: Program) -> networkx.DiGraph:
    """The live code of a supervised program as a directed graph.

    Nodes, with the attributes ``kind``, ``text``, ``register``, ``component`` and ``comment``:

    - ``"instruction"``: ``predict_0``, ``learn_2``, ...: the position is that in the live code;
    - ``"input"``: ``features`` and ``label``;
    - ``"state"``: ``state_v1``, ...: a register that one example leaves for the next;
    - ``"zero"``: ``zero_v5``, ...: a register that holds 0 from the start where it is read;
    - ``"output"``: ``prediction``, after the sigmoid where learn reads it, in classification.

    Edges lead from what is read to what reads it, with the attributes ``register`` and
    ``carried``: whether the content is left for the next example. Without carried edges the
    graph has no cycles.

    Raises:
        ImportError: Without networkx.
        ValueError: If the program's component functions are not setup, predict, learn.

    >>> from automl_zero.evolution import hand_built_program
    >>> graph = dataflow_graph(hand_built_program("linear"))
    >>> list(graph.successors("state_v1"))
    ['predict_0', 'learn_3']
    >>> [edge for edge in graph.edges if graph.edges[edge]["carried"]]
    [('learn_3', 'state_v1')]
    """
    return _Builder(live_program(program)).graph


def require_networkx() -> None:
    """Import networkx, which only graphs need.

    Raises:
        ImportError: Without it; says how to get it.
    """
    try:
        import networkx  # noqa: F401
    except ImportError:
        raise ImportError(
            "dataflow graphs need networkx: pip install 'automl-zero[report]'"
        ) from None


class _Builder:
    def __init__(self, program: Program) -> None:
        require_networkx()
        import networkx

        self.graph = networkx.DiGraph()
        self._program = program
        self._comments = line_comments(program)
        needed = needed_registers(program)["predict"][0]
        written = {
            item.output for name in ("predict", "learn") for item in program[name]
        } | {PREDICTION}
        self._states = sorted((needed & written) - SUPERVISED.stage("predict").filled)
        self._build()

    def _build(self) -> None:
        # In each function: the node that wrote a register last, where known.
        writers: dict[Register, str] = {}
        self._add_function("setup", writers)
        for register in self._states:
            start = writers.get(register)
            node = self._add(f"state_{_name(register)}", "state", _name(register), register)
            if start is not None:
                self.graph.add_edge(start, node, register=_name(register), carried=False)
            else:
                self.graph.nodes[node]["comment"] = "starts at 0"
            writers[register] = node
        before = dict(writers)
        writers.pop(LABEL, None)
        writers[FEATURES] = "features"
        self._add_function("predict", writers)
        self._add("prediction", "output", "prediction", PREDICTION)
        self._connect(self._source(PREDICTION, writers), "prediction", PREDICTION)
        after_predict = dict(writers)
        writers |= {FEATURES: "features", LABEL: "label", PREDICTION: "prediction"}
        self._add_function("learn", writers)
        for register in self._states:
            state = before[register]
            # Learn leaves it for the next example; predict does so in validation.
            for source in dict.fromkeys((writers[register], after_predict[register])):
                if source != state:
                    self.graph.add_edge(source, state, register=_name(register), carried=True)

    def _add_function(self, component: str, writers: dict[Register, str]) -> None:
        for position, item in enumerate(self._program[component]):
            node = self._add(f"{component}_{position}", "instruction", str(item), item.output)
            self.graph.nodes[node]["component"] = component
            self.graph.nodes[node]["comment"] = self._comments[component][position]
            read = item.inputs
            if item.op.keeps_output and item.output is not None:
                read = (*read, item.output)
            for register in read:
                self._connect(self._source(register, writers), node, register)
            if item.output is not None:
                writers[item.output] = node

    def _source(self, register: Register, writers: dict[Register, str]) -> str:
        """The node that holds what is read from a register."""
        known = writers.get(register)
        if known in ("features", "label"):
            return self._add(known, "input", known, register)
        if known is not None:
            return known
        return self._add(f"zero_{_name(register)}", "zero", f"{_name(register)} = 0", register)

    def _add(self, node: str, kind: str, text: str, register: Register | None) -> str:
        if node not in self.graph:
            name = _name(register) if register is not None else ""
            self.graph.add_node(
                node, kind=kind, text=text, register=name, component="", comment=""
            )
        return node

    def _connect(self, source: str, target: str, register: Register) -> None:
        self.graph.add_edge(source, target, register=_name(register), carried=False)


def _name(register: Register) -> str:
    return f"{register[0]}{register[1]}"
