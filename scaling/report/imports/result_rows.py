"""Which rows of a table are results: those of finished trials, and no summaries of other rows."""

import math
import re
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from scaling.report.imports.quantities import LABELS, bare, number, plain_name
from scaling.report.imports.raw_table import RawTable
from scaling.study.errors import RecordError

STATE_WORDS = ("state", "status")  # last word of a state column's name
FINISHED = {"finished", "complete", "completed", "succeeded", "success", "successful", "done", "terminated", "ended",
            "ok", "passed"}  # fmt: skip
UNFINISHED = {
    "crashed", "running", "failed", "fail", "failure", "error", "errored", "killed", "pruned", "preempting",
    "preempted", "pending", "waiting", "queued", "scheduled", "paused", "stopped", "cancelled", "canceled",
    "cancelling", "aborted",
    "timeout", "timed out", "oom", "out of memory", "interrupted", "starting", "created", "unfinished", "incomplete",
    "diverged", "node fail", "suspended", "exited", "early stopped",
}  # fmt: skip
SAY_FINISHED = {"finished", "completed", "is_finished", "success", "succeeded", "converged"}  # columns of yes and no
SAY_UNFINISHED = {"failed", "crashed", "pruned", "killed", "diverged", "is_failed", "aborted", "stopped_early"}
YES, NO = {"true", "yes", "y", "1", "1.0"}, {"false", "no", "n", "0", "0.0"}

Statistic = Callable[[Sequence[float]], float]
OF_POOLING: dict[str, Statistic] = {  # also names of poolings, so the numbers must agree
    "mean": statistics.fmean, "average": statistics.fmean, "avg": statistics.fmean, "median": statistics.median,
    "min": min, "max": max, "minimum": min, "maximum": max, "sum": math.fsum,
}  # fmt: skip
SUMMARIES = {"std", "stdev", "std dev", "std deviation", "standard deviation", "sd", "sem", "stderr", "std err",
             "standard error", "variance", "var", "total", "overall", "mean std", "mean ± std", "mean±std",
             "grand mean", "ci", "95% ci"}  # fmt: skip
WHERE = (*LABELS["model"], *LABELS["seed"], "cell", "run", "run_name", "trial", "id", "fold", "repetition", "rep")

SUMMARY = "that summarise others"
MOST_SUMMARIES = 20  # more rows with such a word are no summaries


def only_results(table: RawTable, named: Collection[str], state: str | None = None) -> RawTable:
    """Leave out rows of trials that did not finish, and rows that summarise others; note how many.

    Args:
        named: columns that the user gave another meaning; they tell no state.
        state: column of the states that the user named.

    Raises:
        RecordError: no row is left, or `state` holds no state that is known.
    """
    table = table.without(_unfinished(table, named, state))
    return replace(table.without(_summaries(table, named)), left_out=table.left_out)


def state_columns(table: RawTable) -> list[str]:
    """Columns that tell whether a trial finished, by their names and what is in them."""
    return [column for column in table.columns if _tells(table, column)]


def _state(cell: str) -> str:
    """`complete` of `TrialState.COMPLETE`, `timed out` of `TIMED_OUT`."""
    return " ".join(cell.strip().lower().rpartition(".")[2].replace("_", " ").replace("-", " ").split())


def _tells(table: RawTable, column: str) -> bool:
    name = plain_name(column)
    states = {_state(cell) for cell in table.cells(column)} - {""}
    if name in SAY_FINISHED | SAY_UNFINISHED:
        return bool(states) and states <= YES | NO
    return name.split("_")[-1] in STATE_WORDS and bool(states & (FINISHED | UNFINISHED))


def _unfinished(table: RawTable, named: Collection[str], state: str | None) -> list[str | None]:
    reasons: list[str | None] = [None] * len(table.rows)
    for column in [state] if state else [name for name in state_columns(table) if name not in named]:
        if state and not {_state(cell) for cell in table.cells(column)} & (FINISHED | UNFINISHED | YES | NO):
            raise RecordError(
                f"{table.path.name}: state: '{column}' holds no state that is known, such as finished or crashed"
            )
        name = plain_name(column)
        done = NO if name in SAY_UNFINISHED else FINISHED | YES
        for place, cell in enumerate(table.cells(column)):
            text = _state(cell)
            if text not in done:
                says = name if text in YES else f"not {name}" if text in NO else text or f"without a {name}"
                reasons[place] = reasons[place] or f"of trials that are {says}"
    return reasons


def _summaries(table: RawTable, named: Collection[str]) -> list[str | None]:
    """A reason for each row named as a mean, a standard deviation or the like, in a column that names rows.

    An arm may be called mean or max, so columns of arms are not looked at. Elsewhere such a word counts beside a
    standard deviation, in place of a seed, or if the row's numbers are that statistic of other rows.
    """
    reasons: list[str | None] = [None] * len(table.rows)
    looked_at = [name for name in table.columns if plain_name(name) in WHERE and name not in named]
    looked_at = looked_at or [name for name in table.columns[:1] if plain_name(name) != "arm" and name not in named]
    for column in looked_at:
        words = [_word(cell) for cell in table.cells(column)]
        certain = bool(set(words) & SUMMARIES) or plain_name(column) in LABELS["seed"]
        maybe = [place for place, word in enumerate(words) if word in OF_POOLING]
        plain = [place for place, word in enumerate(words) if word not in SUMMARIES and word not in OF_POOLING]
        if not certain and len(maybe) <= min(MOST_SUMMARIES, len(plain)):
            maybe = [place for place in maybe if _agrees(table, plain, place, OF_POOLING[words[place]])]
            certain = bool(maybe)
        for place in maybe if certain and plain else ():
            reasons[place] = SUMMARY
        for place, word in enumerate(words):
            if plain and word in SUMMARIES:
                reasons[place] = SUMMARY
    return reasons


def _word(cell: str) -> str:
    """`std dev` of `Std. dev:`."""
    return " ".join(re.sub(r"[^a-z0-9%±]+", " ", cell.lower()).split())


def _agrees(table: RawTable, plain: Sequence[int], place: int, statistic: Statistic) -> bool:
    """Whether all numbers of a row are the statistic of other rows' numbers, to their last digit.

    The other rows are all that are plain, or those of the same arm and alike: with the same words in a column.
    """
    alike = [
        [row for row in plain if table.rows[row][column].strip() == cell.strip()]
        for column, cell in enumerate(table.rows[place])
        if cell.strip() and number(cell) is None
    ]
    return any(_is_statistic(table, rows, place, statistic) for rows in [plain, *alike] if len(rows) > 1)


def _is_statistic(table: RawTable, rows: Sequence[int], place: int, statistic: Statistic) -> bool:
    """Whether all numbers of a row are the statistic of the numbers of `rows`; at least one of them varies."""
    found = False
    for column, text in enumerate(table.rows[place]):
        own = number(text)
        read = [number(table.rows[row][column]) for row in rows]
        others = [one.value for one in read if one is not None and not math.isnan(one.value)]
        if own is None or math.isnan(own.value) or own.unit or len(set(others)) < 2:
            continue
        digits = len(bare(text).rstrip("% ").partition(".")[2])
        if abs(own.value - statistic(others)) > 0.51 * 10.0**-digits:
            return False
        found = True
    return found
