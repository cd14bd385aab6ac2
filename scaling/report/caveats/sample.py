"""Caveats about the sample: test images, seeds that cells share, and runs that only chose."""

import numpy as np

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.scored_images import images_by_arm, on_other_images_text
from scaling.report.analysis.trial_table import is_left_out
from scaling.report.caveats.caveat import caveat
from scaling.wording import listing, plural

FEWEST_EXAMPLES = 2000  # test images below which one image weighs more than 0.05 points


@caveat(order=40, heading="Cells share their seeds")
def shared_seeds(analysis: Analysis) -> str | None:
    """The cells of an earlier study share their seeds."""
    if not analysis.settings.shared_seeds or not analysis.verdicts:
        return None
    return (
        "The repetitions of this study have the same seed in every cell, as earlier versions had it, so that their luck"
        " may be common to all cells. Intervals are the wider of those over cells' repetitions and over seeds."
    )


@caveat(order=45, heading="Runs that chose are not scored")
def choosing_runs(analysis: Analysis) -> str | None:
    """Runs that chose a learning rate are not scored."""
    left_out = int(np.count_nonzero(analysis.table["chooses"]))
    if not left_out:
        return None
    return (
        f"{plural(left_out, 'trial')} of the first repetitions chose the learning rates and are left out of the"
        " comparison: the run that was chosen for being the best looks better than it is."
    )


@caveat(order=5, heading="Trials on other test images are left out")
def different_test_images(analysis: Analysis) -> str | None:
    """Trials of the study were scored on different test images."""
    said = on_other_images_text(analysis.study, analysis.records)
    if said is None:
        return None
    return (
        f"{said}. They are left out, because they are no repetitions of the same cells. The data have changed between"
        " the trials: run a new study on the data that count."
    )


@caveat(order=6, heading="Arms are scored on different images")
def arms_on_other_images(analysis: Analysis) -> str | None:
    """The arms are scored on different test images, because they vary the data or are different studies."""
    found = images_by_arm(analysis.study, analysis.records)
    if not found:
        return None
    named = listing([f"{arm} on {scored.images:,}" for arm, scored in found.items()])
    return f"The arms were scored on different test images ({named}), so their difference is also one of the images."


@caveat(order=50, heading="Records repeat others")
def repeated_records(analysis: Analysis) -> str | None:
    """Two records have the same cell, arm and repetition."""
    table = analysis.table.take(np.flatnonzero(~is_left_out(analysis.table)))
    twice = int(np.count_nonzero(table.duplicated(["cell", "arm", "repetition"])))
    if not twice:
        return None
    return (
        f"{plural(twice, 'record')} {'repeats' if twice == 1 else 'repeat'} the cell, arm and repetition of another"
        " one; the last of them enters the comparison. Remove those that do not belong to this study."
    )


@caveat(order=130, heading="Few test images")
def other_test_images(analysis: Analysis) -> str | None:
    """Few test images, and nothing shows how far others would move the difference."""
    examples = analysis.test_examples
    if examples is None or examples >= FEWEST_EXAMPLES or not analysis.verdicts:
        return None
    if any(verdict.contrast.image_variance for verdict in analysis.verdicts):
        return None
    return (
        f"The test set has {examples:,} images, so one image is {100 / examples:.2f} points. The interval covers the"
        " luck of training, not other test images; with so few, other images could move a small difference."
    )
