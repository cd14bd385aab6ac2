"""Training compute in records: what they hold, and what is derived for those that do not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.data import Split
from scaling.study.config import Recipe, Trial, TrialConfig
from scaling.study.metrics import METRICS
from scaling.study.records import Record, impossible
from scaling.study.training_compute import FLOPS, images_per_epoch, petaflops, total
from scaling.study.trial_frame import spent
from scaling.sweep.search.outcomes import stopped_record
from scaling.training.train import epoch_plan
from tests.support.studies import simulated_records, table_of

CURRENT = simulated_records()[0]
EARLIER = CURRENT.model_copy(  # without the fields that later versions write
    update={
        "images_seen": None,
        "training_compute": None,
        "curve": [epoch.model_copy(update={"images": None, "training_compute": None}) for epoch in CURRENT.curve],
    }
)


def earlier(data: dict[str, Any] | None = None, **recipe: Any) -> Record:
    """A record of four epochs that does not say what was spent."""
    config = {**EARLIER.config, "data": data or {}, "recipe": {"batch_size": 64, **recipe}}
    return EARLIER.model_copy(update={"config": config})


@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 3))
def test_images_of_an_epoch_are_those_that_training_serves(images: int, batch: int, repeats: int) -> None:
    split = Split(np.zeros((images, 1, 1, 1), np.uint8), np.zeros(images, np.int64))
    plan = epoch_plan(split, Recipe(batch_size=batch, repeats=repeats), seed=0, epoch=1)

    assert images_per_epoch(images, batch) == sum(len(step.indices) for step in plan)


def test_a_total_with_an_unknown_part_is_unknown() -> None:
    assert total([1, 2]) == 3
    assert total([]) == 0
    assert total([1, None]) is None


def test_a_mac_is_two_flops() -> None:
    assert petaflops(5e14) == 1
    assert FLOPS == 2


def test_what_an_earlier_record_spent_follows_from_its_limit() -> None:
    images, compute = spent(earlier({"train_limit": 200}))

    assert EARLIER.cost is not None
    assert images == 4 * 3 * 64
    assert compute == images * (EARLIER.cost.training_macs or 0)


@pytest.mark.parametrize(
    ("record", "known"),
    [
        (earlier(), [False, False]),  # nothing says how many images there were
        (earlier({"train_limit": 200}, train_resolution=[4, 8]), [True, False]),  # smaller ones were not counted
        (earlier({"train_limit": 200}).model_copy(update={"cost": None}), [True, False]),
    ],
)
def test_what_cannot_be_derived_is_missing(record: Record, known: list[bool]) -> None:
    table = table_of([record])

    assert np.isfinite(table[["images_seen", "training_compute"]].to_numpy()[0]).tolist() == known


def test_recorded_amounts_are_taken_as_they_are() -> None:
    record = earlier({"train_limit": 200}).model_copy(update={"images_seen": 5, "training_compute": 7 * 10**18})

    table = table_of([Record.model_validate_json(record.model_dump_json(by_alias=True))])

    assert spent(record) == (5, 7 * 10**18)
    assert METRICS["training_compute"](table).tolist() == [7e18]
    assert METRICS["training_pflops"](table).tolist() == [14_000]


def test_a_stopped_trial_spent_what_its_epochs_did() -> None:
    trial = Trial(study="s", cell={}, arm="a", config=TrialConfig(family="patchconvnet", arch={}))
    curve = [epoch.model_copy(update={"images": 10, "training_compute": 300}) for epoch in EARLIER.curve]

    assert spent(stopped_record(trial, curve, "hopeless")) == (40, 1200)
    assert spent(stopped_record(trial, EARLIER.curve, "hopeless")) == (None, None)


@pytest.mark.parametrize("name", ["images_seen", "training_compute"])
def test_negative_amounts_are_impossible(name: str) -> None:
    assert impossible(EARLIER.model_copy(update={name: -1})) == f"{name} is -1"
