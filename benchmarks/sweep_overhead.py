"""Measure the overhead of a sweep: the same trials through plain Ray Tune and through this engine, in one run.

    python benchmarks/sweep_overhead.py                     # 24 trials of 30 s: plain Tune, reused workers, ours
    python benchmarks/sweep_overhead.py --seconds 5 --trials 8
    python benchmarks/sweep_overhead.py --device cuda       # trials share the GPUs, at most eight at once
    python benchmarks/sweep_overhead.py --replay 10000      # recorded curves: time and memory per trial

Useful seconds are those of training steps, their data and evaluation, as measured in the trials. Paid seconds are slots
× the time from the request of the first trial to the end of the last one. Starting workers is included, starting Ray is
not. Plain Tune runs the same function with its defaults, and in its best form (`reuse_actors`).
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import torch

from scaling.devices import chosen, count_for_ray, granted, kind_of
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record, read_records, write_record, write_study
from scaling.sweep.executor.cluster import cluster
from scaling.sweep.executor.replay import Replay
from scaling.sweep.executor.run import run
from scaling.sweep.plan import StudyPlan, make_plan
from scaling.sweep.progress import Progress
from scaling.sweep.recorder import Recorder
from scaling.sweep.study_folder import describe
from scaling.sweep.tracking import Callback, StudyInfo, open_trackers, usual_trackers
from scaling.trial import run_trial

SPACE = """\
family: patchconvnet
arch: {{patch_size: 2, width: 32}}
axes: {{depth: [2, 3]}}
arms: {{pooling: [average, attention]}}
seeds: {seeds}
data: {{source: digits}}
recipe: {{epochs: {epochs}, batch_size: 64}}
"""
MANY = """\
family: patchconvnet
arch: {{patch_size: 2}}
axes: {{depth: {{low: 1, high: 5}}, width: {{low: 8, high: 80, step: 8}}}}
arms: {{pooling: [average, attention]}}
seeds: {seeds}
data: {{source: digits, train_limit: 200}}
recipe: {{epochs: 3, batch_size: 50}}
"""
MOST_ON_GPUS = 8  # trials at once
USEFUL = ("training", "data", "evaluation")


def useful(records: Sequence[Record]) -> float:
    """Return the seconds that went into training steps, their data and evaluation."""
    return sum(
        record.seconds[name] for record in records if record.seconds for name in USEFUL if name in record.seconds
    )


@dataclass(frozen=True)
class Overhead:
    """Breakdown of the paid seconds that were not useful; all but `gaps` are slot-seconds per trial."""

    starting: float  # until the first trial of each slot started
    gaps: list[float]  # seconds from a trial's end to the first training step of the next one on its slot
    in_trials: dict[str, float]  # within the trials: setup, waiting for the driver, …
    idle: float  # slots without work while others were still running

    @classmethod
    def of(cls, records: Sequence[Record], slots: int, taken: float) -> "Overhead":
        """Assign trials to slots by their own start and end times.

        Args:
            taken: seconds from the request to the end.
        """
        free: list[datetime] = []
        found = []
        times = [(datetime.fromisoformat(r.started or ""), datetime.fromisoformat(r.ended or ""), r) for r in records]
        times.sort(key=lambda one: one[0])
        for number, (start, end, record) in enumerate(times):
            if number >= slots:  # uses the slot freed last before its start; times are rounded
                before = max((t for t in free if t <= start + timedelta(milliseconds=2)), default=min(free))
                free.remove(before)
                found.append((start - before).total_seconds() + (record.seconds or {}).get("setup", 0.0))
            free.append(end)
        last = max(free)
        count = len(records)
        within: Counter[str] = Counter()
        for record in records:
            within.update(record.seconds or {})
        before_last = sum((last - times[slot][0]).total_seconds() for slot in range(slots))
        return cls(
            starting=(slots * taken - before_last) / count,
            gaps=found,
            in_trials={name: seconds / count for name, seconds in within.items() if name not in USEFUL},
            idle=sum((last - end).total_seconds() for end in free) / count,
        )


def plan_of(text: str, folder: Path, name: str) -> StudyPlan:
    """Plan a study of the space `text` in `folder`."""
    (folder / f"{name}.yaml").write_text(text)
    return make_plan(str(folder / f"{name}.yaml"), {}, results=folder / "results")


def seconds_an_epoch(plan: StudyPlan, device: torch.device) -> float:
    """Time an epoch of the first trial, running alone."""
    torch.set_num_threads(1)
    trial = plan.trials[0]
    events = run_trial(trial, plan.cost_table.datasets[trial.config.data], device=device)
    epochs = [event for event in events if isinstance(event, Epoch)]
    return epochs[-1].train_seconds + (epochs[-1].evaluation_seconds or 0.0)  # the first one is a warm-up


def plain(trials: Sequence[Trial], plan: StudyPlan, folder: Path, *, share: float, reuse_actors: bool) -> float:
    """Run trials as a user of Ray Tune would, as a function that reports; return the seconds taken."""
    import ray
    from ray import tune

    def train(config: dict[str, str], datasets: dict) -> None:
        trial = Trial.model_validate_json(config["trial"])
        torch.set_num_threads(1)
        for event in run_trial(trial, datasets[trial.config.data], device=granted(ray.get_gpu_ids())):
            if isinstance(event, Epoch):
                tune.report({"epoch": event.epoch, "val_accuracy": event.val_accuracy})
            else:
                (folder / f"{trial.key}.json").write_text(event.model_dump_json(by_alias=True))
                tune.report({"epoch": 0, "val_accuracy": event.scores.val_accuracy if event.scores else 0.0})

    body = tune.with_parameters(train, datasets=plan.cost_table.datasets)
    started = time.monotonic()
    tune.Tuner(
        tune.with_resources(body, {"cpu": 1, "gpu": share}),
        param_space={"trial": tune.grid_search([trial.model_dump_json() for trial in trials])},
        tune_config=tune.TuneConfig(
            reuse_actors=reuse_actors, trial_dirname_creator=lambda trial: trial.trial_id, num_samples=1
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    ).fit()
    return time.monotonic() - started


def ours(
    plan: StudyPlan,
    *,
    trackers: Sequence[str],
    share: float = 0.0,
    replay: Replay | None = None,
    callback: Callback | None = None,
) -> float:
    """Run a study as a sweep does, with records, checkpoints and trackers; return the seconds taken."""
    recorder = Recorder(plan, plan.queue({}), Progress(arms=[]), {}, None)
    recorder.follow()  # writes the plan
    with open_trackers(trackers, StudyInfo(plan.study, plan.folder, plan.space, {})) as opened:
        recorder.callbacks = [*opened, *([callback] if callback else [])]
        started = time.monotonic()
        run(
            recorder.queue,
            plan.cost_table.datasets,
            folder=plan.folder,
            watcher=recorder,
            cpus=1,
            share=lambda trial: share,
            replay=replay,
        )
        return time.monotonic() - started


WAYS = ("plain", "reuse", "ours")


def compare(seconds: float, trials: int, wanted: Sequence[str], device: torch.device) -> None:
    """Print the overhead of each chosen way."""
    with tempfile.TemporaryDirectory() as scratch, cluster(None, count_for_ray(device)) as on:
        folder = Path(scratch)
        once = seconds_an_epoch(plan_of(SPACE.format(seeds=1, epochs=3), folder, "probe"), device)
        text = SPACE.format(seeds=trials // 4, epochs=max(1, round(seconds / once)))
        plan = plan_of(text, folder, "measured")
        slots = on.slots(1, 0) if not kind_of(device).is_accelerator else min(MOST_ON_GPUS, on.slots(1, 0))
        share = on.gpus / slots if kind_of(device).is_accelerator else 0.0
        print(f"{len(plan.trials)} trials of about {seconds:g} s, {slots} slots, load {os.getloadavg()[0]:.1f}")

        def plain_records(name: str, reuse: bool) -> tuple[float, list[Record]]:
            target = folder / name
            target.mkdir()
            taken = plain(plan.trials, plan, target, share=share, reuse_actors=reuse)
            return taken, [Record.model_validate_json(p.read_text()) for p in target.glob("*.json")]

        ways: dict[str, Callable[[], tuple[float, list[Record]]]] = {
            "plain": lambda: plain_records("plain", False),
            "reuse": lambda: plain_records("reuse", True),
            "ours": lambda: (ours(plan, trackers=usual_trackers(), share=share), read_records(plan.folder)),
        }
        for name in wanted:
            taken, records = ways[name]()
            paid, good = slots * taken, useful(records)
            assert len(records) == len(plan.trials), f"{name} ended {len(records)} of {len(plan.trials)} trials"
            over = Overhead.of(records, slots, taken)
            within = ", ".join(f"{what} {seconds:.2f}" for what, seconds in over.in_trials.items())
            print(
                f"{name:6} useful {good:7.1f} s of {paid:7.1f} s paid: {100 * good / paid:5.1f} %,"
                f" overhead {(paid - good) / len(records):5.2f} slot-seconds per trial: starting {over.starting:.2f},"
                f" idle at the end {over.idle:.2f}, in the trials {within};"
                f" gap {statistics.median(over.gaps):.2f} s (at most {max(over.gaps):.2f})",
                flush=True,
            )


def resident_mib() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Meter:
    """Print time and memory of the driver after every 1000 trials."""

    def __init__(self) -> None:
        self.ended_trials = 0
        self.since = time.monotonic()

    def started(self, trial: Trial) -> None: ...

    def epoch_ended(self, trial: Trial, epoch: Epoch) -> None: ...

    def ended(self, trial: Trial, record: Record) -> None:
        self.ended_trials += 1
        if self.ended_trials % 1000 == 0:
            now = time.monotonic()
            print(
                f"{self.ended_trials:6} trials: {now - self.since:6.1f} ms per trial, driver {resident_mib():6.0f} MiB",
                flush=True,
            )
            self.since = now


def replayed(trials: int) -> None:
    """Run a large study on recorded curves instead of training."""
    with tempfile.TemporaryDirectory() as scratch, cluster(None):
        folder = Path(scratch)
        small = plan_of(SPACE.format(seeds=1, epochs=3), folder, "recorded")
        write_study(small.folder, describe(small.study, small.design, small.trials, None))
        for trial in small.trials:
            *_, record = run_trial(trial, small.cost_table.datasets[trial.config.data], device=torch.device("cpu"))
            assert isinstance(record, Record)
            write_record(small.folder, record)
        plan = plan_of(MANY.format(seeds=max(1, trials // 100)), folder, "many")
        print(json.dumps({"trials": len(plan.trials), "load": round(os.getloadavg()[0], 1)}))
        taken = ours(plan, replay=Replay.of(small.folder), trackers=(), callback=Meter())
        count = len(list((plan.folder / "records").glob("*.json")))
        print(f"{count} records in {taken:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="approximate duration of a trial; default: 30")
    parser.add_argument("--trials", type=int, default=24, help="a multiple of four; default: 24")
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=WAYS,
        help="plain Tune by its defaults, with reuse_actors, this engine; default: all",
    )
    parser.add_argument(
        "--replay", type=int, metavar="TRIALS", help="replay recorded curves in this many trials instead"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: cpu")
    options = parser.parse_args()
    if options.replay:
        replayed(options.replay)
    else:
        compare(options.seconds, options.trials, options.ways, chosen(options.device, "--device"))


if __name__ == "__main__":
    main()
