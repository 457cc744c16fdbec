"""A whole search for update rules, as a configuration describes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Final

from automl_zero.kernels import _engine

from automl_zero.evolution import Birth, EpochReport, PopulationStatistics, Progress
from automl_zero.evolution._genome_plan import GenomePlan
from automl_zero.evolution._search_loop import CHECKPOINT_SECONDS
from automl_zero.evolution._search_plan import Candidate, Limits
from automl_zero.evolution._search_session import Outcome, run_session
from automl_zero.evolution.runs import Run
from automl_zero.inspection import pruned
from automl_zero.program import Program
from automl_zero.streams import stream_key
from l2o.rules._config import RuleSearchConfig
from l2o.rules._fitness import RuleFitness, tuned_runs
from l2o.rules._funnel import FunnelResult, StageResult, run_funnel
from l2o.rules._harness import UPDATE_RULE, parse_rule
from l2o.rules._rule_file import find_rule

RULE_SEARCH: Final = "update rule search"
"""Kind of these runs."""

_EMPTY: Final = "def Setup():\ndef Update():"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSearchResult:
    """What a search found.

    Attributes:
        rule: The rule that got furthest in the funnel, as found.
        simplified: The same without what its fitness on the selection tasks does not need.
        fitness: On the search tasks.
        select_fitness: On the selection tasks.
        final_fitness: Score of ``simplified`` at the last stage, by which nothing was chosen;
            None if it did not get there.
        learning_rate: The best one at the last stage that was run, for its first task.
        weight_decay: Likewise.
        funnel: All stages; None if there is none in the configuration.
        birth: Island, number and generation of the rule.
        experiments: Experiments begun.
        seconds: Wall-clock time, earlier sessions included, without the funnel.
        statistics: Counts of all experiments; the population is that of the last one.
        stopped_by: ``"individuals"``, ``"stagnation"``, ``"seconds"``,
            ``"sufficient fitness"`` or ``"interrupted"``.
        run: The run directory; None if there is none.
    """

    rule: Program
    simplified: Program
    fitness: float
    select_fitness: float
    final_fitness: float | None
    learning_rate: float
    weight_decay: float
    funnel: FunnelResult | None = field(repr=False)
    birth: Birth
    experiments: int
    seconds: float
    statistics: PopulationStatistics = field(repr=False)
    stopped_by: str
    run: Run | None = field(default=None, repr=False)

    @property
    def is_interrupted(self) -> bool:
        """True if the run can go on."""
        return self.stopped_by == "interrupted"

    def to_data(self) -> dict[str, Any]:
        """The result as plain data, without the run directory."""
        final = {} if self.final_fitness is None else {"final_fitness": self.final_fitness}
        return {
            "rule": str(self.rule),
            "simplified": str(self.simplified),
            "fitness": self.fitness,
            "select_fitness": self.select_fitness,
            **final,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "funnel": None if self.funnel is None else self.funnel.to_data(),
            "birth": list(self.birth),
            "experiments": self.experiments,
            "seconds": self.seconds,
            "statistics": self.statistics.to_data(),
            "stopped_by": self.stopped_by,
        }


class UpdateRuleSearch:
    """The search for update rules that a configuration describes.

    Islands of rules evolve on the search tasks. A new best rule of an island becomes a
    candidate and is tried on the selection tasks. At the end the best candidates go through the
    funnel, and the winner is simplified: instructions go as long as its fitness on the
    selection tasks does not suffer.

    The same configuration gives the same result, on any executor and however often it was
    interrupted and resumed, unless a limit in seconds ends the run.

    Args:
        config: The search.

    Raises:
        ValueError: If a file of a rule or of data is missing or damaged.

    >>> from l2o.rules import load_rule_config
    >>> config = load_rule_config("quick", ["stop.individuals=60", "funnel=[]"])
    >>> result = UpdateRuleSearch(config).run()
    >>> result.statistics.individuals, result.stopped_by
    (60, 'individuals')
    """

    def __init__(self, config: RuleSearchConfig) -> None:
        self.config = config
        self.baseline = find_rule(config.fitness.baseline).rule
        self.beat = {name: find_rule(name).rule for name in config.selection.beat}
        self._search_fitness = self._fitness_on("search")
        self._select_fitness = self._fitness_on("select")
        stop, experiments = config.stop, config.experiments
        self._plan = GenomePlan(
            config.space(),
            self._search_fitness,
            {
                "population_size": config.population.size,
                "tournament_size": config.population.tournament_size,
                "attempts": config.population.attempts,
                "initial": _initial(config),
                "cache_size": config.cache.size,
                "probe": self._search_fitness.probe if config.cache.fec else None,
                "fec_size": config.cache.fec_size,
            },
            seed=config.seed,
            islands=config.islands,
            limits=Limits(
                individuals=stop.individuals or None,
                stagnation=stop.stagnation or None,
                seconds=stop.seconds or None,
                experiments=experiments.maximum or None,
                sufficient_fitness=experiments.sufficient_fitness,
            ),
            judge=self._select_fitness,
            select_margin=config.selection.margin,
            finalists=config.selection.finalists,
            kind=RULE_SEARCH,
            config=_config_data(config),
            config_text=config.to_toml(),
        )

    def _fitness_on(self, name: str) -> RuleFitness:
        tasks = getattr(self.config.tasks, name)
        return RuleFitness(
            tasks,
            stream_key(self.config.seed, name),
            baseline=self.baseline,
            bound=self.config.fitness.bound,
            hurdle=self.config.fitness.hurdle if name == "search" else None,
        )

    def run(
        self,
        run_dir: str | PathLike[str] | None = None,
        *,
        resume: bool = False,
        executor: Executor | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        callbacks: Iterable[Callable[[EpochReport], None]] = (),
        should_stop: Callable[[], bool] | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        on_stage: Callable[[StageResult], None] | None = None,
    ) -> RuleSearchResult:
        """Search until a limit, then run the funnel.

        Arguments and errors as :meth:`automl_zero.evolution.ProgramSearch.run`; an interrupted
        search ends without the funnel.

        Args:
            on_stage: Called after each stage of the funnel.
        """

        def conclude(outcome: Outcome) -> RuleSearchResult:
            return self._result(outcome, on_stage)

        return run_session(
            self._plan,
            conclude,
            run_dir=run_dir,
            resume=resume,
            executor=executor,
            on_progress=on_progress,
            callbacks=callbacks,
            should_stop=should_stop,
            checkpoint_seconds=checkpoint_seconds,
            instruction_set=_engine.ISA,
        )

    def _result(
        self, outcome: Outcome, on_stage: Callable[[StageResult], None] | None
    ) -> RuleSearchResult:
        candidates = {f"rule {number}": it for number, it in enumerate(outcome.finalists, 1)}
        found = {name: parse_rule(item.genome) for name, item in candidates.items()}
        winner, funnel, simplified = next(iter(found)), None, None
        if self.config.funnel and outcome.stopped_by != "interrupted":
            # Simplified first: then every number of the funnel is one of what is shown.
            found = {name: self._simplified(rule) for name, rule in found.items()}
            funnel = run_funnel(
                found,
                self.config.funnel,
                beat=self.beat,
                baseline=self.baseline,
                bound=self.config.fitness.bound,
                seed=self.config.seed,
                on_stage=on_stage,
            )
            winner = funnel.winner
            simplified = found[winner]
        best: Candidate = candidates[winner]
        rule = parse_rule(best.genome)
        simplified = self._simplified(rule) if simplified is None else simplified
        rate, decay, final = self._settings(simplified, winner, funnel)
        return RuleSearchResult(
            rule=rule,
            simplified=simplified,
            fitness=best.fitness,
            select_fitness=best.select_fitness,
            final_fitness=final,
            learning_rate=rate,
            weight_decay=decay,
            funnel=funnel,
            birth=best.birth,
            experiments=outcome.experiments,
            seconds=outcome.seconds,
            statistics=outcome.statistics,
            stopped_by=outcome.stopped_by,
            run=outcome.run,
        )

    def _simplified(self, rule: Program) -> Program:
        tolerance = self.config.selection.tolerance
        return pruned(rule, self._select_fitness, UPDATE_RULE, tolerance=tolerance)

    def _settings(
        self, rule: Program, name: str, funnel: FunnelResult | None
    ) -> tuple[float, float, float | None]:
        """Learning rate and weight decay of the last tasks that a rule ran on; its final score."""
        if funnel is None:
            fitness = self._select_fitness
            run = tuned_runs(rule, fitness.tasks, fitness.seed)[0]
            return run.learning_rate, run.weight_decay, None
        standing = next(item for item in funnel.stages[-1].rules if item.name == name)
        is_final = len(funnel.stages) == len(self.config.funnel)
        score = standing.score if is_final else None
        return standing.learning_rates[0], standing.weight_decays[0], score


def _initial(config: RuleSearchConfig) -> tuple[Program, ...]:
    """The rules to start from; none stands for random ones."""
    initial, found = config.population.initial, []
    if initial == "random":
        return ()
    for name in (initial,) if isinstance(initial, str) else initial:
        rule = parse_rule(_EMPTY) if name == "empty" else find_rule(name).rule
        try:
            config.space().check(rule)
        except ValueError as error:
            raise ValueError(f"population.initial: {name}: {error}") from None
        found.append(rule)
    return tuple(found)


def _config_data(config: RuleSearchConfig) -> dict[str, Any]:
    """The configuration without its time limit, and what the files are that it names."""
    data = config.to_data()
    del data["stop"]["seconds"]
    return {"config": data, "inputs": _input_digests(config)}


def _input_digests(config: RuleSearchConfig) -> dict[str, str]:
    """BLAKE2 of each file that the configuration names."""
    initial = config.population.initial
    names = {config.fitness.baseline, *config.selection.beat}
    names |= set() if isinstance(initial, str) else set(initial)
    sets = [config.tasks.search, config.tasks.select, *(stage.tasks for stage in config.funnel)]
    for tasks in sets:
        names |= {str(item.to_data().get("data")) for item in tasks.optimizees}
    found = {}
    for name in sorted(names):
        if Path(name).is_file():
            with open(name, "rb") as file:
                found[name] = hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    return found
