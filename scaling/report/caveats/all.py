"""Caveats: what a reader must know before believing the verdict; one function a caveat, silent where none is due."""

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from scaling.report.analysis.analysis import Analysis, goes_on_until_decided, incomplete, overheads
from scaling.statistics.looks import LOOK_LEVEL, MOST_LOOKS
from scaling.statistics.verdict import arm_name, judge
from scaling.study.learning_rates import at_edge, chosen_rates
from scaling.study.metrics import METRICS
from scaling.wording import first_few, listing, plural, points

Caveat = Callable[[Analysis], str | None]
CAVEATS: dict[str, Caveat] = {}
FEWEST_EXAMPLES = 2000  # test images below which one image weighs more than 0.05 points
WORTH_SAYING = 5.0  # percent of extra cost
AT_MOST = 6  # cells named one by one
NOTES = 3  # kinds of trouble named


def caveat(say: Caveat) -> Caveat:
    """Register a function as a caveat under its own name; to be used as a decorator."""
    name = say.__name__
    if name in CAVEATS:
        raise ValueError(f"a caveat named '{name}' is registered already")
    CAVEATS[name] = say
    return say


def caveats(analysis: Analysis) -> list[str]:
    """All that applies, one sentence or two each."""
    return [said for say in CAVEATS.values() if (said := say(analysis)) is not None]


@caveat
def under_way(analysis: Analysis) -> str | None:
    """The study has trials that have not ended."""
    missing = analysis.progress.missing
    if not missing:
        return None
    planned = plural(analysis.progress.planned, "trial")
    said = f"{missing} of {planned} have not ended: they are running, or not yet started."
    if not any(verdict.comparison.difference.is_known for verdict in analysis.verdicts):
        return said
    return f"{said} A verdict that is looked at again and again until it pleases is no longer one with 95 % confidence."


@caveat
def looked_at_often(analysis: Analysis) -> str | None:
    """The verdict itself decided when the study was long enough."""
    if not goes_on_until_decided(analysis.study):
        return None
    return (
        f"The study went on until its verdict was decided, at up to {MOST_LOOKS} looks. The verdict's interval has the"
        f" level {100 * LOOK_LEVEL:.2f} % for that, with which all looks together hold with 95 %; the answers at equal"
        " cost and the intervals of single cells are not corrected."
    )


@caveat
def lost_pairs(analysis: Analysis) -> str | None:
    """Trials that failed or diverged took pairs with them."""
    lost = incomplete(analysis)
    if not lost:
        return None
    by_arm = Counter(record.arm for record in analysis.records if record.status in ("failed", "diverged"))
    counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
    named = first_few([f"{cell}: {what}" for cell, what in lost], AT_MOST)
    return (
        f"Trials that failed or diverged leave no pair ({counts}). Where an arm fails more often than the other, the"
        f" difference over the rest flatters it. Pairs are missing in {named}."
    )


@caveat
def few_cells(analysis: Analysis) -> str | None:
    """One cell, or two or three."""
    paired = max((len(verdict.comparison.cells) for verdict in analysis.verdicts), default=0)
    if paired == 1:
        return "One cell is paired: the interval is over its seeds, and says nothing about other sizes."
    if 1 < paired <= 3:
        return f"Only {paired} cells are paired: how much cells differ is hardly known, so the interval is wide."
    return None


@caveat
def one_seed(analysis: Analysis) -> str | None:
    """No repetition within cells."""
    comparisons = [verdict.comparison for verdict in analysis.verdicts if len(verdict.comparison.cells)]
    if not comparisons or any(math.isfinite(comparison.seed_sd) for comparison in comparisons):
        return None
    return (
        "There is one seed a cell: the luck of a seed and a true difference between cells cannot be told apart, and no"
        " cell has an interval of its own."
    )


