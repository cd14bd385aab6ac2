"""The difference between two arms at equal cost: two curves over log cost, and a simultaneous band on their distance.

Model, with x the logarithm of the cost and one mean over seeds for each cell c and arm:

    baseline(c) = g(x) + ε        arm(c) = g(x) + h(x) + ε'        h: the difference at equal cost

g and h are natural cubic splines fitted together by least squares, h with fewer functions than g. The errors ε and ε'
of one cell belong together: what a cell's shape does at its cost (deep and narrow, or shallow and wide) moves both
arms, and cancels in h as it does in a paired difference. Where the arms cost the same, h is the regression of the
paired differences on x. Variances come from the cells' residuals, cluster-robust, corrected between CR2 and CR3,
and the degrees of freedom that belong to it (Bell and McCaffrey 2002), because with few cells neither the plain
sandwich nor a bootstrap covers. A cell's residual holds what cells and what seeds do, so that nothing is resampled
twice. The critical value of the band is that of the largest of the band's t statistics (sup-t; Montiel Olea and
Plagborg-Møller 2019). The share of the test images is added by `scaling.statistics.bits`. docs/statistics.md shows how
it does where the truth is known.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scaling.statistics.curves import FEWEST_CELLS, natural_basis, places_along, richness
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing

GRID = 33  # costs at which a band is computed, evenly spaced in log cost
DRAWS = 8000  # for the level of the band; two standard errors of drawing it, 0.5 %, go to the safe side
# Between CR2 (1/2: unbiased where all cells are equally noisy) and CR3 (1: the jackknife, too wide there). With few
# cells CR2 is too narrow where noise differs by cell: this exponent holds for both in the simulations of
# docs/statistics.md.
EXPONENT = 0.75
MANY_CELLS = 100
SAME = 1e-9  # log costs closer than this are equal


@dataclass(frozen=True)
class Functional:
    """Linear functions of the data: estimate = Σ weight · mean accuracy, a row each."""

    at: np.ndarray  # (functionals, p): of the fit's coefficients
    weights: np.ndarray  # (functionals, cells, 2): of the baseline's and the arm's mean in each cell
    adjusted: np.ndarray  # (functionals, cells, 2): the same after `EXPONENT`, to be applied to residuals
    working: np.ndarray  # (functionals,) variance where every mean has variance 1 and none goes with another
    freedom: np.ndarray  # (functionals,) degrees of freedom


@dataclass(frozen=True)
class Fit:
    """What the costs of the cells determine, before any accuracy is looked at."""

    present: np.ndarray  # (cells, 2) boolean: baseline, arm
    design: np.ndarray  # (cells, 2, p); zero where absent
    inverse: np.ndarray  # (p, p)
    grid: np.ndarray  # (GRID,) log cost, over the range that both arms cover
    band: Functional  # the difference at each point of the grid
    mean: Functional  # its mean over the range: one row
    sup_t: float  # two-sided level of one t statistic at which the largest of the band's has `level`
    curves: np.ndarray  # (2, GRID, p): the curves of baseline and arm


@dataclass(frozen=True)
class EqualCost:
    """The difference arm − baseline at equal cost, in percentage points, over the range that both arms cover."""

    cost: np.ndarray  # (GRID,) in the unit of the cost
    baseline: np.ndarray  # (GRID,) percent: its curve
    arm: np.ndarray  # (GRID,) percent
    difference: np.ndarray  # (GRID,)
    low: np.ndarray  # (GRID,) of the simultaneous band
    high: np.ndarray  # (GRID,)
    mean: MeanInterval  # of the difference, over the range, evenly in log cost; n: cells
    cells: int  # cells with both arms or one
    images_included: bool  # whether the band holds the sampling of the test images
    image_variance: float  # points²; what that adds to the variance of the mean
    spread: float  # points; the mean's standard error over cells and seeds is spread / √cells
    freedom: float  # of the interval of the mean
    functions: int  # of the difference's curve: 1 takes it as one number all along the range, 2 as a line in log cost

    @property
    def above(self) -> list[tuple[float, float]]:
        """Ranges of cost where the whole band is above zero."""
        return _ranges(self.cost, self.low > 0)

    @property
    def below(self) -> list[tuple[float, float]]:
        """Ranges of cost where the whole band is below zero."""
        return _ranges(self.cost, self.high < 0)


def prepare(baseline: np.ndarray, arm: np.ndarray, level: float) -> Fit | Missing:
    """Lay out the fit for what the cells cost in each arm: both (cells,), NaN where an arm does not have the cell."""
    costs = np.stack([baseline, arm], axis=1).astype(float)
    with np.errstate(invalid="ignore"):
        present = np.isfinite(costs) & (costs > 0)
    x = np.log(np.where(present, costs, 1.0))
    fewest = int(present.sum(axis=0).min()) if len(costs) else 0
    if fewest == 0:
        return Missing("unknown cost", "no cell with a score has this cost in both arms")
    ends = [x[present[:, side], side] for side in (0, 1)]
    if max(float(np.ptp(end)) for end in ends) < SAME:
        return Missing("equal costs", "all cells of an arm cost the same, so that there is no range to compare over")
    low, high = max(end.min() for end in ends), min(end.max() for end in ends)
    if high - low < SAME:
        return Missing("no overlap", "no range of this cost is covered by both arms")
    distinct = min(places_along(end) for end in ends)
    if fewest < FEWEST_CELLS or distinct < FEWEST_CELLS:
        said = f"an arm has {min(fewest, distinct)} distinct costs, and curves need {FEWEST_CELLS}"
        return Missing("too few cells", said)

    of_difference, of_shared = richness(min(fewest, distinct))
    shared = natural_basis(np.concatenate(ends), of_shared)
    differing = natural_basis(ends[1], of_difference)
    design = np.zeros((len(costs), 2, len(shared.knots) + len(differing.knots)))
    split = len(shared.knots)
    for side in (0, 1):
        design[present[:, side], side, :split] = shared(ends[side])
    design[present[:, 1], 1, split:] = differing(ends[1])
    # (XᵀX)⁻¹ by the pseudo-inverse: knots may lie closer than the data between them.
    inverse = np.linalg.pinv(_flat(design).T @ _flat(design), rcond=1e-10, hermitian=True)

    grid = np.linspace(low, high, GRID)
    at = np.zeros((GRID, design.shape[2]))
    at[:, split:] = differing(grid)
    curves = np.zeros((2, *at.shape))
    curves[:, :, :split] = shared(grid)
    curves[1] += at
    trapezoid = np.full(GRID, 1.0)
    trapezoid[[0, -1]] = 0.5
    root = _inverse_roots(design, inverse)
    band = _functional(at, design, inverse, root)
    mean = _functional((trapezoid / trapezoid.sum())[None] @ at, design, inverse, root)
    fit = Fit(present, design, inverse, grid, band, mean, level, curves)
    return replace(fit, sup_t=_sup_t(fit, level))


def _inverse_roots(design: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """(I − H)^(−EXPONENT) of each cell's block of the hat matrix, (cells, 2, 2)."""
    hat = (design @ inverse) @ design.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(np.eye(2) - hat)
    # A cell that alone determines a function has leverage 1 and no residual: it says nothing about the spread.
    roots = np.where(values > 1e-8, np.maximum(values, 1e-8) ** -EXPONENT, 0.0)
    return (vectors * roots[:, None, :]) @ vectors.transpose(0, 2, 1)


