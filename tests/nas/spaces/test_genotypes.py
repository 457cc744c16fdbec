import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_zero.evolution import evolution_stream
from nas.spaces import (
    AMOEBANET_A,
    AMOEBANET_OPERATIONS,
    DARTS_V1,
    DARTS_V2,
    NASNET_A,
    CellGenotype,
    DartsSpace,
    Genotype,
    NasNetSpace,
)

SPACES = {
    "darts": DartsSpace(),
    "small darts": DartsSpace(2, ("skip_connect", "sep_conv_3x3")),
    "nasnet": NasNetSpace(),
    "amoebanet": NasNetSpace(4, AMOEBANET_OPERATIONS),
    # Two operations only: most cells have nodes that look alike.
    "alike": NasNetSpace(4, ("skip_connect", "sep_conv_3x3")),
}


@st.composite
def architectures(draw):
    space = SPACES[draw(st.sampled_from(sorted(SPACES)))]
    return space, tuple(draw(st.integers(0, len(d.options) - 1)) for d in space.decisions)


def permuted(cell, order, flips):
    """The cell with its nodes in another order; None if a node would stand before its input."""
    names = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    nodes = []
    for position, old in enumerate(order):
        terms = [(name, names[source]) for name, source in cell.nodes[old]]
        if any(source >= position + 2 for _, source in terms):
            return None
        nodes.append(tuple(terms[::-1] if flips[old] else terms))
    return CellGenotype(tuple(nodes), tuple(sorted(names[item] for item in cell.concat)))


@given(architectures())
def test_texts_and_data_round_trip(case):
    space, genome = case
    assert space.from_text(space.to_text(genome)) == genome
    assert space.from_data(space.to_data(genome)) == genome
    assert Genotype.parse(space.to_text(genome)) == space.to_genotype(genome)


@given(architectures(), st.lists(st.booleans(), min_size=5, max_size=5), st.permutations(range(5)))
def test_isomorphic_cells_have_one_key(case, flips, wishes):
    space, genome = case
    genotype = space.to_genotype(genome)
    order = []
    while len(order) < space.nodes:  # the first of the wished order that reads none behind it
        order.append(
            next(
                node
                for node in wishes
                if node < space.nodes
                and node not in order
                and all(source - 2 in (-2, -1, *order) for _, source in genotype.normal.nodes[node])
            )
        )
    normal = permuted(genotype.normal, order, flips)
    assert str(Genotype(normal, genotype.reduce).canonical()) == space.key(genome)


@given(architectures())
def test_the_canonical_architecture_is_isomorphic_and_its_own_canonical_one(case):
    space, genome = case
    canonical = space.canonical(genome)
    assert space.key(canonical) == space.key(genome) == space.to_text(canonical)
    assert space.canonical(canonical) == canonical
    original, cell = space.to_genotype(genome).reduce, space.to_genotype(canonical).reduce
    swaps = itertools.product([False, True], repeat=space.nodes)
    wanted = {
        permuted(original, order, flips)
        for flips in swaps
        for order in itertools.permutations(range(space.nodes))
    }
    assert cell in wanted


def test_keys_count_the_cells_that_differ():
    space = NasNetSpace(2, ("skip_connect", "sep_conv_3x3"))
    genomes = itertools.product(*(range(len(d.options)) for d in space.decisions[:8]))
    normals = {genome: space.key((*genome, *(0,) * 8)) for genome in genomes}
    # By hand: 10 different first nodes. The second reads none of the first (10, and the pair is
    # unordered: 55), or reads it once or twice (4 * 2 + 3 sums with each first node).
    assert len(set(normals.values())) == 55 + 10 * 11
    assert len(normals) == 16 * 36


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (DartsSpace(), DARTS_V1),
        (DartsSpace(), DARTS_V2),
        (NasNetSpace(), NASNET_A),
        (NasNetSpace(), AMOEBANET_A),
        (NasNetSpace(5, AMOEBANET_OPERATIONS), AMOEBANET_A),
    ],
)
def test_published_cells_are_in_their_spaces(space, text):
    genome = space.from_text(text)
    assert space.key(genome) == space.key(
        space.from_text(text.replace("=[2, 3, 4, 5]", "=range(2, 6)"))
    )
    for neighbor in space.neighbors(genome)[:20]:
        assert space.key(neighbor) != space.key(genome)


def test_draws_and_mutations_stay_in_the_space():
    stream = evolution_stream(3)
    for space in SPACES.values():
        genome = space.draw(stream)
        for _ in range(20):
            genome = space.mutate(genome, stream)
            assert space.from_text(space.to_text(genome)) == genome


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("normal=", "normale="), "expected Genotype"),
        (("Genotype(", "Genotype(1, "), "expected Genotype"),
        (("('sep_conv_3x3', 0), ('sep_conv_3x3', 1)", "('sep_conv_3x3', 0)"), "normal: .* two"),
        (("('sep_conv_3x3', 0)", "('sep_conv_3x3', 2)"), "normal: .* 0..1 for node 2"),
        (("('sep_conv_3x3', 0)", "('sep_conv_3x3', True)"), "normal: expected .operation"),
        (("('sep_conv_3x3', 0)", "('sep_conv_9x9', 0)"), "normal: expected operations"),
        (("('sep_conv_3x3', 0)", "('sep_conv_3x3', 1)"), "normal: expected two different"),
        (("normal_concat=[2, 3, 4, 5]", "normal_concat=[3, 4, 5]"), "normal: expected 4 nodes"),
        (("normal_concat=[2, 3, 4, 5]", "normal_concat=[6]"), "normal_concat: .* of 2..5"),
        (("normal_concat=[2, 3, 4, 5]", "normal_concat=open('x')"), "normal_concat: .* a list"),
        (("normal_concat=[2, 3, 4, 5]", "normal_concat=range(2, 10**9)"), "normal_concat"),
        (("Genotype(", "("), "genotype"),
    ],
)  # fmt: skip
def test_damaged_genotypes_are_refused(change, message):
    assert change[0] in DARTS_V2
    with pytest.raises(ValueError, match=message):
        DartsSpace().from_text(DARTS_V2.replace(*change, 1))


def test_what_is_no_text_is_refused():
    for text in (None, "", 3, "x" * 10):
        with pytest.raises(ValueError, match="genotype"):
            DartsSpace().from_text(text)


def test_nasnet_outputs_are_the_nodes_that_none_reads():
    with pytest.raises(ValueError, match=r"those that none reads, \[2, 3, 4, 5, 6\]"):
        text = NASNET_A.replace("normal_concat=[2, 3, 4, 5, 6]", "normal_concat=[2]")
        NasNetSpace().from_text(text)


def test_nodes_must_be_positive():
    for space in (DartsSpace, NasNetSpace):
        with pytest.raises(ValueError, match="nodes"):
            space(0)
