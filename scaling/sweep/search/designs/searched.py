"""Searched designs: Optuna's samplers propose cells from what earlier cells came to.

A sampler sees a cell as one trial: its accuracy is the mean over arms and seeds, so that it cannot prefer an arm. It is
told COMPLETE for a cell whose arms all finished, PRUNED with its curve for one that was stopped, FAIL for one of which
an arm failed; a partial score is never told as a final one. It proposes in batches and is told a whole batch in the
order in which it was asked: proposals hang on the records and the seed alone, so an interrupted study repeats them.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from scaling.space.design import Cell
from scaling.space.schema import Range, Space
from scaling.study.config import cell_label
from scaling.study.learning_rates import without_rejected
from scaling.study.records import Record
from scaling.sweep.search.designs.proposals import Proposals, Wanted, design
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.sampling import distribution, members_of, size_of

ACCURACY = "val_accuracy"
EXCESS = "excess"  # a trial's attribute: by how much it exceeds each limit
MOST_TRIES = 20  # proposals in a row that were seen before or exceed a limit, until a cell is drawn at random

MakeSampler = Callable[[int, int], optuna.samplers.BaseSampler]  # (seed, cells to be run)


def _excess(trial: optuna.trial.FrozenTrial) -> Sequence[float]:
    return list(trial.user_attrs.get(EXCESS, {}).values())


# Optuna 5 takes constraints from the trial, and warns of the function that Optuna 4 wants.
TAKES_CONSTRAINTS = hasattr(optuna.trial.Trial, "set_constraint")
CONSTRAINTS = None if TAKES_CONSTRAINTS else _excess


def _startup(cells: int) -> int:
    """Cells drawn at random before a model is fitted: Optuna's ten, or fewer where few are run at all."""
    return max(4, min(10, cells // 3))


@design
def tpe(space: Space, feasibility: Feasibility) -> Proposals:
    """Tree-structured Parzen estimator. Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011."""
    return _searched(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=_startup(cells),
            constant_liar=True,  # cells of a batch are asked for before any is told
            constraints_func=CONSTRAINTS,
        ),
    )


@design
def gp(space: Space, feasibility: Feasibility) -> Proposals:
    """Gaussian process; with several objectives, expected improvement of the hypervolume."""
    return _searched(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.GPSampler(
            seed=seed, n_startup_trials=_startup(cells), constraints_func=CONSTRAINTS, warn_independent_sampling=False
        ),
    )


@design
def nsga2(space: Space, feasibility: Feasibility) -> Proposals:
    """Evolution towards the front. Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm", 2002."""
    return _searched(
        space,
        feasibility,
        lambda seed, cells: optuna.samplers.NSGAIISampler(
            seed=seed, population_size=max(4, min(50, cells // 4)), constraints_func=CONSTRAINTS
        ),
    )


@design
def random(space: Space, feasibility: Feasibility) -> Proposals:
    """Cells drawn independently and evenly (numbers on a logarithmic range: their logarithms)."""
    return _searched(space, feasibility, lambda seed, cells: optuna.samplers.RandomSampler(seed), in_one_batch=True)


def _searched(
    space: Space, feasibility: Feasibility, make_sampler: MakeSampler, *, in_one_batch: bool = False
) -> Proposals:
    search = space.search
    assert search.cells is not None  # held by the check of the space
    with _quiet():
        study = optuna.create_study(
            sampler=make_sampler(search.seed, search.cells),
            directions=["maximize" if name == ACCURACY else "minimize" for name in search.objectives],
        )
    drawn = _Drawn(space, feasibility, study)
    while len(drawn.cells) < search.cells:
        batch = drawn.more(search.cells - len(drawn.cells) if in_one_batch else search.batch)
        if not batch:
            if not drawn.cells:
                feasibility.admit(drawn.refused)  # says which limit excludes them all
            return
        records = yield [Wanted(cell, space.seeds) for _, cell in batch]
        of_cells = _by_cell(records)
        with _quiet():
            for trial, cell in batch:
                _tell(study, trial, cell, space, feasibility, of_cells.get(cell_label(cell), []))


class _Drawn:
    """The cells that a sampler has proposed so far."""

    def __init__(self, space: Space, feasibility: Feasibility, study: optuna.Study) -> None:
        self.space = space
        self.feasibility = feasibility
        self.study = study
        self.cells: list[Cell] = []
        self.refused: list[Cell] = []  # for exceeding a limit
        self._seen: set[str] = set()
        self._members = {name: members_of(values) for name, values in space.axes.items()}
        self._distributions = {name: _distribution(values) for name, values in space.axes.items()}
        self._random = optuna.samplers.RandomSampler(space.search.seed)

    def more(self, count: int) -> list[tuple[optuna.Trial, Cell]]:
        """Ask for cells that are new and keep to the limits; fewer where the space has no more of them."""
        batch: list[tuple[optuna.Trial, Cell]] = []
        count = min(count, (self.space.search.cells or 0) - len(self.cells))
        tries = 0
        with _quiet():
            while len(batch) < count and not self._is_used_up() and tries < MOST_TRIES * (10 + count):
                trial = self.study.ask(fixed_distributions=self._distributions)
                cell = self._cell(trial.params)
                tries += 1
                if self._takes(trial, cell):
                    batch.append((trial, cell))
                    tries = 0
                elif tries >= MOST_TRIES:  # a model that is sure of itself proposes the same cell for ever
                    self._enqueue_at_random()
        self.cells += [cell for _, cell in batch]
        return batch

    def _takes(self, trial: optuna.Trial, cell: Cell) -> bool:
        label = cell_label(cell)
        if label in self._seen:
            self.study.tell(trial, state=TrialState.FAIL)  # samplers leave these out; the cell has spoken
            return False
        self._seen.add(label)
        excess = self.feasibility.excess(cell)
        trial.set_user_attr(EXCESS, excess)
        if TAKES_CONSTRAINTS:
            for name, value in excess.items():
                trial.set_constraint(name, value)
        if any(value > 0 for value in excess.values()):
            self.refused.append(cell)
            self.study.tell(trial, state=TrialState.PRUNED)  # with its excess: samplers learn where the limits are
            return False
        return True

    def _enqueue_at_random(self) -> None:
        params = {
            name: self._random.sample_independent(self.study, self.study.trials[-1], name, distribution)
            for name, distribution in self._distributions.items()
        }
        self.study.enqueue_trial(params)

    def _is_used_up(self) -> bool:
        return len(self._seen) >= size_of(self.space.axes)

    def _cell(self, params: dict[str, Any]) -> Cell:
        return {
            name: params[name] if (listed := self._members[name]) is None else listed[params[name]]
            for name in self.space.axes
        }


def _distribution(values: Sequence[Any] | Range) -> BaseDistribution:
    """Optuna's distribution of an axis; words have no order, so that their indices are categories."""
    listed = members_of(values)
    if listed is not None and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in listed):
        return CategoricalDistribution(list(range(len(listed))))
    return distribution(values)


def _by_cell(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(cell_label(record.cell), []).append(record)
    return found


def _tell(
    study: optuna.Study,
    trial: optuna.Trial,
    cell: Cell,
    space: Space,
    feasibility: Feasibility,
    records: Sequence[Record],
) -> None:
    """Tell a sampler of a cell; `records` are the cell's."""
    curves = _mean_curve(records)
    finished = [record for record in without_rejected(records) if record.status == "finished" and record.scores]
    if any(record.status == "stopped" for record in records):
        state = TrialState.PRUNED
    elif {record.arm for record in finished} == set(map(str, space.arm_values)):
        state = TrialState.COMPLETE
    else:
        state = TrialState.FAIL
    if len(space.search.objectives) == 1 and space.search.objectives[0] == ACCURACY:
        for step, accuracy in enumerate(curves, start=1):
            trial.report(accuracy, step)  # Optuna takes no curves where there are several objectives
    if state != TrialState.COMPLETE:
        study.tell(trial, state=state)
        return
    values = []
    for objective in space.search.objectives:
        if objective == ACCURACY:
            of_arms = [
                _mean([r.scores.val_accuracy for r in finished if r.arm == str(arm) and r.scores])
                for arm in space.arm_values
            ]
        else:
            of_arms = [
                feasibility.cost_table.limited(feasibility.design.config(cell, arm, 0), objective)
                for arm in space.arm_values
            ]
        values.append(_mean(of_arms))
    if all(math.isfinite(value) for value in values):
        study.tell(trial, values)
    else:
        study.tell(trial, state=TrialState.FAIL)


def _mean_curve(records: Sequence[Record]) -> list[float]:
    """Validation accuracy after each epoch, the mean over the trials with the first seed."""
    curves = [[e.val_accuracy for e in r.curve] for r in records if r.seed == 0]
    if not curves:
        return []
    return [_mean([curve[epoch] for curve in curves]) for epoch in range(min(map(len, curves)))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from logging every proposal and from warning of features that it calls experimental."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