@caveat
def unequal_cost(analysis: Analysis) -> str | None:
    """Equal cells are not equal costs."""
    said = []
    for verdict in analysis.verdicts:
        more = [o for o in overheads(analysis, verdict) if abs(o.mean) >= WORTH_SAYING and o.cost != "train_seconds"]
        if more:
            costs = listing([f"{points(o.mean, signed=True, decimals=1)} % {METRICS[o.cost].title}" for o in more])
            said.append(f"{arm_name(analysis.study.factor, verdict.comparison.arm)} has {costs}")
    if not said:
        return None
    equal = [
        f"at equal {METRICS[cost].title} {arm_name(analysis.study.factor, answer.arm)} has"
        f" {points(answer.others[other], signed=True, decimals=1)} % {METRICS[other].title}"
        for cost, other in (("macs", "params"), ("params", "macs"))
        for answer in analysis.equal_cost
        if answer.cost == cost and abs(answer.others.get(other, 0.0)) >= WORTH_SAYING
    ]
    still = f" No cost makes them equal in all others: {'; '.join(equal)}." if equal else ""
    return (
        f"Arms are compared in the same cell, not at the same cost: {'; '.join(said)} on the average. The difference at"
        f" equal cost shows what is left of it there.{still}"
    )


@caveat
def untuned_rates(analysis: Analysis) -> str | None:
    """No learning rate was tried but one."""
    if not analysis.verdicts or any(
        record.learning_rate_grid and len(record.learning_rate_grid) > 1 for record in analysis.records
    ):
        return None
    if analysis.study.imported:
        return "How each model was trained is not known here: a difference of arms may be one of their training."
    return (
        "The learning rate was not tuned for each arm: one that wants another is not at its best, and the difference is"
        " that of the arms at this rate. A bracket of learning rates in the space would settle it."
    )


@caveat
def laws_of_untuned_models(analysis: Analysis) -> str | None:
    """Scaling laws through models at one learning rate."""
    learning_rate_grids = [
        bool(record.learning_rate_grid and len(record.learning_rate_grid) > 1) for record in analysis.records
    ]
    if all(learning_rate_grids) or not analysis.scaling_fits.any_known:
        return None
    if analysis.study.imported:
        return (
            "The scaling laws go through models of others. The law holds on the frontier of models that are all tuned;"
            " where they are not, exponents and floors mislead."
        )
    return (
        "The scaling laws go through models that were not all tuned: the best learning rate changes with size, so that"
        " at one rate for all of them the largest fall behind, and exponents and floors mislead. The law holds on the"
        " frontier of tuned models."
    )


@caveat
def rates_at_edge(analysis: Analysis) -> str | None:
    """The best of the learning rates that were tried is the smallest or the largest."""
    chosen = chosen_rates(analysis.records)
    learning_rate_grids = {
        (str(cell), record.arm): record.learning_rate_grid
        for cell, record in zip(analysis.table["cell"], analysis.records, strict=True)
        if record.learning_rate_grid and len(record.learning_rate_grid) > 1
    }
    edge = Counter(
        place[1] for place, tried in learning_rate_grids.items() if place in chosen and at_edge(tried, chosen[place])
    )
    if not edge:
        return None
    of = Counter(place[1] for place in learning_rate_grids if place in chosen)
    counts = ", ".join(f"{arm} {edge[arm]} of {of[arm]} cells" for arm in analysis.arms if of[arm])
    return (
        f"The best learning rate lies at an end of what was tried ({counts}): a better one may lie outside, and an arm"
        " for which this happens more often is put at a disadvantage. Widen the bracket."
    )


@caveat
def unequal_training(analysis: Analysis) -> str | None:
    """Trials that are compared were trained differently: other numbers of epochs, or trouble on the way."""
    said = []
    finished = analysis.finished
    epochs = finished[finished["epochs"] > 0].groupby("arm")["epochs"]
    if epochs.ngroups and finished.loc[finished["epochs"] > 0, "epochs"].nunique() > 1:
        ranges = ", ".join(f"{arm} {low} to {high}" for arm, low, high in epochs.agg(["min", "max"]).itertuples())
        said.append(f"Trials that are compared have had different numbers of epochs ({ranges}).")
    used = set(finished["key"])
    noted = [record for record in analysis.records if record.notes and record.key in used]
    if noted:
        by_arm = Counter(record.arm for record in noted)
        counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
        lines = Counter(note for record in noted for note in record.notes)
        shown = first_few([f"{note} ({plural(times, 'trial')})" for note, times in lines.most_common()], NOTES)
        said.append(f"Some trials did not go by the recipe alone ({counts}): {shown}.")
    return " ".join(said) or None


@caveat
def stopped_cells(analysis: Analysis) -> str | None:
    """Whole cells were stopped early."""
    stopped = analysis.progress.stopped
    if not stopped:
        return None
    cells = analysis.table.loc[analysis.table["status"] == "stopped", "cell"].nunique()
    return (
        f"{plural(stopped, 'trial')} in {plural(cells, 'cell')} were stopped early, all arms of a cell together: they"
        " have no scores and take no part in any comparison. The verdict is about the cells that went on."
    )


