"""The parts of `gpu_check.py`, each run in a process of its own: `python benchmarks/gpu_parts.py PART --device DEVICE`.

A part prints one line of JSON: `ok` (None where it cannot be tried here), `says` in a sentence, and its numbers.
"""

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from scaling import devices
from scaling.costs.live_tensors import Step, measured_training_memory
from scaling.costs.memory import predict_training
from scaling.data import load_data
from scaling.models import FAMILIES, build_model, parameters, patchconvnet
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.records import Epoch, Record, read_records
from scaling.tasks.classification import Classification
from scaling.training.precision import autocast, float32_products, laid_out
from scaling.training.train import fit
from scaling.training.training_run import TrainingRun
from scaling.trial import run_trial

Result = dict[str, Any]
PARTS: dict[str, Callable[[torch.device], Result]] = {}
HERE = Path(__file__).resolve().parent
DATA = DataConfig(source="digits", train_limit=600)
SMALL = {"patch_size": 2, "width": 32, "depth": 3, "pooling": "attention", "drop_path": 0.2}
MEMBERS: dict[str, dict[str, Any]] = {  # of families whose defaults are large
    "patchconvnet": {"width": 64, "depth": 4, "patch_size": 4, "layer_scale": 1.0},  # so that blocks matter
    "attention_augmented": {"base": "resnet18"},
    "timm": {"name": "convnext_atto"},
}
NETWORKS = (
    *("resnet18", "resnet50", "convnext_atto", "efficientnet_b0", "mobilenetv3_large_100"),
    *("vit_tiny_patch16_224", "regnety_008", "densenet121"),
)


def part(function: Callable[[torch.device], Result]) -> Callable[[torch.device], Result]:
    PARTS[function.__name__] = function
    return function


def on_gpu(device: torch.device) -> bool:
    return devices.kind_of(device).is_accelerator


@part
def device(device: torch.device) -> Result:
    """Torch can use it, and it forgets nothing: memory, limit, random state."""
    devices.refuse_unusable(device)
    before = devices.random_state(device)
    first = torch.rand(3, device=device)
    devices.set_random_state(device, before)
    same = torch.equal(first, torch.rand(3, device=device))
    limit = {}
    if devices.kind_of(device).has_statistics:
        devices.limit_memory(device, 0.5)
        limit = {"room_with_half_gib": round(devices.room_bytes(device) / devices.GIB, 2)}
    free, total = devices.free_bytes(device) / devices.GIB, devices.total_bytes(device) / devices.GIB
    says = f"{devices.described(device)}: {free:.1f} of {total:.1f} GiB free"
    return {"ok": same, "says": says, "free_gib": round(free, 2), "total_gib": round(total, 2), **limit}


@part
def backward(device: torch.device) -> Result:
    """The backward pass that keeps less gives the plain one's gradients, in all families."""
    worst: dict[str, float] = {}
    left_out = []
    for family in FAMILIES:
        arch = MEMBERS.get(family, {})
        if any(p.default is p.empty and name not in arch for name, p in parameters(family).items()):
            left_out.append(family)
            continue
        for precision, most in (("float32", 1e-4), ("bfloat16", 5e-2)):
            model = laid_out(build_model(family, **arch, image_size=32, num_classes=10), device).train()
            draw = torch.Generator().manual_seed(0)
            images = torch.randn(8, 3, 32, 32, generator=draw).to(device, memory_format=torch.channels_last)
            plain, less = (gradient(model, images, precision, keeps_less) for keeps_less in (False, True))
            size = torch.stack([one.norm() for one in plain]).max()
            gaps = [
                float((one - other).norm() / (one.norm() + 1e-3 * size)) for one, other in zip(plain, less, strict=True)
            ]
            worst[f"{family} {precision}"] = max(gaps) / most
    ok = max(worst.values()) < 1
    says = f"largest difference {max(worst.values()):.1e} of what is allowed ({max(worst, key=worst.__getitem__)})"
    return {"ok": ok, "says": says, "part_of_allowed": worst, "left_out": left_out}


def gradient(model: nn.Module, images: torch.Tensor, precision: Any, keeps_less: bool) -> list[torch.Tensor]:
    """Return the gradient of every parameter, on the CPU."""
    before, patchconvnet.is_short_of_memory = patchconvnet.is_short_of_memory, lambda x: keeps_less
    model.zero_grad(set_to_none=True)
    devices.synchronize(images.device)
    torch.manual_seed(0)
    try:
        with float32_products(precision, images.device):
            with autocast(precision, images.device):
                out = model(images)
            F.cross_entropy(out.float(), torch.arange(8, device=images.device)).backward()
    finally:
        patchconvnet.is_short_of_memory = before
    return [p.grad.cpu().double() for p in model.parameters() if p.grad is not None]


