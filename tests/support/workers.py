"""The processes of one group in the tests of data parallelism.

    python tests/support/workers.py RANK COUNT FOLDER SCENARIO…

Each writes its results to FOLDER/SCENARIO-RANK.pt.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from PIL import Image
from torch import nn

import scaling.tasks.classification
import scaling.trial
from scaling.data import StreamSplit, load_data
from scaling.models import build_model
from scaling.study.config import DataConfig, Recipe, Trial, TrialConfig
from scaling.study.errors import DataError
from scaling.study.records import Record
from scaling.training.parallel import Group
from scaling.training.shared_layers import BatchPosition, share_draws
from scaling.training.workers import Workers
from scaling.trial import run_trial

CPU = torch.device("cpu")
DATA = DataConfig(train_limit=100)
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "patchconvnet": ("patchconvnet", {"width": 16, "depth": 2, "patch_size": 2, "layer_scale": 0.1}),
    "batch norm": ("attention_augmented", {"base": "wide_resnet28_10", "width": 0.05, "depth": 0.25, "upsilon": 0}),
    "timm": ("timm", {"name": "mobilenetv3_small_050", "drop_path": 0.2}),
}
# a batch that two workers cannot share evenly, and everything that is drawn
MODERN = Recipe(
    epochs=3, batch_size=33, mixup=0.2, cutmix=0.5, random_erasing=0.3, clip_grad_norm=1.0, ema_decay=0.9, repeats=2
)
DROPS = {"drop_path": 0.3, "dropout": 0.2}
PLAIN = Recipe(epochs=3, batch_size=33, learning_rate=1e-3)


def trial_of(network: str, recipe: Recipe, **more: Any) -> Trial:
    family, arch = NETWORKS[network]
    config = TrialConfig(family=family, arch={**arch, **more}, data=DATA, recipe=recipe, seed=1)
    return Trial(study="workers", cell={}, arm="average", config=config, keeps_weights=True)


TRIALS = {
    "modern": trial_of("patchconvnet", MODERN, **DROPS),
    "parts": trial_of("patchconvnet", MODERN.model_copy(update={"micro_batch": 5}), **DROPS),
    "batch norm": trial_of("batch norm", PLAIN),
    "killed": trial_of("patchconvnet", MODERN.model_copy(update={"epochs": 4}), **DROPS),
    "memory": trial_of("patchconvnet", MODERN.model_copy(update={"epochs": 2}), **DROPS),
    "broken": trial_of("patchconvnet", PLAIN),
}


def run(name: str, folder: Path, workers: Workers) -> list[Any]:
    return list(run_trial(TRIALS[name], load_data(DATA), device=CPU, folder=folder / "study", workers=workers))


def decoded(folder: Path, workers: Workers) -> list[Any]:
    """Train on photographs that are decoded in every epoch, each worker decoding its share."""
    data = DataConfig(source=f"folder:{folder / 'photographs'}", image_size=8, memory_gib=1e-9)
    trial = trial_of("patchconvnet", MODERN.model_copy(update={"epochs": 2, "batch_size": 13}))
    trial = trial.model_copy(update={"config": trial.config.model_copy(update={"data": data})})
    return list(run_trial(trial, load_data(data), device=CPU, workers=workers))


def unreadable(folder: Path, workers: Workers, most: int = 10) -> list[Any]:
    """Train as `decoded` does, with six training images that cannot be read."""
    data = DataConfig(source=f"folder:{folder / 'damaged'}", image_size=8, memory_gib=1e-9, most_unreadable=most)
    trial = trial_of("patchconvnet", PLAIN.model_copy(update={"epochs": 2, "batch_size": 13}))
    trial = trial.model_copy(update={"config": trial.config.model_copy(update={"data": data})})
    return list(run_trial(trial, load_data(data), device=CPU, workers=workers))


def photographs(root: Path) -> None:
    """Write images larger than the requested size, one colour per class."""
    draw = np.random.default_rng(0)
    for label in range(3):
        (root / f"{label}").mkdir(parents=True)
        for i in range(20):
            pixels = draw.integers(0, 60, (*draw.integers(20, 40, 2), 3), dtype=np.uint8)
            pixels[..., label] += 120
            Image.fromarray(pixels).save(root / f"{label}" / f"{i:02}.png")


def damaged_photographs(root: Path) -> None:
    """Write photographs of which six training images cannot be read, two of each class."""
    photographs(root)
    train = load_data(DataConfig(source=f"folder:{root}", image_size=8, memory_gib=1e-9)).train
    assert isinstance(train, StreamSplit)
    for label in range(3):
        for index in np.flatnonzero(train.labels == label)[:2]:
            Path(train.images.place(int(index))).write_bytes(b"no image")


def gradients(network: str, workers: Workers) -> dict[str, torch.Tensor]:
    """Return the gradient of a batch of 33 shared by the workers, and the running statistics."""
    family, arch = NETWORKS[network]
    seen = {"num_classes": 10, "in_chans": 1, "image_size": 32}
    model = build_model(family, **arch, **seen, seed=0).train()
    workers.prepare(model)
    position = BatchPosition()
    share_draws(model, position)
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.randn(33, 1, 32, 32, generator=draw), torch.randint(10, (33,), generator=draw)
    share = workers.share(33)
    position.take(33, share, CPU)
    torch.manual_seed(5)
    (F.cross_entropy(model(images[share]), labels[share], reduction="sum") / 33).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    workers.add(found.values())
    return found | dict(model.named_buffers())


def killed(folder: Path, group: Group) -> Any:
    """The second worker dies after its second epoch."""
    seen = []
    for event in run_trial(TRIALS["killed"], load_data(DATA), device=CPU, folder=folder / "study", workers=group):
        seen.append(event)
        if group.rank == 1 and len(seen) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    return seen


def short_of_memory(folder: Path, group: Group) -> Any:
    """The second worker has memory for at most six images at once."""
    build = scaling.trial.build

    class Small(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training and group.rank == 1 and len(x) > 6:
                raise torch.OutOfMemoryError("out of memory, in a test")
            return self.inner(x)

    scaling.trial.build = lambda trial, data: Small(build(trial, data))
    try:
        return run("memory", folder, group)
    finally:
        scaling.trial.build = build


def broken(folder: Path, group: Group) -> Any:
    """The second worker cannot read the validation images."""

    def evaluate(*_: Any) -> Any:
        raise DataError("the disk is gone")

    if group.rank == 1:
        scaling.tasks.classification.evaluate = evaluate
    return run("broken", folder, group)


def gathered(folder: Path, group: Group) -> Any:
    """Return the results of the small functions of a group."""
    few = torch.full((group.rank + 1, 2), group.rank)
    return {
        "anyone": (group.anyone(group.rank == 1), group.anyone(False)),
        "whole": group.whole_batch(few, few[:, 0]),
        "parts": [list(range(n))[group.part(n)] for n in (0, 1, 5)],
        "share": list(range(33))[group.share(33)],
        "lines": group.gathered_lines([f"worker {group.rank}"] * group.rank),
    }


SCENARIOS: dict[str, Callable[[Path, Group], Any]] = {
    **{f"gradients of {name}": lambda folder, group, name=name: gradients(name, group) for name in NETWORKS},
    **{name: lambda folder, group, name=name: run(name, folder, group) for name in ("modern", "parts", "batch norm")},
    "killed": killed,
    "resumed": lambda folder, group: run("killed", folder, group),
    "memory": short_of_memory,
    "decoded": decoded,
    "unreadable": unreadable,
    "too many": lambda folder, group: unreadable(folder, group, most=5),
    "broken": broken,
    "gathered": gathered,
}


FAILING = ("broken", "too many")  # after which the group is gone


def launch(folder: Path, *scenarios: str, count: int = 2) -> list[int]:
    """Run scenarios in `count` processes; return their exit codes."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "meeting").unlink(missing_ok=True)
    command = [sys.executable, __file__]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen([*command, str(rank), str(count), str(folder), *scenarios], env=environment)
        for rank in range(count)
    ]
    return [worker.wait(timeout=240) for worker in workers]


def main() -> None:
    rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    group = Group(CPU)
    for name in sys.argv[4:]:
        seen = SCENARIOS[name](folder, group)
        if isinstance(seen, list):
            seen = [(type(e).__name__, e.model_dump_json(by_alias=True)) for e in seen]
        torch.save(seen, folder / f"{name}-{rank}.pt")
        if isinstance(seen, list) and rank == 0 and seen[-1][0] == Record.__name__ and name in FAILING:
            group.release()


if __name__ == "__main__":
    main()
