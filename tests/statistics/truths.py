"""Studies whose truth is known, most of which the verdict's own model does not generate.

Courses of the difference over size, cells that differ at random or in patterns, and noise of many shapes; what it is
that a verdict must not say follows from the true differences of the cells.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from scaling.statistics.comparison import Assessment, VerdictSettings, assess
from scaling.statistics.contrast import Contrast
from scaling.statistics.kinds import Kind

SD = 0.3  # points, of one trial
Rng = np.random.Generator
Noise = Callable[[Rng, tuple[int, ...]], np.ndarray]  # of (arms, cells, repetitions)
Course = Callable[[np.ndarray], np.ndarray]  # true difference at places from 0 (cheapest) to 1
Alter = Callable[[Rng, "Study"], "Study"]


@dataclass(frozen=True)
class Study:
    """One simulated study with what is true of it."""

    contrast: Contrast
    cells: np.ndarray  # (cells,) true difference of each cell that was run
    course: np.ndarray  # (cells,) of an average model of that size


@dataclass(frozen=True)
class Truth:
    """Studies of one kind."""

    name: str
    cells: int
    repetitions: int
    course: Course = lambda place: 0 * place
    spread: float = 0.0  # by which cells differ at random, points
    noise: Noise | None = None
    alter: Alter | None = None
    axes: tuple[int, int] | None = None  # levels of depth and width, of a grid
    pattern: Callable[[Rng, int], np.ndarray] | None = None  # differences of single cells that no course explains
    settings: VerdictSettings = field(default_factory=VerdictSettings)
    base: tuple[float, float] = (60.0, 85.0)  # accuracy at both ends
    claims_beyond: bool = True  # whether the course and scatter are such that BEYOND claims to hold
    claims_here: bool = True  # false where low runs are lost, which takes away what both rest on
    note: str = ""  # why a rate is not what is claimed elsewhere

    def draw(self, rng: Rng) -> Study:
        """One study."""
        place = np.linspace(0, 1, self.cells)
        course = np.asarray(self.course(place), dtype=float)
        cells = course + rng.normal(0, self.spread, self.cells)
        if self.pattern is not None:
            cells = cells + self.pattern(rng, self.cells)
        noise = (self.noise or normal())(rng, (2, self.cells, self.repetitions))
        base = np.linspace(*self.base, self.cells)[:, None] + noise[0]
        arm = np.linspace(*self.base, self.cells)[:, None] + cells[:, None] + noise[1]
        axes: dict[str, np.ndarray] = {}
        if self.axes:
            depths, widths = (2.0 ** np.arange(levels) for levels in self.axes)
            axes = {"depth": np.repeat(depths, len(widths)), "width": np.tile(widths, len(depths))}
        cost = np.geomspace(3e5, 3e7, self.cells)
        names = [f"cell {i:02}" for i in range(self.cells)]
        study = Study(Contrast(base, arm, names, cost, axes), cells, course)
        return self.alter(rng, study) if self.alter else study


@dataclass(frozen=True)
class Rates:
    """What became of many studies of one truth; shares from 0 to 1, NaN where there is no such thing."""

    name: str
    studies: int
    here: float  # share of intervals HERE that hold the mean of the cells' true differences
    beyond: float  # share of intervals BEYOND that hold the mean of the course
    false: float  # share with any wrong kind
    kinds: Mapping[str, float]


def run(truth: Truth, studies: int, seed: int = 0) -> Rates:
    """Judge many studies of a truth."""
    rng = np.random.default_rng(seed)
    kinds: Counter[str] = Counter()
    here, beyond, false = [], [], 0
    for _ in range(studies):
        study = truth.draw(rng)
        found = assess(study.contrast, truth.settings)
        kinds[str(found.kind)] += 1
        false += is_false(found, study)
        chosen = study.contrast.paired()
        if found.here.is_known and truth.claims_here:
            here.append(found.here.low <= study.cells[chosen].mean() <= found.here.high)
        if found.beyond is not None and truth.claims_beyond and truth.claims_here:
            beyond.append(found.beyond.low <= study.course[chosen].mean() <= found.beyond.high)
    return Rates(truth.name, studies, _share(here), _share(beyond), false / studies, shares(kinds, studies))


def shares(kinds: Counter[str], studies: int) -> dict[str, float]:
    return {kind: count / studies for kind, count in sorted(kinds.items())}


def _share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan


def is_false(found: Assessment, study: Study) -> bool:
    """Whether the kind says what is not so."""
    places = {name: place for place, name in enumerate(study.contrast.names)}
    chosen = study.contrast.paired()
    mean = float(study.cells[chosen].mean()) if len(chosen) else math.nan
    members = [[places[name] for name in part.cells] for part in found.parts]

    def signs(values: np.ndarray) -> bool:
        means = [values[part].mean() for part in members]
        return min(means) < 0 < max(means)

    if found.kind is Kind.BETTER:
        return mean <= 1e-12
    if found.kind is Kind.WORSE:
        return mean >= -1e-12
    if found.kind is Kind.BY_SIZE:
        return not signs(study.course)
    if found.kind is Kind.MIXED:
        return not signs(study.cells)
    if found.kind is Kind.EQUAL:
        parts = math.sqrt(sum(len(part) * study.cells[part].mean() ** 2 for part in members) / len(chosen))
        is_repeated = found.estimate is not None and found.estimate.cells.is_repeated
        single = math.sqrt(float((study.cells[chosen] ** 2).mean())) if is_repeated else 0.0
        return max(abs(mean), parts, single) > found.margin + 1e-12
    return False


# Noise


def normal(sd: float = SD) -> Noise:
    return lambda rng, shape: rng.normal(0, sd, shape)


def uneven(ratio: float) -> Noise:
    """Standard deviations from the smallest to `ratio` times as much, over the cells in random order."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        sd = np.geomspace(1, ratio, shape[1])
        sd *= SD / math.sqrt(float((sd**2).mean()))
        return rng.normal(0, 1, shape) * rng.permutation(sd)[:, None]

    return draw


