"""Texts of the page around figures and tables, computed from an analysis."""

from dataclasses import dataclass, replace

from scaling.report.analysis.analysis import Analysis, overheads, share_of_front
from scaling.report.analysis.arm_names import arm_name
from scaling.report.analysis.verdicts import ArmVerdict
from scaling.report.analysis.what_if import what_would_change
from scaling.statistics.estimates import Interval
from scaling.statistics.intervals import Bounded
from scaling.statistics.kinds import Kind
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Role, main_cost
from scaling.wording import listing, plural, points

OUTCOMES = {
    Kind.BETTER: "Better",
    Kind.WORSE: "Worse",
    Kind.EQUAL: "Practically equal",
    Kind.BY_SIZE: "Depends on size",
    Kind.MIXED: "Mixed",
    Kind.INCONCLUSIVE: "Inconclusive",
    Kind.UNKNOWN: "No verdict",
}
PARTS = {2: ("Cheaper half", "Costlier half"), 3: ("Cheapest third", "Middle third", "Costliest third")}


@dataclass(frozen=True)
class Strip:
    """An interval on a line, in percent of its width from the left."""

    low: float
    high: float
    estimate: float
    band_low: float  # ends of the margin
    band_high: float
    label: str  # of the estimate


@dataclass(frozen=True)
class IntervalRow:
    """One interval beside that of the verdict, a line."""

    title: str
    kind: str
    outcome: str
    strip: Strip | None
    sentence: str = ""


@dataclass(frozen=True)
class VerdictCard:
    """One comparison as the page shows it."""

    kind: str
    outcome: str
    sentence: str
    strip: Strip | None
    answers: list[IntervalRow]  # the first screen: these models, others, by size, at equal cost
    extra: str | None  # cost of the arm in the same cells, in a few words
    notes: list[str]
    by_size: list[IntervalRow]  # other models, and the parts by size
    at_costs: list[IntervalRow]
    missing: list[str]  # why there is no result for other costs, a sentence per reason
    changes: list[str]  # what would change the verdict
    arm: str
    baseline: str


def without_outcome(sentence: str) -> str:
    """Remove the outcome from a sentence that is shown below it."""
    for opening in ("inconclusive: ", "no verdict: ", "No verdict: "):
        sentence = sentence.removeprefix(opening)
    return sentence_case(sentence)


def verdict_cards(analysis: Analysis) -> list[VerdictCard]:
    """The verdicts in the order of the arms."""
    return [
        VerdictCard(
            kind=str(verdict.kind).replace(" ", "-"),
            outcome=OUTCOMES[verdict.kind],
            sentence=without_outcome(verdict.sentence),
            strip=strip(verdict.difference, verdict.margin, reach_of(analysis, verdict)),
            answers=first_answers(analysis, verdict),
            extra=extra_cost(analysis, verdict),
            by_size=size_rows(verdict, reach_of(analysis, verdict)),
            at_costs=cost_rows(analysis, verdict),
            missing=missing_costs(analysis, verdict.arm),
            changes=what_would_change(verdict, analysis.settings),
            notes=[*verdict.found.remarks, *filter(None, [cost_note(analysis, verdict)])],
            arm=arm_name(analysis.study.factor, verdict.arm),
            baseline=arm_name(analysis.study.factor, verdict.baseline),
        )
        for verdict in analysis.verdicts
    ]


FIRST_COSTS = ("macs", "params")  # at which the first screen shows the difference


def first_answers(analysis: Analysis, verdict: ArmVerdict) -> list[IntervalRow]:
    """The difference in the models that were run, in others, by size, and at the first costs: a line each."""
    reach = reach_of(analysis, verdict)
    kind = str(verdict.kind).replace(" ", "-")
    rows = [
        IntervalRow("In these models", kind, OUTCOMES[verdict.kind], strip(verdict.difference, verdict.margin, reach))
    ]
    titles = [METRICS[cost].title for cost in FIRST_COSTS]
    equal = [row for row in cost_rows(analysis, verdict) if row.title in titles]
    at_cost = [replace(row, title=f"At equal {row.title}") for row in equal]
    return [row for row in (*rows, *size_rows(verdict, reach), *at_cost) if row.strip]


