"""Overview of the studies in a results folder: `python -m scaling.sweep --list` and `--status`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table

from scaling.console import duration
from scaling.study.config import cell_label
from scaling.study.errors import RecordError, ScalingError
from scaling.study.learning_rates import without_rejected
from scaling.study.records import Record, Study, read_records, read_study
from scaling.study.storage import Where
from scaling.sweep.heartbeat import Heartbeat, read_heartbeat
from scaling.sweep.lease import holder


@dataclass(frozen=True)
class Overview:
    """The state of a study at a moment."""

    study: Study
    records: Sequence[Record]
    heartbeat: Heartbeat | None  # of its last sweep
    is_running: bool
    left_out: Sequence[str] = ()  # a line for each file that is no record of its name

    @property
    def counts(self) -> Counter[str]:
        """Number of trials by status."""
        return Counter(record.status for record in self.records)

    @property
    def planned(self) -> int:
        return len({*self.study.planned, *(record.key for record in self.records)})

    @property
    def missing(self) -> int:
        return self.planned - len(self.records) + self.counts["failed"]

    @property
    def state(self) -> str:
        """running, complete, spent (its budget is used up), or interrupted."""
        if self.is_running:
            return "running"
        if self.missing == 0:
            return "complete"
        return "spent" if self.heartbeat and self.heartbeat.out_of else "interrupted"

    @property
    def left(self) -> str:
        """Remaining time, as its sweep last estimated it; empty if nothing runs."""
        if not self.is_running or self.heartbeat is None or self.heartbeat.seconds_left is None:
            return ""
        age = (datetime.now(UTC) - datetime.fromisoformat(self.heartbeat.at)).total_seconds()
        return f"about {duration(max(0.0, self.heartbeat.seconds_left - age))}"


def look_at(folder: Where) -> Overview:
    """Read the study in `folder`; raise `RecordError` if there is none."""
    left_out: list[str] = []
    records = read_records(folder, left_out)
    return Overview(read_study(folder), records, read_heartbeat(folder), holder(folder) is not None, left_out)


def listed(results: Where) -> Iterator[RenderableType]:
    """List the studies, one per line; name those that cannot be read, with the reason.

    Raises:
        RecordError: there are none.
    """
    folders = [path.parent for path in sorted(results.glob("*/study.json"))]
    if not folders:
        raise RecordError(f"there is no study in {results}; run `python -m scaling.sweep` first, or give --results")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    names = ("study", "state", "finished", "stopped", "diverged", "failed", "of", "time left")
    for name in names:
        justify = "left" if name in {"study", "state", "time left"} else "right"
        table.add_column(name, justify=justify, no_wrap=name != "study", overflow="fold")  # long names give way
    trouble = []
    for folder in folders:
        try:
            found = look_at(folder)
        except ScalingError as mistake:
            trouble += mistake.problems
            continue
        counts = [str(found.counts[name]) for name in names[2:6]]
        trouble += found.left_out
        table.add_row(folder.name, found.state, *counts, str(found.planned), found.left)
    yield table
    yield from trouble


def status(folder: Where) -> Iterator[RenderableType]:
    """Show the state of one study, its arms, and the trials that failed or diverged."""
    found = look_at(folder)
    study, counts = found.study, found.counts
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row("study", str(folder))
    if study.question:
        facts.add_row("question", study.question)
    facts.add_row("state", found.state + (f", {found.left} left" if found.left else ""))
    if found.heartbeat and found.heartbeat.out_of and not found.is_running:
        facts.add_row("", f"it has spent {found.heartbeat.out_of}; raise the budget to continue")
    ended = ", ".join(f"{count} {name}" for name, count in counts.items()) or "none ended yet"
    facts.add_row("trials", f"{ended}, of {found.planned} planned")
    seconds = sum(record.wall_seconds or 0 for record in found.records)
    facts.add_row("time of trials", duration(seconds))
    yield facts
    yield from found.left_out
    yield arms(found)
    for record in found.records:
        if record.status in ("failed", "diverged"):
            run = f"{cell_label(record.cell)} {record.arm} repetition {record.repetition} (seed {record.seed})"
            yield f"{record.status}: {run}: {record.reason}"


def arms(found: Overview) -> Table:
    """Compare the arms: finished trials and the best one."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("arm", "finished", "best validation", "where"):
        table.add_column(name, justify="right" if name in {"finished", "best validation"} else "left", no_wrap=True)
    usable = [r for r in without_rejected(found.records, found.study.choose_by) if r.status == "finished" and r.scores]
    for arm in found.study.arms:
        of_arm = [record for record in usable if record.arm == arm]
        best = max(of_arm, key=lambda r: r.scores.val_accuracy if r.scores else 0.0, default=None)
        score = f"{best.scores.val_accuracy:.2f} %" if best and best.scores else "–"
        where = f"{' '.join(f'{k}={v}' for k, v in best.cell.items())} repetition {best.repetition}" if best else "–"
        table.add_row(arm, str(len(of_arm)), score, where)
    return table
