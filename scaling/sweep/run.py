"""Run the trials of a plan that have no record yet."""

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from scaling.devices import CPU, chosen, count_for_ray, described, kind_of, total_bytes
from scaling.study.config import Resources, Trial
from scaling.study.errors import SpaceError
from scaling.study.records import Record, Study, read_records
from scaling.study.storage import Where
from scaling.sweep.authentication import confine_to_this_machine, own_token, token_hint
from scaling.sweep.display import Display
from scaling.sweep.executor.replay import Replay
from scaling.sweep.placement import (
    Accelerator,
    accelerator,
    gpu_shares,
    local_device,
    no_room,
    refuse_unknown_gpus,
    refuse_what_cannot_fit,
    takes_none,
)
from scaling.sweep.plan import StudyPlan
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.signals import interrupted_by_sigterm
from scaling.sweep.study_data import draw_samples
from scaling.sweep.study_folder import tidy
from scaling.sweep.tracking import TRACKERS, StudyInfo, open_trackers, that_can_write

if TYPE_CHECKING:
    from scaling.sweep.executor.cluster import Cluster


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; no part of what the study is."""

    address: str | None  # of a Ray cluster; None starts one here
    trackers: Sequence[str]  # names
    replay: Replay | None  # recorded trials to take curves from, in place of training


def carry_out(console: Console, plan: StudyPlan, options: RunOptions, before: Study | None) -> int:
    """Run the trials that have no record yet, write a record as each ends, and report the outcome.

    Args:
        before: the study as an earlier command left it.
    """
    left_out: list[str] = []
    settled = settled_records(plan, left_out)
    for line in left_out:
        console.print(line, highlight=False, soft_wrap=True)
    tidy(plan.folder, settled)
    progress = Progress(arms=[str(arm) for arm in plan.space.arm_values])
    recorder = Recorder(plan, plan.queue(settled), progress, settled, before)
    draw_samples(plan.folder, plan.cost_table.datasets)
    try:
        recorder.follow()
        if settled:
            console.print(f"{progress.finished} of {progress.total} trials are finished; {progress.waiting} to run")
        if not recorder.queue.is_over:
            run_pending(console, plan, recorder, options)
        else:
            repair_files(plan, settled, options.trackers)
    except KeyboardInterrupt:
        if recorder.failure:
            raise recorder.failure from None
        left = progress.waiting + len(progress.running)
        console.print(f"interrupted: {left} trials are left; run the same command again to continue")
        return 130
    return conclude(console, plan.folder, recorder)


def repair_files(plan: StudyPlan, settled: Mapping[str, Record], trackers: Sequence[str]) -> None:
    """Let the trackers that write files into the study bring these up to date, when no trial is left to run."""
    writing = [name for name in that_can_write(trackers, plan.folder) if TRACKERS[name].writes_files]
    with open_trackers(writing, StudyInfo(plan.study, plan.folder, plan.space, settled)):
        pass


def settled_records(plan: StudyPlan, left_out: list[str] | None = None) -> dict[str, Record]:
    """Records of the trials that need not run again, by key.

    Without a stopping rule, trials that one has stopped run to their end.

    Args:
        left_out: gets a line for each file that is no record of its name.
    """
    repeated = {"failed"} if plan.space.search.stop is not None else {"failed", "stopped"}
    return {record.key: record for record in read_records(plan.folder, left_out) if record.status not in repeated}


def run_pending(console: Console, plan: StudyPlan, recorder: Recorder, options: RunOptions) -> None:
    """Run trials on Ray; raise `KeyboardInterrupt` if that is interrupted."""
    if options.address is None:
        confine_to_this_machine()  # Ray reads this setting when it is imported
    from scaling.sweep.executor.cluster import cluster  # loading Ray takes a second, which a dry run need not spend

    resources = plan.space.resources
    is_trained_here = options.address is None and not options.replay and not takes_none(resources)
    gpus = count_for_ray(chosen(resources.device)) if is_trained_here else None
    with contextlib.ExitStack() as stack:
        if options.address is None:
            stack.enter_context(own_token())
        with console.status("starting Ray"):
            on = stack.enter_context(cluster(options.address, gpus))
        stack.enter_context(interrupted_by_sigterm())  # Ray has just replaced our handler
        run_on(on, console, plan, recorder, options)


@dataclass(frozen=True)
class Ground:
    """What the trials of a sweep are placed on."""

    title: str  # of the device, for the header
    accelerator: Accelerator | None  # None: no trial gets a GPU
    main_memory: int | None = None  # bytes that trials on the CPU must fit into; None: not known

    @classmethod
    def of(cls, on: "Cluster", resources: Resources, replays: bool) -> "Ground":
        """Choose the device, once.

        Raises:
            DeviceError, SpaceError: the space asks for what is not there.
        """
        cores = f"{on.cpus:g} CPU core{'' if on.cpus == 1 else 's'}"
        if replays:
            return cls(f"none: recorded curves are replayed on {cores}", None)
        if on.is_local:
            device = local_device(resources, on.gpus)
            on_gpu = kind_of(device).is_accelerator
            return cls(described(device) if on_gpu else cores, accelerator(device), total_bytes(CPU))
        refuse_unknown_gpus(resources, on.cpus, on.gpus)
        if takes_none(resources):
            return cls(cores, None)
        joined = Accelerator()
        if on.gpus:
            return cls(f"{on.gpus:g} × {' or '.join(on.models) or 'GPU'}", joined)
        if resources.gpus or resources.device:
            return cls("GPUs of nodes that join; none is there yet", joined)
        return cls(f"{cores}; GPUs of nodes that join are used (resources.gpus=1 waits for them)", joined)


def run_on(on: "Cluster", console: Console, plan: StudyPlan, recorder: Recorder, options: RunOptions) -> None:
    """Run trials on a cluster until the queue is over.

    Raises:
        CostError: trials that cannot fit.
        DeviceError: the device that the space wants is not there, or torch cannot use it.
        SpaceError: `resources` exceed those of this machine.
    """
    from scaling.sweep.executor.cluster import gpus_now
    from scaling.sweep.executor.run import run

    resources, pending = plan.space.resources, recorder.pending
    ground = Ground.of(on, resources, options.replay is not None)

    def shares(trials: Sequence[Trial]) -> list[float]:
        if ground.accelerator is None:
            return [0.0] * len(trials)
        gpus = on.gpus if on.is_local else gpus_now()  # nodes join and leave
        return gpu_shares(trials, resources, gpus, ground.accelerator, plan.cost_table)

    if ground.main_memory and ground.accelerator is None:
        refuse_what_cannot_fit(pending, ground.main_memory, plan.cost_table)
    largest = max(shares(pending))
    recorder.queue.budget.held = largest or resources.cpus
    lack = no_room(resources, largest, on.cpus, on.gpus)
    if lack and on.is_local:
        raise SpaceError(lack)
    trackers = that_can_write(options.trackers, plan.folder)
    info = StudyInfo(plan.study, plan.folder, plan.space, recorder.settled)
    notes = header(on, plan, ground, options, largest, lack)
    with (
        open_trackers(trackers, info) as opened,
        Display(console, recorder.progress, plan.study, notes) as display,
    ):
        recorder.callbacks = [*opened, display]
        run(
            recorder.queue,
            plan.cost_table.datasets,
            folder=plan.folder,
            watcher=recorder,
            cpus=resources.cpus,
            workers=resources.workers,
            share=lambda trial: shares([trial])[0],
            replay=options.replay,
        )


def header(
    on: "Cluster", plan: StudyPlan, ground: Ground, options: RunOptions, largest: float, lack: str | None
) -> list[str]:
    """Return the lines that a sweep begins with.

    Args:
        largest: share of a GPU that a trial takes.
        lack: what the cluster lacks for a trial.
    """
    notes = [
        f"study      {plan.folder}",
        f"device     {ground.title}",
        f"workers    {on.slots(plan.space.resources.cpus, largest)} at once",
    ]
    if lack:
        notes.append(f"waiting    {lack}; trials start when nodes with more join")
    if on.dashboard:
        notes.append(f"dashboard  {on.dashboard}" + (f"   ({token_hint()})" if on.is_local else ""))
    written = that_can_write(options.trackers, plan.folder)
    if without := [name for name in options.trackers if name not in written]:
        notes.append(f"trackers   without {', '.join(without)}: writing files needs --results on this machine")
    return notes


def conclude(console: Console, folder: Where, recorder: Recorder) -> int:
    """Report how the sweep went; return its exit code."""
    progress, spent = recorder.progress, recorder.queue.spent
    recorder.beat()
    for trial, reason in progress.failures:
        console.print(f"failed: {trial.label}: {reason}", style="red", soft_wrap=True, highlight=False)
    stopped = f", {progress.stopped} stopped with their cells" if progress.stopped else ""
    failed = f", {progress.failed} failed (run the same command again to repeat them)" if progress.failed else ""
    console.print(f"{progress.finished} of {progress.total} trials finished{stopped}{failed}", highlight=False)
    if spent:
        console.print(
            f"the study has spent {spent}; raise the budget and run the same command again to continue",
            soft_wrap=True,
            highlight=False,
        )
    console.print(
        f"next: python -m scaling.report {shlex.quote(folder.name)} --results {shlex.quote(str(folder.parent))}",
        soft_wrap=True,
        highlight=False,
    )
    return 1 if progress.failed else 0