def falling(ratio: float) -> Noise:
    """Standard deviations that fall with size."""
    return lambda rng, shape: rng.normal(0, 1, shape) * SD * np.geomspace(ratio, 1 / ratio, shape[1])[:, None]


def noisier_baseline(ratio: float) -> Noise:
    return lambda rng, shape: rng.normal(0, SD, shape) * np.array([ratio, 1.0])[:, None, None]


def heavy() -> Noise:
    """Student's t with 3 degrees of freedom."""
    return lambda rng, shape: SD * rng.standard_t(3, shape) / math.sqrt(3)


def skewed() -> Noise:
    """Exponential, long towards low accuracies, in the arm alone."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(0, SD, shape)
        noise[1] = SD * (1 - rng.exponential(1, shape[1:]))
        return noise

    return draw


def collapsing(share: float, by: float) -> Noise:
    """A share of the runs of both arms loses so many points."""
    return lambda rng, shape: rng.normal(0, SD, shape) - by * (rng.random(shape) < share)


def shared_by_seed(sd: float) -> Noise:
    """Seeds that all cells share move the arm by as much everywhere."""

    def draw(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
        noise = rng.normal(0, SD, shape)
        noise[1] += rng.normal(0, sd, shape[2])
        return noise

    return draw


# What happens to a study


def lowest_lost(share: float, of_arm: bool = True) -> Alter:
    """The lowest runs of one of the arms, against their cell's true mean, end without a score."""

    def alter(rng: Rng, study: Study) -> Study:
        contrast = study.contrast
        level = np.linspace(60, 85, len(study.cells)) + (study.cells if of_arm else 0)
        scores = contrast.arm if of_arm else contrast.baseline
        luck = scores - level[:, None]
        kept = np.where(luck <= np.quantile(luck, share), math.nan, scores)
        changed = replace(contrast, arm=kept) if of_arm else replace(contrast, baseline=kept)
        return replace(study, contrast=changed)

    return alter


def some_lost(share: float) -> Alter:
    """Runs of both arms end without a score, whatever they would have had."""

    def alter(rng: Rng, study: Study) -> Study:
        gone = [
            np.where(rng.random(a.shape) < share, math.nan, a) for a in (study.contrast.baseline, study.contrast.arm)
        ]
        return replace(study, contrast=replace(study.contrast, baseline=gone[0], arm=gone[1]))

    return alter


def ragged(rng: Rng, study: Study) -> Study:
    """Each cell has its own number of repetitions, from one on."""
    most = study.contrast.arm.shape[1]
    kept = np.arange(most) < rng.integers(1, most + 1, len(study.cells))[:, None]
    none = np.zeros(kept.shape, dtype=bool)
    arm, baseline = (np.where(kept, a, math.nan) for a in (study.contrast.arm, study.contrast.baseline))
    return replace(
        study, contrast=replace(study.contrast, arm=arm, baseline=baseline, arm_lost=none, baseline_lost=none)
    )


def counted(images: int) -> Alter:
    """Accuracies are counts of so many test images."""

    def alter(rng: Rng, study: Study) -> Study:
        step = 100 / images
        a, b = (np.round(values / step) * step for values in (study.contrast.baseline, study.contrast.arm))
        return replace(study, contrast=replace(study.contrast, baseline=a, arm=b))

    return alter


# Cells that no course explains


def outliers(count: int, by: float) -> Callable[[Rng, int], np.ndarray]:
    """So many cells, chosen at random, differ by `by` points."""

    def draw(rng: Rng, cells: int) -> np.ndarray:
        values = np.zeros(cells)
        values[rng.choice(cells, count, replace=False)] = by
        return values

    return draw


def crossed(depths: int, widths: int, sd: float) -> Callable[[Rng, int], np.ndarray]:
    """Each depth and each width has an effect of its own on all its cells."""
    return lambda rng, cells: np.add.outer(rng.normal(0, sd, depths), rng.normal(0, sd, widths)).ravel()


def alternating(by: float) -> Callable[[Rng, int], np.ndarray]:
    return lambda rng, cells: by * (-1.0) ** np.arange(cells) * (cells % 2 == 0)