@part
def waits(device: torch.device) -> Result:
    """Nothing in a step with all augmentations stops the GPU, but the check of the loss every 50 steps."""
    recipe = Recipe(epochs=1, batch_size=16, rand_augment=9, random_erasing=0.25, mixup=0.8, cutmix=1.0)
    data, run = load_data(DATA), TrainingRun(device)
    for _ in fit(network(data), Classification(data, recipe, run), data, recipe, run, seed=0):
        pass  # warm up: libraries wait when they start
    with warnings.catch_warnings(record=True) as seen, noticed_waits(device):
        warnings.simplefilter("always")
        for _ in fit(network(data), Classification(data, recipe, run), data, recipe, run, seed=0):
            pass
    found: dict[str, int] = {}
    for warning in seen:
        if "synchronizing" in str(warning.message):
            place = f"{Path(warning.filename).name}:{warning.lineno}"
            found[place] = found.get(place, 0) + 1
    steps = len(data.train) // recipe.batch_size
    in_steps = {place: number for place, number in found.items() if number >= steps}
    if not devices.kind_of(device).has_tf32:
        return {"ok": None, "says": "only CUDA counts its waits", "steps": steps}
    says = (
        f"{sum(found.values())} waits in an epoch of {steps} steps with its evaluation, {len(in_steps)} in every step"
    )
    return {"ok": not in_steps, "says": says, "places": found}


