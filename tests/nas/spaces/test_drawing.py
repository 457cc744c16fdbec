import re
from xml.etree import ElementTree

import pytest

from automl_zero.evolution import evolution_stream
from automl_zero.report._layout import has_dot
from nas.spaces import (
    DARTS_V2,
    MNASNET_A1,
    NASNET_A,
    ChoiceSpace,
    DartsSpace,
    Decision,
    NasBench201Space,
    NasBenchMacroSpace,
    NasNetSpace,
    RandWireSpace,
    draw_cell,
    mixnet_space,
    mnasnet_space,
)

pytest.importorskip("networkx")

SPACES = {
    "nas_bench_201": NasBench201Space(),
    "darts": DartsSpace(),
    "nasnet": NasNetSpace(),
    "mnasnet": mnasnet_space(),
    "mixnet": mixnet_space(),
    "macro": NasBenchMacroSpace(),
    "rand_wire": RandWireSpace(nodes=10, stages=2),
}
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [item.text for item in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("engine", ["builtin", "dot"])
def test_pictures_of_random_architectures_are_svg_whose_boxes_do_not_overlap(name, engine):
    if engine == "dot" and not has_dot():
        pytest.skip("no Graphviz")
    stream = evolution_stream(7)
    for _ in range(3):
        architecture = SPACES[name].draw(stream)
        svg = draw_cell(SPACES[name], architecture, engine=engine)
        root = ElementTree.fromstring(svg)
        width, height = float(root.get("width")), float(root.get("height"))
        for group in root.findall(f"{SVG}g"):
            left, top = map(float, re.findall(r"[\d.]+", group.get("transform")))
            boxes = []
            for rect in group.findall(f"{SVG}rect"):
                x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
                assert left + x >= 0 and left + x + w <= width
                assert top + y >= 0 and top + y + h <= height
                boxes.append((x, y, x + w, y + h))
            for i, a in enumerate(boxes):
                for b in boxes[:i]:
                    apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
                    assert apart


def test_a_cell_shows_every_operation_and_which_ones_do_not_matter():
    space = NasBench201Space()
    text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    svg = draw_cell(space, space.from_text(text), engine="builtin")
    assert sorted(texts(svg)) == ["1", "2", "conv 1×1", "conv 3×3", "input", "output", "skip"]
    assert svg.count('stroke-dasharray="4 3"') == 4 + 4  # boxes and edges
    alive = draw_cell(space, (3,) * 6, engine="builtin")
    assert "dasharray" not in alive and texts(alive).count("conv 3×3") == 6


def test_genotypes_show_both_cells():
    space = NasNetSpace()
    svg = draw_cell(space, space.from_text(NASNET_A), engine="builtin")
    words = texts(svg)
    assert words.count("+") == 10 and words.count("concatenate") == 2
    assert {"normal cell", "reduction cell", "sep conv 7×7", "max pool 3×3"} <= set(words)
    darts = DartsSpace()
    words = texts(draw_cell(darts, darts.from_text(DARTS_V2), engine="builtin"))
    assert words.count("sep conv 3×3") == 5 and words.count("max pool 3×3") == 5


def test_blocks_are_counted():
    space = mnasnet_space()
    words = texts(draw_cell(space, space.from_text(MNASNET_A1), engine="builtin"))
    assert words[0] == "conv 3×3 / 2, 32 channels" and words[-1] == "mean, classes"
    assert "2 × MBConv3 5×5, SE, 40 channels, skip" in words


def test_the_same_architecture_gives_the_same_picture():
    space = RandWireSpace(nodes=10, stages=2)
    first, second = (draw_cell(space, (4, 2, 7), engine="builtin") for _ in range(2))
    assert first == second


def test_what_cannot_be_drawn_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="space: .* received ChoiceSpace"):
        draw_cell(ChoiceSpace([Decision("a", ("x",))]), (0,))
    with pytest.raises(ValueError, match="engine"):
        draw_cell(NasBench201Space(), (0,) * 6, engine="neato")
    with pytest.raises(ValueError, match="architecture"):
        draw_cell(NasBench201Space(), (9,) * 6)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="dot"):
        draw_cell(NasBench201Space(), (0,) * 6, engine="dot")
