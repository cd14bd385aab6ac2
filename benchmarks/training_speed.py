"""Compare the whole training loop with a bare loop over one fixed batch of the same model, in images per second.

    python benchmarks/training_speed.py                          # every case, on the CPU
    python benchmarks/training_speed.py --case memory folder --threads 2 --turns 7
    python benchmarks/training_speed.py --device cuda

The whole loop is `scaling.training.train.fit`: data, augmentation, loss, update and bookkeeping, without the evaluation
after an epoch. The bare loop runs forward, backward and the optimiser only. The two alternate in one process, so that a
busy machine slows both; prints the medians of the turns, and the median and quartiles of the turns' ratios. A second
ratio is in processor seconds, decoding threads included: it equals the first if all cores are busy with this process
alone, and varies less on a shared machine. (It leaves out decoding processes, which are used beside a GPU.) Images are
synthetic photographs in a temporary folder.
"""

import argparse
import io
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from scaling.data import Dataset, Split, load_data
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe
from scaling.tasks.classification import Classification
from scaling.training.optimisation import build_optimizer
from scaling.training.stopwatch import Stopwatch
from scaling.training.train import fit
from scaling.training.training_run import TrainingRun

CLASSES = 10
MODERN = {"rand_augment": 9, "random_erasing": 0.25, "mixup": 0.2, "cutmix": 1.0}


@dataclass(frozen=True)
class Case:
    """A model and its training data."""

    write: Callable[[Path, int, int], str] | None  # folder, images, side in pixels → source; None: images in memory
    stored: int  # side of the stored images in pixels
    size: int  # side of the network's input in pixels
    batch: int
    steps: int  # per turn
    family: str
    arch: dict[str, int | str]
    recipe: dict[str, float]


def photograph(number: int, side: int) -> Image.Image:
    """Draw shapes and grain; a JPEG of 224×224 pixels and quality 90 takes about 25 kB, like a photograph."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    grain = rng.normal(0, 9, (side, side, 1))
    return Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))


def jpeg(number: int, side: int) -> bytes:
    """Return a photograph as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    photograph(number, side).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_folder(root: Path, count: int, side: int) -> str:
    for number in range(count):
        file = root / f"{number % CLASSES}" / f"{number:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(number, side))
    return f"folder:{root}"


def write_parquet(root: Path, count: int, side: int) -> str:
    rows = [{"bytes": jpeg(number, side), "path": None} for number in range(count)]
    table = pa.table({"image": rows, "label": [number % CLASSES for number in range(count)]})
    pq.write_table(table, root / "train-00000.parquet", row_group_size=100)
    return f"parquet:{root}"


