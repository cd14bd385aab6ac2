"""Compare the predicted memory of a training step with the live tensors and the memory of the process.

    python benchmarks/memory_accuracy.py [--only WORD] [--markdown]

Each row trains one network for two steps on black images in its own process. `resident` is the peak of the process's
resident memory minus its memory before the model was built. The allocator returns freed blocks at once
(MALLOC_MMAP_THRESHOLD_), so this is the memory of tensors and kernels, workspaces included.
"""

import argparse
import os
import re
import sys
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from scaling.costs.live_tensors import Step, measured_training_memory
from scaling.costs.memory import predict_training
from scaling.models import build_model

MIB = 2**20
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "OMP_NUM_THREADS": "1"}
FLOAT32 = Step(8)


@dataclass(frozen=True)
class Case:
    """A network, its images and its step."""

    name: str
    size: int
    step: Step = FLOAT32
    arch: tuple[tuple[str, Any], ...] = ()  # of a family; empty for a model of timm

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        if self.arch:
            model: Any = build_model(self.name, **dict(self.arch), image_size=self.size)
        else:
            model = timm.create_model(self.name)
        if self.step.checkpointing:
            model.set_grad_checkpointing(True)
        return model

    @property
    def label(self) -> str:
        step = self.step
        extra = [step.precision, step.optimizer, "checkpointing" if step.checkpointing else ""]
        parts = [f"{key}={value}" for key, value in self.arch]
        return " ".join([self.name, *parts, *(e for e in extra if e not in ("float32", "adamw", ""))])


PAPER = (("width", 192), ("depth", 12), ("pooling", "attention"))
AVERAGE = (("width", 192), ("depth", 12), ("pooling", "average"))
BF16, SGD, LAMB = Step(8, "bfloat16"), Step(8, optimizer="sgd"), Step(8, optimizer="lamb")
CASES = [
    *(Case(name, 224) for name in ("resnet18", "resnet50", "vit_tiny_patch16_224", "deit_small_patch16_224")),
    *(Case(name, 224) for name in ("convnext_atto", "convnext_tiny", "swin_tiny_patch4_window7_224", "mixer_s32_224")),
    *(Case(name, 224) for name in ("efficientnet_b0", "mobilenetv3_large_100", "regnety_008", "densenet121", "dla34")),
    *(Case(name, 224) for name in ("xcit_nano_12_p16_224", "cait_xxs24_224", "pvt_v2_b0", "coat_lite_tiny")),
    *(Case(name, 224) for name in ("poolformer_s12", "resmlp_12_224", "repvgg_a0", "vgg11_bn", "seresnext26d_32x4d")),
    Case("resnet50", 160, BF16),
    Case("vit_tiny_patch16_224", 224, BF16),
    Case("convnext_atto", 224, BF16),
    Case("resnet18", 224, SGD),
    Case("vit_tiny_patch16_224", 224, LAMB),
    Case("vit_tiny_patch16_224", 224, Step(8, checkpointing=True)),
    Case("resnet50", 224, Step(8, checkpointing=True)),
    Case("patchconvnet", 224, arch=PAPER),
    Case("patchconvnet", 224, arch=AVERAGE),
    Case("patchconvnet", 224, BF16, PAPER),
    Case("patchconvnet", 224, Step(8, checkpointing=True), PAPER),
    Case("patchconvnet", 32, Step(64), (("width", 64), ("depth", 8), ("patch_size", 4), ("pooling", "attention"))),
]


def resident_peak() -> int:
    """Return the peak resident bytes of this process since the last reset."""
    status = Path("/proc/self/status").read_text()
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(peak) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def measure(case: Case) -> tuple[int, int, int]:
    """Return the bytes predicted, of live tensors, and resident."""
    torch.set_num_threads(1)
    step = case.step
    predicted = predict_training(case.build(), case.size, 3, step).peak
    measured_training_memory(case.build(), case.size, 3, replace(step, batch_size=2))  # load kernels
    reset_peak()
    before = resident_peak()
    model = case.build()
    alive = measured_training_memory(model, case.size, 3, step)
    assert alive is not None  # None means that memory ran out
    return predicted, alive, resident_peak() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose label contains this")
    only = parser.parse_args().only
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        # The allocator reads these when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    print("| network | image | batch | predicted MiB | live MiB | Δ | resident MiB | Δ |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    worst = [0.0, 0.0]
    for case in (case for case in CASES if only in case.label):
        with get_context("fork").Pool(1) as pool:
            predicted, alive, resident = pool.apply(measure, (case,))
        gaps = [predicted / alive - 1, predicted / resident - 1]
        worst = [max(w, abs(g)) for w, g in zip(worst, gaps, strict=True)]
        print(
            f"| {case.label} | {case.size} | {case.step.batch_size} | {predicted / MIB:.1f} | {alive / MIB:.1f} |"
            f" {gaps[0]:+.1%} | {resident / MIB:.1f} | {gaps[1]:+.1%} |",
            flush=True,
        )
    print(f"\nlargest gap: {worst[0]:.1%} of live tensors, {worst[1]:.1%} of resident memory")


if __name__ == "__main__":
    main()
