"""Device-hours are those of the devices that trials held."""

from typing import Any

import pytest

from scaling.study.config import Resources, Trial, TrialConfig
from scaling.study.records import Record
from scaling.sweep.search.budget import device_hours
from scaling.sweep.search.outcomes import in_brief

TRIAL = Trial(study="s", cell={}, arm="a", config=TrialConfig(family="f", arch={}))
H100 = {"device": "NVIDIA H100 80GB HBM3", "device_type": "cuda"}
EPYC = {"device": "AMD EPYC", "device_type": "cpu"}


def record(environment: dict[str, Any], hours: float = 1.0) -> Record:
    whole = Record.of(TRIAL, status="finished", environment=environment, wall_seconds=3600 * hours)
    return in_brief(whole, keeps_curve=False)  # as the search keeps it


@pytest.mark.parametrize(
    ("environment", "resources", "hours"),
    [
        (H100 | {"gpus": 1.0}, Resources(cpus=12, gpus=1), 1),
        (H100 | {"gpus": 1 / 13}, Resources(cpus=12), 1 / 13),  # an automatic share
        (H100 | {"gpus": 0.25}, Resources(cpus=12, gpus=1), 0.25),  # of an earlier command
        (H100 | {"gpus": 4.0}, Resources(workers=4), 4),
        (H100, Resources(cpus=12, gpus=0.5), 0.5),  # of an earlier version
        (H100, Resources(cpus=12), 1),
        (EPYC, Resources(cpus=12), 12),
        (EPYC, Resources(cpus=3, gpus=0), 3),
        ({"device": "GPU of Apple M4", "device_type": "mps", "gpus": 0.5}, Resources(cpus=2), 0.5),
        ({}, Resources(cpus=12, gpus=1), 1),
        ({}, Resources(cpus=2), 2),
    ],
)
def test_an_hour_counts_the_devices_that_a_trial_held(
    environment: dict[str, Any], resources: Resources, hours: float
) -> None:
    assert device_hours([record(environment)], resources) == pytest.approx(hours)


def test_trials_without_a_record_hold_what_the_others_do() -> None:
    on_gpus, resources = [record(H100 | {"gpus": 0.25})] * 2, Resources(cpus=12)

    assert device_hours(on_gpus, resources, 3600) == pytest.approx(3 * 0.25)
    assert device_hours([], resources, 3600, held=1 / 13) == pytest.approx(1 / 13)
    assert device_hours([], resources, 3600) == 12
    assert device_hours([record(EPYC), record(H100 | {"gpus": 1.0})], resources) == 13
