"""Agenda: what a study runs next, from what its trials have answered so far. It knows no Ray and no clock of its own.

Batches of cells come from the design; each cell runs its course; trials that are ready are handed out seeds slowest
and arms fastest, so that a study stopped at any moment is nearly balanced. Nothing of this is kept on disk: an agenda
that is told the records of an interrupted study comes to the same point again.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scaling.space.design import Cell, Design
from scaling.study.config import Trial
from scaling.study.errors import SpaceError
from scaling.study.records import Epoch, Record
from scaling.sweep.search.cell_run import CellRun, Segment, Stopped, cell_run
from scaling.sweep.search.designs.proposals import SEARCHED, Proposals
from scaling.sweep.search.outcomes import Outcome, in_brief, seconds_of, stopped_record
from scaling.sweep.search.rungs import Rungs
from scaling.sweep.search.stopping.rules import RULES, RungResult, RungState

# (records; trials started, None to ask whether those that are may go on; seconds that no record tells of) → what is
# spent, or None
Spent = Callable[[Iterable[Record], int | None, float], str | None]


class Admits(Protocol):
    """What an agenda needs to know of cells; see `scaling.sweep.search.feasibility`."""

    @property
    def design(self) -> Design: ...
    def macs(self, cell: Cell) -> dict[str, int]: ...


@dataclass(eq=False)
class _Running:
    """A cell on its course."""

    number: int
    batch: int
    macs: Mapping[str, int]  # of an image's forward pass, by arm
    cell_run: CellRun
    awaited: dict[str, int | None] = field(default_factory=dict)  # key → the epoch up to which it is wanted
    rung_result: RungResult | None = None  # where it waits for a decision


class TrialQueue:
    """Hands out trials; to be told of everything that happens to them.

    Args:
        study: name of the study.
        proposals: of cells.
        settled: records of trials that need not run again, by key.
        spent: says what the study's budget has run out of, if it has.
    """

    def __init__(
        self,
        study: str,
        feasibility: Admits,
        proposals: Proposals,
        settled: Mapping[str, Record],
        spent: Spent = lambda records, started, seconds: None,
    ) -> None:
        self.study = study
        self.feasibility = feasibility
        self.planned: dict[str, Trial] = {}
        self._new: list[Trial] = []
        self._stopped: list[tuple[Trial, Record]] = []
        self.out_of: str | None = None  # what the budget has run out of
        self._proposals = proposals
        self._spent = spent
        search = feasibility.design.space.search
        self._stop_rule = search.stop
        self._looks_at_curves = search.stop is not None or search.design in SEARCHED
        self._outcomes: dict[str, Outcome] = {key: self._outcome(record) for key, record in settled.items()}
        self._running: dict[int, _Running] = {}
        self._rungs = Rungs()
        self._finished: list[Record] = []  # of the study's own trials
        self._ready: list[tuple[tuple[int, ...], Segment, _Running]] = []
        self._out: dict[str, Segment] = {}  # handed out and not yet answered
        self._started: set[str] = set()  # trials that were handed out or have a record
        self._begun: set[tuple[int, int, int | None]] = set()  # (cell, seed, until) of legs that were handed out
        self._unrecorded = 0.0  # seconds of the epochs of trials that have no record yet
        self._is_frozen = False  # the budget does not let even what has begun go on
        self._wanting: dict[str, list[int]] = {}  # key → cells that wait for its outcome
        self._touched: set[int] = set()  # cells that may be able to move on
        self._batch = self._cells = 0
        self._is_exhausted = False
        self._propose(first=True)

    # --- asked -----------------------------------------------------------------------------------------------------

    def next(self) -> Segment | None:
        """The next trial to run; None where there is none at the moment, or none any more: see `is_over`."""
        while True:
            self.move()
            if not self._ready:
                return None
            _, segment, run = heapq.heappop(self._ready)
            segments = run.number, segment.trial.config.seed, segment.until
            if segments in self._begun or self._may_begin(run, segment):
                self._begun.add(segments)
                self._out[segment.trial.key] = segment
                self._started.add(segment.trial.key)
                return segment
            self._leave(run)

    @property
    def is_over(self) -> bool:
        """Whether nothing is running and nothing will be handed out any more."""
        self.move()
        return not self._out and not self._ready and (self._is_exhausted or self.out_of is not None)

    @property
    def epochs_to_rest(self) -> Mapping[str, int | None]:
        """Where the trials that are out will rest, by key."""
        return {key: segment.until for key, segment in self._out.items()}

    def take_planned(self) -> list[Trial]:
        """Trials planned since the last call."""
        taken, self._new = self._new, []
        return taken

    def take_stopped(self) -> list[tuple[Trial, Record]]:
        """Trials of cells that were given up since the last call, with the records that say so."""
        taken, self._stopped = self._stopped, []
        return taken

    # --- told ------------------------------------------------------------------------------------------------------

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        curve = self._outcomes.setdefault(trial.key, Outcome([])).curve
        if epoch.epoch == len(curve) + 1:  # a trial that continues tells its earlier epochs again
            curve.append(epoch)
            self._unrecorded += seconds_of([epoch])

    def rested(self, trial: Trial) -> None:
        """A trial has come to the epoch up to which it was wanted."""
        self._out.pop(trial.key, None)
        self._touched.update(self._wanting.get(trial.key, ()))

    def ended(self, trial: Trial, record: Record) -> None:
        self._record(trial, record)
        self.rested(trial)

    # --- moves on --------------------------------------------------------------------------------------------------

    def move(self) -> None:
        """Let every cell go as far as the outcomes carry it, then ask for more cells."""
        while True:
            while self._touched:
                if (run := self._running.get(self._touched.pop())) is not None:
                    self._advance(run)
            if self._ready or self._out or self._is_frozen:
                return
            if self._running:
                # all of them wait for decisions; a rule that lets none go on now has nothing more to learn
                before = set(self._running.values())
                for number in list(self._running):
                    if (run := self._running.get(number)) is not None:
                        self._advance(run)
                if not self._touched and before == set(self._running.values()):
                    self._decided(next(iter(self._running.values())), "go on")
            elif self._is_exhausted or self.out_of:
                return
            else:
                self._propose()

    def _propose(self, *, first: bool = False) -> None:
        try:
            batch = next(self._proposals) if first else self._proposals.send(list(self._each_record()))
        except StopIteration:
            self._is_exhausted = True
            return
        if not batch:
            raise SpaceError("the design proposes no cell")  # a bug of the design: it would be asked for ever
        self._batch += 1
        costs = [(wanted, self.feasibility.macs(wanted.cell)) for wanted in batch]
        if self._stop_rule:  # what is cheap comes first, for others are judged by it
            costs.sort(key=lambda one: sum(one[1].values()))
        for wanted, macs in costs:
            way = cell_run(self.feasibility.design, self.study, wanted, macs, self._outcomes)
            run = _Running(self._cells, self._batch, macs, way)
            self._running[run.number] = run
            self._cells += 1
            self._ask(run, next(run.cell_run))

    def _advance(self, run: _Running) -> None:
        """Send a cell what it waits for, if that is there."""
        if run.rung_result is not None:
            decision = run.rung_result.before or self._decide(run.rung_result)
            if decision != "wait":
                self._decided(run, decision)
        elif all(self._is_answered(key, until) for key, until in run.awaited.items()):
            self._send(run, {key: self._outcomes[key] for key in run.awaited})

    def _decided(self, run: _Running, decision: str) -> None:
        run.rung_result = None
        self._rungs.decided(run.number)
        self._send(run, decision)

    def _send(self, run: _Running, message: object) -> None:
        try:
            asked = run.cell_run.send(message)  # pyright: ignore[reportArgumentType]
        except StopIteration as end:
            self._leave(run)
            if isinstance(end.value, Stopped):
                self._stop(end.value)
        else:
            self._ask(run, asked)

    def _leave(self, run: _Running) -> None:
        """A cell has come to the end of its course, or is not to go on."""
        self._running.pop(run.number, None)
        self._touched |= self._rungs.leaves(run.number)

    def _ask(self, run: _Running, asked: list[Segment] | RungResult) -> None:
        self._touched.add(run.number)
        if isinstance(asked, RungResult):
            run.rung_result = asked
            self._touched |= self._rungs.stands(run.number, asked)
            return
        if any(segment.until is not None for segment in asked):
            self._rungs.climbs(run.number)
        else:
            self._touched |= self._rungs.leaves(run.number)
        run.awaited = {segment.trial.key: segment.until for segment in asked}
        for place, segment in enumerate(asked):
            self._plan(segment.trial)
            if run.number not in (wanting := self._wanting.setdefault(segment.trial.key, [])):
                wanting.append(run.number)
            if not self._is_answered(segment.trial.key, segment.until):
                heapq.heappush(self._ready, (self._turn(run, segment.trial, place), segment, run))

    def _turn(self, run: _Running, trial: Trial, place: int) -> tuple[int, ...]:
        """What is handed out first is least: seeds slowest, then cells, then arms.

        Where no cell is judged by others, what is dear comes first: at the end of a study slots stand idle for as long
        as the trial that started last, which had better be a cheap one.

        Args:
            place: of the trial among those that its cell asks for.
        """
        seed = trial.config.seed
        if self._stop_rule:
            return run.batch, seed, run.number, place
        return run.batch, seed, -sum(run.macs.values()), run.number, -run.macs[trial.arm], place

    def _plan(self, trial: Trial) -> None:
        if trial.key in self.planned:
            refuse_twin(self.planned[trial.key], trial)
            return
        self.planned[trial.key] = trial
        self._new.append(trial)
        if (outcome := self._outcomes.get(trial.key)) and outcome.record:  # of an earlier command
            self._started.add(trial.key)
            if outcome.record.status == "finished":
                self._finished.append(outcome.record)

    def _may_begin(self, run: _Running, segment: Segment) -> bool:
        """Whether the budget lets the trials of a cell and seed begin, or go on to where they are judged next.

        A pair is begun whole or not at all, and once one of its arms is over, it is not left at that, whatever the
        budget: half a pair says nothing.
        """
        of_arms: dict[str, list[Record | None]] = {}
        for trial in (self.planned[key] for key in run.awaited):
            if trial.config.seed == segment.trial.config.seed:
                outcome = self._outcomes.get(trial.key)
                of_arms.setdefault(trial.arm, []).append(outcome.record if outcome else None)
        for records in of_arms.values():
            if all(records) or any(record and record.status == "finished" for record in records):
                return True
        is_new = segment.trial.key not in self._started
        if self._is_frozen or (self.out_of and is_new):
            return False
        spent = self._spent(self._each_record(), len(self._started) if is_new else None, self._unrecorded)
        if spent is None:
            return True
        self.out_of = spent
        self._is_frozen = self._spent(self._each_record(), None, self._unrecorded) is not None
        return False

    def _is_answered(self, key: str, until: int | None) -> bool:
        outcome = self._outcomes.get(key)
        if outcome is None or key in self._out:
            return False
        return outcome.record is not None or (until is not None and len(outcome.curve) >= until)

    def _decide(self, rung_result: RungResult) -> str:
        if self._is_frozen:
            return "wait"
        assert self._stop_rule is not None  # nobody stands at a rung otherwise
        rungs, rung = self._rungs, rung_result.rung
        is_last = not self._out and not self._ready and rungs.waiting == len(self._running)
        seen = RungState(rungs.here(rung), rungs.place(rung_result), rungs.coming(rung), self._finished, is_last)
        return RULES[self._stop_rule.rule](self._stop_rule, rung_result, seen)

    def _stop(self, stopped: Stopped) -> None:
        for trial in stopped.trials:
            if (outcome := self._outcomes[trial.key]).record is None:  # else it failed on the way, or is of before
                left = stopped_record(trial, outcome.curve, stopped.reason)
                self._record(trial, left)
                self._stopped.append((trial, left))

    def _record(self, trial: Trial, record: Record) -> None:
        if (before := self._outcomes.get(trial.key)) is not None and before.record is None:
            self._unrecorded -= seconds_of(before.curve)
        self._outcomes[trial.key] = outcome = self._outcome(record)
        if outcome.record and record.status == "finished":
            self._finished.append(outcome.record)

    def _outcome(self, record: Record) -> Outcome:
        brief = in_brief(record, keeps_curve=self._looks_at_curves)
        return Outcome(brief.curve, brief)

    def _each_record(self) -> Iterator[Record]:
        """Records of the study's own trials, in their order."""
        found = (self._outcomes.get(key) for key in self.planned)
        return (outcome.record for outcome in found if outcome and outcome.record)


def refuse_twin(one: Trial, other: Trial) -> None:
    """Two trials of a study must not be the same run: it would be recorded once, and one of them be missing.

    Raises:
        SpaceError: names the two.
    """
    if one.cell != other.cell or one.arm != other.arm:
        raise SpaceError(
            f"'{one.label}' and '{other.label}' are the same run; put the values of the axes further apart"
        )
