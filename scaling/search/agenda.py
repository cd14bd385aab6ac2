"""Agenda: what a study runs next, from what its trials have answered so far. It knows no Ray and no clock of its own.

Batches of cells come from the design; each cell runs its course; trials that are ready are handed out seeds slowest
and arms fastest, so that a study stopped at any moment is nearly balanced. Nothing of this is kept on disk: an agenda
that is told the records of an interrupted study comes to the same point again.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scaling.config import Trial
from scaling.design import Cell, Design
from scaling.errors import SpaceError
from scaling.records import Epoch, Record
from scaling.search.course import Answer, Course, Leg, Stopped, course
from scaling.search.proposals import Proposals
from scaling.search.stopping import RULES, Field, Standing

Spent = Callable[[Iterable[Record], int], str | None]  # (records, trials handed out) → what is spent, or None


class Admits(Protocol):
    """What an agenda needs to know of cells; see `scaling.search.admission`."""

    @property
    def design(self) -> Design: ...
    def macs(self, cell: Cell) -> dict[str, int]: ...


@dataclass(eq=False)
class _Running:
    """A cell on its course."""

    number: int
    course: Course
    awaited: dict[str, int | None] = field(default_factory=dict)  # key → the epoch up to which it is wanted
    standing: Standing | None = None  # where it waits for a decision


class Agenda:
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
        admission: Admits,
        proposals: Proposals,
        settled: Mapping[str, Record],
        spent: Spent = lambda records, handed_out: None,
    ) -> None:
        self.study = study
        self.admission = admission
        self.planned: dict[str, Trial] = {}
        self._new: list[Trial] = []
        self._stopped: list[tuple[Trial, Record]] = []
        self.out_of: str | None = None  # what the budget has run out of
        self._proposals = proposals
        self._spent = spent
        self._answers: dict[str, Answer] = {
            key: Answer(record.curve, in_brief(record)) for key, record in settled.items()
        }
        self._running: dict[int, _Running] = {}
        self._ready: list[tuple[tuple[int, int, int, int], Leg]] = []
        self._out: dict[str, Leg] = {}  # handed out and not yet answered
        self._handed_out: set[str] = set()
        self._begun: set[tuple[int, int]] = set()  # (cell, seed) of which a trial was handed out
        self._standings: dict[int, dict[str, Standing]] = {}  # rung → cell → where it stood
        self._wanting: dict[str, list[int]] = {}  # key → cells that wait for its answer
        self._touched: set[int] = set()  # cells that may be able to move on
        self._batch = self._cells = 0
        self._is_exhausted = False
        self._propose(first=True)

    # --- asked -----------------------------------------------------------------------------------------------------

    def next(self) -> Leg | None:
        """The next trial to run; None where there is none at the moment, or none any more: see `is_over`."""
        self.move()
        if not self._ready:
            return None
        (_, seed, number, _), leg = self._ready[0]
        # a pair is begun whole or not at all, whatever the budget: half a pair says nothing
        if (number, seed) not in self._begun:
            self.out_of = self.out_of or self._spent(self._records(), len(self._handed_out))
            if self.out_of:
                self._ready.clear()
                return None
            self._begun.add((number, seed))
        heapq.heappop(self._ready)
        self._out[leg.trial.key] = leg
        self._handed_out.add(leg.trial.key)
        return leg

    @property
    def is_over(self) -> bool:
        """Whether nothing is running and nothing will be handed out any more."""
        self.move()
        return not self._out and not self._ready and (self._is_exhausted or self.out_of is not None)

    @property
    def epochs_to_rest(self) -> Mapping[str, int | None]:
        """Where the trials that are out will rest, by key."""
        return {key: leg.until for key, leg in self._out.items()}

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
        curve = self._answers.setdefault(trial.key, Answer([])).curve
        if epoch.epoch == len(curve) + 1:  # a trial that continues tells its earlier epochs again
            curve.append(epoch)

    def rested(self, trial: Trial) -> None:
        """A trial has come to the epoch up to which it was wanted."""
        self._out.pop(trial.key, None)
        self._touched.update(self._wanting.get(trial.key, ()))

    def ended(self, trial: Trial, record: Record) -> None:
        self._answers[trial.key] = Answer(list(record.curve), in_brief(record))
        self.rested(trial)

    # --- moves on --------------------------------------------------------------------------------------------------

    def move(self) -> None:
        """Let every cell go as far as the answers carry it, then ask for more cells."""
        if self.out_of:
            return
        while True:
            while self._touched:
                if (run := self._running.get(self._touched.pop())) is not None:
                    self._advance(run)
            if self._ready or self._out or (self._is_exhausted and not self._running):
                return
            if self._running:
                # all of them wait for decisions; a rule that lets none go on now has nothing more to learn
                before = set(self._running.values())
                for number in list(self._running):
                    if (run := self._running.get(number)) is not None:
                        self._advance(run)
                if not self._touched and before == set(self._running.values()):
                    self._send(next(iter(self._running.values())), "go on")
            else:
                self._propose()

    def _propose(self, *, first: bool = False) -> None:
        try:
            batch = next(self._proposals) if first else self._proposals.send(self._records())
        except StopIteration:
            self._is_exhausted = True
            return
        if not batch:
            raise SpaceError("the design proposes no cell")  # a bug of the design: it would be asked for ever
        self._batch += 1
        if self.admission.design.space.search.stop:  # what is cheap comes first, for others are judged by it
            batch = sorted(batch, key=lambda wanted: sum(self.admission.macs(wanted.cell).values()))
        for wanted in batch:
            macs = self.admission.macs(wanted.cell)
            run = _Running(self._cells, course(self.admission.design, self.study, wanted, macs))
            self._running[run.number] = run
            self._cells += 1
            self._ask(run, next(run.course))

    def _advance(self, run: _Running) -> None:
        """Send a cell what it waits for, if that is there."""
        if run.standing is not None:
            decision = self._decide(run.standing)
            if decision != "wait":
                run.standing = None
                self._send(run, decision)
        elif all(self._is_answered(key, until) for key, until in run.awaited.items()):
            self._send(run, {key: self._answers[key] for key in run.awaited})

    def _send(self, run: _Running, message: object) -> None:
        try:
            self._ask(run, run.course.send(message))  # pyright: ignore[reportArgumentType]
        except StopIteration as end:
            del self._running[run.number]
            if isinstance(end.value, Stopped):
                self._stop(end.value)

    def _ask(self, run: _Running, asked: list[Leg] | Standing) -> None:
        self._touched.add(run.number)
        if isinstance(asked, Standing):
            run.standing = asked
            self._standings.setdefault(asked.rung, {})[asked.cell] = asked
            self._touched.update(number for number, other in self._running.items() if other.standing)
            return
        run.awaited = {leg.trial.key: leg.until for leg in asked}
        for place, leg in enumerate(asked):
            if leg.trial.key not in self.planned:
                self.planned[leg.trial.key] = leg.trial
                self._new.append(leg.trial)
            refuse_twin(self.planned[leg.trial.key], leg.trial)
            if run.number not in (wanting := self._wanting.setdefault(leg.trial.key, [])):
                wanting.append(run.number)
            if not self._is_answered(leg.trial.key, leg.until):
                seed = leg.trial.config.seed
                heapq.heappush(self._ready, ((self._batch, seed, run.number, place), leg))

    def _is_answered(self, key: str, until: int | None) -> bool:
        answer = self._answers.get(key)
        if answer is None or key in self._out:
            return False
        return answer.record is not None or (until is not None and len(answer.curve) >= until)

    def _decide(self, standing: Standing) -> str:
        stop = self.admission.design.space.search.stop
        assert stop is not None  # nobody stands at a rung otherwise
        here = list(self._standings[standing.rung].values())
        coming = sum(run.standing is None or run.standing.rung < standing.rung for run in self._running.values())
        is_last = not self._out and not self._ready and all(run.standing for run in self._running.values())
        finished = [record for record in self._records() if record.status == "finished"]
        epochs = max(trial.config.recipe.epochs for trial in self.planned.values())
        return RULES[stop.rule](stop, standing, Field(here, len(here) + coming, finished, epochs, is_last))

    def _stop(self, stopped: Stopped) -> None:
        for trial in stopped.trials:
            if self._answers[trial.key].record is not None:
                continue  # an earlier command wrote it, or it failed on the way
            curve = self._answers[trial.key].curve
            reason = f"its cell was stopped at epoch {len(curve)}: {stopped.reason}"
            left = Record.of(trial, status="stopped", reason=reason, curve=curve)
            self._answers[trial.key] = Answer(curve, left)
            self._stopped.append((trial, left))

    def _records(self) -> list[Record]:
        """Records of the study's own trials, in their order."""
        found = (self._answers.get(key) for key in self.planned)
        return [answer.record for answer in found if answer and answer.record]


def in_brief(record: Record) -> Record:
    """What decisions look at; the rest of many records would fill the memory."""
    device = {"device": record.environment.get("device")}
    config = {"recipe": {"learning_rate": record.config.get("recipe", {}).get("learning_rate")}}
    scores = record.scores.model_copy(update={"test_correct": None}) if record.scores else None
    return record.model_copy(
        update={"environment": device, "config": config, "scores": scores, "seconds": None, "traceback": None}
    )


def refuse_twin(one: Trial, other: Trial) -> None:
    """Two trials of a study must not be the same run: it would be recorded once, and one of them be missing.

    Raises:
        SpaceError: names the two.
    """
    if one.cell != other.cell or one.arm != other.arm:
        raise SpaceError(
            f"'{one.label}' and '{other.label}' are the same run; put the values of the axes further apart"
        )
