"""Spaces written as modules with choices."""

import pickle
import subprocess
import sys
import textwrap

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from automl_zero.evolution import evolution_stream  # noqa: E402
from nas.networks import (  # noqa: E402
    Choice,
    build,
    choice_value,
    choices_of,
    operation,
    space_of,
    to_standalone,
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = choice_value("width", (4, 8))
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.op = Choice(
            "op1", {"conv3": nn.Conv2d(width, width, 3, padding=1), "skip": nn.Identity()}
        )
        self.layers = nn.Sequential(
            nn.ReLU(), Choice("op2", {"a": nn.Conv2d(width, 2, 1), "b": nn.Conv2d(width, 2, 3)})
        )

    def forward(self, x):
        x = self.stem(x)
        return self.layers(x + self.op(x)).mean((2, 3))


def nested():
    """The second level exists under one option only, and there is a layer for each depth."""
    inner = Choice("inner", {"1": nn.Linear(2, 2), "2": nn.Sequential(nn.Linear(2, 2), nn.Tanh())})
    layers = [Choice("outer", {"inner": inner, "skip": nn.Identity()})]
    for number in range(choice_value("depth", (1, 2, 3))):
        layers.append(Choice(f"act{number}", {"relu": nn.ReLU, "tanh": nn.Tanh}))
    return nn.Sequential(*layers)


def test_the_space_has_a_decision_for_each_label_in_the_order_of_the_code():
    space = space_of(Net)
    assert [(d.name, d.options) for d in space.decisions] == [
        ("width", ("4", "8")), ("op1", ("conv3", "skip")), ("op2", ("a", "b")),
    ]  # fmt: skip


def test_a_network_with_choices_runs_and_tells_what_is_chosen():
    net = Net()
    assert choices_of(net) == {"op1": "conv3", "op2": "a"}
    x = torch.randn(2, 3, 6, 6)
    first = net(x)
    net.op.select("skip")
    assert choices_of(net)["op1"] == "skip" and "chosen='skip'" in repr(net)
    assert not torch.equal(first, net(x))
    net.op.select("conv3")
    assert torch.equal(first, net(x))
    with pytest.raises(ValueError, match="op1: expected one of conv3, skip, received 'conv5'"):
        net.op.select("conv5")


def test_what_is_built_holds_the_chosen_modules_and_nothing_of_this_package():
    space = space_of(Net)
    stream = evolution_stream(0)
    for _ in range(6):
        genome = space.draw(stream)
        net = build(Net, genome)
        chosen = space.choices(genome)
        assert type(net) is Net and not choices_of(net)
        assert not [m for m in net.modules() if type(m).__module__.startswith("nas")]
        assert net.stem.out_channels == int(chosen["width"])
        assert isinstance(net.op, nn.Identity if chosen["op1"] == "skip" else nn.Conv2d)
        assert net.layers[1].kernel_size == ((1, 1) if chosen["op2"] == "a" else (3, 3))
        assert net(torch.randn(2, 3, 6, 6)).shape == (2, 2)


def test_architectures_are_given_as_numbers_text_or_choices():
    space = space_of(Net)
    genome = (1, 0, 1)
    nets = [
        build(factory, given)
        for factory in (Net, space)
        for given in (genome, space.to_text(genome), space.choices(genome))
    ]
    for net in nets[1:]:
        for a, b in zip(net.parameters(), nets[0].parameters(), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(build(Net, genome, seed=1).stem.weight, nets[0].stem.weight)


def test_building_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    build(Net, (0, 0, 0))
    assert torch.equal(before, torch.get_rng_state())


def test_choices_that_exist_under_another_choice_only_are_found_and_counted_there_only():
    space = space_of(nested)
    assert sorted(d.name for d in space.decisions) == [
        "act0", "act1", "act2", "depth", "inner", "outer",
    ]  # fmt: skip

    def architecture(**changes):
        chosen = {d.name: d.options[0] for d in space.decisions} | changes
        return space.from_text(" ".join(f"{d.name}={chosen[d.name]}" for d in space.decisions))

    key = space.key(architecture())
    assert space.key(architecture(act1="tanh")) == key
    assert space.key(architecture(act0="tanh")) != key
    assert space.key(architecture(inner="2")) != key
    skipped = space.key(architecture(outer="skip"))
    assert space.key(architecture(outer="skip", inner="2")) == skipped != key
    deep = architecture(depth="3", act2="tanh", inner="2")
    assert space.key(deep) != space.key(architecture(depth="3", inner="2"))
    net = build(space, deep)
    assert [type(m) for m in net] == [nn.Sequential, nn.ReLU, nn.ReLU, nn.Tanh]
    assert len(build(space, architecture(outer="skip"))) == 2


def test_the_same_label_is_one_decision():
    def make():
        ops = [Choice("op", {"a": nn.ReLU(), "b": nn.Tanh()}) for _ in range(2)]
        return nn.Sequential(*ops)

    assert space_of(make).size == 2
    assert [type(m) for m in build(make, (1,))] == [nn.Tanh, nn.Tanh]


def test_a_choice_may_be_all_there_is():
    def make():
        return Choice("op", {"a": Choice("inner", {"x": nn.ReLU(), "y": nn.Tanh()})})

    assert isinstance(build(make, {"op": "a", "inner": "y"}), nn.Tanh)


def test_functions_are_called_for_the_chosen_option_only():
    made = []

    def option(name):
        return lambda: made.append(name) or nn.Identity()

    def make():
        return Choice("op", {"a": option("a"), "b": option("b")})

    space = space_of(make)
    made.clear()
    build(space, (1,))
    assert made == ["b"]
    assert set(make().options) == {"a", "b"}


def test_spaces_can_be_sent_to_another_process():
    space = pickle.loads(pickle.dumps(space_of(nested)))
    assert space.key(space.draw(evolution_stream(0)))


PLAIN = """
from torch import nn

class Plain(nn.Module):
    def __init__(self, op, width):
        super().__init__()
        self.stem, self.op = nn.Conv2d(3, width, 3), op

    def forward(self, x):
        return self.op(self.stem(x)).mean((2, 3))
"""

LOAD = """
import sys
sys.modules.update(nas=None, automl_zero=None)
sys.path.insert(0, ".")
import torch
torch.set_num_threads(int(sys.argv[1]))  # they decide the order of a convolution's sums
x, y = torch.load("expected.pt")
net = torch.load("net.pt", weights_only=False)
assert torch.equal(net.train()(x), y)
net.eval()(x).sum().backward()
assert all(p.grad is not None for p in net.parameters())
"""


def load_elsewhere(net, folder):
    """Save a network and run it where this package cannot be imported."""
    x = torch.randn(2, 3, 9, 9)
    torch.save(net, folder / "net.pt")
    torch.save((x, net(x)), folder / "expected.pt")
    threads = str(torch.get_num_threads())
    subprocess.run([sys.executable, "-c", LOAD, threads], cwd=folder, check=True)


def test_a_class_that_does_not_import_this_package_loads_without_it(tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(textwrap.dedent(PLAIN))
    monkeypatch.syspath_prepend(tmp_path)
    import plain

    def make():
        width = choice_value("width", (2, 3))
        options = {"conv": nn.Conv2d(width, 4, 3), "pool": nn.MaxPool2d(3)}
        return plain.Plain(Choice("op", options), width)

    load_elsewhere(build(make, {"width": "3", "op": "conv"}), tmp_path)


def test_standalone_modules_load_without_their_class(tmp_path):
    def make():
        options = {n: operation(n, 8, 8) for n in ("sep_conv_3x3", "avg_pool_3x3")}
        return nn.Sequential(Net(), nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 8, 1)).append(
            Choice("op", options)
        )

    net = build(make, space_of(make).draw(evolution_stream(3)))
    graph = to_standalone(net)
    x = torch.randn(4, 3, 9, 9)
    assert torch.equal(graph(x), net(x))
    assert graph.state_dict().keys() == net.state_dict().keys()
    load_elsewhere(graph, tmp_path)


def test_standalone_modules_are_copies_in_the_same_mode():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
    graph = to_standalone(net)
    assert not graph.training and not net.training and not graph.get_submodule("1").training
    graph.get_parameter("0.weight").data.zero_()
    assert net[0].weight.any()


def test_what_cannot_stand_alone_is_refused():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    class TwoModes(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x, 0.5, self.training)

    with pytest.raises(ValueError, match="does not depend on values, received Branching"):
        to_standalone(Branching())
    with pytest.raises(ValueError, match="use nn.Dropout"):
        to_standalone(TwoModes())


def test_wrong_choices_are_refused():
    def clash():
        return nn.Sequential(Choice("op", {"a": nn.ReLU()}), Choice("op", {"b": nn.ReLU()}))

    with pytest.raises(ValueError, match="op: expected the options"):
        space_of(clash)
    with pytest.raises(ValueError, match="without"):
        space_of(nn.ReLU)
    with pytest.raises(ValueError, match="expected to make an nn.Module, received 3"):
        space_of(lambda: 3)
    for label in ("", "a b", "a=b", 3):
        with pytest.raises(ValueError, match="label"):
            choice_value(label, (1, 2))
    for options in ((), (1, 1), ("a b",)):
        with pytest.raises(ValueError, match="options"):
            choice_value("x", options)


def test_wrong_architectures_are_refused():
    with pytest.raises(ValueError, match="architecture"):
        build(Net, (0, 0, 2))
    with pytest.raises(ValueError, match="op1= one of conv3, skip"):
        build(Net, {"width": "4", "op1": "x", "op2": "a"})
    with pytest.raises(ValueError, match="unknown label 'op3'"):
        build(Net, {"width": "4", "op1": "skip", "op2": "a", "op3": "a"})
    with pytest.raises(ValueError, match="op2= one of a, b"):
        build(Net, {"width": "4", "op1": "skip"})


def test_a_label_behind_two_choices_at_once_is_named():
    def make():
        both = choice_value("a", (0, 1)) and choice_value("b", (0, 1))
        return Choice("hidden", {"x": nn.ReLU()}) if both else nn.Tanh()

    space = space_of(make)
    assert [d.name for d in space.decisions] == ["a", "b", "hidden"]

    def hidden():
        a, b = choice_value("a", (0, 1)), choice_value("b", (0, 1))
        return Choice("hidden", {"x": nn.ReLU()}) if a and b else nn.Tanh()

    with pytest.raises(ValueError, match="hidden: .* more than one choice"):
        build(hidden, (1, 1))
