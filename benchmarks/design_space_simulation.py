"""How honest the statistics of design spaces are, on simulated studies whose truth is known.

python benchmarks/design_space_simulation.py            # the table of docs/design_spaces.md; about a minute
"""

import math

import numpy as np

from scaling.statistics.distributions import Distribution, Separation, distribution, separation
from scaling.statistics.ranks import agreement

STUDIES = 2000


def holds(band: Distribution) -> bool:
    """Whether a band holds the uniform distribution everywhere."""
    truth = band.errors / 100
    off = np.maximum(np.abs(band.share - truth), np.abs(np.r_[0, band.share[:-1]] - truth))
    return bool((off <= band.half_width).all())


def percent_held(cells: int, spread: float, rng: np.random.Generator) -> float:
    """Percent of bands that hold; weights from 1 − spread to 1."""
    count = 0
    for _ in range(STUDIES):
        found = distribution(rng.uniform(0, 100, cells), rng.uniform(1 - spread, 1, cells), 0.95)
        assert isinstance(found, Distribution)
        count += holds(found)
    return 100 * count / STUDIES


def false_alarms(cells: int, shared: float, rng: np.random.Generator) -> float:
    """Percent of studies called different whose arms are alike; `shared`: deviation of what a cell gives to both."""
    count = 0
    for _ in range(STUDIES):
        common = rng.normal(0, shared, cells)
        one, other = (common + rng.normal(0, 1, cells) for _ in range(2))
        found = separation(one, other, (np.ones(cells), np.ones(cells)), rng)
        assert isinstance(found, Separation)
        count += found.p_value <= 0.05
    return 100 * count / STUDIES


def tau_cover(models: int, rho: float, rng: np.random.Generator) -> float:
    """Percent of intervals that hold the true τ of two normal costs with correlation `rho`."""
    truth, count = 2 / math.pi * math.asin(rho), 0
    for _ in range(STUDIES):
        both = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=models)
        found = agreement(both[:, 0], both[:, 1], 0.95)
        count += found.low <= truth <= found.high
    return 100 * count / STUDIES


def main() -> None:
    rng = np.random.default_rng(0)
    heads = [
        "cells",
        "bands hold",
        "under weights 0.3 to 1",
        "alike, called different",
        "τ 0",
        "τ 0.33",
        "τ 0.59",
        "τ 0.80",
    ]
    print(f"| {' | '.join(heads)} |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for cells in (6, 12, 30, 100):
        numbers = [
            percent_held(cells, 0.0, rng),
            percent_held(cells, 0.7, rng),
            false_alarms(cells, 5.0, rng),
            *(tau_cover(cells, rho, rng) for rho in (0.0, 0.5, 0.8, 0.95)),
        ]
        print(f"| {cells} | {' | '.join(f'{number:.1f} %' for number in numbers)} |")


if __name__ == "__main__":
    main()
