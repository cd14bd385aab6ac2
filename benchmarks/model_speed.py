"""Compare PatchConvNet with a straightforward implementation of the same network (`plain_patchconvnet.py`).

    python benchmarks/model_speed.py                       # CPU, float32: a study's size and the first blocks of S60
    python benchmarks/model_speed.py --device cuda         # bfloat16: the whole S60
    python benchmarks/model_speed.py --compile             # both compiled

The two alternate, so that a busy machine slows both; prints medians and their ratio. Memory is what autograd keeps for
the backward pass (CPU) or the peak of a training step (GPU), without the weights.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from plain_patchconvnet import PlainPatchConvNet
from torch import nn

from scaling.models import build_model
from scaling.models.checkpoints import translate


@dataclass(frozen=True)
class Setting:
    """A network and its input."""

    width: int
    depth: int
    patch_size: int
    image_size: int
    batch_size: int


SETTINGS = {
    "study": Setting(width=96, depth=8, patch_size=4, image_size=32, batch_size=128),
    "s60-blocks": Setting(width=384, depth=6, patch_size=16, image_size=224, batch_size=8),
    "s60": Setting(width=384, depth=60, patch_size=16, image_size=224, batch_size=8),
    "s60-gpu": Setting(width=384, depth=60, patch_size=16, image_size=224, batch_size=128),
    "b60-gpu": Setting(width=768, depth=60, patch_size=16, image_size=224, batch_size=64),
}
DEFAULTS = {"cpu": ["study", "s60-blocks"], "cuda": ["s60-gpu", "b60-gpu"]}


class Subject:
    """One network and its timed passes."""

    def __init__(self, model: nn.Module, setting: Setting, device: torch.device, compile_it: bool) -> None:
        self.model = model.to(device)
        self.call: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model) if compile_it else model
        self.device = device
        size = setting.image_size
        self.images = torch.randn(setting.batch_size, 3, size, size, device=device)
        self.labels = torch.randint(1000, (setting.batch_size,), device=device)

    def forward(self) -> None:
        self.model.eval()
        with torch.no_grad(), self._precision():
            self.call(self.images)

    def step(self) -> None:
        self._loss().backward()
        self.model.zero_grad(set_to_none=True)

    def memory(self) -> int:
        """Return bytes: on a GPU the peak of a step above the weights, on a CPU what is kept for the backward pass."""
        if self.device.type == "cuda":
            self.step()
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.step()
            return torch.cuda.max_memory_allocated() - before
        kept: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = self._loss()
        assert loss.requires_grad  # keeps the graph alive until here, so that no address is reused
        weights = {parameter.untyped_storage().data_ptr() for parameter in self.model.parameters()}
        return sum(size for address, size in kept.items() if address not in weights)

    def _loss(self) -> torch.Tensor:
        self.model.train()
        with self._precision():
            return nn.functional.cross_entropy(self.call(self.images), self.labels)

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")


def subjects(setting: Setting, device: torch.device, compile_it: bool) -> tuple[Subject, Subject]:
    """Build the plain network and ours with equal weights."""
    plain = PlainPatchConvNet(setting.width, setting.depth, patch_size=setting.patch_size)
    ours = build_model(
        "patchconvnet",
        width=setting.width,
        depth=setting.depth,
        patch_size=setting.patch_size,
        image_size=setting.image_size,
    )
    ours.load_state_dict(translate(plain.state_dict()))
    return Subject(plain, setting, device, compile_it), Subject(ours, setting, device, compile_it)


def seconds(run: Callable[[], None], device: torch.device) -> float:
    """Time one call, including the work that it queues on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def alternate(runs: tuple[Callable[[], None], Callable[[], None]], repeats: int, device: torch.device) -> list[float]:
    """Return the median seconds of two alternating calls, after two warm-up turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(-2, repeats):
        for run, taken in zip(runs, times, strict=True):
            elapsed = seconds(run, device)
            if turn >= 0:
                taken.append(elapsed)
    return [statistics.median(taken) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda [cpu]")
    parser.add_argument("--setting", nargs="+", choices=SETTINGS, help="[study s60-blocks; on a GPU s60-gpu b60-gpu]")
    parser.add_argument("--compile", action="store_true", help="compile both networks")
    parser.add_argument("--repeats", type=int, default=15, help="timed turns [15]")
    parser.add_argument("--threads", type=int, help="CPU threads [all]")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads or torch.get_num_threads())
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(f"torch {torch.__version__}, {machine}, {'compiled' if options.compile else 'eager'}")
    print(f"{'setting':12s} {'measured':16s} {'plain':>12s} {'ours':>12s} {'plain / ours':>12s}")
    for name in options.setting or DEFAULTS[device.type]:
        plain, ours = subjects(SETTINGS[name], device, options.compile)
        for label, runs in (("forward", (plain.forward, ours.forward)), ("training step", (plain.step, ours.step))):
            slow, fast = alternate(runs, options.repeats, device)
            print(f"{name:12s} {label:16s} {slow * 1e3:9.1f} ms {fast * 1e3:9.1f} ms {slow / fast:12.2f}")
        large, small = plain.memory(), ours.memory()
        print(f"{name:12s} {'memory':16s} {large / 2**20:8.1f} MiB {small / 2**20:8.1f} MiB {large / small:12.2f}")


if __name__ == "__main__":
    main()
