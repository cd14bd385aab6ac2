"""Display of a running sweep: live on a terminal, line by line in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scaling.console import duration
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record
from scaling.sweep.progress import Progress

MOST_RUNNING = 12  # running trials shown at once


class Display:
    """Shows a `Progress`; events must reach the progress first.

    Args:
        title: name of the study.
        notes: lines to show while it runs, such as the dashboard's address.
    """

    def __init__(self, console: Console, progress: Progress, title: str, notes: list[str]) -> None:
        self.console = console
        self.progress = progress
        self.title = title
        self.notes = notes
        self.live = Live(get_renderable=self.picture, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        else:
            for note in self.notes:
                self.console.print(note, soft_wrap=True, highlight=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def started(self, trial: Trial) -> None: ...

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...

    def ended(self, trial: Trial, record: Record) -> None:
        """Print one line for a trial that has ended."""
        count = f"{self.progress.over:>{len(str(self.progress.total))}}/{self.progress.total}"
        if record.status == "failed":
            text = Text(f"{count} failed    {trial.label}: {record.reason}", style="red")
        elif record.status == "stopped":
            text = Text(f"{count} stopped   {trial.label}: {record.reason}", style="dim")
        elif record.scores is None:
            text = Text(f"{count} diverged  {trial.label}: {record.reason}", style="yellow")
        else:
            text = Text(f"{count} finished  {trial.label}: validation {record.scores.val_accuracy:.2f} %")
            text.append(f" in {duration(record.wall_seconds or 0)}", style="dim")
            if not self.console.is_terminal:
                text.append(f", {left(self.progress)}")
        self.console.print(text, soft_wrap=True, highlight=False)

    def picture(self) -> RenderableType:
        """Draw the state of the sweep."""
        progress = self.progress
        counts = Text.assemble(
            (f"{progress.finished} done", "bold green"),
            f" · {len(progress.running)} running · {progress.waiting} waiting · ",
            f"{progress.stopped} stopped · " if progress.stopped else "",
            (f"{progress.failed} failed", "bold red" if progress.failed else "dim"),
            f" · {left(progress)}",
        )
        bar = Table.grid(expand=True)  # a bar alone would not end its line
        bar.add_row(ProgressBar(total=progress.total, completed=progress.over))
        notes = Text("\n".join(self.notes), style="dim")
        parts: list[RenderableType] = [counts, bar, self._running(), self._arms(), notes]
        return Panel(Group(*parts), title=Text(self.title), title_align="left")

    def _running(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), expand=False, header_style="dim")
        for name in ("running", "epoch", "loss", "validation", "since"):
            table.add_column(name, justify="left" if name == "running" else "right", no_wrap=True)
        for running in list(self.progress.running.values())[:MOST_RUNNING]:
            epoch = running.epoch
            table.add_row(
                running.trial.label,
                f"{epoch.epoch if epoch else 0}/{running.trial.config.recipe.epochs}",
                f"{epoch.train_loss:.3f}" if epoch else "–",
                f"{epoch.val_accuracy:.2f} %" if epoch else "–",
                duration(time.monotonic() - running.since),
            )
        return table

    def _arms(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), expand=False, header_style="dim")
        for name in ("arm", "done", "best validation", "where"):
            table.add_column(name, justify="right" if name in {"done", "best validation"} else "left", no_wrap=True)
        for arm in self.progress.arms:
            best = self.progress.best.get(arm)
            table.add_row(
                arm,
                str(self.progress.done_of_arm.get(arm, 0)),
                f"{best.val_accuracy:.2f} %" if best else "–",
                best.trial.label if best else "–",
            )
        return table


def left(progress: Progress) -> str:
    """Describe the remaining time."""
    seconds = progress.seconds_left()
    return "time left unknown yet" if seconds is None else f"about {duration(seconds)} left"
