"""Rehearsal: what a stopping rule would have done to a study that ran to its end. `python -m scaling.rehearse --help`.

The study runs again through the same trial queue, with recorded curves in place of training. A stop is wrong if the
cell, run to its end, would have been on the front of one of its arms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scaling.space.design import Cell, Design
from scaling.space.schema import Space
from scaling.space.search_settings import Search, Stop
from scaling.study.config import cell_label
from scaling.study.errors import RecordError
from scaling.study.learning_rates import without_rejected
from scaling.study.records import Record, Study
from scaling.sweep.search.proposals import Proposals, Wanted
from scaling.sweep.search.trial_queue import TrialQueue

FirstRuns = Mapping[tuple[str, str], Record]  # (cell label, arm) → finished record of the first repetition


@dataclass(frozen=True)
class Rehearsal:
    """What a rule would have done."""

    rule: str
    cells: int
    stopped: int
    wrong: int  # stopped cells that belong to a front
    epochs: int  # of all cells in the first repetition
    saved: int  # of these epochs, those that the rule would have saved

    def __str__(self) -> str:
        if not self.stopped:
            return f"{self.rule}: stops none of {self.cells} cells"
        return (
            f"{self.rule}: stops {self.stopped} of {self.cells} cells, {self.wrong} of them wrongly"
            f" ({100 * self.wrong / self.stopped:.0f} %), and saves {100 * self.saved / self.epochs:.0f} % of the"
            " first repetition's epochs"
        )


def rehearse(study: Study, records: Sequence[Record], stop: Stop) -> Rehearsal:
    """Run the finished cells of a study under a stopping rule.

    Raises:
        RecordError: fewer than two cells have finished in all arms, or the study was not made by this harness.
    """
    first = {
        (cell_label(r.cell), r.arm): r
        for r in without_rejected(records, study.choose_by)
        if r.repetition == 0 and r.status == "finished" and r.scores and r.cost
    }
    space = space_of(study, stop)
    arms = [str(arm) for arm in space.arm_values]
    cells = {cell_label(r.cell): r.cell for r in records}
    whole = {label: cell for label, cell in cells.items() if all((label, arm) in first for arm in arms)}
    if len(whole) < 2:
        raise RecordError(f"{study.name} has {len(whole)} cells that finished in all arms; a rehearsal needs two")

    def proposals() -> Proposals:
        yield [Wanted(cell, 1) for cell in whole.values()]

    queue = TrialQueue(study.name, RecordedCells(Design(space), first), proposals(), {})
    stopped, ran = _play(queue, first)
    front = {label for arm in arms for label in front_of(arm, whole, first)}
    epochs = sum(len(first[label, arm].curve) for label in whole for arm in arms)
    return Rehearsal(stop.rule, len(whole), len(stopped), len(stopped & front), epochs, epochs - ran)


def _play(queue: TrialQueue, first: FirstRuns) -> tuple[set[str], int]:
    """Run a queue on recorded curves; return the stopped cells and the number of epochs that ran."""
    ran = 0
    stopped: set[str] = set()
    reached: dict[str, int] = {}  # key → epochs
    while (segment := queue.next()) is not None:
        record = first[cell_label(segment.trial.cell), segment.trial.arm]
        until = segment.until or len(record.curve)
        ran += until - reached.get(segment.trial.key, 0)
        reached[segment.trial.key] = until
        for epoch in record.curve[:until]:
            queue.epoch_ended(segment.trial, epoch)
        if segment.until is None:
            queue.ended(segment.trial, record)
        else:
            queue.rested(segment.trial)
        queue.move()
        stopped |= {cell_label(trial.cell) for trial, _ in queue.take_stopped()}
    return stopped, ran


def front_of(arm: str, cells: Mapping[str, object], first: FirstRuns) -> set[str]:
    """Cells of an arm that no other cell beats in validation accuracy at no more multiply-accumulates."""
    found: set[str] = set()
    best = float("-inf")
    ends = [
        (record.cost.macs or 0, -record.scores.val_accuracy, label)
        for label in cells
        if (record := first[label, arm]).cost and record.scores
    ]
    for _, negative, label in sorted(ends):
        if -negative > best:
            best = -negative
            found.add(label)
    return found


def space_of(study: Study, stop: Stop) -> Space:
    """The study's space with this stopping rule and without a learning-rate grid."""
    try:
        space = Space.model_validate(study.space)
    except ValueError:
        raise RecordError(
            f"{study.name} does not contain the space that it was made from; cannot rehearse it"
        ) from None
    return space.model_copy(update={"search": Search(stop=stop), "tune": None, "match": None})


@dataclass(frozen=True)
class RecordedCells:
    """Knows the recorded costs of cells."""

    design: Design
    first: FirstRuns

    def macs(self, cell: Cell) -> dict[str, int]:
        records = {str(arm): self.first[cell_label(cell), str(arm)] for arm in self.design.space.arm_values}
        return {arm: record.cost.macs or 0 for arm, record in records.items() if record.cost}
