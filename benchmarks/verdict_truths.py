"""Is the verdict right where the truth is known, and is not what its own model generates?

    python benchmarks/verdict_truths.py [--studies 2000] [--only WORDS] [--processes 2] [--out results.json]
    python benchmarks/verdict_truths.py --table docs/statistics.md

Simulates studies of every truth in `tests/statistics/*truths.py`, judges them as the report does, and writes one row a
truth: how often the intervals HERE and BEYOND held, how often any wrong kind was said, and how often each kind was. All
seeds are fixed by the names of the truths. The file is written after each truth, and rows of truths that are not
simulated stay. The second form simulates nothing: it writes the rows of the JSON into a document.
"""

import argparse
import json
import math
import multiprocessing
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.generated import write_table
from tests.statistics.odd_truths import ODD_TRUTHS
from tests.statistics.other_odd_truths import OTHER_ODD_TRUTHS
from tests.statistics.other_truths import OTHERS, OtherTruth, run_other
from tests.statistics.truths import TRUTHS, Rates, Truth, run

OUT = Path(__file__).parent / "verdict_truths.json"
NAME = "verdict_truths"  # of the generated table
GROUPS: dict[str, Sequence[Truth | OtherTruth]] = {
    "Differences, noise, losses, test images": TRUTHS,
    "Odd designs and odd luck": ODD_TRUTHS,
    "Looks, several arms, tuned rates, images that prefer an arm, equal cost, shares, laws": OTHERS,
    "Odd ones of these": OTHER_ODD_TRUTHS,
}
ALL: dict[str, Truth | OtherTruth] = {truth.name: truth for truths in GROUPS.values() for truth in truths}
HEAD = ["| truth | here % | beyond % | false % | most frequent kinds, % |", "| :--- | ---: | ---: | ---: | :--- |"]
MOST_KINDS = 3


def rates_of(name: str, studies: int) -> Rates:
    """What becomes of many studies of a truth."""
    truth, seed = ALL[name], zlib.crc32(name.encode())
    return run_other(truth, studies, seed) if isinstance(truth, OtherTruth) else run(truth, studies, seed)


def row_of(rates: Rates) -> dict[str, Any]:
    """A row of the JSON: shares with four decimals, null where there is no such thing."""

    def share(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        "truth": rates.name,
        "studies": rates.studies,
        "here": share(rates.here),
        "beyond": share(rates.beyond),
        "false": share(rates.false),
        "kinds": {kind: round(part, 4) for kind, part in rates.kinds.items()},
    }


def _work(task: tuple[str, int]) -> dict[str, Any]:
    return row_of(rates_of(*task))


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def line_of(row: dict[str, Any]) -> str:
    """A row of the table in Markdown."""
    most = sorted(row["kinds"].items(), key=lambda item: -item[1])[:MOST_KINDS]
    kinds = ", ".join(f"{kind} {percent(part)}" for kind, part in most)
    note = f" ({ALL[row['truth']].note})" if ALL[row["truth"]].note else ""
    rates = " | ".join(percent(row[name]) for name in ("here", "beyond", "false"))
    return f"| {row['truth']}{note} | {rates} | {kinds} |"


def table_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of the document: a table a group."""
    by_name = {row["truth"]: row for row in rows}
    lines = []
    for title, truths in GROUPS.items():
        found = [by_name[truth.name] for truth in truths if truth.name in by_name]
        lines += [f"**{title}**", "", *HEAD, *map(line_of, found), ""] if found else []
    return lines[:-1]


def kept_rows(path: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier run, by truth."""
    return {row["truth"]: row for row in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies a truth")
    parser.add_argument("--only", default="", metavar="WORDS", help="truths whose name contains this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", type=Path, metavar="DOCUMENT", help="write the rows of --out into this document")
    options = parser.parse_args()
    if options.table:
        write_table(options.table, NAME, table_of(json.loads(options.out.read_text(encoding="utf-8"))))
        return
    names = [name for name in ALL if options.only in name]
    start, rows = time.monotonic(), kept_rows(options.out)
    print("\n".join(HEAD))
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for row in pool.imap(_work, [(name, options.studies) for name in names]):
            rows[row["truth"]] = row
            ordered = [rows[name] for name in ALL if name in rows]
            options.out.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(line_of(row), flush=True)
    print(f"{len(names)} truths in {time.monotonic() - start:.0f} s, written to {options.out}")


if __name__ == "__main__":
    main()
