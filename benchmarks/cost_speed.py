"""How fast costs are counted: each member by itself against a whole space at once, and the paper's sizes.

    python benchmarks/cost_speed.py [--configurations N]

The space is PatchConvNet with two poolings, widths in steps of 8 and depths from 1. Counts of a whole space are
compared with direct counts on a random sample, by `cost_all` itself and once more here.
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

import torch

from scaling.costs.complexity import measure
from scaling.costs.counting.quick import cost_all, quick_cost
from scaling.costs.live_tensors import Step
from scaling.costs.memory import training_memory, training_memory_all
from scaling.models import build_model

PAPER = {"S60": (384, 60), "S120": (384, 120), "B60": (768, 60), "B120": (768, 120), "L60": (1024, 60),
         "L120": (1024, 120)}  # fmt: skip


def space(count: int) -> list[dict[str, Any]]:
    """`count` members of the family, of up to 100 depths."""
    depths = range(1, 101)
    widths = range(64, 64 + 8 * (count // (2 * len(depths)) + 1), 8)
    members = [
        {"width": width, "depth": depth, "pooling": pooling}
        for width in widths
        for depth in depths
        for pooling in ("average", "attention")
    ]
    return members[:count]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--configurations", type=int, default=10_000)
    count = parser.parse_args().configurations
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")

    archs = space(count)
    taken, costs = seconds(lambda: cost_all("patchconvnet", archs))
    sample = random.Random(1).sample(range(len(archs)), 20)
    one_by_one, counted = seconds(lambda: [quick_cost("patchconvnet", archs[i]) for i in sample])
    assert [costs[i] for i in sample] == counted
    each = one_by_one / len(sample)
    print(f"{len(archs):,} configurations at once: {taken:.1f} s, the same integers on a sample of {len(sample)}")
    print(f"one by one, on the meta device: {each:.2f} s each, {each * len(archs) / 60:.0f} min for all:"
          f" {each * len(archs) / taken:.0f} times as long\n")  # fmt: skip

    few, step = archs[:: max(1, len(archs) // 400)], Step(batch_size=64)
    taken, _ = seconds(lambda: training_memory_all("patchconvnet", few, step))
    each, _ = seconds(lambda: training_memory("patchconvnet", archs[-1], step))
    print(f"training memory of {len(few)} configurations: {taken:.1f} s; one of depth 100: {each:.1f} s\n")

    print("| size | both counters, real tensors (s) | torch's counter, meta device (s) | GMACs |")
    print("| --- | --- | --- | --- |")
    for name, (width, depth) in PAPER.items():
        arch = {"width": width, "depth": depth, "pooling": "attention"}
        quick, cost = seconds(lambda arch=arch: quick_cost("patchconvnet", arch))
        model = build_model("patchconvnet", **arch)
        audited, same = seconds(lambda model=model: measure(model, 224))
        assert same == cost
        print(f"| {name} | {audited:.1f} | {quick:.2f} | {cost.macs / 1e9:.3f} |", flush=True)


if __name__ == "__main__":
    main()
