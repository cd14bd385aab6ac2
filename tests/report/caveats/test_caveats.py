"""Caveats: each one appears when it applies, and a clean study has none."""

from collections.abc import Callable

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.changes import find_changes
from scaling.report.analysis.context import Context
from scaling.report.caveats import CAVEATS, caveats
from scaling.report.references import read_references
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records, with_learning_rate_grid

SMALL = Truth(depths=(2, 4), widths=(32, 64), seeds=2, effect=1.0, test_examples=500)
LARGE = Truth(depths=(2, 4, 8, 16))
FEW, MANY = simulated_records(SMALL), simulated_records(LARGE)


def of(truth: Truth, records: list[Record], context: Context | None = None, **study: object) -> Analysis:
    return analyse(describe(simulated_records(truth), truth).model_copy(update=study), records, context=context)


def small(records: list[Record], context: Context | None = None, **study: object) -> Callable[[], Analysis]:
    return lambda: of(SMALL, records, context, **study)


def large(records: list[Record]) -> Callable[[], Analysis]:
    return lambda: of(LARGE, records)


def edited(records: list[Record], **update: object) -> list[Record]:
    """The records, the first one with other fields."""
    return [records[0].model_copy(update=update), *records[1:]]


def against_worse() -> Analysis:
    """The small study, compared with one in which half of the trials failed."""
    before = of(SMALL, [failed(record) if record.seed else record for record in FEW])
    return of(SMALL, FEW, Context(changes=find_changes(of(SMALL, FEW), before)))


def of_tuned() -> Analysis:
    """The small study with a learning-rate grid, of which the first repetition chose a rate."""
    return of(SMALL, with_learning_rate_grid(FEW, rejected=2e-3, kept=4e-3), space={"tune": {"lr": 3}})


CASES: list[tuple[str, Callable[[], Analysis], str]] = [
    ("under_way", small(FEW[:5]), "11 of 16 trials have not ended"),
    (
        "looked_at_often",
        small(FEW, space={"search": {"until": "decided"}}),
        "Intervals of the verdict therefore have the level 98.69 %",
    ),
    ("lost_pairs", small([failed(FEW[1]), *FEW[2:]]), "depth=2 width=32: attention repetition 0 failed"),
    ("under_way", small(FEW, plans_more=True), "The search may plan more trials"),
    ("under_way", small(FEW[:5], ended_by="its budget of 5 trials"), "ended with its budget of 5 trials: 11 of 16"),
    ("shared_seeds", small(FEW, seeding="shared"), "the same seed in every cell"),
    ("choosing_runs", of_tuned, "8 trials of the first repetitions chose the learning rates"),
    ("repeated_records", small([*FEW, FEW[0].model_copy(update={"key": "copy"})]), "1 record repeats the cell"),
    ("unequal_cost", small(FEW), "attention pooling has +18.6 % parameters"),
    ("unequal_cost", large(MANY), "at equal MACs attention pooling has +"),
    ("untuned_rates", large(MANY), "not tuned for each arm"),
    ("laws_of_untuned_models", large(MANY), "models that were not all tuned"),
    ("rates_at_edge", large(with_learning_rate_grid(MANY, rejected=2e-3, kept=4e-3)), "average 8 of 8 cells"),
    ("unequal_training", large(edited(MANY, notes=["out of memory: micro-batches of 32"])), "of 32 (1 trial)"),
    ("unequal_training", large(edited(MANY, curve=MANY[0].curve[:2])), "average 2 to 4"),
    ("stopped_cells", small(edited(FEW, status="stopped", scores=None)), "1 trial in 1 cell was stopped early"),
    ("shared_device", large([r.model_copy(update={"started": None, "ended": None}) for r in MANY]), "concurrently"),
    ("other_test_images", small(FEW), "one image is 0.20 points"),
    ("mixed_machines", small(edited(FEW, environment={"device": "Other"})), "(Other, Pretended Processor)"),
    (
        "unreadable",
        small(FEW, Context(left_out=["a.json is torn"])),
        "1 file of records could not be read",
    ),
    ("imported", small(FEW, imported=["Read from a table."]), "Read from a table."),
    ("joint", small(FEW, Context(notes=["The recipes differ."])), "The recipes differ."),
    ("changed", against_worse, "8 moved beyond noise"),
    ("published", small(FEW, Context(references=[read_references("patchconvnet")])), "its FLOPs are MACs"),
]


STUDIES = {
    "whole": small(FEW),
    "one trial": small(FEW[:1]),
    "all failed": small([failed(record) for record in FEW]),
    "empty": small([]),
}


@pytest.mark.parametrize(("name", "made", "words"), CASES)
def test_caveats_name_what_weakens_the_verdict(name: str, made: Callable[[], Analysis], words: str) -> None:
    text = CAVEATS[name](made())

    assert text is not None
    assert words in text


@pytest.mark.parametrize("name", CAVEATS)
@pytest.mark.parametrize("study", STUDIES)
def test_a_caveat_is_whole_sentences_or_nothing(name: str, study: str) -> None:
    text = CAVEATS[name](STUDIES[study]())

    assert text is None or text.endswith(".")
    assert CAVEATS[name].check.__doc__


def test_a_clean_study_has_none() -> None:
    clean = Truth(depths=(16, 32), widths=(32, 64), effect=1)
    tuned = [
        record.model_copy(update={"learning_rate_grid": [1e-3, 2e-3, 4e-3]}) for record in simulated_records(clean)
    ]

    scored = [record for record in tuned if record.repetition > 0]
    planned = [record.key for record in scored]
    assert caveats(of(clean, scored, space={"tune": {"lr": 3}}, planned=planned)) == []