def _flat(values: np.ndarray) -> np.ndarray:
    """(cells, 2, …) as (2 cells, …)."""
    return values.reshape(2 * len(values), *values.shape[2:])


def _functional(at: np.ndarray, design: np.ndarray, inverse: np.ndarray, root: np.ndarray) -> Functional:
    """Weights, corrected ones and the degrees of freedom of Bell and McCaffrey, for the rows of `at` (functionals, p).

    With a_c the adjusted weights of cell c, the variance estimate is Σ (a_c · residuals of c)². Where all means have
    equal independent errors its matrix is G = diag(a_c · a_c) − C (XᵀX)⁻¹ Cᵀ, rows of C being X_cᵀ a_c, and the degrees
    of freedom are (tr G)² / tr G²: linear in the number of cells.
    """
    weights = (at @ inverse @ _flat(design).T).reshape(len(at), len(design), 2)
    adjusted = (weights[:, :, None, :] @ root)[:, :, 0]
    freedom = np.empty(len(at))
    for row, own in enumerate(adjusted):
        through = (own[:, None, :] @ design)[:, 0]
        squares = (own**2).sum(axis=1)
        crossed = inverse @ (through.T @ through)
        trace = squares.sum() - np.trace(crossed)
        hat = ((through @ inverse) * through).sum(axis=1)
        of_square = (squares**2).sum() - 2 * (squares * hat).sum() + np.trace(crossed @ crossed)
        freedom[row] = max(1.0, trace**2 / of_square) if of_square > 0 else 1.0
    return Functional(at, weights, adjusted, ((at @ inverse) * at).sum(axis=1), freedom)


