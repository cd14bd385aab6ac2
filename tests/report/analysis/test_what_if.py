"""What would change a verdict: a model less, other test images, the lost runs, another margin, further runs."""

import base64

import numpy as np
import pytest

from scaling.report.analysis.analysis import analyse
from scaling.report.analysis.what_if import MOST_CELLS, what_would_change
from scaling.statistics import MARGIN
from scaling.statistics.kinds import Kind
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records

SURE = Truth(depths=(2, 4, 8, 16), effect=2.0)


def plus(records: list[Record], depth: int, points: float) -> list[Record]:
    """The records with the arm moved by `points` in the cells of one depth and the smaller width."""
    return [
        record.model_copy(
            update={"scores": record.scores.model_copy(update={"test_accuracy": record.scores.test_accuracy + points})}
        )
        if record.scores and record.arm == "attention" and record.cell == {"depth": depth, "width": 32}
        else record
        for record in records
    ]


def changes(records: list[Record], truth: Truth = SURE, margin: float = MARGIN) -> tuple[Kind, list[str]]:
    analysis = analyse(describe(simulated_records(truth), truth), records, margin)
    (verdict,) = analysis.verdicts
    return verdict.kind, what_would_change(verdict, analysis.settings)


def test_a_sure_verdict_stays_without_any_model() -> None:
    kind, said = changes(simulated_records(SURE))

    assert kind is Kind.BETTER
    assert said[0] == "Leaving out any one of the 8 models changes nothing."
    assert said[-1].startswith("A margin of 2.")
    assert "0.2 was set, and a margin is to be set before the results are seen." in said[-1]


def test_the_model_that_decides_alone_is_named() -> None:
    truth = Truth(depths=(2, 4, 8, 16), effect=-0.15)
    kind, said = changes(plus(simulated_records(truth), 2, 3.0), truth)

    assert kind is Kind.BETTER
    assert said[0].startswith("Without depth=2 width=32 it would be ")
    assert said[0].endswith("; without any other model it stays.")


def test_several_models_that_decide_are_counted() -> None:
    """A close call: any of several models turns it."""
    truth = Truth(depths=(2, 4, 8, 16), effect=0.2)
    kind, said = changes(simulated_records(truth, 10), truth)

    assert kind is Kind.BETTER
    assert said[0].startswith("Without one of ")
    assert "models, such as depth=" in said[0]
    assert said[0].endswith("it would be inconclusive.")


def preferring(gained: int, lost: int) -> list[Record]:
    """Records of 400 images, of which some are right in one arm alone, in every cell; the luck is of single images."""
    rng, records = np.random.default_rng(0), []
    for record in simulated_records(SURE):
        right = np.arange(400) < 300
        if record.arm == "attention":
            right = (np.arange(400) < 300 - lost) | (np.arange(400) >= 400 - gained)
        right[rng.integers(100)] ^= True
        assert record.scores
        stored = base64.b64encode(np.packbits(right).tobytes()).decode()
        update = {"test_accuracy": 100 * right.mean(), "test_examples": 400, "test_correct": stored}
        records.append(record.model_copy(update={"scores": record.scores.model_copy(update=update)}))
    return records


@pytest.mark.parametrize(
    ("gained", "lost", "said"),
    [(40, 0, "would leave it as it is: +10.0"), (20, 15, "could: with them, too, it is +1.")],
)
def test_other_test_images_are_weighed(gained: int, lost: int, said: str) -> None:
    kind, found = changes(preferring(gained, lost))

    assert kind is Kind.BETTER
    assert any(line.startswith("Other test images") and said in line for line in found)


def test_lost_runs_are_set_to_the_worst_seen() -> None:
    records = simulated_records(SURE)
    lost = next(place for place, record in enumerate(records) if record.arm == "attention")

    kind, said = changes([failed(record) if place == lost else record for place, record in enumerate(records)])

    assert kind is Kind.BETTER
    assert any(line.startswith("With the lost runs at the worst seen it is +") for line in said)


def test_a_margin_above_a_tenth_of_errors_is_never_proposed() -> None:
    """Near the ceiling no margin that may be used would count the difference as none."""
    near = []
    for record in simulated_records(SURE):
        assert record.scores
        update = {"test_accuracy": 98 + record.scores.test_accuracy / 100}
        near.append(record.model_copy(update={"scores": record.scores.model_copy(update=update)}))
    far = changes(simulated_records(SURE), margin=0.05)[1]
    truth = Truth(depths=(2, 4, 8, 16), effect=2.0, test_examples=100_000)

    assert "0.05 was set" in far[-1]
    assert not any("A margin of" in line for line in changes(near, truth)[1])


def test_an_open_verdict_says_what_further_runs_show() -> None:
    truth = Truth(depths=(2, 4, 8), effect=0.1, seed_sd=0.6, seeds=2)
    kind, said = changes(simulated_records(truth, 1), truth)

    assert kind is Kind.INCONCLUSIVE
    assert said[-1].startswith("If it is 0.4 or more, ")


def test_without_a_verdict_nothing_is_said() -> None:
    records = simulated_records(SURE)

    assert changes(records[:-1])[1] == []
    assert changes(records[:2])[1] == []


def test_very_many_models_are_not_left_out_one_by_one() -> None:
    truth = Truth(depths=tuple(range(2, MOST_CELLS // 2 + 3)), effect=2.0, seeds=2, epochs=1)

    kind, said = changes(simulated_records(truth), truth)

    assert kind is Kind.BETTER
    assert not any("models" in line for line in said)