@contextlib.contextmanager
def noticed_waits(device: torch.device) -> Iterator[None]:
    """Let CUDA warn of each operation for which the processor waits."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("warn")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def network(data: Any, **arch: Any) -> nn.Module:
    seen = {"num_classes": data.num_classes, "in_chans": data.channels, "image_size": data.image_size}
    return build_model("patchconvnet", **{**SMALL, **arch}, **seen, seed=0)


@part
def memory(device: torch.device) -> Result:
    """Predicted and measured peaks of training steps of ten networks, and of what is free meanwhile."""
    import timm

    size, images = (224, 32) if on_gpu(device) else (96, 2)
    gaps: dict[str, float] = {}
    for name in (*NETWORKS, "patchconvnet", "patchconvnet attention"):
        step = Step(images, precision="bfloat16" if on_gpu(device) else "float32", device=device.type)
        if name.startswith("patchconvnet"):
            pooling = "attention" if "attention" in name else "average"
            model = build_model("patchconvnet", width=192, depth=12, pooling=pooling, image_size=size)
        else:
            sized: dict[str, Any] = {"img_size": size} if name.startswith("vit") else {}
            model = timm.create_model(name, **sized)
        predicted = predict_training(model, size, 3, step).peak
        measured = measured_training_memory(model.to(device), size, 3, step)
        assert measured is not None
        gaps[name] = predicted / measured - 1
        del model
        devices.release_cached()
    low, high = min(gaps.values()), max(gaps.values())
    says = f"predicted against measured: {low:+.1%} to {high:+.1%}; shares allow for 15 % more than predicted"
    return {"ok": low > -0.13, "says": says, "predicted_over_measured": {k: round(v, 4) for k, v in gaps.items()}}


def benchmark(name: str, device: torch.device, *arguments: str) -> Result:
    """Run another benchmark on a device and keep what it prints."""
    if device.type not in ("cuda", "cpu"):
        return {"ok": None, "says": f"{name} knows CUDA and the CPU alone"}
    arguments = ("--device", str(device), *arguments)
    done = subprocess.run([sys.executable, str(HERE / name), *arguments], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    if done.returncode:
        return {"ok": False, "says": (done.stderr.strip().splitlines() or ["no output"])[-1][:300], "lines": lines}
    return {"ok": True, "says": lines[-1][:160], "lines": lines}


@part
def model_speed(device: torch.device) -> Result:
    """PatchConvNet against a plain implementation."""
    smaller = () if on_gpu(device) else ("--setting", "study")
    return benchmark("model_speed.py", device, "--repeats", "5" if on_gpu(device) else "2", *smaller)


@part
def training_speed(device: torch.device) -> Result:
    """The whole training loop against a bare one."""
    cases = ("memory", "memory-modern") if on_gpu(device) else ("memory",)
    threads = str(min(8, devices.cores()))
    return benchmark("training_speed.py", device, "--threads", threads, "--turns", "2", "--case", *cases)


@part
def sweep_overhead(device: torch.device) -> Result:
    """What a sweep costs beside its training steps."""
    trials = "16" if on_gpu(device) else "4"
    return benchmark("sweep_overhead.py", device, "--seconds", "5", "--trials", trials, "--ways", "ours")


SPACE = """\
family: patchconvnet
arch: {{patch_size: 2, width: {width}}}
axes: {{depth: [2]}}
arms: {{pooling: [average, attention]}}
repetitions: {repetitions}
data: {{source: digits, train_limit: 600}}
recipe: {{epochs: {epochs}, batch_size: 50{recipe}}}
resources: {{cpus: {cpus}, device: {device}{more}}}
keep_weights: none
"""


def sweep(folder: Path, name: str, *arguments: str, **settings: Any) -> tuple[int, str, list[Record]]:
    """Run a sweep of a small space; return its exit code, its output and its records."""
    text = SPACE.format(**{"width": 32, "repetitions": 1, "epochs": 2, "cpus": 1, "recipe": "", "more": "", **settings})
    (folder / f"{name}.yaml").write_text(text)
    command = [sys.executable, "-m", "scaling.sweep", "--space", f"{name}.yaml", "--track", "", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    study = folder / "results" / name
    return done.returncode, done.stdout + done.stderr, read_records(study) if study.exists() else []


@part
def shares(device: torch.device) -> Result:
    """As many trials at once as the automatic shares allow; what the GPU says of its memory meanwhile."""
    used: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while shutil.which("nvidia-smi") and not ended.wait(0.5):
            asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
            answer = subprocess.run(asked, capture_output=True, text=True, check=False)
            used.extend(int(line) for line in answer.stdout.split() if line.isdecimal())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    many = {"repetitions": 16, "epochs": 6} if on_gpu(device) else {}
    with tempfile.TemporaryDirectory() as folder:
        code, said, records = sweep(Path(folder), "shares", device=device.type, **many)
    ended.set()
    header = [" ".join(line.split()) for line in said.splitlines() if line.startswith(("device", "workers"))]
    finished = sum(record.status == "finished" for record in records)
    notes = sorted({note for record in records for note in record.notes or []})
    held = sorted({str(record.environment.get("gpus", "no GPU")) for record in records})
    says = f"{'; '.join(header)}; {finished} of {len(records)} finished; shares {', '.join(held)}"
    ok = code == 0 and finished == len(records) > 0 and not any("out of memory" in note for note in notes)
    return {"ok": ok, "says": says, "most_mib": max(used, default=None), "notes": notes, "code": code}


def trial_of(**recipe: Any) -> Trial:
    settings = Recipe.model_validate({"epochs": 4, "batch_size": 50, **recipe})
    config = TrialConfig(family="patchconvnet", arch=SMALL, data=DATA, recipe=settings)
    return Trial(study="check", cell={"depth": 3}, arm="attention", config=config)


def record_of(trial: Trial, device: torch.device, folder: Path | None = None, **how: Any) -> Record:
    (*_, last) = run_trial(trial, load_data(trial.config.data), device=device, folder=folder, **how)
    assert isinstance(last, Record), last
    return last


@part
def resume(device: torch.device) -> Result:
    """A trial that rests after every epoch ends as one that does not."""
    trial = trial_of(rand_augment=9, mixup=0.8, ema_decay=0.9)
    whole = record_of(trial, device)
    with tempfile.TemporaryDirectory() as place:
        folder, data = Path(place), load_data(trial.config.data)
        for epoch in (1, 2, 3):
            for _ in run_trial(trial, data, device=device, folder=folder, until=epoch):
                pass
        rested = record_of(trial, device, folder)
    assert whole.scores
    assert rested.scores
    gaps = [abs(a.train_loss - b.train_loss) / a.train_loss for a, b in zip(whole.curve, rested.curve, strict=True)]
    equal = whole.scores == rested.scores and not any(gaps)
    says = "equal to the bit" if equal else f"losses differ by at most {max(gaps):.1e} of themselves"
    return {"ok": max(gaps) < 1e-3, "says": says, "test": [whole.scores.test_accuracy, rested.scores.test_accuracy]}


@part
def graphs(device: torch.device) -> Result:
    """A compiled run with stochastic depth compiles once for all parts of a batch, and for two sizes twice."""
    from torch._dynamo.utils import counters

    data, found, losses = load_data(DATA), {}, {}
    for parts, size in ((4, 15), (16, 4)):  # of batches of 60
        recipe = Recipe(epochs=1, batch_size=60, micro_batch=size)
        for compiles in (True, False):
            counters.clear()
            run = TrainingRun(device, compiles=compiles)
            task = Classification(data, recipe, run)
            (epoch,) = fit(network(data), task, data, recipe, run, seed=0)
            assert isinstance(epoch, Epoch)
            losses[parts, compiles] = epoch.train_loss
            if run.notes.lines:
                return {"ok": False, "says": run.notes.lines[0]}
            if compiles:
                found[parts] = counters["stats"]["unique_graphs"]
    gap = max(abs(losses[parts, True] / losses[parts, False] - 1) for parts in found)
    says = ", ".join(f"{parts} parts: {number} graphs" for parts, number in found.items())
    says += f"; losses differ by {gap:.1e} from uncompiled ones"
    return {"ok": max(found.values()) <= 2 and gap < 1e-2, "says": says, "graphs": found}


@part
def out_of_memory(device: torch.device) -> Result:
    """A batch that cannot fit is taken in parts, and the trial finishes."""
    trial = trial_of(epochs=1, batch_size=600)
    config = trial.config.model_copy(update={"arch": SMALL | {"width": 768}})
    trial = trial.model_copy(update={"config": config})
    share = None
    if on_gpu(device):
        data = load_data(DATA)
        seen = {"image_size": data.image_size, "in_chans": data.channels, "num_classes": data.num_classes}
        step = Step(600, device=device.type)
        needed = predict_training(build_model("patchconvnet", **config.arch, **seen), data.image_size, 1, step).peak
        share = (needed / 2 + devices.kind_of(device).context) / devices.total_bytes(device)
    else:
        record_of(trial_of(epochs=1), device)  # loads libraries and starts threads
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = now + 500 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    record = record_of(trial, device, gpus=share)
    notes = [note for note in record.notes or [] if "out of memory" in note]
    ok = record.status == "finished" and any("micro-batches" in note for note in notes)
    says = record.reason or (notes or ["memory did not run out"])[-1]
    return {"ok": ok, "says": says[:300], "notes": notes, "seconds_of_trial": record.seconds}


def pair(device: torch.device) -> dict[str, Any] | None:
    """Resources of two workers on a device, or None where there are too few."""
    if not on_gpu(device):
        return {"cpus": 2, "more": ", workers: 2"} if devices.cores() >= 2 else None
    enough = devices.count(device) >= 2 and devices.kind_of(device).joins_workers
    return {"cpus": 2, "more": ", workers: 2, gpus: 2"} if enough else None


@part
def workers_equal(device: torch.device) -> Result:
    """Two workers train what one does."""
    two = pair(device)
    if two is None:
        return {"ok": None, "says": "needs two GPUs"}
    with tempfile.TemporaryDirectory() as folder:
        first, alone_said, alone = sweep(Path(folder), "alone", device=device.type)
        second, said, together = sweep(Path(folder), "together", device=device.type, **two)
    if first or second:
        return {"ok": False, "says": f"exit codes {first} and {second}", "output": (alone_said + said)[-1500:]}
    theirs = {record.key: record for record in together}
    gaps = [abs(one.curve[-1].val_loss / theirs[one.key].curve[-1].val_loss - 1) for one in alone]
    says = f"{len(gaps)} trials; validation losses differ by at most {max(gaps):.1e} of themselves"
    return {"ok": max(gaps) < 2e-2, "says": says, "gaps": gaps}


PLUGIN = """\
import torch.distributed as dist
from scaling.data.augment import augmentation

