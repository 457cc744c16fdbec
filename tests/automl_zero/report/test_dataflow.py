"""Dataflow graphs: who reads what, and what examples leave for the next."""

from __future__ import annotations

import sys

import networkx
import pytest
from hypothesis import given, settings

from automl_zero import Program
from automl_zero.evolution import hand_built_program
from automl_zero.liveness import live_program
from automl_zero.report import dataflow_graph
from tests.strategies import programs


def graph_of(setup="", predict="", learn=""):
    bodies = {"Setup": setup, "Predict": predict, "Learn": learn}
    text = "".join(f"def {name}():\n{body}\n" for name, body in bodies.items())
    return dataflow_graph(Program.parse(text.replace("; ", "\n")))


def edges(graph, carried=False):
    return {edge for edge in graph.edges if graph.edges[edge]["carried"] == carried}


def test_linear_regression():
    graph = dataflow_graph(hand_built_program("linear"))
    assert edges(graph) == {
        ("state_v1", "predict_0"), ("features", "predict_0"), ("predict_0", "prediction"),
        ("label", "learn_0"), ("prediction", "learn_0"), ("setup_0", "learn_1"),
        ("learn_0", "learn_1"), ("learn_1", "learn_2"), ("features", "learn_2"),
        ("state_v1", "learn_3"), ("learn_2", "learn_3"),
    }  # fmt: skip
    assert edges(graph, carried=True) == {("learn_3", "state_v1")}
    assert graph.nodes["state_v1"]["comment"] == "starts at 0"
    assert graph.nodes["setup_0"] == {
        "kind": "instruction", "text": "s2 = 0.01", "register": "s2",
        "component": "setup", "comment": "learning rate",
    }  # fmt: skip


def test_a_state_starts_with_what_setup_wrote():
    graph = dataflow_graph(hand_built_program("neural_net"))
    assert ("setup_1", "state_m0") in edges(graph)
    assert graph.nodes["zero_v5"]["text"] == "v5 = 0"
    assert {node for node in graph if graph.nodes[node]["kind"] == "state"} == {
        "state_m0", "state_s2", "state_v1", "state_v2",
    }  # fmt: skip


def test_what_predict_leaves_counts_in_validation():
    graph = graph_of(predict="s1 = mean(v1); v1 = v0 + v1", learn="v1 = s0 * v0")
    assert edges(graph, carried=True) == {("predict_1", "state_v1"), ("learn_0", "state_v1")}


def test_the_prediction_can_be_a_state():
    graph = graph_of(predict="s1 = s1 + s2", learn="s2 = s0 - s1")
    assert ("prediction", "state_s1") in edges(graph, carried=True)
    graph = graph_of(learn="s1 = abs(s0)")
    assert ("state_s1", "prediction") in edges(graph)
    assert ("learn_0", "state_s1") in edges(graph, carried=True)


def test_the_label_is_hidden_from_predict_and_features_come_anew_in_learn():
    graph = graph_of(predict="v0 = abs(v0); s2 = norm(v0); s1 = s2 + s0", learn="s3 = norm(v0)")
    assert "label" not in graph
    assert ("zero_s0", "predict_2") in edges(graph)
    graph = graph_of(predict="v0 = abs(v0); s1 = dot(v0, v1)", learn="v1 = v0 + v1")
    assert ("features", "learn_0") in edges(graph)


def test_an_element_set_reads_the_rest_of_its_register():
    graph = graph_of(setup="v1 = uniform(0, 1, n_features); v1[0.5] = 2", predict="s1 = mean(v1)")
    assert ("setup_0", "setup_1") in edges(graph)


@given(programs())
@settings(max_examples=200)
def test_the_graph_is_the_live_code_and_has_cycles_through_states_only(program):
    graph = dataflow_graph(program)
    live = live_program(program)
    shown = [data["text"] for _, data in graph.nodes(data=True) if data["kind"] == "instruction"]
    assert shown == [str(item) for _, body in live.items() for item in body]
    for source, target in edges(graph, carried=True):
        assert graph.nodes[target]["kind"] == "state", source
    downward = networkx.DiGraph()
    downward.add_nodes_from(graph)
    downward.add_edges_from(edges(graph))
    assert networkx.is_directed_acyclic_graph(downward)
    # All that is live reaches the prediction.
    assert networkx.ancestors(graph, "prediction") | {"prediction"} == set(graph)


def test_only_supervised_programs_have_a_graph():
    with pytest.raises(ValueError, match="expected the component functions setup, predict, learn"):
        dataflow_graph(Program.parse("def Setup():\ndef Update():", None))


def test_without_networkx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match=r"pip install 'automl-zero\[report\]'"):
        dataflow_graph(hand_built_program("linear"))
