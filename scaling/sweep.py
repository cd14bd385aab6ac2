"""The sweep: `python -m scaling.sweep --space depth_width` runs a study, or what is missing of it."""

import argparse
import contextlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from scaling.console import Terminal
from scaling.placement import gpu_shares, local_gpu_bytes, main_memory_bytes, no_room, refuse_what_cannot_fit
from scaling.plan import Plan, make_plan, shown
from scaling.running.authentication import confine_to_this_machine, require_token
from scaling.running.display import Display
from scaling.running.interruption import interrupted_by_sigterm
from scaling.running.keeper import Keeper
from scaling.running.overview import listed, status
from scaling.running.progress import Progress
from scaling.running.replay import Replay
from scaling.space.overrides import parse_overrides
from scaling.study.errors import SpaceError, command
from scaling.study.records import Study, read_records
from scaling.study.storage import Where, place
from scaling.study_folder import locked, previous
from scaling.trackers import Told, open_trackers
from scaling.trackers.registry import LOCAL, USUAL, check_names

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
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--space", metavar="NAME|FILE", help="the question: a space's name or its file")
    what.add_argument("--list", action="store_true", help="show the studies there are, and how far each has come")
    what.add_argument("--status", metavar="STUDY", help="show one study")
    parser.add_argument(
        "--data", metavar="SPEC", help="digits, cifar10, cifar100, parquet:PATH, folder:PATH, wds:PATH, hf:NAME"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting, such as recipe.epochs=5"
    )
    parser.add_argument("--samples", type=int, metavar="N", help="sample N cells instead of taking all")
    parser.add_argument("--name", help="name of the study; made from the space and the overrides where not given")
    parser.add_argument(
        "--results",
        type=place,
        default=Path("results"),
        metavar="DIR",
        help="a folder, or s3://bucket/path; default: results",
    )
    parser.add_argument("--address", help="of a running Ray cluster; a local one is started where not given")
    parser.add_argument(
        "--replay", type=place, metavar="FOLDER", help="take learning curves from the study there, and train nothing"
    )
    parser.add_argument(
        "--track", default=",".join(USUAL), metavar="NAMES",
        help="tools to tell of trials: optuna, tensorboard, mlflow, wandb, or '' for none; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="show the trials and what they cost, run nothing")
    return parser


@dataclass(frozen=True)
class Means:
    """What a study is run with; no part of what it is."""

    address: str | None  # of a Ray cluster; None starts one here
    trackers: Sequence[str]  # names
    replay: Replay | None  # recorded trials to take curves from, in place of training


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    console = Terminal()
    if options.list or options.status is not None:
        for part in listed(options.results) if options.list else status(options.results / options.status):
            console.print(part, highlight=False, soft_wrap=isinstance(part, str))
        return 0
    with interrupted_by_sigterm():
        return sweep(console, options)


def sweep(console: Console, options: argparse.Namespace) -> int:
    """Plan a study and run what is missing of it, or show what that would be; return the exit code."""
    trackers = options.track.split(",") if options.track else []
    check_names(trackers)
    with console.status("reading the space, the data and the costs"):
        plan = make_plan(
            options.space,
            parse_overrides(options.set, options.data),
            results=options.results,
            samples=options.samples,
            name=options.name or replayed_name(options.space, options.replay),
        )
    require_token(options.address)
    if options.dry_run:
        for part in shown(plan):
            console.print(part, highlight=False)
        return 0
    with locked(plan.folder):
        means = Means(options.address, trackers, Replay.of(options.replay) if options.replay else None)
        return carry_out(console, plan, means, previous(plan.folder, plan.space))


def replayed_name(space: str, replay: Where | None) -> str | None:
    """Name of a study that is not trained, so that it is never taken for one that is."""
    return f"{Path(space).stem}-replay" if replay else None


def carry_out(console: Console, plan: Plan, means: Means, before: Study | None) -> int:
    """Run what is missing, write a record for each trial that ends, and say how it went."""
    keep_stopped = plan.space.search.stop is not None  # without the rule that stopped them they run on
    settled = {
        record.key: record
        for record in read_records(plan.folder)
        if record.status != "failed" and (keep_stopped or record.status != "stopped")
    }
    progress = Progress(arms=[str(arm) for arm in plan.space.arm_values])
    keeper = Keeper(plan, plan.agenda(settled), progress, settled, before)
    try:
        keeper.follow()
    except KeyboardInterrupt:
        if keeper.trouble:
            raise keeper.trouble from None
        raise
    if settled:
        console.print(f"{progress.finished} of {progress.total} trials are finished; {progress.waiting} to run")
    if not keeper.agenda.is_over and not run_pending(console, plan, keeper, means):
        if keeper.trouble:
            raise keeper.trouble
        left = progress.waiting + len(progress.running)
        console.print(f"interrupted: {left} trials are left; the same command continues")
        return 130
    return conclude(console, plan.folder, keeper)


def run_pending(console: Console, plan: Plan, keeper: Keeper, means: Means) -> bool:
    """Run trials on Ray; return whether that came to its end, rather than being interrupted."""
    if means.address is None:
        confine_to_this_machine()  # Ray reads that when it is imported
    from scaling import executor  # which takes a second that a dry run need not spend

    resources = plan.space.resources
    pending = keeper.pending
    try:
        with contextlib.ExitStack() as stack:
            with console.status("starting Ray"):
                on = stack.enter_context(executor.cluster(means.address))
            stack.enter_context(interrupted_by_sigterm())  # Ray has just put its own handler in the place of ours
            if on.is_local and not on.gpus and not means.replay:
                refuse_what_cannot_fit(pending, main_memory_bytes(), plan.prices)
            names = [name for name in means.trackers if isinstance(plan.folder, Path) or name not in LOCAL]
            told = Told(plan.study, plan.folder, plan.space, keeper.settled)
            trackers = stack.enter_context(open_trackers(names, told))
            gpu_bytes = local_gpu_bytes() if on.is_local else None
            gpus = gpu_shares(pending, resources, on.gpus, gpu_bytes, plan.prices)
            lack = no_room(resources, max(gpus), on.cpus, on.gpus)
            if lack and on.is_local:
                raise SpaceError(lack)
            notes = [f"study      {plan.folder}", f"workers    {on.slots(resources.cpus, max(gpus))} at once"]
            if lack:
                notes.append(f"waiting    {lack}; trials start when nodes with more join")
            if on.dashboard:
                token = "   (token: ray get-auth-token)" if on.is_local else ""
                notes.append(f"dashboard  {on.dashboard}{token}")
            if names != list(means.trackers):
                notes.append(f"trackers   {', '.join(sorted(LOCAL))} write files, and need --results on this machine")
            with Display(console, keeper.progress, plan.study, notes) as display:
                keeper.onlookers = [*trackers, display]
                executor.run(
                    keeper.agenda,
                    plan.prices.datasets,
                    folder=plan.folder,
                    watcher=keeper,
                    cpus=resources.cpus,
                    workers=resources.workers,
                    share=lambda trial: gpu_shares([trial], resources, on.gpus, gpu_bytes, plan.prices)[0],
                    replay=means.replay,
                )
    except KeyboardInterrupt:
        return False
    return True


def conclude(console: Console, folder: Where, keeper: Keeper) -> int:
    """Say how the sweep went; return its exit code."""
    progress = keeper.progress
    keeper.beat()
    for trial, reason in progress.failures:
        console.print(f"failed: {trial.label}: {reason}", style="red", soft_wrap=True, highlight=False)
    stopped = f", {progress.stopped} stopped with their cells" if progress.stopped else ""
    failed = f", {progress.failed} failed (the same command runs them again)" if progress.failed else ""
    console.print(f"{progress.finished} of {progress.total} trials finished{stopped}{failed}", highlight=False)
    if keeper.agenda.out_of:
        console.print(
            f"the study has spent {keeper.agenda.out_of}; with more the same command goes on", highlight=False
        )
    console.print(
        f"next: python -m scaling.report {shlex.quote(folder.name)} --results {shlex.quote(str(folder.parent))}",
        soft_wrap=True,
        highlight=False,
    )
    return 1 if progress.failed else 0


if __name__ == "__main__":
    sys.exit(main())
