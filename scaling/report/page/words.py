"""Words of the page: what it says around figures and tables, computed from an analysis."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scaling.report.analysis.analysis import MAIN_COST, Analysis, overheads, share_of_front
from scaling.statistics.intervals import Interval
from scaling.statistics.missing import Missing
from scaling.statistics.verdict import Verdict, arm_name, interval_text
from scaling.study.metrics import METRICS
from scaling.wording import listing, plural, points

HIDDEN = {"host"}  # of the environment: a page that is shown around need not name the machines
OUTCOMES = {"better": "Better", "worse": "Worse", "practically equal": "Practically equal",
            "inconclusive": "Inconclusive", "unknown": "No verdict"}  # fmt: skip


@dataclass(frozen=True)
class Strip:
    """The interval of one verdict on a line, in percent of its width from the left."""

    low: float
    high: float
    estimate: float
    band_low: float  # ends of what counts as no difference
    band_high: float
    label: str  # of the estimate


@dataclass(frozen=True)
class Answer:
    """One comparison, as the page puts it."""

    kind: str
    outcome: str
    sentence: str
    strip: Strip | None
    notes: list[str]
    at_costs: list["AtCost"]
    unanswered: list[str]  # why there is no answer over other costs, a sentence a reason
    arm: str
    baseline: str


def without_outcome(sentence: str) -> str:
    """A sentence to stand below its outcome, which it need not say again."""
    return sentence_case(sentence.removeprefix("inconclusive: ").removeprefix("no verdict: "))


def answers(analysis: Analysis) -> list[Answer]:
    """The verdicts, in the order of the arms."""
    return [
        Answer(
            kind=verdict.kind.replace(" ", "-"),
            outcome=OUTCOMES[verdict.kind],
            sentence=without_outcome(verdict.sentence),
            strip=strip(verdict.comparison.difference, verdict.margin),
            at_costs=at_equal_costs(analysis, verdict.comparison.arm),
            unanswered=unanswered(analysis, verdict.comparison.arm),
            notes=[
                note for note in (cost_note(analysis, verdict), trend_note(verdict, len(analysis.verdicts))) if note
            ],
            arm=arm_name(analysis.study.factor, verdict.comparison.arm),
            baseline=arm_name(analysis.study.factor, verdict.comparison.baseline),
        )
        for verdict in analysis.verdicts
    ]


@dataclass(frozen=True)
class AtCost:
    """The answer at equal cost over one cost, one line."""

    title: str  # of the cost
    kind: str
    outcome: str
    strip: Strip | None
    sentence: str


def at_equal_costs(analysis: Analysis, arm: str) -> list[AtCost]:
    """What is left of the difference at equal cost, a line a cost that has an answer, all on one scale."""
    mine = [
        (answer, answer.result.mean)
        for answer in analysis.equal_cost
        if answer.arm == arm and not isinstance(answer.result, Missing)
    ]
    margin = analysis.verdicts[0].margin if analysis.verdicts else 0.0
    reach = _reach([mean for _, mean in mine], margin)
    return [
        AtCost(
            title=METRICS[answer.cost].title,
            kind=answer.kind.replace(" ", "-"),
            outcome=OUTCOMES[answer.kind],
            strip=strip(mean, margin, reach),
            sentence=sentence_case(answer.sentence),
        )
        for answer, mean in mine
    ]


def unanswered(analysis: Analysis, arm: str) -> list[str]:
    """Why there is no answer at equal cost over some costs, a sentence a reason."""
    reasons: dict[str, list[str]] = {}
    for answer in analysis.equal_cost:
        if answer.arm == arm and isinstance(answer.result, Missing):
            reasons.setdefault(answer.result.said, []).append(METRICS[answer.cost].title)
    return [f"No answer at equal {listing(costs)}: {said}." for said, costs in reasons.items()]


def _reach(intervals: Iterable[Interval], margin: float) -> float:
    ends = [abs(end) for interval in intervals if interval.is_known for end in (interval.low, interval.high)]
    return 1.15 * max([*ends, 2 * margin], default=1.0)


def strip(interval: Interval, margin: float, reach: float | None = None) -> Strip | None:
    """Where the interval lies, on a line that is centred on zero; None where there is no interval.

    Args:
        margin: percentage points within which a difference counts as none.
        reach: points from the middle of the line to its ends; by default both interval and margin fit.
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
    """What the arm costs more in the same cells, one sentence."""
    more = []
    for overhead in overheads(analysis, verdict):
        if overhead.cost == "train_seconds" and analysis.trials_overlap:
            continue
        mean, low, high = (points(v, signed=True, decimals=1) for v in (overhead.mean, overhead.low, overhead.high))
        spread = f" ({low} to {high})" if low != high else ""
        more.append(f"{mean} % {METRICS[overhead.cost].title}{spread}")
    if not more:
        return None
    name = arm_name(analysis.study.factor, verdict.comparison.arm)
    return f"What it costs: in the same cells, {name} takes {listing(more)}; mean over cells, in brackets the range."


