"""The trial queue: what a study runs next, given the results so far. It knows neither Ray nor a clock of its own.

Batches of cells come from the design, and each cell runs in its own `CellRun`. Nothing of this is kept on disk: a
queue that receives the records of an interrupted study reaches the same state again.
"""

from collections.abc import Mapping
from typing import Protocol

from scaling.space.design import Cell, Design
from scaling.space.search_settings import DESIGNS, STOPPING_RULES, Budget
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record
from scaling.sweep.search.budget import BudgetGuard
from scaling.sweep.search.cell_run import CellRun, Segment, Stopped
from scaling.sweep.search.decisions import CONTINUE, WAIT, Action, Decision, RungResult, RungState
from scaling.sweep.search.outcomes import Outcomes, stopped_record
from scaling.sweep.search.proposals import Batches, Proposals
from scaling.sweep.search.ready import ActiveRuns, ReadySegments
from scaling.sweep.search.rungs import Rungs


class KnowsCells(Protocol):
    """What a queue needs to know of cells; see `scaling.sweep.search.feasibility`."""

    @property
    def design(self) -> Design: ...
    def macs(self, cell: Cell) -> dict[str, int]: ...


class TrialQueue:
    """Hands out trials, and is notified of everything that happens to them.

    Args:
        study: name of the study.
        proposals: of cells.
        settled: records of trials that need not run again, by key.
        budget: of the study; None is unlimited.
    """

    def __init__(
        self,
        study: str,
        feasibility: KnowsCells,
        proposals: Proposals,
        settled: Mapping[str, Record],
        budget: Budget | None = None,
    ) -> None:
        space = feasibility.design.space
        stop = space.search.stop
        self.study = study
        self.feasibility = feasibility
        looks_at_curves = stop is not None or DESIGNS[space.search.design].searches
        self.outcomes = Outcomes(settled, keeps_curves=looks_at_curves)
        self.budget = BudgetGuard(budget or Budget(), space.resources)
        self._stop_settings = stop
        self._batches = Batches(proposals)
        self._cells = 0
        self._active = ActiveRuns()
        self._rungs = Rungs()
        self._ready = ReadySegments(cheap_first=stop is not None)
        self._stopped: list[tuple[Trial, Record]] = []
        self._propose()

    # --- queries ---------------------------------------------------------------------------------------------------

    def next(self) -> Segment | None:
        """Hand out the next trial to run; None if there is none at the moment, or none any more: see `is_over`."""
        while True:
            self.move()
            if not self._ready:
                return None
            segment, run = self._ready.pop()
            if self._ready.has_begun(run, segment) or self._may_begin(run, segment):
                self._ready.hand_out(run, segment)
                self.budget.starts(segment.trial)
                return segment
            self._leave(run)

    @property
    def is_over(self) -> bool:
        """Whether nothing is running and nothing more will be handed out."""
        self.move()
        return self._ready.is_idle and (self._batches.is_exhausted or self.spent is not None)

    @property
    def plans_more(self) -> bool:
        """Whether further trials may be planned: by a design that looks at results, or when a cell has chosen a rate.

        A study is complete only when it does not; until then all planned trials may have ended by chance.
        """
        search = self.feasibility.design.space.search
        looks = DESIGNS[search.design].searches or search.until is not None
        may_propose = not self._batches.is_exhausted and (looks or not self._batches.count)
        return may_propose or any(run.plans_more for run in self._active.all())

    @property
    def spent(self) -> str | None:
        """Which part of the budget is spent, in words; None while something is left."""
        return self.budget.spent

    @property
    def planned(self) -> Mapping[str, Trial]:
        """All trials planned so far, by key."""
        return self.outcomes.planned

    def take_planned(self) -> list[Trial]:
        """Return the trials planned since the last call."""
        return self.outcomes.take_planned()

    def take_stopped(self) -> list[tuple[Trial, Record]]:
        """Return the trials of cells that were stopped since the last call, with their records."""
        taken, self._stopped = self._stopped, []
        return taken

    # --- events ----------------------------------------------------------------------------------------------------

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.outcomes.epoch_ended(trial, epoch)

    def rested(self, trial: Trial) -> None:
        """Note that a trial has reached the last epoch of its segment."""
        self._ready.out.pop(trial.key, None)
        self._active.touch_waiting(trial.key)

    def ended(self, trial: Trial, record: Record) -> None:
        self.outcomes.ended(trial, record)
        self.rested(trial)

    # --- progress --------------------------------------------------------------------------------------------------

    def move(self) -> None:
        """Advance every cell as far as the outcomes allow, then ask the design for more cells."""
        while True:
            while (run := self._active.next_touched()) is not None:
                self._advance(run)
            if not self._ready.is_idle or self.budget.is_frozen:
                return
            if self._active:
                self._judge_all_again()
            elif self._batches.is_exhausted or self.spent:
                return
            else:
                self._propose()

    def _judge_all_again(self) -> None:
        """Judge the cells, all of which wait for a decision; if the rule continues none, let the first one continue."""
        before = self._active.all()
        for run in before:
            if not run.is_over:
                self._advance(run)
        if self._active.is_settled and self._active.all() == before:
            self._decided(before[0], CONTINUE)

    def _propose(self) -> None:
        batch = self._batches.next(self.outcomes.records())
        costs = [(wanted, self.feasibility.macs(wanted.cell)) for wanted in batch]
        if self._stop_settings:  # others are judged by the cheap ones
            costs.sort(key=lambda one: sum(one[1].values()))
        for wanted, macs in costs:
            run = CellRun(
                self.feasibility.design,
                self.study,
                wanted,
                macs,
                self.outcomes,
                number=self._cells,
                batch=self._batches.count,
            )
            self._cells += 1
            self._active.add(run)
            self._follow(run)

    def _advance(self, run: CellRun) -> None:
        """Move a cell on if what it waits for is there."""
        if run.rung_result is not None:
            decision = run.rung_result.earlier or self._decide(run.rung_result)
            if decision.action is not Action.WAIT:
                self._decided(run, decision)
        elif all(self._is_answered(segment) for segment in run.segments):
            run.ran({segment.trial.key: self.outcomes[segment.trial.key] for segment in run.segments})
            self._follow(run)

    def _decided(self, run: CellRun, decision: Decision) -> None:
        self._rungs.decided(run.number)
        run.decided(decision)
        self._follow(run)

    def _follow(self, run: CellRun) -> None:
        """Take in where a cell run has moved to."""
        if run.is_over:
            self._leave(run)
            if run.stopped:
                self._stop(run.stopped)
            return
        self._active.touch([run.number])
        if run.rung_result is not None:
            self._active.touch(self._rungs.arrives(run.number, run.rung_result))
            return
        if any(segment.until is not None for segment in run.segments):
            self._rungs.starts(run.number)
        else:
            self._active.touch(self._rungs.leaves(run.number))
        for place, segment in enumerate(run.segments):
            self._plan(segment.trial)
            self._active.waits(run, segment.trial.key)
            if not self._is_answered(segment):
                self._ready.add(run, segment, place)

    def _leave(self, run: CellRun) -> None:
        """Drop a cell that is over, or that the budget does not let continue."""
        self._active.remove(run)
        self._active.touch(self._rungs.leaves(run.number))

    def _plan(self, trial: Trial) -> None:
        if self.outcomes.plan(trial) and self.outcomes.record(trial.key):  # of an earlier command
            self.budget.starts(trial)

    def _may_begin(self, run: CellRun, segment: Segment) -> bool:
        """Whether the trials of a cell and repetition may begin, or continue to where they are judged next.

        A pair begins whole or not at all. Once one of its arms is over, the others run whatever the budget, because
        half a pair is useless.
        """
        of_arms: dict[str, list[Record | None]] = {}
        for trial in (other.trial for other in run.segments):
            if trial.repetition == segment.trial.repetition:
                of_arms.setdefault(trial.arm, []).append(self.outcomes.record(trial.key))
        for records in of_arms.values():
            if all(records) or any(record and record.status == "finished" for record in records):
                return True
        return self.budget.allows(segment.trial, self.outcomes)

    def _is_answered(self, segment: Segment) -> bool:
        key = segment.trial.key
        return key not in self._ready.out and self.outcomes.is_reached(key, segment.until)

    def _decide(self, result: RungResult) -> Decision:
        if self.budget.is_frozen:
            return WAIT
        assert self._stop_settings is not None  # no cell reaches a rung otherwise
        rungs = self._rungs
        state = RungState(
            arrived=rungs.arrived(result.rung),
            rank=rungs.rank(result),
            coming=rungs.coming(result.rung),
            finished=self.outcomes.finished,
            is_last=self._ready.is_idle and rungs.waiting == len(self._active),
        )
        return STOPPING_RULES[self._stop_settings.rule](self._stop_settings, result, state)

    def _stop(self, stopped: Stopped) -> None:
        for trial in stopped.trials:
            if self.outcomes.record(trial.key) is None:  # else it failed on the way, or an earlier command ran it
                record = stopped_record(trial, self.outcomes[trial.key].curve, stopped.reason)
                self.outcomes.ended(trial, record)
                self._stopped.append((trial, record))
