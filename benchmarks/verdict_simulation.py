"""Check the verdicts on simulated studies with known truth: coverage, false winners, power, advice.

    python benchmarks/verdict_simulation.py [--studies 2000]

Prints the tables of docs/statistics.md: the paired verdict, the difference at equal cost, the test images, fronts. In
the first, the difference in cell i with seed j is effect + b_i + e_ij with b ~ N(0, τ²) and e ~ N(0, 2 · 0.3²), hence
a seed deviation of 0.3 points in each arm. All seeds are fixed.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scaling.statistics import MARGIN
from scaling.statistics.intervals import MeanInterval, mean_interval
from scaling.statistics.paired import compare
from scaling.statistics.verdict import judge

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.support.known_truth import (  # pyright: ignore[reportMissingImports] # of the tests, which check the same
    Design,
    equal_cost_shares,
    front_shares,
    image_shares,
)

SEED_SD = 0.3  # points, of one trial


@dataclass(frozen=True)
class Setting:
    """Parameters of the simulated studies; deviations and effects in percentage points."""

    name: str
    cells: int
    seeds: int
    cell_sd: float = 0.0  # τ
    effect: float = 0.0
    heavy: bool = False  # seed noise from Student's t with 3 degrees of freedom instead of a normal distribution
    uneven: bool = False  # seed deviations from 0.1 to 0.9 points, by cell
    lost: float = 0.0  # fraction of trials that failed
    images: int | None = None  # number of test images to which accuracies are rounded


SETTINGS = [
    Setting("default study", 6, 3),
    Setting("default study, cells differ", 6, 3, cell_sd=0.5),
    Setting("two cells", 2, 3, cell_sd=0.3),
    Setting("three cells", 3, 3, cell_sd=0.3),
    Setting("twelve cells, five seeds", 12, 5, cell_sd=0.3),
    Setting("one seed", 10, 1, cell_sd=0.3),
    Setting("heavy tails", 6, 3, cell_sd=0.3, heavy=True),
    Setting("uneven seed noise", 6, 3, cell_sd=0.3, uneven=True),
    Setting("a fifth of trials lost", 6, 3, cell_sd=0.3, lost=0.2),
    Setting("360 test images", 6, 3, images=360),
    Setting("effect 0.5, one seed", 10, 1, effect=0.5),
    Setting("effect 0.5", 6, 3, effect=0.5),
    Setting("effect 0.5, cells differ", 6, 3, cell_sd=0.5, effect=0.5),
    Setting("effect 0.05", 24, 5, effect=0.05),
]


def simulate(setting: Setting, rng: np.random.Generator) -> pd.DataFrame:
    """Return one study as a table of trials."""
    shape = (setting.cells, 2, setting.seeds)
    sd = np.linspace(0.1, 0.9, setting.cells)[:, None, None] if setting.uneven else SEED_SD
    noise = stats.t.rvs(3, size=shape, random_state=rng) / math.sqrt(3) if setting.heavy else rng.normal(size=shape)
    base = np.linspace(60, 90, setting.cells)[:, None, None]
    effect = (setting.effect + rng.normal(0, setting.cell_sd, setting.cells))[:, None, None]
    accuracy = base + effect * np.array([0, 1])[None, :, None] + sd * noise
    if setting.images:
        accuracy = np.round(accuracy * setting.images / 100) * 100 / setting.images
    cells = [f"cell {i}" for i in range(setting.cells)]
    index = pd.MultiIndex.from_product([cells, ["a", "b"], range(setting.seeds)], names=["cell", "arm", "seed"])
    table = pd.DataFrame({"test_accuracy": accuracy.ravel()}, index=index).reset_index()
    return table.assign(status=np.where(rng.random(len(table)) < setting.lost, "failed", "finished"))


def naive(setting: Setting, table: pd.DataFrame) -> MeanInterval:
    """Return the wrong interval, which treats all pairs as independent and ignores the cells."""
    return mean_interval(compare(table, "a", "b").pairs["difference"].to_numpy(), 0.95)


DESIGNS = [
    Design("three cells", cells=3, cell_sd=0.3),
    Design("four cells", cells=4, cell_sd=0.3),
    Design("default study"),
    Design("cells differ", cell_sd=0.5),
    Design("shapes differ much", shape_sd=2.0),
    Design("heavy tails", heavy=True),
    Design("uneven seed noise", uneven=True),
    Design("one seed", cells=10, seeds=1, cell_sd=0.3),
    Design("arm 65 % more expensive", cells=12, extra_cost=0.5, cell_sd=0.3),
    Design("arms have cells of their own", cells=12, unpaired=True),
    Design("forty cells, one seed", cells=40, seeds=1, cell_sd=0.3, shape_sd=1.0),
    Design("two hundred cells, one seed", cells=200, seeds=1, cell_sd=0.3, shape_sd=1.0),
    Design("effect 0.5", effect=0.5),
    Design("effect grows with size", cells=12, effect=0.5, slope=0.1, cell_sd=0.2),
]


def percent(*shares: float) -> str:
    return " | ".join("–" if math.isnan(share) else f"{100 * share:.1f} %" for share in shares)


def equal_cost(studies: int) -> None:
    """Print the difference at equal cost: band, mean, and a bootstrap over cells for comparison."""
    print(
        "\n| studies | cells × seeds | τ | effect | band covers | mean covers | band differs | mean differs |"
        " bootstrap |"
    )
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for number, design in enumerate(DESIGNS):
        shares = equal_cost_shares(design, studies, seed=number, naive=min(studies, 1000) if design.cells <= 40 else 0)
        numbers = percent(
            shares.band_covers, shares.mean_covers, shares.band_differs, shares.mean_differs, shares.naive_covers
        )
        size = f"{design.cells} × {design.seeds}"
        print(f"| {design.name} | {size} | {design.cell_sd:g} | {design.effect:g} | {numbers} |", flush=True)


def images(studies: int) -> None:
    """Print the coverage when the test set is a sample of images."""
    print("\n| cells × seeds | images | arms differ by image (points) | covers | without the images' share |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for number, (cells, sd) in enumerate([(4, 10.0), (6, 0.0), (6, 10.0), (12, 10.0), (12, 20.0)]):
        shares = image_shares(cells, 3, 360, sd, studies, seed=number)
        print(f"| {cells} × 3 | 360 | {sd:g} | {percent(shares.covers, shares.covers_without)} |", flush=True)


def fronts(studies: int) -> None:
    """Print the coverage of hypervolumes and the calibration of the front probabilities."""
    print(
        "\n| cells × seeds | effect | volume covers | difference covers | differs | P ≥ 95 % and on it | calibration |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | :--- |")
    settings = [(6, 3, 0.0, 1.0), (6, 2, 0.0, 1.0), (12, 3, 0.0, 1.0), (12, 5, 0.3, 0.3), (30, 3, 0.0, 1.0)]
    for number, (cells, seeds, effect, shape) in enumerate(settings):
        shares = front_shares(cells, seeds, effect, 0.05 if effect else 0.0, shape, studies, seed=number)
        numbers = percent(
            shares.volume_covers, shares.difference_covers, shares.difference_differs, shares.sure_are_right
        )
        said = ", ".join(f"{100 * given:.0f} → {100 * found:.0f}" for given, found, _ in shares.calibration)
        print(f"| {cells} × {seeds} | {effect:g} | {numbers} | {said} |", flush=True)


PARTS = {"equal-cost": equal_cost, "images": images, "fronts": fronts}


def paired(studies: int) -> None:
    """Print the verdicts over paired cells."""
    print("| studies | cells × seeds | τ | effect | covers | covers, pairs as units | better | worse | equal |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for number, setting in enumerate(SETTINGS):
        rng = np.random.default_rng(number)
        covered = covered_naively = 0
        kinds: list[str] = []
        for _ in range(studies):
            table = simulate(setting, rng)
            resolution = 100 / setting.images if setting.images else 0.0
            interval = compare(table, "a", "b", resolution=resolution).difference
            wrong = naive(setting, table)
            covered += interval.low <= setting.effect <= interval.high
            covered_naively += wrong.low <= setting.effect <= wrong.high
            kinds.append(judge(interval, MARGIN))
        shares = [f"{100 * count / studies:.1f} %" for count in (covered, covered_naively)]
        shares += [f"{100 * kinds.count(kind) / studies:.1f} %" for kind in ("better", "worse", "practically equal")]
        size = f"{setting.cells} × {setting.seeds}"
        print(
            f"| {setting.name} | {size} | {setting.cell_sd:g} | {setting.effect:g} | {' | '.join(shares)} |", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="simulated studies per setting")
    parser.add_argument("--part", choices=["paired", *PARTS], help="print this table only; default: all")
    options = parser.parse_args()
    for name, show in {"paired": paired, **PARTS}.items():
        if options.part in (None, name):
            show(options.studies)


if __name__ == "__main__":
    main()
