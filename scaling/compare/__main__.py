"""A verdict for a table from any program: `python -m scaling.compare runs.csv --cell depth,width --score test_acc`."""

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.compare.frame import compare
from scaling.compare.options import COST, SEED, CompareError
from scaling.statistics import MARGIN
from scaling.statistics.comparison import Comparison
from scaling.statistics.estimates import Interval
from scaling.statistics.kinds import Kind
from scaling.study.command import command, finite_number, whole_number
from scaling.study.errors import unknown

EPILOG = """\
examples:
  python -m scaling.compare runs.csv --arm pooling --baseline average --cell depth,width --score test_acc
  python -m scaling.compare runs.csv --arms linear,attentive --cell model --seed seed --cost params
  python -m scaling.compare runs.csv --cell depth,width --compared attention --json

One row a run; scores in percent, an empty score is a lost run. All arms are compared at the level that holds for them
together. Exit code: 0 better, 10 practically equal, 11 inconclusive, 12 worse, 13 depends on size or mixed, 14 unknown,
2 for a mistake in what was asked.
"""
CODES = {
    Kind.BETTER: 0,
    Kind.EQUAL: 10,
    Kind.INCONCLUSIVE: 11,
    Kind.WORSE: 12,
    Kind.BY_SIZE: 13,
    Kind.MIXED: 13,
    Kind.UNKNOWN: 14,
}


def names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scaling.compare",
        description="Judge an arm against a baseline from a table of runs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", type=Path, help="CSV, TSV, Parquet or JSON lines")
    parser.add_argument("--arm", default="arm", metavar="COLUMN", help="of the arms' names [arm]")
    parser.add_argument("--arms", type=names, default=[], metavar="A,B", help="columns of scores, one an arm")
    parser.add_argument("--baseline", metavar="ARM", help="to compare with [the first in the table]")
    parser.add_argument("--compared", metavar="ARM", help="whose verdict the exit code is; required with several arms")
    parser.add_argument("--cell", type=names, default=[], metavar="A,B", help="columns that name a cell")
    parser.add_argument("--seed", default=SEED, metavar="COLUMN", help="of the repetition [seed]")
    parser.add_argument("--score", default="score", metavar="COLUMN", help="in percent, more is better [score]")
    parser.add_argument("--cost", default=COST, metavar="COLUMN", help="by which cells are ordered [macs]")
    parser.add_argument(
        "--repeats", type=names, default=[], metavar="A,B", help="columns that repetitions may differ in"
    )
    parser.add_argument(
        "--margin", type=finite_number, default=MARGIN, metavar="POINTS", help="that count as none [0.2]"
    )
    parser.add_argument("--level", type=finite_number, default=0.95, help="of all arms together [0.95]")
    parser.add_argument("--images", type=whole_number, metavar="N", help="how many test images there are")
    parser.add_argument("--shared-seeds", action="store_true", help="equal seeds are the same draw in all cells")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


@command
def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    found = compare(
        read(options.table),
        arm=options.arm,
        arms=options.arms,
        baseline=options.baseline,
        cell=options.cell,
        seed=options.seed,
        score=options.score,
        cost=options.cost,
        repeats=options.repeats,
        margin=options.margin,
        level=options.level,
        images=options.images,
        shared_seeds=options.shared_seeds,
    )
    chosen = choose(found, options.compared)
    if not chosen:
        print(found.sentence, file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps({arm: as_json(found[arm]) for arm in chosen}, indent=1, ensure_ascii=False))
    else:
        for arm in chosen:
            print("\n".join([found[arm].sentence, *found[arm].remarks]))
    return CODES[found[chosen[0]].kind] if chosen else CODES[Kind.UNKNOWN]


def choose(found: Mapping[str, Comparison], compared: str | None) -> list[str]:
    """The arm that was asked for, or the only one; none where the table has no two arms."""
    if compared is not None and found:
        if compared not in found:
            raise CompareError(unknown("arm", compared, found))
        return [compared]
    if len(found) > 1:
        raise CompareError(f"the table has {len(found)} arms beside the baseline; choose one by --compared")
    return list(found)


def read(path: Path) -> pd.DataFrame:
    """Read a table by the ending of its name."""
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        if path.suffix in (".jsonl", ".ndjson"):
            return pd.read_json(path, lines=True)
        if path.suffix == ".json":
            return pd.read_json(path)
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(",;\t", key=header.count)
        return pd.read_csv(
            path, sep=separator, encoding="utf-8-sig", decimal="," if separator == ";" else ".", low_memory=False
        )
    except (OSError, ValueError) as problem:
        raise CompareError(f"{path}: {str(problem).splitlines()[0]}") from problem


def as_json(found: Comparison) -> dict[str, Any]:
    """A comparison for scripts; what is not known is null."""
    parts = [
        {
            "low_cost": part.low_cost,
            "high_cost": part.high_cost,
            "interval": _interval(part.interval),
            "wide": _interval(part.wide),
        }
        for part in found.parts
    ]
    return {
        "kind": str(found.kind),
        "sentence": found.sentence,
        "here": _interval(found.here),
        "beyond": None if found.beyond is None else _interval(found.beyond),
        "parts": parts,
        "margin": found.margin,
        "remarks": list(found.remarks),
    }


def _interval(interval: Interval) -> dict[str, float | None]:
    values: Sequence[tuple[str, float]] = list(dataclasses.asdict(interval).items())
    return {name: value if math.isfinite(value) else None for name, value in values}


if __name__ == "__main__":
    sys.exit(main())
