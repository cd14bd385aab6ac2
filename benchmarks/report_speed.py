"""How long a report takes and what it holds: a generated study of 10³ to 10⁵ records, each stage by itself.

    python benchmarks/report_speed.py 1000 10000 100000 [--folder DIR] [--epochs 5]

Every size runs in a process of its own, so that its peak of resident memory is its own. The growth exponent is the
slope between neighbouring sizes in logarithms, of processor seconds, which a shared machine stretches less than those
of the clock: 1 is linear, n log n is about 1.1.
"""

import argparse
import itertools
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPETITIONS = 5


def generate(folder: Path, records: int, epochs: int) -> None:
    """Write a study of two arms and five repetitions, as plain files that a sweep leaves."""
    import numpy as np

    from scaling.study.config import TrialConfig
    from scaling.study.records import Cost, Epoch, Record, Scores, Study, write_study

    rng = np.random.default_rng(0)
    inner = folder / "records"
    inner.mkdir(parents=True)
    cells = -(-records // (2 * REPETITIONS))
    keys = []
    for place in range(records):
        cell_place, rest = divmod(place, 2 * REPETITIONS)
        arm, repetition = ("average", "attention")[rest % 2], rest // 2
        width, depth = 8 * (1 + cell_place % 400), 1 + cell_place // 400
        cell = {"depth": depth, "width": width}
        config = TrialConfig(family="patchconvnet", arch={"patch_size": 2, "pooling": arm, **cell}, seed=repetition)
        macs = depth * 8 * width**2 * 16
        accuracy = 60 + 2 * math.log2(macs / 8192) / 2 + 0.3 * float(rng.normal()) + 0.3 * (arm == "attention")
        curve = [
            Epoch(epoch=e + 1, train_loss=2.0 / (e + 1), val_loss=2.1 / (e + 1),
                  val_accuracy=accuracy * (e + 1) / epochs, learning_rate=1e-3,
                  train_seconds=1.0, data_seconds=0.1, evaluation_seconds=0.2)
            for e in range(epochs)
        ]  # fmt: skip
        record = Record(
            key=config.key, study="large", cell=cell, arm=arm, repetition=repetition, seed=repetition,
            status="finished", config=config.model_dump(mode="json"),
            cost=Cost(params=depth * 8 * width**2, macs=macs, fvcore_flops=macs, activations=depth * width * 160,
                      training_memory_bytes=64 * depth * width**2, inference_memory_bytes=8 * depth * width**2,
                      measured_memory_bytes=66 * depth * width**2, latency_ms=macs / 1e6),
            curve=curve,
            scores=Scores(val_accuracy=accuracy, val_loss=0.5, test_accuracy=accuracy, test_loss=0.6, val_examples=1000,
                          test_examples=10_000),
            train_seconds=float(epochs), wall_seconds=epochs + 1.0,
            seconds={"setup": 0.75, "training": float(epochs), "evaluation": 0.25},
            environment={"device": "Pretended Processor", "host": "simulation", "torch": "2.15.0"},
        )  # fmt: skip
        keys.append(record.key)
        (inner / f"{record.key}.json").write_bytes(record.model_dump_json(by_alias=True, indent=1).encode())
    write_study(
        folder,
        Study(name="large", question="How large?", factor="pooling", arms=["average", "attention"],
              axes=["depth", "width"], repetitions=REPETITIONS, seeding="own", conditions={}, space={}, planned=keys),
    )  # fmt: skip
    print(f"generated {records:,} records of {cells:,} cells", file=sys.stderr)


def measure(folder: Path) -> dict[str, list[float]]:
    """Seconds by the clock and of the processor of each stage of one report; then MiB and MB."""
    from scaling.report import publish
    from scaling.report.analysis import analysis
    from scaling.report.figures import FIGURES
    from scaling.report.tables import TABLES
    from scaling.study.reading import read_what_can_be
    from scaling.study.records import read_study

    seconds: dict[str, list[float]] = {}
    start = now()

    def lap(name: str) -> None:
        nonlocal start
        end = now()
        seconds[name] = [after - before for before, after in zip(start, end, strict=True)]
        start = end

    study, reading = read_study(folder), read_what_can_be(folder)
    lap("reading")
    result = analysis.analyse(study, reading.records)
    lap("analysis")
    for draw in FIGURES.values():
        drawing = draw(result)
        if drawing is not None:
            drawing.render()
            drawing.pdf()
    lap("figures alone (PNG, SVG, PDF)")
    for build in TABLES.values():
        table = build(result)
        for written in (table.csv, table.markdown, table.latex):
            written()
    lap("tables alone (CSV, Markdown, LaTeX)")
    with tempfile.TemporaryDirectory() as out:
        start = now()
        page = publish.publish(result, Path(out) / "large", folder, [])
        lap("all files: page, figures, tables")
        size = page.stat().st_size / 1e6
    whole = [seconds[name] for name in ("reading", "analysis", "all files: page, figures, tables")]
    seconds["whole report"] = [sum(stage[i] for stage in whole) for i in (0, 1)]
    seconds["peak, MiB"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    seconds["page, MB"] = [size]
    return seconds


def now() -> tuple[float, float]:
    """Seconds of the clock, and of the processor in this process and those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="keep the generated studies here")
    parser.add_argument("--epochs", type=int, default=5, help="of every learning curve")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        measured: dict[int, dict[str, list[float]]] = {}
        for size in sorted(options.sizes):
            folder = (options.folder or Path(scratch)) / f"large_{size}_{options.epochs}"
            if not (folder / "study.json").is_file():
                generate(folder, size, options.epochs)
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(folder)], check=True, stdout=subprocess.PIPE, text=True
            )
            measured[size] = json.loads(done.stdout.splitlines()[-1])
    print("Each: seconds by the clock / of the processor; growth: exponents between neighbouring sizes, processor.")
    print(f"Processors: {os.cpu_count()}; load now: {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n")
    sizes = list(measured)
    print(f"| stage | {' | '.join(f'{size:,}' for size in sizes)} | growth |\n|---|{'---:|' * (len(sizes) + 1)}")
    for name in measured[sizes[0]]:
        values = [measured[size][name] for size in sizes]
        grown = [
            f"{math.log(more[-1] / less[-1]) / math.log(large / small):.2f}"
            for (small, less), (large, more) in itertools.pairwise(zip(sizes, values, strict=True))
            if less[-1] > 0 and more[-1] > 0 and len(less) > 1
        ]
        cells = [" / ".join(f"{value:,.1f}" for value in pair) for pair in values]
        print(f"| {name} | {' | '.join(cells)} | {', '.join(grown)} |")


if __name__ == "__main__":
    main()