def _sup_t(fit: Fit, level: float) -> float:
    """Level of a single t interval at which all along the grid hold together with `level`.

    The least p value along the grid (min-p; Westfall and Young 1993) is drawn for means that are pure normal noise: for
    few cells with the variance estimates and degrees of freedom that the design gives; for many, where these are hardly
    random any more, from the t process with their harmonic mean.
    """
    if np.ptp(fit.band.at, axis=0).max() == 0:  # the same number all along: one t statistic
        return level
    rng = np.random.default_rng(0)
    misses = 1 - level - 2 * np.sqrt(level * (1 - level) / DRAWS)
    if len(fit.present) > MANY_CELLS:
        root = _root(fit.band.at @ fit.inverse @ fit.band.at.T)
        freedom = 1 / float(np.mean(1 / fit.band.freedom))
        normal = np.abs(rng.standard_normal((DRAWS, root.shape[1])) @ root.T).max(axis=1)
        largest = normal / np.sqrt(rng.chisquare(freedom, DRAWS) / freedom)
        return 1 - 2 * float(stats.t.sf(np.quantile(largest, 1 - misses), freedom))
    band, every = fit.band, slice(None, None, 2)
    noise = rng.standard_normal((len(fit.present), 2, DRAWS)) * fit.present[..., None]
    estimate = band.weights[every].reshape(-1, 2 * len(noise)) @ _flat(noise)
    parts = band.adjusted[every].transpose(1, 0, 2) @ residuals(fit, noise)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(estimate) / np.sqrt((parts**2).sum(axis=0))
    freedom = band.freedom[every, None]
    farthest = (t / stats.t.ppf((1 + level) / 2, freedom)).max(axis=0)
    tail = np.argsort(-np.nan_to_num(farthest), kind="stable")[: DRAWS // 8]  # contains the quantile; p values are slow
    least = 2 * stats.t.sf(np.nan_to_num(t[:, tail]), freedom).min(axis=0)
    return 1 - float(np.sort(least)[int(misses * DRAWS)])


def _root(covariance: np.ndarray) -> np.ndarray:
    """A with A Aᵀ = the correlation matrix of a covariance matrix: (n, rank)."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > values.max() * 1e-10
    return vectors[:, kept] * np.sqrt(values[kept]) / np.sqrt(np.diag(covariance))[:, None]


def residuals(fit: Fit, means: np.ndarray) -> np.ndarray:
    """What the curves leave of the cells' means: (cells, 2, studies), zero where absent."""
    y = np.where(fit.present[..., None], means, 0.0)
    beta = fit.inverse @ (_flat(fit.design).T @ _flat(y))
    return np.where(fit.present[..., None], y - fit.design @ beta, 0.0)


@dataclass(frozen=True)
class Ends:
    """Estimates with their intervals, (functionals, studies), and what they rest on."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    variance: np.ndarray  # of the estimate, over cells and seeds
    freedom: np.ndarray


def interval(
    fit: Fit,
    functional: Functional,
    means: np.ndarray,
    level: float,
    *,
    smallest_variance: float = 0.0,
    of_images: np.ndarray | None = None,
) -> Ends:
    """Intervals of linear functions, of many studies of one design at once.

    Args:
        means: mean accuracy of each cell and arm, (cells, 2, studies).
        level: of each single interval; `fit.sup_t` for those that are to hold together along the grid.
        smallest_variance: of one mean, in points²: accuracies are counts of images.
        of_images: variance that the choice of the test images adds, (functionals,) or (functionals, studies), points².
    """
    y = np.where(fit.present[..., None], means, 0.0)
    estimate = functional.weights.reshape(len(functional.at), -1) @ _flat(y)
    parts = np.einsum("fcs,csn->fcn", functional.adjusted, residuals(fit, means))
    variance = np.maximum((parts**2).sum(axis=1), (functional.working * smallest_variance)[:, None])
    freedom = np.broadcast_to(functional.freedom[:, None], variance.shape)
    total = variance
    if of_images is not None:
        images = of_images.reshape(len(variance), -1)
        total = variance + images
        # Satterthwaite; of the images there are so many that their part is known.
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(variance > 0, freedom * (total / variance) ** 2, np.inf)
        freedom = np.minimum(freedom, 1e6)
    half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(total)
    return Ends(estimate, estimate - half, estimate + half, variance, freedom)


def at_equal_cost(
    fit: Fit,
    means: np.ndarray,
    level: float,
    *,
    smallest_variance: float = 0.0,
    of_images: tuple[np.ndarray, np.ndarray] | None = None,
) -> EqualCost:
    """The band and the mean of one study; `means` (cells, 2) in percent, `of_images` the variances of both."""
    y = means[..., None]
    along, over = of_images if of_images is not None else (None, None)
    band = interval(fit, fit.band, y, fit.sup_t, smallest_variance=smallest_variance, of_images=along)
    mean = interval(fit, fit.mean, y, level, smallest_variance=smallest_variance, of_images=over)
    beta = fit.inverse @ (_flat(fit.design).T @ np.where(fit.present, means, 0.0).reshape(-1))
    cells = int(fit.present.any(axis=1).sum())
    return EqualCost(
        cost=np.exp(fit.grid),
        baseline=fit.curves[0] @ beta,
        arm=fit.curves[1] @ beta,
        difference=band.estimate[:, 0],
        low=band.low[:, 0],
        high=band.high[:, 0],
        mean=MeanInterval(float(mean.estimate[0, 0]), float(mean.low[0, 0]), float(mean.high[0, 0]), level, cells),
        cells=cells,
        images_included=of_images is not None,
        image_variance=float(over.reshape(-1)[0]) if over is not None else 0.0,
        spread=float(np.sqrt(mean.variance[0, 0] * cells)),
        freedom=float(mean.freedom[0, 0]),
        functions=int((fit.band.at != 0).any(axis=0).sum()),
    )


def _ranges(cost: np.ndarray, where: np.ndarray) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(int)))
    return [(float(cost[start]), float(cost[stop - 1])) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
