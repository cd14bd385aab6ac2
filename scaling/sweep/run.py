"""Run the trials of a plan that have no record yet."""

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from scaling.study.errors import SpaceError
from scaling.study.records import Study, read_records
from scaling.study.storage import Where
from scaling.sweep.authentication import confine_to_this_machine
from scaling.sweep.display import Display
from scaling.sweep.executor.replay import Replay
from scaling.sweep.placement import gpu_shares, local_gpu_bytes, main_memory_bytes, no_room, refuse_what_cannot_fit
from scaling.sweep.plan import Plan
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.signals import interrupted_by_sigterm
from scaling.sweep.trackers import StudyInfo, open_trackers
from scaling.sweep.trackers.registry import LOCAL


@dataclass(frozen=True)
class RunOptions:
    """What a study is run with; no part of what it is."""

    address: str | None  # of a Ray cluster; None starts one here
    trackers: Sequence[str]  # names
    replay: Replay | None  # recorded trials to take curves from, in place of training


def carry_out(console: Console, plan: Plan, means: RunOptions, before: Study | None) -> int:
    """Run what is missing, write a record for each trial that ends, and say how it went."""
    keep_stopped = plan.space.search.stop is not None  # without the rule that stopped them they run on
    settled = {
        record.key: record
        for record in read_records(plan.folder)
        if record.status != "failed" and (keep_stopped or record.status != "stopped")
    }
    progress = Progress(arms=[str(arm) for arm in plan.space.arm_values])
    recorder = Recorder(plan, plan.queue(settled), progress, settled, before)
    try:
        recorder.follow()
    except KeyboardInterrupt:
        if recorder.trouble:
            raise recorder.trouble from None
        raise
    if settled:
        console.print(f"{progress.finished} of {progress.total} trials are finished; {progress.waiting} to run")
    if not recorder.queue.is_over and not run_pending(console, plan, recorder, means):
        if recorder.trouble:
            raise recorder.trouble
        left = progress.waiting + len(progress.running)
        console.print(f"interrupted: {left} trials are left; the same command continues")
        return 130
    return conclude(console, plan.folder, recorder)


def run_pending(console: Console, plan: Plan, recorder: Recorder, means: RunOptions) -> bool:
    """Run trials on Ray; return whether that came to its end, rather than being interrupted."""
    if means.address is None:
        confine_to_this_machine()  # Ray reads that when it is imported
    from scaling.sweep.executor.cluster import cluster  # Ray takes a second to load, which a dry run need not spend
    from scaling.sweep.executor.run import run

    resources = plan.space.resources
    pending = recorder.pending
    try:
        with contextlib.ExitStack() as stack:
            with console.status("starting Ray"):
                on = stack.enter_context(cluster(means.address))
            stack.enter_context(interrupted_by_sigterm())  # Ray has just put its own handler in the place of ours
            if on.is_local and not on.gpus and not means.replay:
                refuse_what_cannot_fit(pending, main_memory_bytes(), plan.cost_table)
            names = [name for name in means.trackers if isinstance(plan.folder, Path) or name not in LOCAL]
            told = StudyInfo(plan.study, plan.folder, plan.space, recorder.settled)
            trackers = stack.enter_context(open_trackers(names, told))
            gpu_bytes = local_gpu_bytes() if on.is_local else None
            gpus = gpu_shares(pending, resources, on.gpus, gpu_bytes, plan.cost_table)
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
            with Display(console, recorder.progress, plan.study, notes) as display:
                recorder.callbacks = [*trackers, display]
                run(
                    recorder.queue,
                    plan.cost_table.datasets,
                    folder=plan.folder,
                    watcher=recorder,
                    cpus=resources.cpus,
                    workers=resources.workers,
                    share=lambda trial: gpu_shares([trial], resources, on.gpus, gpu_bytes, plan.cost_table)[0],
                    replay=means.replay,
                )
    except KeyboardInterrupt:
        return False
    return True


def conclude(console: Console, folder: Where, recorder: Recorder) -> int:
    """Say how the sweep went; return its exit code."""
    progress = recorder.progress
    recorder.beat()
    for trial, reason in progress.failures:
        console.print(f"failed: {trial.label}: {reason}", style="red", soft_wrap=True, highlight=False)
    stopped = f", {progress.stopped} stopped with their cells" if progress.stopped else ""
    failed = f", {progress.failed} failed (the same command runs them again)" if progress.failed else ""
    console.print(f"{progress.finished} of {progress.total} trials finished{stopped}{failed}", highlight=False)
    if recorder.queue.spent:
        console.print(
            f"the study has spent {recorder.queue.spent}; with more the same command goes on", highlight=False
        )
    console.print(
        f"next: python -m scaling.report {shlex.quote(folder.name)} --results {shlex.quote(str(folder.parent))}",
        soft_wrap=True,
        highlight=False,
    )
    return 1 if progress.failed else 0
