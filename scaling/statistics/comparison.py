"""Comparison: one arm against the baseline, from scores to a kind, with all that it rests on.

`judge` is the whole verdict; `assess` is its numbers and kind alone, for simulations and for verdicts without a cell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling.statistics import MARGIN
from scaling.statistics.beyond import Scatter, interval_beyond, interval_of_other_levels, scatter_about
from scaling.statistics.contrast import Contrast, Differences
from scaling.statistics.estimates import Interval, Mean
from scaling.statistics.further_runs import ALPHA, FurtherRuns, LookRule, look_alpha, plan_further
from scaling.statistics.here import CellMeans, cell_means, rounding_variance, widened_by_seeds
from scaling.statistics.kinds import Kind, Sizes, decide, is_equal, sizes_of, usable_margin
from scaling.statistics.lost import Losses, count_losses, with_worst
from scaling.statistics.other_images import OtherImages, over_other_images
from scaling.statistics.parts import Part, mean_of, parts_of


@dataclass(frozen=True)
class VerdictSettings:
    """What was asked, beside the scores."""

    margin: float = MARGIN  # points within which a difference counts as none
    alpha: float = ALPHA  # error of this verdict; an arm's is alpha / contrasts
    contrasts: int = 1  # arms that are compared with the baseline
    next_alpha: float | None = None  # error of the next look; None: the same again
    look: int | None = None  # which look at the study this is; None where none are kept
    is_last_look: bool = False  # the plan is fixed, so that further runs are a new study
    detect: float | None = None  # points that further runs are planned for; by default twice the margin that is used
    images: int | None = None  # in the test set
    shared_seeds: bool = False  # whether equal repetitions of different cells are the same draw

    @property
    def level(self) -> float:
        """Level of each contrast: 1 − α/k (Bonferroni)."""
        return 1 - self.alpha / self.contrasts


def settings_at(look: int | None, rule: LookRule = LookRule.EXTENDING, **others: object) -> VerdictSettings:
    """Settings of the `look`-th look under a rule; of rows that are no study of this program with None."""
    if look is None:
        return VerdictSettings(**others)  # pyright: ignore[reportArgumentType]
    return VerdictSettings(
        alpha=look_alpha(look, rule),
        next_alpha=look_alpha(look + 1, rule),
        look=look,
        is_last_look=rule is LookRule.ONE,
        **others,  # pyright: ignore[reportArgumentType]
    )


@dataclass(frozen=True)
class HereEstimate:
    """The mean difference HERE with what it was made from."""

    differences: Differences
    cells: CellMeans
    scatter: Scatter | None
    mean: Mean


@dataclass(frozen=True)
class Assessment:
    """Numbers and kind of a comparison."""

    kind: Kind
    here: Interval
    beyond: Interval | None
    other_levels: Interval | None  # for other depths and widths, where a grid has four levels of both
    parts: list[Part]
    margin: float
    losses: Losses
    withheld: Kind | None  # better or worse where the lost trials forbid to say so
    equal_on_these_images: bool  # would be practically equal if the test images could resolve the margin
    other_images: OtherImages | None
    estimate: HereEstimate | None  # None where no cell has a pair


@dataclass(frozen=True)
class Comparison:
    """The answer to one comparison."""

    kind: Kind
    here: Interval
    beyond: Interval | None  # None where nothing can be said of other models
    parts: list[Part]
    margin: float  # the one used, in points
    remarks: list[str]  # sentences with full stops
    sentence: str  # the verdict, one sentence or a few
    further: FurtherRuns | None  # where it is inconclusive
    assessment: Assessment
    reason: str | None = None  # why the kind is unknown; see `unknown.Reason`


def estimate_here(differences: Differences, settings: VerdictSettings, level: float) -> HereEstimate:
    """Mean over the cells that were run, by the repetitions or, without them, by the scatter of the cells."""
    cells = cell_means(differences.values, settings.images)
    least = 0.0 if cells.is_repeated else rounding_variance(settings.images) / cells.harmonic_count
    scatter = scatter_about(cells.mean, differences, least)
    mean = mean_of(cells, scatter)
    if settings.shared_seeds:
        mean = widened_by_seeds(mean, differences, np.arange(len(differences)), level)
    return HereEstimate(differences, cells, scatter, mean)


def assess(contrast: Contrast, settings: VerdictSettings, cells: np.ndarray | None = None) -> Assessment:
    """Numbers and kind, over all paired cells or over some of them, given by their places."""
    losses = count_losses(contrast)
    chosen = contrast.paired() if cells is None else cells
    if len(chosen) == 0:
        return no_assessment(settings, losses)
    level = settings.level
    found = estimate_here(contrast.differences(chosen), settings, level)
    here = found.mean.interval(level)
    parts = parts_of(found.cells, found.scatter, found.differences, level, settings.shared_seeds)
    margin = usable_margin(settings.margin, _baseline_mean(contrast, chosen))
    sizes = sizes_of(parts, len(chosen), found.mean.df)
    repeated = found.cells if found.cells.is_repeated else None
    images = None
    if contrast.image_variance is not None:
        images = over_other_images(found.mean, contrast.image_variance, level)
    resolved = _images_resolve(margin, settings.images, images)
    kind = decide(here, parts, sizes, margin, repeated, resolved)
    losses = _with_bounds(contrast, settings, losses, level, chosen if cells is not None else None)
    withheld = kind if _is_withheld(kind, losses) else None
    return Assessment(
        kind=Kind.INCONCLUSIVE if withheld else kind,
        here=here,
        beyond=interval_beyond(found.mean, found.scatter, found.differences, level),
        other_levels=interval_of_other_levels(found.cells.mean, found.differences.axes, level),
        parts=parts,
        margin=margin,
        losses=losses,
        withheld=withheld,
        equal_on_these_images=not resolved and _would_be_equal(here, parts, sizes, margin, repeated),
        other_images=images,
        estimate=found,
    )


def no_assessment(settings: VerdictSettings, losses: Losses) -> Assessment:
    """What is known without a pair: nothing but the losses."""
    unknown = Interval(math.nan, math.nan, math.nan, settings.level, math.nan)
    return Assessment(Kind.UNKNOWN, unknown, None, None, [], settings.margin, losses, None, False, None, None)


def _baseline_mean(contrast: Contrast, cells: np.ndarray) -> float:
    """Mean over cells of the baseline's mean over the pairs of the cell."""
    baseline, arm = (scores[cells] for scores in contrast.scores())
    return float(np.nanmean(np.where(np.isfinite(arm), baseline, np.nan), axis=1).mean())


