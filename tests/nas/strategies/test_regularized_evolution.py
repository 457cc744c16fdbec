"""As a strategy, regularized evolution is the core's, to the last individual."""

from automl_zero import evolution
from nas.strategies import RegularizedEvolution
from tests.nas.toy import SPACE, value


def test_it_goes_through_the_populations_of_the_core():
    strategy = RegularizedEvolution(SPACE, population_size=8, tournament_size=2, seed=4)
    core = evolution.RegularizedEvolution(SPACE, population_size=8, tournament_size=2, seed=4)
    for _ in range(100):
        trial, individual = strategy.ask(), core.ask()
        assert (trial.number, trial.architecture) == (individual.number, individual.genome)
        strategy.tell(trial, value(trial.architecture))
        core.tell(individual, value(individual.genome))
