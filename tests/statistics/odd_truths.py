"""Further studies whose truth is known: odd designs, scores that are odd, noise that a t interval does not expect."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scaling.statistics.comparison import VerdictSettings
from tests.statistics.truths import (
    LOST,
    SD,
    Alter,
    Course,
    Noise,
    Rng,
    Study,
    Truth,
    alternating,
    counted,
    crossed,
    falling,
    flat,
    growing,
    heavy,
    hockey,
    lowest_lost,
    normal,
    ragged,
    shared_by_seed,
    some_lost,
    uneven,
)

# Noise


def correlated(r: float) -> Noise:
    """The arms of a cell and repetition move together (r > 0) or against each other."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        first, second = rng.normal(0, SD, (2, *shape[1:]))
        return np.stack([first, r * first + math.sqrt(1 - r**2) * second])

    return draw


def centred(draw_one: Callable[[Rng, tuple[int, ...]], np.ndarray], mean: float, sd: float, both: bool = True) -> Noise:
    """Noise of a given shape as noise of mean 0 and the usual standard deviation, in both arms or in the arm alone."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        odd = SD * (draw_one(rng, shape) - mean) / sd
        if not both:
            odd[0] = rng.normal(0, SD, shape[1:])
        return odd

    return draw


def lognormal(both: bool) -> Noise:
    """Long towards low scores: minus a lognormal of shape 1."""
    mean, sd = -math.exp(0.5), math.sqrt((math.e - 1) * math.e)
    return centred(lambda rng, shape: -rng.lognormal(0, 1, shape), mean, sd, both)


def two_peaks() -> Noise:
    """Half of the runs find a better solution than the other half."""
    return centred(lambda rng, shape: rng.integers(0, 2, shape) + rng.normal(0, 0.1, shape), 0.5, math.sqrt(0.26))


def arm_collapses(share: float, by: float) -> Noise:
    """A share of the arm's runs loses so many points; what that costs on average is part of no difference."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(0, SD, shape)
        noise[1] += by * share - by * (rng.random(shape[1:]) < share)
        return noise

    return draw