def write_shards(root: Path, count: int, side: int) -> str:
    for shard, start in enumerate(range(0, count, 250)):
        with tarfile.open(root / f"train-{shard:03}.tar", "w") as tar:
            for number in range(start, min(start + 250, count)):
                for ending, content in (("cls", str(number % CLASSES).encode()), ("jpg", jpeg(number, side))):
                    member = tarfile.TarInfo(f"{number:05}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return f"wds:{root}"


SMALL = {"width": 96, "depth": 8, "patch_size": 4, "pooling": "attention"}
LARGE = {"width": 192, "depth": 12, "patch_size": 16, "pooling": "attention"}
TINY = {"width": 96, "depth": 4, "patch_size": 16, "pooling": "attention"}
CASES = {
    "memory": Case(None, 32, 32, 128, 6, "patchconvnet", SMALL, {}),
    "memory-modern": Case(None, 32, 32, 128, 6, "patchconvnet", SMALL, MODERN),
    "folder": Case(write_folder, 224, 224, 32, 4, "patchconvnet", LARGE, {}),
    "folder-large-files": Case(write_folder, 500, 224, 32, 4, "patchconvnet", LARGE, {}),
    "folder-tiny-model": Case(write_folder, 224, 224, 32, 8, "patchconvnet", TINY, {}),
    "parquet": Case(write_parquet, 224, 224, 32, 4, "patchconvnet", LARGE, {}),
    "wds": Case(write_shards, 224, 224, 32, 4, "patchconvnet", LARGE, {}),
}


def data_of(case: Case, folder: Path) -> Dataset:
    """Load training images for the steps of one turn, and a few for the evaluation."""
    count = case.batch * case.steps
    if case.write is None:
        rng = np.random.default_rng(0)

        def split(n: int) -> Split:
            images = rng.integers(0, 256, (n, case.size, case.size, 3), dtype=np.uint8)
            return Split(images, np.arange(n) % CLASSES)

        names = tuple(map(str, range(CLASSES)))
        padding = case.size // 8
        return Dataset(
            split(count), split(10), split(10), names, (127.0,) * 3, (74.0,) * 3, flip=True, crop_padding=padding
        )
    held = 2 * CLASSES
    source = case.write(folder, count + 2 * held, case.stored)
    fraction = held / (count + 2 * held)
    return load_data(
        DataConfig(
            source=source,
            image_size=case.size,
            memory_gib=0.05,
            test_fraction=fraction,
            validation_fraction=held / (count + held),
        )
    )


def network(case: Case) -> nn.Module:
    return build_model(case.family, **case.arch, num_classes=CLASSES, image_size=(case.size, case.size), seed=0)


@dataclass(frozen=True)
class Taken:
    """Time of one turn."""

    seconds: float
    processor_seconds: float  # of all threads of this process
    waiting: float = 0.0  # seconds spent waiting for batches


class Whole:
    """The whole loop: one epoch of `fit` per turn."""

    def __init__(self, case: Case, data: Dataset, device: torch.device) -> None:
        self.model, self.data, self.device = network(case), data, device
        self.recipe = Recipe.model_validate({"epochs": 1, "batch_size": case.batch, **case.recipe})

    def turn(self) -> Taken:
        watch = ProcessorToo()
        run = TrainingRun(self.device, watch=watch)
        task = Classification(self.data, self.recipe, run)
        for _ in fit(self.model, task, self.data, self.recipe, run, seed=0):
            pass
        of_steps = ("data", "training")
        return Taken(
            sum(watch.seconds[heading] for heading in of_steps),
            sum(watch.processor_seconds[heading] for heading in of_steps),
            watch.seconds["data"],
        )


class ProcessorToo(Stopwatch):
    """Record processor seconds beside seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._last_processor = time.process_time()
        self.processor_seconds: dict[str, float] = {}

    def book(self, heading: str) -> float:
        now = time.process_time()
        passed, self._last_processor = now - self._last_processor, now
        self.processor_seconds[heading] = self.processor_seconds.get(heading, 0.0) + passed
        return super().book(heading)


class Bare:
    """The bare loop: the same number of steps over one fixed batch."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self.steps, self.device = case.steps, device
        self.model = network(case).to(device).to(memory_format=torch.channels_last).train()
        self.optimizer = build_optimizer(self.model, Recipe(batch_size=case.batch))
        images = torch.randn(case.batch, 3, case.size, case.size, device=device)
        self.images = images.to(memory_format=torch.channels_last)
        self.labels = torch.arange(case.batch, device=device) % CLASSES

    def turn(self) -> Taken:
        begin, processor = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            self.optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(self.model(self.images), self.labels).backward()
            self.optimizer.step()
        next(self.model.parameters()).sum().item()  # waits for a GPU
        return Taken(time.perf_counter() - begin, time.process_time() - processor)


def measure(case: Case, folder: Path, turns: int, device: torch.device) -> str:
    """Return one row: images per second of both loops, and their ratio."""
    os.environ["SCALING_DATA"] = str(folder / "cache")
    (folder / "images").mkdir()
    data = data_of(case, folder / "images")
    assert len(data.train) // case.batch == case.steps
    whole, bare = Whole(case, data, device), Bare(case, device)
    taken: list[tuple[Taken, Taken]] = []
    for turn in range(-1, turns):
        pair = whole.turn(), bare.turn()
        if turn >= 0:
            taken.append(pair)
    images = case.batch * case.steps
    rates = [statistics.median(images / pair[i].seconds for pair in taken) for i in (0, 1)]
    by_clock = ratio(theirs.seconds / ours.seconds for ours, theirs in taken)
    by_processor = ratio(theirs.processor_seconds / ours.processor_seconds for ours, theirs in taken)
    waiting = statistics.median(ours.waiting / ours.seconds for ours, _ in taken)
    return f"{rates[0]:10.1f} {rates[1]:10.1f} {by_clock:>26s} {by_processor:>26s} {waiting:9.1%}"


def ratio(values: Iterable[float]) -> str:
    """Format the median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.1%} ({low:.1%} to {high:.1%})"


def load_average() -> str:
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def rows(options: argparse.Namespace) -> Iterator[str]:
    device = torch.device(options.device)
    for name in options.case or CASES:
        with tempfile.TemporaryDirectory() as folder:
            yield f"{name:18s} {measure(CASES[name], Path(folder), options.turns, device)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, help="[all]")
    parser.add_argument("--device", default="cpu", help="cpu or cuda [cpu]")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads, and decode workers [2]")
    parser.add_argument("--turns", type=int, default=5, help="timed turns of each loop [5]")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name(options.device) if options.device != "cpu" else f"{options.threads} CPU threads"
    print(f"torch {torch.__version__}, {where}, load {load_average()}")
    titles = (
        f"{'whole':>10s} {'bare':>10s} {'whole / bare (quartiles)':>26s} {'processor seconds':>26s} {'waiting':>9s}"
    )
    print(f"{'images a second':18s} {titles}")
    for row in rows(options):
        print(row, flush=True)
    print(f"load {load_average()}")


if __name__ == "__main__":
    main()
