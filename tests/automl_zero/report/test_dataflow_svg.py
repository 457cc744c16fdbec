"""Pictures of dataflow graphs: well-formed, complete, nothing on top of anything else."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings

from automl_zero import Program
from automl_zero.evolution import hand_built_program
from automl_zero.report import _dataflow_svg, _layout, dataflow_graph, dataflow_svg
from tests.strategies import programs

SVG = "{http://www.w3.org/2000/svg}"
ENGINES = [
    "builtin",
    pytest.param(
        "dot", marks=pytest.mark.skipif(not _layout.has_dot(), reason="needs Graphviz' dot")
    ),
]
LAYOUTS = {"builtin": _layout.layered_layout, "dot": _layout.dot_layout}


def laid_out(program, engine):
    graph = dataflow_graph(program)
    sizes = {
        node: _dataflow_svg._size(data, _dataflow_svg._note_lines(data))
        for node, data in graph.nodes(data=True)
    }
    return graph, sizes, LAYOUTS[engine](graph, sizes)


def check_layout(graph, sizes, layout):
    """Every node and edge has a place inside; boxes do not overlap."""
    assert set(layout.centers) == set(graph)
    assert set(layout.paths) == set(graph.edges)
    boxes = {}
    for node, (x, y) in layout.centers.items():
        width, height = sizes[node]
        boxes[node] = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        assert boxes[node][0] >= -1 and boxes[node][2] <= layout.width + 1
        assert boxes[node][1] >= -1 and boxes[node][3] <= layout.height + 1
    for one, other in itertools.combinations(boxes.values(), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart
    for (source, target), path in layout.paths.items():
        assert len(path) % 3 == 1
        for node, (x, y) in ((source, path[0]), (target, path[-1])):
            left, top, right, bottom = boxes[node]
            assert left - 14 <= x <= right + 14 and top - 14 <= y <= bottom + 14
        if not graph.edges[source, target]["carried"]:
            assert boxes[source][3] <= boxes[target][1]  # what is read stands above


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["no_op", "linear", "neural_net"])
def test_hand_built_programs_are_laid_out_cleanly(engine, name):
    check_layout(*laid_out(hand_built_program(name), engine))


@given(programs())
@settings(max_examples=100, deadline=None)
def test_any_program_is_laid_out_cleanly(program):
    check_layout(*laid_out(program, "builtin"))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_document_shows_every_node_and_edge(engine):
    program = hand_built_program("neural_net")
    graph = dataflow_graph(program)
    root = ElementTree.fromstring(dataflow_svg(program, engine=engine))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    for _, data in graph.nodes(data=True):
        assert data["text"] in texts
    lines = [path for path in root.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(lines) == len(graph.edges)
    dashed = [path for path in lines if path.get("stroke-dasharray")]
    assert len(dashed) == 4
    assert "kept from example to example" in texts


def test_signs_are_escaped():
    svg = dataflow_svg(hand_built_program("neural_net"), engine="builtin")
    assert "(hidden layer &gt; 0)" in svg
    assert not re.search(r"hidden layer > 0", svg)


def test_wrong_engines_are_errors(monkeypatch):
    program = Program.parse("def Setup():\ndef Predict():\ndef Learn():")
    with pytest.raises(ValueError, match="engine: expected .*builtin.*received 'dott'"):
        dataflow_svg(program, engine="dott")
    monkeypatch.setattr(_dataflow_svg, "has_dot", lambda: False)
    with pytest.raises(RuntimeError, match="expected Graphviz to be installed"):
        dataflow_svg(program, engine="dot")
    assert dataflow_svg(program) == dataflow_svg(program, engine="builtin")
