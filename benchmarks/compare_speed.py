"""How long a verdict takes: tables of 600 to 100,000 runs, with all costs, and one of many arms.

    python benchmarks/compare_speed.py

Prints processor seconds, the median of several turns, for `scaling.compare` on a table that is in memory.
"""

import argparse
import statistics
import time

import numpy as np
import pandas as pd

from scaling.compare.frame import compare

COSTS = ("params", "macs", "activations", "training_memory", "latency")
SHAPES = [  # cells, repetitions, arms
    (100, 3, 2),
    (60, 5, 2),
    (1_000, 5, 2),
    (10_000, 5, 2),
    (50_000, 1, 2),
    (1_250, 10, 8),
    (6_250, 2, 8),
]


def table(cells: int, repetitions: int, arms: int) -> pd.DataFrame:
    """Rows in no order, with results beside the score that are no settings."""
    rng = np.random.default_rng(0)
    cell, repetition, arm = (axis.ravel() for axis in np.indices((cells, repetitions, arms)))
    depth, width = 1 + cell % 40, 8 * (1 + cell // 40)
    frame = pd.DataFrame({"arm": np.array([f"arm {i}" for i in range(arms)])[arm], "depth": depth, "width": width})
    frame["seed"] = repetition
    frame["score"] = 60 + np.log2(depth * width) + 0.3 * arm + rng.normal(0, 0.4, len(frame))
    frame["train_loss"], frame["run"] = rng.uniform(0, 1, len(frame)), np.arange(len(frame)).astype(str)
    for place, cost in enumerate(COSTS):
        frame[cost] = depth * width**2.0 * (1 + place) * 1000
    return frame.sample(frac=1, random_state=0)


def seconds(frame: pd.DataFrame, costs: tuple[str, ...], turns: int) -> float:
    """Median processor time of the verdicts by each of these costs."""
    taken = []
    for _ in range(turns):
        start = time.process_time()
        for cost in costs:
            compare(frame.drop(columns=[c for c in COSTS if c != cost]), cell=["depth", "width"], cost=cost)
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=5, help="default: 5")
    turns = parser.parse_args().turns
    print("runs, cells, repetitions, arms: one cost, all costs (s)")
    for shape in SHAPES:
        frame = table(*shape)
        one, every = (seconds(frame, costs, turns) for costs in (COSTS[1:2], COSTS))
        print(f"{len(frame):,}, {shape[0]:,}, {shape[1]}, {shape[2]}: {one:.2f}, {every:.2f}")


if __name__ == "__main__":
    main()
