"""Do scaling fits predict curves that others measured?

    python benchmarks/real_curves.py [results-imagenet.csv [benchmark-infer.csv]] [--out real_curves.json]
    python benchmarks/real_curves.py --table docs/fits.md

The curves are timm's published tables, by family and training recipe, along parameters and MACs, and three learning
curves of `real_curves_data.py`. Each is fitted on its smaller two thirds, and the largest third is predicted: by
`scaling.statistics.weighted_law` with its interval, and by a power law with a floor fitted with Huber loss on logs
(Hoffmann et al. 2022, appendix D.3; Besiroglu et al. 2024), whose interval is a bootstrap. Without the tables of timm
the learning curves alone are tried. The second form fits nothing: it writes the rows of the JSON into a document.
"""

import argparse
import csv
import json
import math
import re
import sys
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize, special

from scaling.statistics.held_out import HeldOut, predict_largest

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.generated import write_table
from benchmarks.real_curves_data import LEARNING_CURVES

OUT = Path(__file__).parent / "real_curves.json"
NAME = "real_curves"  # of the generated table
DELTA = 1e-3  # of the Huber loss
STARTS = [(a, e, alpha) for a in (0.0, 2.0, 4.0) for e in (-2.0, 1.0, 3.0) for alpha in (0.1, 0.5, 1.0)]
RESAMPLES = 200
LEVEL = 0.95
LEAST_STEP = 1.25  # of the largest predicted cost over the largest fitted one
PREFIXES = ("tf_", "legacy_", "dm_", "test_")  # of timm's names, that are no family


@dataclass(frozen=True)
class RealCurve:
    """Errors that others measured along a cost."""

    source: str
    name: str
    cost_name: str
    cost: np.ndarray
    error: np.ndarray  # percent


def family_of(model: str) -> tuple[str, str]:
    """Family and training recipe of a model of timm: `regnetx`, `pycls_in1k`."""
    architecture, _, recipe = model.partition(".")
    for prefix in PREFIXES:
        architecture = architecture.removeprefix(prefix)
    found = re.match(r"[a-z]+?(v\d+)?(?=[\d_]|$)", architecture)
    return found[0] if found else architecture, recipe


def timm_curves(results: Path, costs: Path | None) -> list[RealCurve]:
    """Families of timm, one training recipe each; each architecture once, at the smallest image size of the table.

    MACs come from a table of benchmarks, by architecture and image size.
    """
    macs = {}
    if costs is not None:
        macs = {(row["model"], row["infer_img_size"]): number(row["infer_gmacs"]) for row in rows_of(costs)}
    smallest: dict[str, dict[str, str]] = {}
    for row in rows_of(results):
        known = smallest.get(row["model"])
        if known is None or number(row["img_size"]) < number(known["img_size"]):
            smallest[row["model"]] = row
    families: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for model, row in smallest.items():
        architecture, size = model.partition(".")[0], row["img_size"]
        gmacs = macs.get((architecture, size), macs.get((model, size), math.nan))
        families[family_of(model)].append((number(row["param_count"]), gmacs, number(row["top1_err"])))
    curves = []
    for (family, recipe), found in families.items():
        params, gmacs, error = np.array(found).T
        curves.append(RealCurve("timm", f"{family}.{recipe}", "parameters", params, error))
        if np.isfinite(gmacs).any():
            curves.append(RealCurve("timm", f"{family}.{recipe}", "MACs", gmacs, error))
    return curves


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float:
    return float(text.replace(",", ""))


def learning_curves() -> list[RealCurve]:
    return [
        RealCurve("learning curves", name, "images seen", np.array(seen), 100 * np.array(error))
        for name, (seen, error) in LEARNING_CURVES.items()
    ]


@dataclass(frozen=True)
class HuberLaw:
    """error = exp(e) + exp(a) · (cost / reference)^−alpha."""

    a: float
    e: float
    alpha: float
    reference: float

    def log_at(self, cost: np.ndarray) -> np.ndarray:
        return np.logaddexp(self.e, self.a - self.alpha * np.log(cost / self.reference))


def huber_law(cost: np.ndarray, error: np.ndarray, starts: Sequence[tuple[float, float, float]] = STARTS) -> HuberLaw:
    """Minimise the Huber loss of log error by L-BFGS from a grid of starts, and take the best (Hoffmann et al. 2022).

    Besiroglu et al. (2024) found that the loss must be summed, not averaged, or the optimiser stops too early.
    """
    reference = math.exp(float(np.log(cost).mean()))
    x, y = np.log(cost / reference), np.log(error)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        a, e, alpha = theta
        upper = a - alpha * x
        log_law = np.logaddexp(e, upper)
        share, residual = np.exp(upper - log_law), log_law - y
        slope = np.clip(residual, -DELTA, DELTA)
        gradient = np.array([slope @ share, slope @ (1 - share), slope @ (-share * x)])
        return float(special.huber(DELTA, residual).sum()) / DELTA, gradient / DELTA

    found = [optimize.minimize(loss, start, jac=True, method="L-BFGS-B") for start in starts]
    best = min(found, key=lambda result: result.fun)
    a, e, alpha = map(float, best.x)
    return HuberLaw(a, e, alpha, reference)