@caveat
def shared_device(analysis: Analysis) -> str | None:
    """Latency was measured while other trials ran on the same machine."""
    if not analysis.trials_overlap or not np.isfinite(analysis.cells["latency"].to_numpy(dtype=float)).any():
        return None
    return (
        "Trials ran side by side on one machine while latency and training time were measured: a comparison at equal"
        " latency or equal training time holds what the others did to it. Measure again with"
        " `python -m scaling.measure` on an idle machine."
    )


@caveat
def other_test_images(analysis: Analysis) -> str | None:
    """The interval is about these test images; others could move the difference."""
    examples = analysis.test_examples
    told = [verdict for verdict in analysis.verdicts if verdict.noise]
    if examples is None or not analysis.verdicts or (not told and examples >= FEWEST_EXAMPLES):
        return None
    if not told:
        return (
            f"The test set has {examples:,} images, so that one image is {100 / examples:.2f} points. The interval"
            " covers other seeds and cells, not other test images; on so few, those could move a small difference."
        )
    said = [f"The interval covers other cells and seeds, not other test images than these {examples:,}."]
    for verdict in told:
        assert verdict.noise
        both, name = verdict.noise.both, arm_name(analysis.study.factor, verdict.comparison.arm)
        changed = judge(both, verdict.margin)
        then = "" if changed == verdict.kind else f": then the verdict would be “{changed}”"
        said.append(
            f"For {name}, others of the same kind would move the difference by about"
            f" ±{points(verdict.noise.half_width)} points; with that the interval is {points(both.low)} to"
            f" {points(both.high)}{then}."
        )
    return " ".join(said)


@caveat
def mixed_machines(analysis: Analysis) -> str | None:
    """Records come from different devices or versions."""
    mixed = []
    for name in ("device", "torch", "commit"):
        values = {str(record.environment[name]) for record in analysis.records if record.environment.get(name)}
        if len(values) > 1:
            mixed.append(f"{name} ({', '.join(sorted(values))})")
    if not mixed:
        return None
    return f"The trials do not share one {', '.join(mixed)}; within a pair that may bias the difference."


@caveat
def unreadable(analysis: Analysis) -> str | None:
    """Records that are torn, or of a newer version."""
    lines = analysis.context.left_out
    if not lines:
        return None
    return (
        f"{plural(len(lines), 'file')} of records could not be read and {'is' if len(lines) == 1 else 'are'} left out:"
        f" {first_few(lines, AT_MOST)}."
    )


@caveat
def imported(analysis: Analysis) -> str | None:
    """Results of others, with what was assumed about them."""
    return " ".join(analysis.study.imported) if analysis.study.imported else None


@caveat
def joint(analysis: Analysis) -> str | None:
    """Studies that are compared differ in more than their names."""
    return " ".join(analysis.context.notes) or None


@caveat
def changed(analysis: Analysis) -> str | None:
    """What moved since an earlier study."""
    changes = analysis.context.changes
    if changes is None:
        return None
    moved = sum(trial.is_beyond_noise for trial in changes.trials)
    verdicts = [
        f"{verdict.arm} was {verdict.before}, is {verdict.after}" for verdict in changes.verdicts if verdict.has_changed
    ]
    said = "; ".join(verdicts) if verdicts else "no verdict changed"
    limit = f"±{points(changes.noise)} points" if changes.noise is not None else f"not known, as {changes.how}"
    return (
        f"Against {changes.earlier}: {said}. Of {plural(changes.shared, 'trial')} in both, {moved} moved beyond"
        f" noise ({limit}); {changes.added} are new, {changes.gone} are gone."
    )


@caveat
def published(analysis: Analysis) -> str | None:
    """Reference points are of other training."""
    if not analysis.context.references:
        return None
    said = []
    for one in analysis.context.references:
        data = ", ".join(dict.fromkeys(point.data for point in one.points))
        said.append(f"{one.series} ({data}; its FLOPs are {one.counts}, shown as MACs)")
    return (
        f"Published numbers are drawn in for orientation: {'; '.join(said)}. They were trained by other"
        " recipes; accuracies compare only on the same data, costs only at the same image size. They take no part in"
        " any verdict."
    )