def noisier_where_single(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    """The last half of the cells, which `half_single` leaves one repetition, is three times as noisy."""
    return rng.normal(0, SD, shape) * np.where(np.arange(shape[1]) < shape[1] // 2, 1, 3)[:, None]


# What happens to a study


def half_single(rng: Rng, study: Study) -> Study:
    """The more expensive half of the cells has one repetition."""
    cells, repetitions = study.contrast.arm.shape
    kept = (np.arange(cells)[:, None] < cells // 2) | (np.arange(repetitions) == 0)
    return planned(study, kept)


def planned(study: Study, kept: np.ndarray) -> Study:
    """Some of the runs were planned only: the others are not lost."""
    none = np.zeros(kept.shape, dtype=bool)
    arm, baseline = (np.where(kept, a, math.nan) for a in (study.contrast.arm, study.contrast.baseline))
    changed = replace(study.contrast, arm=arm, baseline=baseline, arm_lost=none, baseline_lost=none)
    return replace(study, contrast=changed)


def without_arm(share: float) -> Alter:
    """The arm was not run in some of the cells."""

    def alter(rng: Rng, study: Study) -> Study:
        gone = rng.permutation(len(study.cells)) < round(share * len(study.cells))
        arm = np.where(gone[:, None], math.nan, study.contrast.arm)
        none = np.zeros(arm.shape, dtype=bool)
        return replace(study, contrast=replace(study.contrast, arm=arm, arm_lost=none, baseline_lost=none))

    return alter


def costing(cost: Callable[[int], np.ndarray | None]) -> Alter:
    """Cells have other costs."""
    return lambda rng, study: replace(study, contrast=replace(study.contrast, cost=cost(len(study.cells))))


def in_pairs(cells: int) -> np.ndarray:
    return np.repeat(np.geomspace(3e5, 3e7, (cells + 1) // 2), 2)[:cells]


def one_huge(cells: int) -> np.ndarray:
    return np.append(np.geomspace(3e5, 6e5, cells - 1), 3e8)


def never_trained(rng: Rng, study: Study) -> Study:
    """The arm never finishes in the most expensive cell."""
    arm = study.contrast.arm.copy()
    arm[-1] = math.nan
    return replace(study, contrast=replace(study.contrast, arm=arm))


def arm_lost_at_random(share: float) -> Alter:
    def alter(rng: Rng, study: Study) -> Study:
        arm = np.where(rng.random(study.contrast.arm.shape) < share, math.nan, study.contrast.arm)
        return replace(study, contrast=replace(study.contrast, arm=arm))

    return alter


def no_corner(rng: Rng, study: Study) -> Study:
    """The cell of both highest levels was too expensive to run."""
    contrast, kept = study.contrast, np.arange(len(study.cells) - 1)
    assert contrast.cost is not None
    smaller = replace(
        contrast,
        baseline=contrast.baseline[kept],
        arm=contrast.arm[kept],
        names=list(contrast.names[:-1]),
        cost=np.asarray(contrast.cost)[kept],
        axes={name: np.asarray(values)[kept] for name, values in contrast.axes.items()},
    )
    return Study(smaller, study.cells[kept], study.course[kept])


# Differences


def wave(by: float) -> Course:
    return lambda place: by * np.sin(2 * math.pi * place)


def wandering(by: float) -> Callable[[Rng, int], np.ndarray]:
    """A random walk along size."""
    return lambda rng, cells: np.cumsum(rng.normal(0, by, cells))


def by_depth(depths: int, widths: int, sd: float) -> Callable[[Rng, int], np.ndarray]:
    """Each depth has an effect of its own, and width has none."""
    return lambda rng, cells: np.repeat(rng.normal(0, sd, depths), widths)


SKEW = "limit: luck that is skewed in one arm"
ALIKE = "limit: cells that differ by a little more than the margin, in no order of size"

ODD_TRUTHS = [
    *[Truth(f"no difference, {c} × {s}", c, s) for c, s in ((1, 2), (2, 1), (3, 1), (4, 2), (5, 1), (8, 3), (9, 2))],
    *[Truth(f"no difference, {c} × {s}", c, s) for c, s in ((2, 10), (6, 10), (200, 1), (200, 3))],
    Truth("cells differ by 0.3, 200 × 3", 200, 3, spread=0.3),
    Truth("cells differ by 1, 6 × 10", 6, 10, spread=1.0),
    Truth("grows from 0 to 1, 8 × 1", 8, 1, growing),
    Truth("grows from −1 to 1 in eight steps, 8 × 2", 8, 2, lambda place: 2 * place - 1),
    Truth("wave of ± 0.5, 12 × 3", 12, 3, wave(0.5), claims_beyond=False),
    Truth("random walk along size, 12 × 3", 12, 3, pattern=wandering(0.2), claims_beyond=False),
    *[
        Truth(f"alternating ± {by}, {c} × {s}", c, s, pattern=alternating(by), claims_beyond=False, note=note)
        for by, c, s, note in ((0.21, 12, 3, ALIKE), (0.25, 24, 3, ALIKE), (0.25, 24, 10, ""), (0.3, 12, 5, ""))
    ],
    Truth("grid 4 × 3 without a corner, axis effects", 12, 3, pattern=crossed(4, 3, 0.3), axes=(4, 3),
          alter=no_corner, claims_beyond=False),
    Truth("grid 2 × 6, depth alone matters", 12, 3, pattern=by_depth(2, 6, 0.3), axes=(2, 6), claims_beyond=False),
    Truth("costs equal in pairs, crossing by 0.5, 12 × 3", 12, 3, lambda place: 2 * place - 1,
          alter=costing(in_pairs), claims_beyond=False),
    Truth("costs unknown, cells differ by 0.3, 12 × 3", 12, 3, spread=0.3, alter=costing(lambda cells: None),
          note=ALIKE),
    Truth("costs all equal, no difference, 12 × 3", 12, 3, alter=costing(lambda cells: np.full(cells, 1e6))),
    Truth("one huge cell, which is 3 better, 9 × 3", 9, 3, lambda place: 3 * (place == 1), alter=costing(one_huge),
          claims_beyond=False),
    Truth("arms move together, 6 × 3", 6, 3, noise=correlated(0.9)),
    Truth("arms move against each other, 6 × 3", 6, 3, noise=correlated(-0.9)),
    Truth("noise grows with size, 12 × 3", 12, 3, noise=falling(1 / 3)),
    Truth("noise uneven twelvefold over cells, 3 × 3", 3, 3, noise=uneven(12),
          note="limit: one cell's variance, on 2 degrees of freedom, decides"),
    Truth("noise uneven twelvefold over cells, 24 × 1", 24, 1, noise=uneven(12)),
    Truth("heavy tails, 12 × 2", 12, 2, noise=heavy()),
    Truth("two peaks, 6 × 3", 6, 3, noise=two_peaks()),
    Truth("lognormal in both arms, 12 × 3", 12, 3, noise=lognormal(True)),
    Truth("lognormal in the arm alone, 6 × 3", 6, 3, noise=lognormal(False), note=SKEW),
    Truth("lognormal in the arm alone, 12 × 5", 12, 5, noise=lognormal(False), note=SKEW),
    Truth("10 % of the arm's runs collapse by 3, 12 × 3", 12, 3, noise=arm_collapses(0.1, 3.0),
          note="limit: collapses that most studies see once or never", claims_beyond=False),
    Truth("1 to 10 repetitions, noise uneven twelvefold, 12 cells", 12, 10, noise=uneven(12), alter=ragged),
    Truth("half of the cells once, 12 × 3", 12, 3, spread=0.3, alter=half_single),
    Truth("half of the cells once and three times as noisy, 12 × 3", 12, 3, noise=noisier_where_single,
          alter=half_single, note="limit: nothing shows how noisy cells are that were run once", claims_beyond=False),
    Truth("arm missing in a third of the cells, 12 × 3", 12, 3, spread=0.3, alter=without_arm(1 / 3)),
    Truth("arm never trains in one cell, 6 × 3", 6, 3, flat(0.4), alter=never_trained),
    Truth("a fifth of the arm's runs lost at random, +0.4, 12 × 3", 12, 3, flat(0.4), alter=arm_lost_at_random(0.2)),
    *[
        Truth(f"lowest {q:.0%} of the baseline lost, {c} × {s}".replace("%", " %"), c, s,
              alter=lowest_lost(q, of_arm=False), claims_here=False, note=LOST)
        for q, c, s in ((0.1, 12, 3), (0.1, 24, 1), (0.25, 12, 3))
    ],
    Truth("half of all runs lost, 12 × 4", 12, 4, alter=some_lost(0.5)),
    Truth("shared seeds without an effect, 6 × 5", 6, 5, settings=VerdictSettings(shared_seeds=True)),
    Truth("shared seeds, a tenth lost, 12 × 5", 12, 5, noise=shared_by_seed(0.3), alter=some_lost(0.1),
          settings=VerdictSettings(shared_seeds=True)),
    Truth("50 test images, 6 × 3", 6, 3, alter=counted(50), settings=VerdictSettings(images=50)),
    Truth("50 test images, 24 × 5", 24, 5, alter=counted(50), settings=VerdictSettings(images=50)),
    Truth("1000 test images, luck under one image, 6 × 3", 6, 3, noise=normal(0.02), alter=counted(1000),
          settings=VerdictSettings(images=1000)),
    Truth("scores near 0, 12 × 3", 12, 3, noise=normal(0.05), base=(0.5, 2.0)),
    Truth("scores near 0, +0.1, 12 × 3", 12, 3, flat(0.1), noise=normal(0.05), base=(0.5, 2.0)),
    Truth("99.9 to 99.99 %, half the errors, 12 × 3", 12, 3, lambda place: (0.1 - 0.09 * place) / 2,
          noise=normal(0.005), base=(99.9, 99.99)),
    Truth("hockey stick, 15 × 1", 15, 1, hockey, claims_beyond=False),
    Truth("at the margin, 50 × 1", 50, 1, flat(0.21)),
]  # fmt: skip
