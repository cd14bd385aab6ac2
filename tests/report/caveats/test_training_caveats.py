"""Caveats about training: different numbers of epochs are named, and whether the study asked for them."""

import pytest

from scaling.report.analysis.analysis import analyse
from scaling.report.caveats import CAVEATS
from tests.support.studies import describe, simulated_records

MATCHED = {"match": {"cost": "training_compute", "vary": "epochs"}}


@pytest.mark.parametrize(
    ("study", "ending"),
    [
        ({}, "(attention 2 to 2, average 4 to 4)."),
        ({"conditions": {"match": {"cost": "macs", "vary": "width"}}}, "(attention 2 to 2, average 4 to 4)."),
        ({"conditions": MATCHED}, ", so that the arms of a cell cost the same training compute, up to a whole epoch."),
        ({"axes": ["depth", "width", "recipe.epochs"]}, ", as recipe.epochs is an axis."),
    ],
)
def test_different_epochs_are_named_with_their_reason(study: dict[str, object], ending: str) -> None:
    records = [
        record.model_copy(update={"curve": record.curve[: 2 if record.arm == "attention" else 4]})
        for record in simulated_records()
    ]
    text = CAVEATS["unequal_training"](analyse(describe(records).model_copy(update=study), records))

    assert text is not None
    assert text.startswith("The compared trials were trained for different numbers of epochs (")
    assert text.endswith(ending)
