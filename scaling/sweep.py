"""The sweep: `python -m scaling.sweep --space depth_width` runs a study, or what is missing of it."""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from scaling.config import Trial
from scaling.display import Display
from scaling.errors import SpaceError, command
from scaling.placement import gpu_shares, local_gpu_bytes, main_memory_bytes, refuse_what_cannot_fit
from scaling.plan import Plan, make_plan, shown
from scaling.progress import Progress
from scaling.records import Epoch, Record, read_records, write_record, write_study
from scaling.study import describe, locked, previous

EPILOG = """\
example:
  python -m scaling.sweep --space depth_width
  python -m scaling.sweep --space depth_width --data parquet:data/cifar10 --set recipe.epochs=20 --set seeds=5

The same command again runs only what is missing. Exit code: 0 all trials finished, 1 some failed, 2 a mistake in
what was asked, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.sweep",
        description="Run a study: every cell, arm and seed of a space.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--space", required=True, metavar="NAME|FILE", help="the question: a space's name or its file")
    parser.add_argument("--data", metavar="SPEC", help="digits, cifar10, cifar100, parquet:PATH, folder:PATH")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting, such as recipe.epochs=5"
    )
    parser.add_argument("--samples", type=int, metavar="N", help="sample N cells instead of taking all")
    parser.add_argument("--name", help="name of the study; made from the space and the overrides where not given")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--address", help="of a running Ray cluster; a local one is started where not given")
    parser.add_argument("--dry-run", action="store_true", help="show the trials and what they cost, run nothing")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    console = Console()
    with console.status("reading the space, the data and the costs"):
        plan = make_plan(
            options.space,
            parse_overrides(options.set, options.data),
            results=options.results,
            samples=options.samples,
            name=options.name,
        )
    if options.dry_run:
        for part in shown(plan):
            console.print(part, highlight=False)
        return 0
    with locked(plan.folder):
        write_study(plan.folder, describe(plan.study, plan.space, plan.trials, previous(plan.folder, plan.space)))
        return carry_out(console, plan, options.address)


def parse_overrides(settings: Sequence[str], data: str | None) -> dict[str, Any]:
    """Read `KEY=VALUE` strings; values are YAML. `--data SPEC` is short for `--set data.source=SPEC`."""
    overrides: dict[str, Any] = {}
    problems = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            problems.append(f"--set {setting}: write KEY=VALUE, such as recipe.epochs=5")
            continue
        try:
            overrides[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.append(f"--set {setting}: the value is not valid YAML")
    if problems:
        raise SpaceError(problems)
    if data is not None:
        overrides["data.source"] = data
    return overrides


def carry_out(console: Console, plan: Plan, address: str | None) -> int:
    """Run what is missing, write a record for each trial that ends, and say how it went."""
    settled = {record.key: record for record in read_records(plan.folder) if record.status != "failed"}
    pending = [trial for trial in plan.trials if trial.key not in settled]
    progress = Progress(
        arms=[str(arm) for arm in plan.space.arm_values],
        total=len(plan.trials),
        pending=pending,
        work={trial.key: plan.prices.work(trial) for trial in pending},
    )
    for trial in plan.trials:
        if trial.key in settled:
            progress.restored(trial, settled[trial.key])
    if settled:
        console.print(f"{progress.finished} of {progress.total} trials are finished; {len(pending)} to run")
    if pending and not run_pending(console, plan, pending, progress, address):
        left = progress.waiting + len(progress.running)
        console.print(f"interrupted: {left} trials are left; the same command continues")
        return 130
    return conclude(console, plan.folder, progress)


def run_pending(
    console: Console, plan: Plan, pending: Sequence[Trial], progress: Progress, address: str | None
) -> bool:
    """Run trials on Ray; return whether that came to its end, rather than being interrupted."""
    from scaling import executor  # Ray's import takes a second, which a dry run need not spend

    resources = plan.space.resources
    try:
        with contextlib.ExitStack() as stack:
            with console.status("starting Ray"):
                on = stack.enter_context(executor.cluster(address))
            if on.is_local and not on.gpus:
                refuse_what_cannot_fit(pending, main_memory_bytes(), plan.prices)
            gpu_bytes = local_gpu_bytes() if on.is_local else None
            gpus = gpu_shares(pending, resources, on.gpus, gpu_bytes, plan.prices)
            notes = [f"study      {plan.folder}", f"workers    {on.slots(resources.cpus, max(gpus))} at once"]
            if on.dashboard:
                token = "   (token: ray get-auth-token)" if on.is_local else ""
                notes.append(f"dashboard  {on.dashboard}{token}")
            with Display(console, progress, plan.study, notes) as display:
                executor.run(
                    pending,
                    plan.prices.datasets,
                    folder=plan.folder,
                    watcher=Reporter(plan.folder, progress, display),
                    cpus=resources.cpus,
                    gpus=gpus,
                )
    except KeyboardInterrupt:
        return False
    return True


class Reporter:
    """Told of everything that happens to trials: writes the records, then counts, then shows."""

    def __init__(self, folder: Path, progress: Progress, display: Display) -> None:
        self.folder = folder
        self.progress = progress
        self.display = display

    def started(self, trial: Trial) -> None:
        self.progress.started(trial)
        self.display.started(trial)

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None:
        self.progress.epoch_ended(trial, epoch)
        self.display.epoch_ended(trial, epoch)

    def ended(self, trial: Trial, record: Record) -> None:
        write_record(self.folder, record)
        shutil.rmtree(self.folder / "checkpoints" / trial.key, ignore_errors=True)
        self.progress.ended(trial, record)
        self.display.ended(trial, record)

    def died(self, trial: Trial, reason: str) -> None:
        from scaling.trial import record

        self.ended(trial, record(trial, status="failed", reason=f"its worker died: {reason}"))


def conclude(console: Console, folder: Path, progress: Progress) -> int:
    """Say how the sweep went; return its exit code."""
    for trial, reason in progress.failures:
        console.print(f"failed: {trial.label}: {reason}", style="red", soft_wrap=True, highlight=False)
    failed = f", {progress.failed} failed (the same command runs them again)" if progress.failed else ""
    console.print(f"{progress.finished} of {progress.total} trials finished{failed}", highlight=False)
    console.print(
        f"next: python -m scaling.report {folder.name} --results {folder.parent}", soft_wrap=True, highlight=False
    )
    return 1 if progress.failed else 0


if __name__ == "__main__":
    sys.exit(main())