@augmentation
def fails_in_the_second_worker(images, rng):
    if dist.is_initialized() and dist.get_rank() == 1:
        raise ValueError("on purpose")
    return images
"""


@part
def worker_fails(device: torch.device) -> Result:
    """A worker that fails ends its trial with its reason, and nothing hangs."""
    two = pair(device)
    if two is None:
        return {"ok": None, "says": "needs two GPUs"}
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "failing.py"
        plugin.write_text(PLUGIN)
        began = time.monotonic()
        settings = {"recipe": ", augmentation: [fails_in_the_second_worker]", **two}
        code, said, records = sweep(Path(folder), "fails", "--plugin", str(plugin), device=device.type, **settings)
    reasons = {record.reason for record in records}
    ok = code == 1 and all("worker 1: ValueError: on purpose" in (reason or "") for reason in reasons) and bool(reasons)
    says = f"{next(iter(reasons), None)}, {len(records)} trials in {time.monotonic() - began:.0f} s"
    return {"ok": ok, "says": says, "code": code, "output": "" if ok else said[-1500:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", required=True)
    options = parser.parse_args()
    where = devices.chosen(options.device, "--device")
    torch.set_num_threads(min(8, devices.cores()))
    try:
        found = PARTS[options.part](where)
    except Exception as error:
        found = {"ok": False, "says": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    print(json.dumps(found, ensure_ascii=False))


if __name__ == "__main__":
    main()
