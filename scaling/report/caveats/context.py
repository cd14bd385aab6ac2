"""Caveats about the context: machines, imports, other studies, published numbers."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.caveats.caveat import caveat
from scaling.wording import plural, points


@caveat(order=140, heading="Machines or versions differ")
def mixed_machines(analysis: Analysis) -> str | None:
    """Records come from different devices or versions."""
    mixed = []
    for name in ("device", "torch", "commit"):
        values = {str(record.environment[name]) for record in analysis.records if record.environment.get(name)}
        if len(values) > 1:
            mixed.append(f"{name} ({', '.join(sorted(values))})")
    if not mixed:
        return None
    return f"The trials differ in {', '.join(mixed)}; within a pair this may bias the difference."


@caveat(order=160, heading="Imported results")
def imported(analysis: Analysis) -> str | None:
    """The results are imported, with assumptions about them."""
    return " ".join(analysis.study.imported) if analysis.study.imported else None


@caveat(order=170, heading="Compared studies differ")
def joint(analysis: Analysis) -> str | None:
    """Compared studies differ in more than their names."""
    return " ".join(analysis.context.notes) or None


@caveat(order=180, heading="Changes since an earlier study")
def changed(analysis: Analysis) -> str | None:
    """Results changed since an earlier study."""
    changes = analysis.context.changes
    if changes is None:
        return None
    moved = sum(trial.is_beyond_noise for trial in changes.trials)
    verdicts = [
        f"{verdict.arm} was {verdict.before}, is {verdict.after}" for verdict in changes.verdicts if verdict.has_changed
    ]
    text = "; ".join(verdicts) if verdicts else "no verdict changed"
    limit = f"±{points(changes.noise)} points" if changes.noise is not None else f"unknown, as {changes.how}"
    return (
        f"Compared with {changes.earlier}: {text}. Of {plural(changes.shared, 'trial')} in both studies, {moved} moved"
        f" beyond noise ({limit}); {changes.added} are new, {changes.gone} are gone."
        + (
            f" {plural(changes.on_other_images, 'trial')} of both studies were scored on different test images and are"
            " not compared."
            if changes.on_other_images
            else ""
        )
    )


@caveat(order=190, heading="Published numbers are of other recipes")
def published(analysis: Analysis) -> str | None:
    """Published numbers are drawn in, from models trained by other recipes."""
    if not analysis.context.references:
        return None
    series = []
    for one in analysis.context.references:
        data = ", ".join(dict.fromkeys(point.data for point in one.points))
        series.append(f"{one.series} ({data}; its FLOPs are {one.counts}, shown as MACs)")
    return (
        f"Published numbers are drawn in for orientation: {'; '.join(series)}. They come from other recipes:"
        " accuracies are comparable only on the same data, costs only at the same image size. They do not affect any"
        " verdict."
    )
