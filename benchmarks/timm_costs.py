"""Costs of timm's models against the table that timm publishes.

    python benchmarks/timm_costs.py TABLE.csv [--most-gmacs 16] [--most-params 90] [--part 0/4]

TABLE.csv is `benchmark-infer-*.csv` of github.com/huggingface/pytorch-image-models/tree/main/results. Its `infer_gmacs`
are fvcore's total and its `infer_macts` fvcore's activations, rounded to two digits behind the point. Each model is
counted by both counters on real tensors; those that differ by more than 1 % beyond the rounding are listed.
"""

import argparse
import time
from pathlib import Path

import pandas as pd
import timm

from scaling.costs.complexity import audit
from scaling.study.errors import CostError

ROUNDING = 0.005


def gap(ours: float, published: float) -> float:
    """Relative difference beyond what the table's rounding explains."""
    return max(0.0, abs(ours - published) - ROUNDING) / published


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--most-gmacs", type=float, default=16, help="leave out larger ones [16]")
    parser.add_argument("--most-params", type=float, default=90, help="in millions [90]")
    parser.add_argument("--part", default="0/1", help="i/n: every n-th row from the i-th")
    options = parser.parse_args()
    start, stride = map(int, options.part.split("/"))

    table = pd.read_csv(options.table).query("0.15 < infer_gmacs < @options.most_gmacs")
    table = table.query("param_count < @options.most_params and model in @timm.list_models()").iloc[start::stride]
    columns = [table[name].tolist() for name in ("model", "infer_img_size", "infer_gmacs", "infer_macts")]

    begin, agreeing = time.perf_counter(), 0
    for name, size, gmacs, mactivations in zip(*columns, strict=True):
        try:
            result = audit(timm.create_model(name), size)
        except CostError as refusal:
            print(f"{name} {size}: refused: {refusal.problems[0]}", flush=True)
            continue
        ours = (result.cost.fvcore_flops / 1e9, result.cost.activations / 1e6)
        if max(gap(ours[0], gmacs), gap(ours[1], mactivations)) <= 0.01:
            agreeing += 1
        else:
            print(f"{name} {size}: {ours[0]:.3f} GMACs, published {gmacs}; {ours[1]:.2f} M activations,"
                  f" published {mactivations}", flush=True)  # fmt: skip
        if result.traced.macs != result.dispatched.macs:
            print(f"{name} {size}: fvcore {result.traced.macs:,}, torch {result.dispatched.macs:,} MACs", flush=True)
    print(f"{agreeing} of {len(table)} agree within 1 %; {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