def extra_cost(analysis: Analysis, verdict: ArmVerdict) -> str | None:
    """Extra cost of the arm in the same cells: `+33 % MACs, +93 % parameters`; None if nothing is known."""
    more = [
        f"{points(overhead.mean, signed=True, decimals=0)} % {METRICS[overhead.cost].title}"
        for overhead in overheads(analysis, verdict)
        if METRICS[overhead.cost].role is not Role.TIME
    ]
    return ", ".join(more) or None


def size_rows(verdict: ArmVerdict, reach: float) -> list[IntervalRow]:
    """Other models of the range, and the parts by size."""
    rows = []
    if (beyond := verdict.found.beyond) is not None:
        rows.append(_row("Models between", beyond, verdict.margin, reach))
    parts = verdict.found.parts
    if len(parts) > 1:
        named = zip(PARTS[len(parts)], parts, strict=True)
        rows += [_row(name, part.interval, verdict.margin, reach) for name, part in named]
    return rows


def _row(title: str, interval: Interval, margin: float, reach: float) -> IntervalRow:
    """An interval with the side of zero on which it lies."""
    kind, outcome = "inconclusive", "Open"
    if interval.is_above_zero:
        kind, outcome = "better", "Above 0"
    elif interval.is_below_zero:
        kind, outcome = "worse", "Below 0"
    return IntervalRow(title, kind, outcome, strip(interval, margin, reach))


def cost_rows(analysis: Analysis, verdict: ArmVerdict) -> list[IntervalRow]:
    """The difference at equal cost, a line per cost that has a result, all on the same scale."""
    reach = reach_of(analysis, verdict)
    return [
        IntervalRow(
            title=METRICS[answer.cost].title,
            kind=str(answer.kind).replace(" ", "-"),
            outcome=OUTCOMES[answer.kind],
            strip=strip(answer.result.mean, answer.result.margin, reach),
            sentence=answer.sentence,
        )
        for answer in analysis.equal_cost
        if answer.arm == verdict.arm and not isinstance(answer.result, Missing)
    ]


def missing_costs(analysis: Analysis, arm: str) -> list[str]:
    """Why there is no result at equal cost for some costs, a sentence per reason."""
    reasons: dict[str, list[str]] = {}
    for answer in analysis.equal_cost:
        if answer.arm == arm and isinstance(answer.result, Missing) and answer.result.why != "incomplete":
            reasons.setdefault(answer.result.said, []).append(METRICS[answer.cost].title)
    return [f"No result at equal {listing(costs)}: {reason}." for reason, costs in reasons.items()]


def reach_of(analysis: Analysis, verdict: ArmVerdict) -> float:
    """Points from the centre to the ends of the lines of one verdict, so that its intervals share a scale."""
    equal = [
        answer.result.mean
        for answer in analysis.equal_cost
        if answer.arm == verdict.arm and not isinstance(answer.result, Missing)
    ]
    parts = [part.interval for part in verdict.found.parts]
    beyond = [verdict.found.beyond] if verdict.found.beyond else []
    ends = [
        abs(end)
        for interval in (verdict.difference, *parts, *beyond, *equal)
        if interval.is_known
        for end in (interval.low, interval.high)
    ]
    return 1.15 * max([*ends, 2 * verdict.margin], default=1.0) or 1.0


def strip(interval: Bounded, margin: float, reach: float) -> Strip | None:
    """Place an interval on a line that is centred on zero; None if there is no interval.

    Args:
        margin: percentage points within which a difference counts as none.
        reach: points from the centre of the line to its ends.
    """
    if not interval.is_known:
        return None

    def place(value: float) -> float:
        return round(50 + 50 * max(-1.0, min(1.0, value / reach)), 2)

    return Strip(
        place(interval.low), place(interval.high), place(interval.estimate), place(-margin),
        place(margin), points(interval.estimate, signed=True),
    )  # fmt: skip


def cost_note(analysis: Analysis, verdict: ArmVerdict) -> str | None:
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
    name = arm_name(analysis.study.factor, verdict.arm)
    return f"Cost: in the same cells, {name} takes {listing(more)}; mean over cells, range in brackets."


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


def sentence_case(sentence: str) -> str:
    """Capitalise `sentence`, unless it begins with an identifier such as `average_mlp`."""
    first = sentence.partition(" ")[0]
    return sentence if "_" in first or any(c.isdigit() for c in first) else sentence[:1].upper() + sentence[1:]
