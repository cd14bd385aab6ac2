"""Cells proposed by an Optuna sampler, shared by the designs that use one.

A sampler sees a cell as one trial whose accuracy is the mean over arms and repetitions, so it cannot prefer an arm. A
cell is reported as COMPLETE if all its arms finished, as PRUNED with its learning curve if it was stopped, as FAIL if
an arm failed; a partial score is never reported as a final one. The sampler proposes in batches and receives the
results of a whole batch in the order of its proposals. Proposals therefore depend on the records and the seed alone,
and an interrupted study repeats them.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from scaling.space.design import Cell
from scaling.space.schema import Range, Space
from scaling.space.search_settings import ACCURACY
from scaling.study.config import cell_label
from scaling.study.learning_rates import scored
from scaling.study.records import Record
from scaling.sweep.search.proposals import Proposals, Wanted
from scaling.sweep.search.sampling import distribution, members_of, quiet_optuna, size_of

if TYPE_CHECKING:
    from scaling.sweep.search.feasibility import Feasibility

EXCESS = "excess"  # a trial's attribute: by how much it exceeds each limit
MOST_TRIES = 20  # consecutive proposals that are known already or exceed a limit before a cell is drawn at random

MakeSampler = Callable[[int, int], optuna.samplers.BaseSampler]  # (seed, cells to be run)


def _excess(trial: optuna.trial.FrozenTrial) -> Sequence[float]:
    return list(trial.user_attrs.get(EXCESS, {}).values())


# Optuna 5 takes constraints from the trial and warns about the function that Optuna 4 needs.
TAKES_CONSTRAINTS = hasattr(optuna.trial.Trial, "set_constraint")
CONSTRAINTS = None if TAKES_CONSTRAINTS else _excess


def sampled(
    space: Space, feasibility: "Feasibility", make_sampler: MakeSampler, *, in_one_batch: bool = False
) -> Proposals:
    """Propose `search.cells` cells from a sampler, `search.batch` at a time, and report the results of each batch."""
    search = space.search
    assert search.cells is not None  # ensured by the check of the space
    with quiet_optuna():
        study = optuna.create_study(
            sampler=make_sampler(search.seed, search.cells),
            directions=["maximize" if name == ACCURACY else "minimize" for name in search.objectives],
        )
    drawn = _Drawn(space, feasibility, study)
    while len(drawn.cells) < search.cells:
        batch = drawn.more(search.cells - len(drawn.cells) if in_one_batch else search.batch)
        if not batch:
            if not drawn.cells:
                feasibility.admit(drawn.refused)  # raises with the limit that excludes them all
            return
        records = yield [Wanted(cell, space.repetitions) for _, cell in batch]
        of_cells = _by_cell(records)
        with quiet_optuna():
            for trial, cell in batch:
                _report(study, trial, cell, space, feasibility, of_cells.get(cell_label(cell), []))


class _Drawn:
    """The cells that a sampler has proposed so far."""

    def __init__(self, space: Space, feasibility: "Feasibility", study: optuna.Study) -> None:
        self.space = space
        self.feasibility = feasibility
        self.study = study
        self.cells: list[Cell] = []
        self.refused: list[Cell] = []  # because they exceed a limit
        self._seen: set[str] = set()
        self._members = {name: members_of(values) for name, values in space.axes.items()}
        self._distributions = {name: _distribution(values) for name, values in space.axes.items()}
        self._random = optuna.samplers.RandomSampler(space.search.seed)

    def more(self, count: int) -> list[tuple[optuna.Trial, Cell]]:
        """Draw new cells within the limits; fewer than `count` if the space has no more of them."""
        batch: list[tuple[optuna.Trial, Cell]] = []
        count = min(count, (self.space.search.cells or 0) - len(self.cells))
        tries = 0
        with quiet_optuna():
            while len(batch) < count and not self._is_used_up() and tries < MOST_TRIES * (10 + count):
                trial = self.study.ask(fixed_distributions=self._distributions)
                cell = self._cell(trial.params)
                tries += 1
                if self._accepts(trial, cell):
                    batch.append((trial, cell))
                    tries = 0
                elif tries >= MOST_TRIES:  # a confident model proposes the same cell forever
                    self._enqueue_at_random()
        self.cells += [cell for _, cell in batch]
        return batch

    def _accepts(self, trial: optuna.Trial, cell: Cell) -> bool:
        label = cell_label(cell)
        if label in self._seen:
            self.study.tell(trial, state=TrialState.FAIL)  # samplers ignore failed trials; the cell is known already
            return False
        self._seen.add(label)
        excess = self.feasibility.excess(cell)
        trial.set_user_attr(EXCESS, excess)
        if TAKES_CONSTRAINTS:
            for name, value in excess.items():
                trial.set_constraint(name, value)
        if any(value > 0 for value in excess.values()):
            self.refused.append(cell)
            self.study.tell(trial, state=TrialState.PRUNED)  # with its excess, from which samplers learn the limits
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
    """Optuna's distribution of an axis. Words have no order, so their indices are categories."""
    listed = members_of(values)
    if listed is not None and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in listed):
        return CategoricalDistribution(list(range(len(listed))))
    return distribution(values)


def _by_cell(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(cell_label(record.cell), []).append(record)
    return found


def _report(
    study: optuna.Study,
    trial: optuna.Trial,
    cell: Cell,
    space: Space,
    feasibility: "Feasibility",
    records: Sequence[Record],
) -> None:
    """Report the result of a cell to the sampler.

    Args:
        records: of the cell.
    """
    judged = scored(records, space.tune.choose_by if space.tune else 0)
    finished = [record for record in judged if record.status == "finished" and record.scores]
    if any(record.status == "stopped" for record in records):
        state = TrialState.PRUNED
    elif {record.arm for record in finished} == set(map(str, space.arm_values)):
        state = TrialState.COMPLETE
    else:
        state = TrialState.FAIL
    if len(space.search.objectives) == 1 and space.search.objectives[0] == ACCURACY:
        for step, accuracy in enumerate(_mean_curve(records), start=1):
            trial.report(accuracy, step)  # Optuna accepts no curves with several objectives
    if state != TrialState.COMPLETE:
        study.tell(trial, state=state)
        return
    values = [_objective(name, cell, space, feasibility, finished) for name in space.search.objectives]
    if all(math.isfinite(value) for value in values):
        study.tell(trial, values)
    else:
        study.tell(trial, state=TrialState.FAIL)


def _objective(name: str, cell: Cell, space: Space, feasibility: "Feasibility", finished: Sequence[Record]) -> float:
    """Value of an objective for a cell: the mean over its arms."""
    if name == ACCURACY:
        return _mean(
            [
                _mean([r.scores.val_accuracy for r in finished if r.arm == str(arm) and r.scores])
                for arm in space.arm_values
            ]
        )
    configs = feasibility.design.configs([cell])
    return _mean([feasibility.cost_table.limited(config, name) for config in configs])


def _mean_curve(records: Sequence[Record]) -> list[float]:
    """Validation accuracy after each epoch, averaged over the trials of the first repetition."""
    curves = [[e.val_accuracy for e in r.curve] for r in records if r.repetition == 0]
    if not curves:
        return []
    return [_mean([curve[epoch] for curve in curves]) for epoch in range(min(map(len, curves)))]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
