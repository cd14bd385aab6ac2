"""Caveats about training: learning rates that were not tuned, and trials that were trained differently."""

from collections import Counter

from scaling.report.analysis.analysis import Analysis
from scaling.report.caveats.caveat import caveat
from scaling.study.learning_rates import at_edge, chosen_rates
from scaling.study.records import Record
from scaling.study.training_compute import EPOCHS, TRAINING_COMPUTE
from scaling.wording import first_few, plural

NOTES = 3  # different notes of trials to name


def _is_tuned(record: Record) -> bool:
    return record.learning_rate_grid is not None and len(record.learning_rate_grid) > 1


@caveat(order=70, heading="Learning rates were not tuned")
def untuned_rates(analysis: Analysis) -> str | None:
    """Only one learning rate was tried."""
    if not analysis.verdicts or any(map(_is_tuned, analysis.records)):
        return None
    if analysis.study.imported:
        return "It is unknown how each model was trained: a difference between arms may be one of training."
    return (
        "The learning rate was not tuned for each arm, so the difference holds at this rate only. An arm that needs"
        " another learning rate is at a disadvantage; add `tune: {lr: 3}` to the space."
    )


@caveat(order=80, heading="Scaling laws of untuned models")
def laws_of_untuned_models(analysis: Analysis) -> str | None:
    """Scaling laws are fitted to models at one learning rate."""
    if all(map(_is_tuned, analysis.records)) or not analysis.scaling_fits.any_known:
        return None
    if analysis.study.imported:
        return (
            "The scaling laws are fitted to models of others. The law holds on the frontier of tuned models; if some"
            " are not tuned, exponents and floors mislead."
        )
    return (
        "The scaling laws are fitted to models that were not all tuned. The best learning rate changes with size, so at"
        " one rate for all the largest models fall behind, and exponents and floors mislead. The law holds on the"
        " frontier of tuned models."
    )


@caveat(order=90, heading="Best learning rates lie at the edge")
def rates_at_edge(analysis: Analysis) -> str | None:
    """The best learning rate is the smallest or the largest that was tried."""
    chosen = chosen_rates(analysis.records, max(1, analysis.study.choose_by))
    grids = {
        (str(cell), record.arm): record.learning_rate_grid or []
        for cell, record in zip(analysis.table["cell"], analysis.records, strict=True)
        if _is_tuned(record)
    }
    edge = Counter(place[1] for place, tried in grids.items() if place in chosen and at_edge(tried, chosen[place]))
    if not edge:
        return None
    of = Counter(place[1] for place in grids if place in chosen)
    counts = ", ".join(f"{arm} {edge[arm]} of {of[arm]} cells" for arm in analysis.arms if of[arm])
    return (
        f"The best learning rate is at an end of its grid ({counts}): a better one may lie outside, which puts the arm"
        " with more such cells at a disadvantage. Widen the grid."
    )


def _on_purpose(analysis: Analysis) -> str:
    """Why the study itself gives its trials different numbers of epochs."""
    match = analysis.study.conditions.get("match")
    if isinstance(match, dict) and match.get("cost") == TRAINING_COMPUTE:
        return ", so that the arms of a cell cost the same training compute, up to a whole epoch"
    axis = f"recipe.{EPOCHS}"
    return f", as {axis} is an axis" if axis in analysis.study.axes else ""


@caveat(order=100, heading="Trials were trained differently")
def unequal_training(analysis: Analysis) -> str | None:
    """Compared trials differ in their number of epochs, or some did not follow the recipe."""
    texts = []
    finished = analysis.finished
    epochs = finished[finished["epochs"] > 0].groupby("arm")["epochs"]
    if epochs.ngroups and finished.loc[finished["epochs"] > 0, "epochs"].nunique() > 1:
        ranges = ", ".join(f"{arm} {low} to {high}" for arm, low, high in epochs.agg(["min", "max"]).itertuples())
        texts.append(
            f"The compared trials were trained for different numbers of epochs ({ranges}){_on_purpose(analysis)}."
        )
    used = set(finished["key"])
    noted = [record for record in analysis.records if record.notes and record.key in used]
    if noted:
        by_arm = Counter(record.arm for record in noted)
        counts = ", ".join(f"{arm} {by_arm[arm]}" for arm in analysis.arms)
        lines = Counter(note for record in noted for note in record.notes)
        shown = first_few([f"{note} ({plural(times, 'trial')})" for note, times in lines.most_common()], NOTES)
        texts.append(f"Some trials deviated from the recipe ({counts}): {shown}.")
    return " ".join(texts) or None
