"""Texts of the page around figures and tables, computed from an analysis."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scaling.report.analysis.analysis import Analysis, overheads, share_of_front
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from scaling.statistics.verdict import Verdict, arm_name, interval_text
from scaling.study.config import pooling_text
from scaling.study.metrics import METRICS, Role, main_cost
from scaling.wording import listing, plural, points

HIDDEN = {"host"}  # of the environment: a page may be shared and should not name the machines
OUTCOMES = {"better": "Better", "worse": "Worse", "practically equal": "Practically equal",
            "inconclusive": "Inconclusive", "unknown": "No verdict"}  # fmt: skip


@dataclass(frozen=True)
class Strip:
    """The interval of one verdict on a line, in percent of its width from the left."""

    low: float
    high: float
    estimate: float
    band_low: float  # ends of the margin
    band_high: float
    label: str  # of the estimate


@dataclass(frozen=True)
class VerdictCard:
    """One comparison as the page shows it."""

    kind: str
    outcome: str
    sentence: str
    strip: Strip | None
    notes: list[str]
    at_costs: list["CostRow"]
    missing: list[str]  # why there is no result for other costs, a sentence per reason
    arm: str
    baseline: str


def without_outcome(sentence: str) -> str:
    """Remove the outcome from a sentence that is shown below it."""
    return sentence_case(sentence.removeprefix("inconclusive: ").removeprefix("no verdict: "))


def verdict_cards(analysis: Analysis) -> list[VerdictCard]:
    """The verdicts in the order of the arms."""
    return [
        VerdictCard(
            kind=verdict.kind.replace(" ", "-"),
            outcome=OUTCOMES[verdict.kind],
            sentence=without_outcome(verdict.sentence),
            strip=strip(verdict.comparison.difference, verdict.margin),
            at_costs=cost_rows(analysis, verdict.comparison.arm),
            missing=missing_costs(analysis, verdict.comparison.arm),
            notes=[
                note for note in (cost_note(analysis, verdict), trend_note(verdict, len(analysis.verdicts))) if note
            ],
            arm=arm_name(analysis.study.factor, verdict.comparison.arm),
            baseline=arm_name(analysis.study.factor, verdict.comparison.baseline),
        )
        for verdict in analysis.verdicts
    ]


@dataclass(frozen=True)
class CostRow:
    """The difference at equal cost for one cost, one line."""

    title: str  # of the cost
    kind: str
    outcome: str
    strip: Strip | None
    sentence: str


def cost_rows(analysis: Analysis, arm: str) -> list[CostRow]:
    """The difference at equal cost, a line per cost that has a result, all on the same scale."""
    mine = [
        (answer, answer.result.mean)
        for answer in analysis.equal_cost
        if answer.arm == arm and not isinstance(answer.result, Missing)
    ]
    margin = analysis.verdicts[0].margin if analysis.verdicts else 0.0
    reach = _reach([mean for _, mean in mine], margin)
    return [
        CostRow(
            title=METRICS[answer.cost].title,
            kind=answer.kind.replace(" ", "-"),
            outcome=OUTCOMES[answer.kind],
            strip=strip(mean, margin, reach),
            sentence=sentence_case(answer.sentence),
        )
        for answer, mean in mine
    ]


def missing_costs(analysis: Analysis, arm: str) -> list[str]:
    """Why there is no result at equal cost for some costs, a sentence per reason."""
    reasons: dict[str, list[str]] = {}
    for answer in analysis.equal_cost:
        if answer.arm == arm and isinstance(answer.result, Missing):
            reasons.setdefault(answer.result.said, []).append(METRICS[answer.cost].title)
    return [f"No result at equal {listing(costs)}: {reason}." for reason, costs in reasons.items()]


def _reach(intervals: Iterable[MeanInterval], margin: float) -> float:
    ends = [abs(end) for interval in intervals if interval.is_known for end in (interval.low, interval.high)]
    return 1.15 * max([*ends, 2 * margin], default=1.0)


def strip(interval: MeanInterval, margin: float, reach: float | None = None) -> Strip | None:
    """Place an interval on a line that is centred on zero; None if there is no interval.

    Args:
        margin: percentage points within which a difference counts as none.
        reach: points from the centre of the line to its ends; by default interval and margin fit.
    """
    if not interval.is_known:
        return None
    reach = _reach([interval], margin) if reach is None else reach

    def place(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    return Strip(
        place(interval.low), place(interval.high), place(interval.estimate), place(-margin),
        place(margin), points(interval.estimate, signed=True),
    )  # fmt: skip


def cost_note(analysis: Analysis, verdict: Verdict) -> str | None:
    """Extra cost of the arm in the same cells, one sentence."""
    more = []
    for overhead in overheads(analysis, verdict):
        if METRICS[overhead.cost].role is Role.TIME and analysis.trials_overlap:
            continue
        mean, low, high = (points(v, signed=True, decimals=1) for v in (overhead.mean, overhead.low, overhead.high))
        spread = f" ({low} to {high})" if low != high else ""
        more.append(f"{mean} % {METRICS[overhead.cost].title}{spread}")
    if not more:
        return None
    name = arm_name(analysis.study.factor, verdict.comparison.arm)
    return f"Cost: in the same cells, {name} takes {listing(more)}; mean over cells, range in brackets."


def trend_note(verdict: Verdict, comparisons: int) -> str | None:
    """Trend of the difference with size, one sentence."""
    if not verdict.comparison.difference.is_known:
        return None
    if verdict.trend is None:
        return "There are too few cells to estimate whether the difference changes with size."
    slope = verdict.trend.slope
    if slope.low == slope.high == 0:
        return f"The difference is the same in all {slope.n} cells, regardless of size."
    interval = f"{interval_text(slope, comparisons)}; {slope.n} cells"
    evidence = f"{points(slope.estimate, signed=True)} points per doubling of MACs ({interval})"
    if slope.is_above_zero:
        return f"{_trend(verdict, is_up=True)} as models grow: {evidence}."
    if slope.is_below_zero:
        return f"{_trend(verdict, is_up=False)} as models grow: {evidence}."
    return f"The difference shows no significant trend with size: {evidence}."


def _trend(verdict: Verdict, *, is_up: bool) -> str:
    """How the difference changes as models grow: the gap narrows or widens, if there is a gap."""
    difference = verdict.comparison.difference
    if not difference.is_above_zero and not difference.is_below_zero:
        return f"The difference shifts in favour of the {'compared arm' if is_up else 'baseline'}"
    return "The gap widens" if difference.is_above_zero == is_up else "The gap narrows"


def front_note(analysis: Analysis) -> str | None:
    """Share of the arms in the joint front over the main cost, one sentence."""
    shares = share_of_front(analysis, main_cost())
    whole = sum(shares.values())
    if not whole or len(analysis.arms) < 2:
        return None
    listed = ", ".join(f"{number} {arm}" for arm, number in shares.items())
    return (
        f"The joint front has {plural(whole, 'model')} for accuracy and {METRICS[main_cost()].title}: {listed};"
        " chosen on validation accuracy."
    )


def settings(analysis: Analysis) -> list[tuple[str, str]]:
    """The settings of the study, as names and values."""
    study, space = analysis.study, analysis.study.space
    facts = [(f"Axis {name}", _listed(values)) for name, values in space.get("axes", {}).items()]
    facts.append((f"Arms ({study.factor})", ", ".join(analysis.arms)))
    facts.append(("Seeds per cell and arm", str(study.repetitions)))
    family = space.get("family") or study.conditions.get("family")
    if family:
        facts.append(("Family", f"{family} {_listed_settings(space.get('arch', {}))}".strip()))
    for section in ("data", "recipe", "limits"):
        if text := _listed_settings(space.get(section, {}) or {}):
            facts.append((section.capitalize(), text))
    return facts


def environments(analysis: Analysis) -> list[tuple[str, str]]:
    """Hardware and versions of the trials: every entry of their environments, with counts if they differ."""
    names = dict.fromkeys(name for record in analysis.records for name in record.environment)
    hosts = {str(record.environment["host"]) for record in analysis.records if record.environment.get("host")}
    facts = [("hosts", str(len(hosts)))] if hosts else []
    for name in names:
        values = Counter(str(record.environment[name]) for record in analysis.records if record.environment.get(name))
        if values and name not in HIDDEN:
            several = len(values) > 1
            facts.append(
                (name, ", ".join(f"{value} ({n} trials)" if several else value for value, n in values.items()))
            )
    seconds = [record.wall_seconds for record in analysis.records if record.wall_seconds is not None]
    if seconds:
        facts.append(("total trial time", _duration(sum(seconds))))
    return facts


def until(analysis: Analysis) -> str | None:
    """When the last trial ended; the page has no other date, so that equal records give an equal page."""
    ended = [moment for record in analysis.records if (moment := _moment(record.ended))]
    return f"{max(ended):%Y-%m-%d %H:%M} UTC" if ended else None


def _moment(written: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(written).astimezone(UTC) if written else None
    except ValueError:  # of a record that was edited by hand
        return None


def _listed(values: Any) -> str:
    if isinstance(values, Mapping) and "name" in values:
        return pooling_text(values)
    if isinstance(values, Mapping):
        step = f" in steps of {values['step']}" if values.get("step") else ""
        return f"{values.get('low')} to {values.get('high')}{step}{', logarithmic' if values.get('log') else ''}"
    return ", ".join(map(_listed, values)) if isinstance(values, list | tuple) else str(values)


def _listed_settings(section: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_listed(value)}" for name, value in section.items() if value is not None)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def sentence_case(sentence: str) -> str:
    """Capitalise `sentence`, unless it begins with an identifier such as `average_mlp`."""
    first = sentence.partition(" ")[0]
    return sentence if "_" in first or any(c.isdigit() for c in first) else sentence[:1].upper() + sentence[1:]
