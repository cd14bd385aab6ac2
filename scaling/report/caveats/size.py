"""Caveats about size: a verdict on average over sizes that does not hold at all of them."""

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.small_models import changes_along_main_cost, small_models
from scaling.report.caveats.caveat import caveat
from scaling.statistics.missing import Missing


@caveat(order=62, heading="The better arm changes with size")
def sign_change(analysis: Analysis) -> str | None:
    """At equal cost the better arm changes along the range."""
    return " ".join(one.sentence for one in changes_along_main_cost(analysis)) or None


@caveat(order=64, heading="Small models alone would mislead")
def small_models_mislead(analysis: Analysis) -> str | None:
    """Some smaller models are decided against the sign of the largest."""
    texts = [
        one.sentence
        for one in small_models(analysis)
        if one.unit == "size" and not isinstance(one.found, Missing) and one.found.opposed
    ]
    if not texts:
        return None
    return f"Small models alone would mislead: {' '.join(texts)}"
