"""Caveats about the progress of a study: what has not ended, was lost, or was stopped."""

from collections import Counter

from scaling.report.analysis.analysis import Analysis, goes_on_until_decided, incomplete
from scaling.report.caveats.caveat import AT_MOST, caveat
from scaling.statistics.looks import LOOK_LEVEL, MOST_LOOKS
from scaling.wording import first_few, plural


@caveat(order=10)
def under_way(analysis: Analysis) -> str | None:
    """Some trials have not ended."""
    missing = analysis.progress.missing
    if not missing:
        return None
    planned = plural(analysis.progress.planned, "trial")
    text = f"{missing} of {planned} have not ended: they are running or have not started."
    if not any(verdict.comparison.difference.is_known for verdict in analysis.verdicts):
        return text
    return f"{text} Checking the verdict repeatedly and stopping once it looks right voids its 95 % confidence."


@caveat(order=20)
def looked_at_often(analysis: Analysis) -> str | None:
    """The verdict itself decided when the study was long enough."""
    if not goes_on_until_decided(analysis.study):
        return None
    return (
        f"The study continued until its verdict was decided, with up to {MOST_LOOKS} looks. The verdict's interval"
        f" therefore has the level {100 * LOOK_LEVEL:.2f} %, so that all looks together hold with 95 %; the results at"
        " equal cost and the intervals of single cells are not corrected."
    )


@caveat(order=30)
def lost_pairs(analysis: Analysis) -> str | None:
    """Trials that failed or diverged removed pairs."""
    lost = incomplete(analysis)
    if not lost:
        return None
    by_arm = Counter(record.arm for record in analysis.records if record.status in ("failed", "diverged"))
    counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
    named = first_few([f"{cell}: {what}" for cell, what in lost], AT_MOST)
    return (
        f"Trials that failed or diverged leave no pair ({counts}). If one arm fails more often than the other, the"
        f" difference over the remaining pairs favours it. Pairs are missing in {named}."
    )


@caveat(order=110)
def stopped_cells(analysis: Analysis) -> str | None:
    """Whole cells were stopped early."""
    stopped = analysis.progress.stopped
    if not stopped:
        return None
    cells = analysis.table.loc[analysis.table["status"] == "stopped", "cell"].nunique()
    return (
        f"{plural(stopped, 'trial')} in {plural(cells, 'cell')} were stopped early, all arms of a cell together: they"
        " have no scores and are not compared. The verdict covers the cells that continued."
    )


@caveat(order=150)
def unreadable(analysis: Analysis) -> str | None:
    """Some records are torn, or written by a newer version."""
    lines = analysis.context.left_out
    if not lines:
        return None
    return (
        f"{plural(len(lines), 'file')} of records could not be read and {'is' if len(lines) == 1 else 'are'} left out:"
        f" {first_few(lines, AT_MOST)}."
    )
