"""Learned minimax: games, their solutions, and players that come to rest in them."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from l2o.unrolled import (  # noqa: E402
    MatrixGames,
    SeesawGames,
    TwinOptimizer,
    extragradient,
    optimistic,
    train_twin,
)


def test_a_point_of_the_null_space_is_a_solution_of_a_matrix_game():
    games = MatrixGames(200)
    values = torch.linalg.svdvals(games.matrix)
    assert bool(((values >= 0.05) | (values < 1e-6)).all())
    singular = int((values[:, -1] < 1e-6).nonzero()[0])
    x, y = (torch.zeros(200, 5) for _ in range(2))
    y[singular] = torch.linalg.svd(games.matrix[singular])[2][-1]
    assert float(games.distance(x, y)[singular]) < 1e-5
    assert bool((games.distance(x, y + 1) > 0.1).any())


def test_seesaw_solutions_are_the_zeros_of_the_sine():
    games = SeesawGames(5)
    zero = torch.zeros(5, 1)
    assert bool((games.distance(3 / games.frequency, zero) < 1e-6).all())
    assert torch.allclose(games.distance(0.2 + zero, zero), torch.full((5,), 0.2))


def test_untrained_players_solve_what_extragradient_is_too_slow_for():
    games = MatrixGames(50)
    result = TwinOptimizer(hidden=4).solve(games)
    assert float(result.distance[-1].max()) < 1e-4
    assert not bool(result.fallen_back.any())
    rival = extragradient(games, rate=0.3)[-1]
    assert float(result.distance[-1].mean()) < 1e-3 * float(rival.mean())


def test_without_momentum_and_lstm_it_is_extragradient():
    games = SeesawGames(20)
    result = TwinOptimizer(hidden=4, start="extragradient").solve(games, steps=300)
    assert float(result.distance[-1].mean()) < 0.1 * float(result.distance[0].mean())


def test_analytic_players_find_the_solution_of_seesaw_games():
    games = SeesawGames(20)
    assert float(extragradient(games, rate=0.2)[-1].max()) < 1e-5
    assert float(optimistic(games, rate=0.1)[-1].max()) < 1e-5


def test_an_lstm_that_drives_a_game_apart_is_left():
    twin = TwinOptimizer(hidden=4)
    with torch.no_grad():  # the most that it may do: all own gradient and momentum
        for player in (twin.minimizer, twin.maximizer):
            player.out.bias.copy_(torch.tensor([9.0, -9.0, 9.0]))
    result = twin.solve(MatrixGames(10))
    assert bool(result.fallen_back.all())
    assert float(result.distance[-1].max()) < 1e-2 * float(result.distance.max())


def test_training_helps_and_is_the_same_again():
    def trained():
        twin = TwinOptimizer(hidden=4)
        history = train_twin(
            twin, lambda i: MatrixGames(16, key=f"t{i}"), iterations=3, steps=60, unroll=20
        )
        return twin, history

    (twin, history), (_, again) = trained(), trained()
    assert history == again
    games = MatrixGames(50)
    before = TwinOptimizer(hidden=4).solve(games, steps=200).distance[-1].mean()
    assert twin.solve(games, steps=200).distance[-1].mean() < before


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: MatrixGames(0), "count"),
        (lambda: MatrixGames(1, least=2.0), "least"),
        (lambda: MatrixGames(4, size=10, least=0.5), "least"),
        (lambda: MatrixGames(1, seed="a"), "seed"),
        (lambda: SeesawGames(1, seed=-1), "seed"),
        (lambda: TwinOptimizer(seed=1.5), "seed"),
        (lambda: TwinOptimizer(hidden=0), "hidden"),
        (lambda: TwinOptimizer(look_ahead=0.0), "look_ahead"),
        (lambda: TwinOptimizer(start="best"), "start"),
        (lambda: TwinOptimizer().solve(SeesawGames(1), steps=0), "steps"),
        (lambda: extragradient(SeesawGames(1), rate=0.0), "rate"),
        (lambda: optimistic(SeesawGames(1), rate=0.1, steps=0), "steps"),
    ],
)
def test_wrong_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"^{name}"):
        make()


def test_games_of_another_type_are_refused():
    games = SeesawGames(2)
    games._start = tuple(point.double() for point in games.start())
    with pytest.raises(ValueError, match="game: expected float32 on the CPU"):
        TwinOptimizer(hidden=2).solve(games, steps=3)


def test_validated_training_ends_with_the_best_weights_of_any_iteration():
    twin, games = TwinOptimizer(hidden=4), MatrixGames(8, key="validation")
    before = float(twin.solve(games).distance[-1].mean())
    moves = []
    train_twin(
        twin, lambda i: MatrixGames(8, key=f"t{i}"), iterations=1, steps=25, unroll=20,
        validation=games, progress=lambda iteration, distance: moves.append(iteration),
    )  # fmt: skip
    assert float(twin.solve(games).distance[-1].mean()) <= before and moves == [0]
