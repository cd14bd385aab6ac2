"""Caveats about the progress of a study: what has not ended, was looked at often, was lost, or was stopped."""

from collections import Counter

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.trial_table import lost_trials
from scaling.report.analysis.verdicts import goes_on_until_decided
from scaling.report.caveats.caveat import AT_MOST, caveat
from scaling.statistics.looks import MOST_LOOKS
from scaling.study.config import cell_label
from scaling.wording import first_few, plural


@caveat(order=10, heading="Not all trials have ended")
def under_way(analysis: Analysis) -> str | None:
    """Some trials have not ended."""
    missing = analysis.progress.missing
    if analysis.progress.is_complete and not missing:
        return None
    if not missing:
        return "The search may plan more trials, so that the verdict is given when it has ended."
    planned = plural(analysis.progress.planned, "trial")
    if analysis.study.ended_by:
        return f"The sweep ended with {analysis.study.ended_by}: {missing} of {planned} were not run."
    text = f"{missing} of {planned} have not ended: they are running or have not started."
    if not analysis.look.is_verdict:
        return f"{text} The verdict is given when the plan is complete; what is shown until then is no look at it."
    return f"{text} The verdict was asked for before the plan was complete, and counts as a look."


@caveat(order=20, heading="More than one look")
def looked_at_often(analysis: Analysis) -> str | None:
    """This is not the first look, or the verdict itself decided when the study was long enough."""
    level, look = f"{100 * analysis.settings.level:.4g} %", analysis.look
    if goes_on_until_decided(analysis.study):
        return (
            f"The study continued until its verdict was decided, with up to {MOST_LOOKS} looks. Intervals of the"
            f" verdict therefore have the level {level}, so that all looks together hold with 95 %; those of single"
            " cells are not corrected."
        )
    if look.number is None or look.number == 1 or not look.is_verdict:
        return look.note or None
    said = (
        f"This is look {look.number} at the study, as its plan was extended after an earlier verdict. Its intervals"
        f" therefore have the level {level}, so that all looks together hold with 95 %."
    )
    return f"{look.note} {said}".strip()


@caveat(order=30, heading="Pairs are missing")
def lost_pairs(analysis: Analysis) -> str | None:
    """Trials without a score removed pairs."""
    lost = lost_trials(analysis.table, analysis.records)
    if not lost:
        return None
    by_arm = Counter(record.arm for record, _ in lost)
    counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
    cells: dict[str, list[str]] = {}
    for record, outcome in lost:
        cells.setdefault(cell_label(record.cell), []).append(f"{record.arm} repetition {record.repetition} {outcome}")
    named = first_few([f"{cell}: {', '.join(what)}" for cell, what in cells.items()], AT_MOST)
    return f"Trials that ended without a score leave no pair ({counts}). Pairs are missing in {named}."


@caveat(order=110, heading="Cells were stopped early")
def stopped_cells(analysis: Analysis) -> str | None:
    """Whole cells were stopped early."""
    stopped = analysis.progress.stopped
    if not stopped:
        return None
    cells = analysis.table.loc[analysis.table["status"] == "stopped", "cell"].nunique()
    return (
        f"{plural(stopped, 'trial')} in {plural(cells, 'cell')} {'was' if stopped == 1 else 'were'} stopped early, all"
        " arms of a cell together, and not compared. The verdict covers the cells that continued."
    )


@caveat(order=150, heading="Records are left out")
def unreadable(analysis: Analysis) -> str | None:
    """Some records are torn, or written by a newer version."""
    lines = analysis.context.left_out
    if not lines:
        return None
    return (
        f"{plural(len(lines), 'file')} of records could not be read and {'is' if len(lines) == 1 else 'are'} left out:"
        f" {first_few(lines, AT_MOST)}."
    )
