"""Is the verdict right where the truth is known, and is not what its own model generates?

    python benchmarks/verdict_truths.py [--studies 2000] [--only WORDS] [--processes 2] [--out results.json]

Simulates studies of every truth in `tests/statistics/truths.py` and `other_truths.py`, judges them as the report does,
and writes one row a truth: how often the intervals HERE and BEYOND held, how often any wrong kind was said, and how
often each kind was. All seeds are fixed by the names of the truths.
"""

import argparse
import json
import math
import multiprocessing
import sys
import time
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.statistics.other_truths import OTHERS, OtherTruth, run_other
from tests.statistics.truths import TRUTHS, Rates, Truth, run

OUT = Path(__file__).parent / "verdict_truths.json"
ALL: dict[str, Truth | OtherTruth] = {truth.name: truth for truth in [*TRUTHS, *OTHERS]}


def rates_of(name: str, studies: int) -> Rates:
    """What becomes of many studies of a truth."""
    truth, seed = ALL[name], zlib.crc32(name.encode())
    return run_other(truth, studies, seed) if isinstance(truth, OtherTruth) else run(truth, studies, seed)


def row_of(rates: Rates) -> dict[str, Any]:
    """A row of the JSON: shares with four decimals, null where there is no such thing."""

    def share(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    kinds = {kind: round(part, 4) for kind, part in rates.kinds.items()}
    return {
        "truth": rates.name,
        "studies": rates.studies,
        "here": share(rates.here),
        "beyond": share(rates.beyond),
        "false": share(rates.false),
        "kinds": kinds,
    }


def _work(task: tuple[str, int]) -> dict[str, Any]:
    return row_of(rates_of(*task))


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def line_of(row: dict[str, Any]) -> str:
    """A row of the table in Markdown."""
    kinds = ", ".join(f"{kind} {percent(part)}" for kind, part in sorted(row["kinds"].items(), key=lambda k: -k[1])[:3])
    return f"| {row['truth']} | {percent(row['here'])} | {percent(row['beyond'])} | {percent(row['false'])} | {kinds} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies a truth")
    parser.add_argument("--only", default="", metavar="WORDS", help="truths whose name contains this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    names = [name for name in ALL if options.only in name]
    start, rows = time.monotonic(), []
    print("| truth | here % | beyond % | false % | kinds % |\n| :--- | ---: | ---: | ---: | :--- |")
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for row in pool.imap(_work, [(name, options.studies) for name in names]):
            rows.append(row)
            print(line_of(row), flush=True)
    options.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(rows)} truths in {time.monotonic() - start:.0f} s, written to {options.out}")


if __name__ == "__main__":
    main()
