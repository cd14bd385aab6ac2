"""Caveats about the sample: cells, seeds and test images."""

import math

from scaling.report.analysis.analysis import Analysis
from scaling.report.caveats.caveat import caveat
from scaling.statistics.verdict import arm_name, judge
from scaling.wording import points

FEWEST_EXAMPLES = 2000  # test images below which one image weighs more than 0.05 points


@caveat(order=40)
def few_cells(analysis: Analysis) -> str | None:
    """Three paired cells or fewer."""
    paired = max((len(verdict.comparison.cells) for verdict in analysis.verdicts), default=0)
    if paired == 1:
        return "One cell is paired: the interval covers its seeds only and does not extend to other sizes."
    if 1 < paired <= 3:
        return f"Only {paired} cells are paired: the variation between cells is poorly known, so the interval is wide."
    return None


@caveat(order=50)
def one_seed(analysis: Analysis) -> str | None:
    """No repetition within cells."""
    comparisons = [verdict.comparison for verdict in analysis.verdicts if len(verdict.comparison.cells)]
    if not comparisons or any(math.isfinite(comparison.seed_sd) for comparison in comparisons):
        return None
    return (
        "There is one seed per cell: seed noise cannot be separated from true differences between cells, and single"
        " cells have no interval."
    )


@caveat(order=130)
def other_test_images(analysis: Analysis) -> str | None:
    """Other test images could move the difference."""
    examples = analysis.test_examples
    with_noise = [verdict for verdict in analysis.verdicts if verdict.noise]
    if examples is None or not analysis.verdicts or (not with_noise and examples >= FEWEST_EXAMPLES):
        return None
    if not with_noise:
        return (
            f"The test set has {examples:,} images, so one image is {100 / examples:.2f} points. The interval covers"
            " other seeds and cells, not other test images; with so few, other images could move a small difference."
        )
    texts = [f"The interval covers other cells and seeds, not test images other than these {examples:,}."]
    for verdict in with_noise:
        assert verdict.noise
        both, name = verdict.noise.both, arm_name(analysis.study.factor, verdict.comparison.arm)
        changed = judge(both, verdict.margin)
        then = "" if changed == verdict.kind else f"; the verdict would then be “{changed}”"
        texts.append(
            f"For {name}, other images of the same kind would move the difference by about"
            f" ±{points(verdict.noise.half_width)} points, and the interval would be {points(both.low)} to"
            f" {points(both.high)}{then}."
        )
    return " ".join(texts)