def huber_band(
    law: HuberLaw, fitted: tuple[np.ndarray, np.ndarray], at: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of a bootstrap interval for new cells: cells are drawn anew, and each prediction gets a drawn residual."""
    cost, error = fitted
    residual = np.log(error) - law.log_at(cost)
    start = [(law.a, law.e, law.alpha)]
    drawn = np.empty((RESAMPLES, len(at)))
    for row in drawn:
        places = rng.integers(0, len(cost), len(cost))
        again = huber_law(cost[places], error[places], start)
        row[:] = again.log_at(at) + rng.choice(residual, len(at))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return np.exp(low), np.exp(high)


def row_of(curve: RealCurve) -> dict[str, Any] | None:
    """Predict the largest third of a curve in both ways; None where that is no task.

    The smaller two thirds must be enough for a law, and the largest third must reach beyond them.
    """
    ours = predict_largest(curve.cost, curve.error, LEVEL)
    if not isinstance(ours, HeldOut) or ours.cost.max() < LEAST_STEP * ours.until:
        return None
    fitted = np.isfinite(curve.cost) & (curve.cost <= ours.until)
    law = huber_law(curve.cost[fitted], curve.error[fitted])
    rng = np.random.default_rng(zlib.crc32(f"{curve.name} {curve.cost_name}".encode()))
    low, high = huber_band(law, (curve.cost[fitted], curve.error[fitted]), ours.cost, rng)
    huber = np.exp(law.log_at(ours.cost))

    def result(predicted: np.ndarray, ends: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
        inside = (ends[0] <= ours.measured) & (ours.measured <= ends[1])
        error = np.abs(predicted / ours.measured - 1)
        width = (ends[1] - ends[0]) / ours.measured
        return {
            "inside": int(inside.sum()),
            "errors": [round(float(value), 5) for value in error],
            "width": round(float(np.median(width)), 5),
        }

    return {
        "source": curve.source,
        "curve": curve.name,
        "cost": curve.cost_name,
        "fitted": int(fitted.sum()),
        "predicted": len(ours.cost),
        "times": round(float(ours.cost.max() / ours.until), 2),
        "ours": result(ours.predicted, (ours.low, ours.high)),
        "huber": result(huber, (low, high)),
    }


HEAD = [
    "| curves | curves, points predicted | inside, ours | inside, Huber | median error, ours | median error, Huber |"
    " median width, ours | median width, Huber |",
    "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
]


def table_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The lines of the document: a row for each source and cost, and one for all."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        kinds[f"{row['source']}, along {row['cost']}"].append(row)
    lines = [line_of(title, members) for title, members in kinds.items()]
    lines.append(line_of("all", rows))
    return [*HEAD, *lines]


def line_of(title: str, rows: Sequence[dict[str, Any]]) -> str:
    points = sum(row["predicted"] for row in rows)
    cells = [title, f"{len(rows)}, {points}"]
    cells += [f"{100 * sum(row[way]['inside'] for row in rows) / points:.0f} %" for way in ("ours", "huber")]
    for measure in ("errors", "width"):
        for way in ("ours", "huber"):
            values = np.concatenate([np.atleast_1d(row[way][measure]) for row in rows])
            cells.append(f"{100 * float(np.median(values)):.1f} %")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", help="timm's table of accuracies")
    parser.add_argument("costs", type=Path, nargs="?", help="timm's table of inference benchmarks, for MACs")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", type=Path, metavar="DOCUMENT", help="write the rows of --out into this document")
    options = parser.parse_args()
    if options.table:
        write_table(options.table, NAME, table_of(json.loads(options.out.read_text(encoding="utf-8"))))
        return
    curves = learning_curves()
    if options.results is None:
        print("no table of timm was given: the learning curves alone are tried")
    else:
        curves += timm_curves(options.results, options.costs)
    found = [row_of(curve) for curve in curves]
    rows = [row for row in found if row is not None]
    options.out.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print("\n".join(table_of(rows)))
    print(f"{len(rows)} of {len(curves)} curves have enough costs for a law; written to {options.out}")


if __name__ == "__main__":
    main()
