"""Small models: whether they decide as the largest ones do, and where along a cost the better arm changes."""

from dataclasses import dataclass

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.equal_costs import INCOMPLETE
from scaling.report.analysis.verdicts import ArmVerdict, words_of
from scaling.statistics.decision_accuracy import DecisionAccuracy, by_part, by_size, decision_sentence
from scaling.statistics.equal_cost_parts import EqualCostParts
from scaling.statistics.missing import Missing
from scaling.statistics.sign_changes import SignChange, sign_change_sentence, sign_changes
from scaling.study.metrics import METRICS, main_cost


@dataclass(frozen=True)
class SmallModels:
    """Agreement of smaller sizes with the largest, of an arm against the baseline."""

    arm: str
    baseline: str
    unit: str  # what is compared: a `size` or a `part` of the cells
    found: DecisionAccuracy | Missing
    sentence: str  # with a full stop


@dataclass(frozen=True)
class ChangeOfSign:
    """Where the better arm changes at equal cost, if it does."""

    arm: str
    baseline: str
    cost: str  # name of the metric
    changes: list[SignChange]
    sentence: str  # with a full stop


def small_models(analysis: Analysis) -> list[SmallModels]:
    """Compare the sign at every size, and in every part of the cells, with that at the largest; per arm."""
    answers = []
    for verdict in analysis.verdicts:
        words = words_of(analysis.study.factor, verdict.baseline, verdict.arm)
        for unit in ("size", "part"):
            found = _agreement(analysis, verdict, unit)
            sentence = decision_sentence(found, words, unit)
            answers.append(SmallModels(verdict.arm, verdict.baseline, unit, found, sentence))
    return answers


def _agreement(analysis: Analysis, verdict: ArmVerdict, unit: str) -> DecisionAccuracy | Missing:
    if not analysis.look.is_verdict:
        return INCOMPLETE
    if unit == "part":
        return by_part(verdict.found.parts)
    return by_size(verdict.contrast.differences(), analysis.settings.level, analysis.settings.images)


def changes_of_sign(analysis: Analysis) -> list[ChangeOfSign]:
    """Where the better arm changes along every cost over which the arms can be compared; per arm and cost."""
    found = []
    for answer in analysis.equal_cost:
        if not isinstance(answer.result, EqualCostParts):
            continue
        metric = METRICS[answer.cost]
        words = words_of(analysis.study.factor, answer.baseline, answer.arm)
        sentence = sign_change_sentence(answer.result, words.along(metric.unit, metric.number, metric.title))
        changes = sign_changes(answer.result.parts)
        found.append(ChangeOfSign(answer.arm, answer.baseline, answer.cost, changes, sentence))
    return found


def changes_along_main_cost(analysis: Analysis) -> list[ChangeOfSign]:
    """The arms whose difference changes sign along the main cost."""
    return [one for one in changes_of_sign(analysis) if one.changes and one.cost == main_cost()]