def _images_resolve(margin: float, images: int | None, other: OtherImages | None) -> bool:
    """Whether the test images can show a difference to be within the margin.

    They cannot where one image is more than the margin, or where other test images alone may lead out of it.
    """
    if images and 100 / images > margin:
        return False
    return other is None or other.both.lies_within(margin)


def _would_be_equal(
    here: Interval, parts: Sequence[Part], sizes: Sizes, margin: float, cells: CellMeans | None
) -> bool:
    return decide(here, parts, sizes, margin, cells) is Kind.EQUAL and is_equal(here, sizes, margin, cells)


def _with_bounds(
    contrast: Contrast, settings: VerdictSettings, losses: Losses, level: float, cells: np.ndarray | None
) -> Losses:
    """Add the intervals with the lost trials at the worst seen."""
    if not losses.any:
        return losses
    if cells is not None:
        contrast = _some_cells(contrast, cells)
    bounds = []
    for of_arm in (True, False):
        worst = with_worst(contrast, of_arm)
        bounds.append(None if worst is None else estimate_here(worst, settings, level).mean.interval(level))
    return replace(losses, if_arm_bad=bounds[0], if_baseline_bad=bounds[1])


def _some_cells(contrast: Contrast, cells: np.ndarray) -> Contrast:
    lost = contrast.lost()
    return replace(
        contrast,
        baseline=contrast.baseline[cells],
        arm=contrast.arm[cells],
        names=[contrast.all_differences().names[i] for i in cells],
        cost=None if contrast.cost is None else np.asarray(contrast.cost)[cells],
        axes={name: np.asarray(values)[cells] for name, values in contrast.axes.items()},
        baseline_lost=lost[0][cells],
        arm_lost=lost[1][cells],
    )


def _is_withheld(kind: Kind, losses: Losses) -> bool:
    """Whether lost trials forbid 'better' or 'worse': only if the second interval says so too, and losses are even."""
    if kind is Kind.BETTER:
        bound = losses.if_arm_bad
        return losses.is_lopsided or (bound is not None and not bound.is_above_zero)
    if kind is Kind.WORSE:
        bound = losses.if_baseline_bad
        return bound is not None and not bound.is_below_zero
    return False


def plan_of(found: Assessment, settings: VerdictSettings) -> FurtherRuns | None:
    """Further runs for the stated difference, where the comparison is inconclusive and its plan may be extended."""
    if found.kind is not Kind.INCONCLUSIVE or found.estimate is None or settings.is_last_look:
        return None
    own, scatter = found.estimate, found.estimate.scatter
    alpha = (settings.alpha if settings.next_alpha is None else settings.next_alpha) / settings.contrasts
    detect = 2 * found.margin if settings.detect is None else settings.detect
    unit = scatter.mean(own.mean.estimate, 1) if scatter is not None and found.beyond is not None else None
    cells = len(own.differences)
    return plan_further(own.mean, own.cells.harmonic_count, cells, found.margin, detect, alpha, unit)
