"""The run of one cell: its trials in their order, and the decisions on the way.

Without early stopping and a learning-rate grid, all trials of a cell can run at once. Otherwise the first repetition
goes ahead: it settles whether the cell continues. With a grid, the repetitions that choose follow, at every rate, and
settle which learning rate the others use.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from scaling.space.design import Cell, Design
from scaling.study.config import Trial, cell_label
from scaling.study.learning_rates import chosen_rates
from scaling.sweep.search.decisions import CONTINUE, Action, Decision, RungResult, rung_epochs
from scaling.sweep.search.outcomes import Outcome, stop_reason
from scaling.sweep.search.proposals import Wanted


@dataclass(frozen=True)
class Segment:
    """A trial, or its part up to an epoch."""

    trial: Trial
    until: int | None = None  # epoch after which it rests, its state in its checkpoint; None: it runs to its end


@dataclass(frozen=True)
class Stopped:
    """The early end of a cell run."""

    reason: str
    trials: Sequence[Trial]


class Phase(Enum):
    """Where a cell run is."""

    RUNGS = "rungs"  # the first repetition trains from rung to rung
    LEADING = "leading"  # the first repetition, or all that choose a learning rate, train to their end
    REPETITIONS = "repetitions"  # the others, or all if nothing is decided on the way
    OVER = "over"


class CellRun:
    """Steps through the run of one cell.

    At each step either `segments` are to be run, after which `ran` is called; or `rung_result` awaits a decision,
    after which `decided` is called; or the run `is_over`, with `stopped` if it ended early.

    Args:
        macs: multiply-accumulates of an image's forward pass, by arm.
        known: keys of trials that have run.
        number: of the cell in its study.
        batch: number of the batch in which the cell was proposed.
    """

    def __init__(
        self,
        design: Design,
        study: str,
        wanted: Wanted,
        macs: Mapping[str, int],
        known: Container[str] = frozenset(),
        *,
        number: int = 0,
        batch: int = 0,
    ) -> None:
        self.number = number
        self.batch = batch
        self.macs = macs
        self.segments: list[Segment] = []
        self.rung_result: RungResult | None = None
        self.stopped: Stopped | None = None
        self._design = design
        self._study = study
        self._wanted = wanted
        space = design.space
        leading = range(space.tune.choose_by if space.tune else 1)
        self._leading = [
            trial
            for repetition in leading
            for arm in space.arm_values
            for trial in at_all_rates(design, study, wanted.cell, arm, repetition)
        ]
        self._first = [trial for trial in self._leading if trial.repetition == 0]
        others = [
            design.trial(study, wanted.cell, arm, repetition)
            for repetition in range(len(leading), wanted.repetitions)
            for arm in space.arm_values
        ]
        self._others = others
        later = [*self._leading[len(self._first) :], *others]
        self._has_continued = any(trial.key in known for trial in later)  # in an earlier command
        self._outcomes: Mapping[str, Outcome] = {}
        stop = space.search.stop
        if stop is None and space.tune is None:
            self._run(Phase.REPETITIONS, [Segment(trial) for trial in [*self._leading, *others]])
            return
        epochs = min(trial.config.recipe.epochs for trial in self._first)
        self._rungs = list(enumerate(rung_epochs(stop, epochs))) if stop else []
        self._start_next_rung()

    @property
    def is_over(self) -> bool:
        return self._phase is Phase.OVER

    @property
    def plans_more(self) -> bool:
        """Whether the cell may have trials that are not among its segments yet."""
        return self._phase in (Phase.RUNGS, Phase.LEADING) and bool(self._others)

    def ran(self, outcomes: Mapping[str, Outcome]) -> None:
        """Move on after the current segments; `outcomes` are those of their trials, by key."""
        self._outcomes = outcomes
        if self._phase is Phase.RUNGS:
            self._reach_rung()
        elif self._phase is Phase.LEADING:
            self._start_repetitions()
        else:
            self._end()

    def decided(self, decision: Decision) -> None:
        """Move on after a decision about the current rung result."""
        self.rung_result = None
        if decision.action is Action.STOP:
            self._end(decision.reason)
            return
        self._rungs.pop(0)
        self._start_next_rung()

    def _start_next_rung(self) -> None:
        if not self._rungs:
            self._finish_leading()
            return
        _, epoch = self._rungs[0]
        self._run(Phase.RUNGS, [Segment(trial, epoch) for trial in self._first])

    def _reach_rung(self) -> None:
        rung, epoch = self._rungs[0]
        accuracy = accuracy_at(epoch, self._first, self._outcomes)
        if set(accuracy) != set(map(str, self._design.space.arm_values)):
            self._finish_leading()  # an arm failed or diverged, so that the cell cannot be judged
            return
        earlier = decided_at(epoch, self._outcomes) or (CONTINUE if self._has_continued else None)
        self.segments = []
        self.rung_result = RungResult(cell_label(self._wanted.cell), rung, epoch, accuracy, self.macs, earlier)

    def _finish_leading(self) -> None:
        if reason := stop_reason(self._outcomes):
            self._end(reason)
        else:
            self._run(Phase.LEADING, [Segment(trial) for trial in self._leading])

    def _start_repetitions(self) -> None:
        if reason := stop_reason(self._outcomes):
            self._end(reason)
            return
        if self._design.space.tune is not None:
            self._others = self._at_chosen_rates()
        if self._others:
            self._run(Phase.REPETITIONS, [Segment(trial) for trial in self._others])
        else:
            self._end()

    def _at_chosen_rates(self) -> list[Trial]:
        """Trials of the other repetitions, each arm at its chosen learning rate."""
        cell, arms = self._wanted.cell, self._design.space.arm_values
        choose_by = len({trial.repetition for trial in self._leading})
        records = [outcome.record for outcome in self._outcomes.values() if outcome.record]
        rates = chosen_rates(records, choose_by)
        with_rate = [arm for arm in arms if (cell_label(cell), str(arm)) in rates]
        return [
            self._design.trial(self._study, cell, arm, repetition, rate=rates[cell_label(cell), str(arm)])
            for repetition in range(choose_by, self._wanted.repetitions)
            for arm in comparable(with_rate, arms)
        ]

    def _run(self, phase: Phase, segments: list[Segment]) -> None:
        self._phase = phase
        self.segments = segments

    def _end(self, reason: str | None = None) -> None:
        self._run(Phase.OVER, [])
        self.stopped = Stopped(reason, self._first) if reason is not None else None


def comparable(arms: Sequence[Any], all_arms: Sequence[Any]) -> Sequence[Any]:
    """Select the arms whose other repetitions can be compared, among those that have a learning rate.

    An arm of which all rates failed has nothing to repeat. Without the baseline, or alone, an arm has nothing to be
    compared with, and its repetitions would be spent on half pairs.
    """
    return arms if len(all_arms) == 1 or (len(arms) > 1 and arms[0] == all_arms[0]) else []


def decided_at(epoch: int, outcomes: Mapping[str, Outcome]) -> Decision | None:
    """Find what an earlier command decided about a cell at a rung, from its records.

    Decisions stand: another order of events neither revives a cell nor stops half of one.
    """
    if (reason := stop_reason(outcomes)) is not None:
        ends = [len(one.record.curve) for one in outcomes.values() if one.record and one.record.status == "stopped"]
        return CONTINUE if max(ends) > epoch else Decision.stop(reason)
    beyond = {"finished": 0, "diverged": epoch}  # trials rest at a rung: one that diverged later had continued
    ended = [one.record for one in outcomes.values() if one.record and one.record.status in beyond]
    return CONTINUE if any(len(one.curve) >= beyond[one.status] for one in ended) else None


def at_all_rates(design: Design, study: str, cell: Cell, arm: object, repetition: int) -> list[Trial]:
    """Trials of an arm in a repetition: one, or one for each learning rate of the grid."""
    tune = design.space.tune
    if tune is None:
        return [design.trial(study, cell, arm, repetition)]
    base = design.config(cell, arm, repetition).recipe.learning_rate
    return [design.trial(study, cell, arm, repetition, rate=rate) for rate in tune.rates(base)]


def accuracy_at(epoch: int, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Validation accuracy of each arm after `epoch` epochs, at its best learning rate."""
    found: dict[str, float] = {}
    for trial in trials:
        curve = outcomes[trial.key].curve
        if len(curve) >= epoch:
            found[trial.arm] = max(found.get(trial.arm, 0.0), curve[epoch - 1].val_accuracy)
    return found