def trend_note(verdict: Verdict, comparisons: int) -> str | None:
    """Whether the difference changes with size, one sentence."""
    if not verdict.comparison.difference.is_known:
        return None
    if verdict.trend is None:
        return "Whether the difference changes with size cannot be told from so few cells."
    slope = verdict.trend.slope
    if slope.low == slope.high == 0:
        return f"The difference is the same in all {slope.n} cells, whatever their size."
    interval = f"{interval_text(slope, comparisons)}; {slope.n} cells"
    evidence = f"{points(slope.estimate, signed=True)} points per doubling of MACs ({interval})"
    if slope.is_above_zero:
        return f"With size the difference moves in favour of the compared arm: {evidence}."
    if slope.is_below_zero:
        return f"With size the difference moves in favour of the baseline: {evidence}."
    return f"No change of the difference with size is shown: {evidence}."


def front_note(analysis: Analysis) -> str | None:
    """How the arms share the joint front over the main cost, one sentence."""
    shares = share_of_front(analysis, MAIN_COST)
    whole = sum(shares.values())
    if not whole or len(analysis.arms) < 2:
        return None
    listed = ", ".join(f"{number} {arm}" for arm, number in shares.items())
    return (
        f"Of the {plural(whole, 'model')} on the joint front of accuracy and {METRICS[MAIN_COST].title}, {listed};"
        " chosen on validation accuracy."
    )


def asked(analysis: Analysis) -> list[tuple[str, str]]:
    """What was asked, as names and values."""
    study, space = analysis.study, analysis.study.space
    facts = [(f"Axis {name}", _listed(values)) for name, values in space.get("axes", {}).items()]
    facts.append((f"Arms ({study.factor})", ", ".join(analysis.arms)))
    facts.append(("Seeds per cell and arm", str(study.seeds)))
    family = space.get("family") or study.conditions.get("family")
    if family:
        facts.append(("Family", f"{family} {_settings(space.get('arch', {}))}".strip()))
    for section in ("data", "recipe", "limits"):
        settings = _settings(space.get(section, {}) or {})
        if settings:
            facts.append((section.capitalize(), settings))
    return facts


def environments(analysis: Analysis) -> list[tuple[str, str]]:
    """Where the trials ran: every entry of their environments, with counts where they differ."""
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
        facts.append(("trial time in all", _duration(sum(seconds))))
    return facts


def until(analysis: Analysis) -> str | None:
    """When the last trial ended. The page has no date of its own, so that equal records give an equal page."""
    ended = [moment for record in analysis.records if (moment := _moment(record.ended))]
    return f"{max(ended):%Y-%m-%d %H:%M} UTC" if ended else None


def _moment(written: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(written).astimezone(UTC) if written else None
    except ValueError:  # of a record that other hands wrote
        return None


def _listed(values: Any) -> str:
    if isinstance(values, Mapping):
        step = f" in steps of {values['step']}" if values.get("step") else ""
        return f"{values.get('low')} to {values.get('high')}{step}{', logarithmic' if values.get('log') else ''}"
    return ", ".join(map(str, values)) if isinstance(values, list | tuple) else str(values)


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_listed(value)}" for name, value in settings.items() if value is not None)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def sentence_case(sentence: str) -> str:
    """`sentence` with a capital letter in front, unless it begins with a name that is not a word, as `average_mlp`."""
    first = sentence.partition(" ")[0]
    return sentence if "_" in first or any(c.isdigit() for c in first) else sentence[:1].upper() + sentence[1:]