def growing(place: np.ndarray) -> np.ndarray:
    return place


def crossing(ends: float) -> Course:
    """From minus to plus so many points."""
    return lambda place: ends * (2 * place - 1)


def u(place: np.ndarray) -> np.ndarray:
    return 4 * (place - 0.5) ** 2 - 0.37


def hockey(place: np.ndarray) -> np.ndarray:
    return np.maximum(place - 0.7, 0) * 4


def step(place: np.ndarray) -> np.ndarray:
    return np.where(place < 0.5, 0.0, 0.8)


def flat(effect: float) -> Course:
    return lambda place: effect + 0 * place


LOST = "no interval is claimed where low runs are lost"

TRUTHS = [
    *[Truth(f"no difference, {c} × {s}", c, s) for c, s in ((1, 5), (2, 3), (3, 3), (6, 3), (12, 3), (24, 5), (50, 1))],
    *[Truth(f"cells differ by 0.3, {c} × {s}", c, s, spread=0.3) for c, s in ((6, 3), (12, 3), (24, 5), (9, 1))],
    Truth("+0.4, 6 × 3", 6, 3, flat(0.4)),
    Truth("+0.4, cells differ by 0.3, 6 × 3", 6, 3, flat(0.4), 0.3),
    Truth("+0.3, 24 × 1", 24, 1, flat(0.3)),
    Truth("at the margin, 24 × 5", 24, 5, flat(0.21)),
    Truth("grows from 0 to 1, 6 × 3", 6, 3, growing),
    Truth("grows from 0 to 1, 50 × 1", 50, 1, growing),
    *[Truth(f"crossing by {e}, {c} × {s}", c, s, crossing(e)) for e, c, s in ((0.5, 6, 3), (0.5, 24, 5), (0.8, 50, 1))],
    Truth("U, 12 × 3", 12, 3, u),
    Truth("hockey stick, 15 × 3", 15, 3, hockey, claims_beyond=False),
    Truth("step, 12 × 3", 12, 3, step, claims_beyond=False),
    Truth("alternating ± 0.4, 12 × 3", 12, 3, pattern=alternating(0.4), claims_beyond=False),
    *[
        Truth(f"grid {d} × {w}, axis effects", d * w, s, pattern=crossed(d, w, 0.3), axes=(d, w), claims_beyond=False)
        for d, w, s in ((3, 2, 3), (4, 4, 3), (2, 10, 2))
    ],
    Truth("one cell of +3, 6 × 3", 6, 3, pattern=outliers(1, 3.0), claims_beyond=False),
    Truth("a tenth of the cells at −3, 20 × 3", 20, 3, pattern=outliers(2, -3.0), claims_beyond=False),
    Truth("noise uneven twelvefold over cells, 6 × 3", 6, 3, noise=uneven(12)),
    Truth("noise uneven twelvefold over cells, 12 × 2", 12, 2, noise=uneven(12)),
    Truth("noise uneven twelvefold, +0.4, 12 × 3", 12, 3, flat(0.4), noise=uneven(12)),
    Truth("noise falls with size, 12 × 3", 12, 3, noise=falling(3)),
    Truth("baseline three times as noisy, 6 × 3", 6, 3, noise=noisier_baseline(3)),
    Truth("heavy tails, 6 × 3", 6, 3, noise=heavy()),
    Truth("heavy tails, 12 × 5", 12, 5, noise=heavy()),
    Truth("skewed, 6 × 3", 6, 3, noise=skewed()),
    Truth("skewed, 12 × 5", 12, 5, noise=skewed()),
    Truth("5 % of runs collapse by 10, 12 × 3", 12, 3, noise=collapsing(0.05, 10.0)),
    *[
        Truth(f"shared seeds, {c} × {s}", c, s, noise=shared_by_seed(0.3), settings=VerdictSettings(shared_seeds=True))
        for c, s in ((6, 5), (12, 5), (50, 1))
    ],
    *[
        Truth(
            f"lowest {q:.0%} of the arm lost, {c} × {s}".replace("%", " %"), c, s, alter=lowest_lost(q),
            claims_here=False, note=LOST,
        )
        for q, c, s in ((0.1, 12, 3), (0.1, 24, 1), (0.25, 12, 3))
    ],
    Truth("a tenth of all runs lost, 12 × 3", 12, 3, flat(0.4), alter=some_lost(0.1)),
    Truth("1 to 6 repetitions, 10 cells", 10, 6, spread=0.3, alter=ragged),
    Truth("99.8 against 99.9 %, 12 × 3", 12, 3, flat(0.1), noise=normal(0.02), base=(99.8, 99.8)),
    Truth("99.8 % both, 24 × 5", 24, 5, noise=normal(0.005), base=(99.8, 99.8)),
    Truth("360 test images, 6 × 3", 6, 3, alter=counted(360), settings=VerdictSettings(images=360)),
    Truth("100 test images, 12 × 3", 12, 3, alter=counted(100), settings=VerdictSettings(images=100)),
]  # fmt: skip
