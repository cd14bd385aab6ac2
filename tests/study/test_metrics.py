"""Metrics: every one has a unit and a direction, and is a number for every finished trial."""

import numpy as np
import pytest

from scaling.study.errors import ScalingError
from scaling.study.metrics import METRICS, get_metric, si
from tests.support.studies import failed, simulated_records, table_of


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_finite_for_finished_trials_and_missing_for_others(name: str) -> None:
    finished, crashed = simulated_records()[:2]
    crashed = failed(crashed).model_copy(update={"cost": None, "wall_seconds": None})

    values = METRICS[name](table_of([finished, crashed]))

    assert values.shape == (2,)
    assert np.isfinite(values[0])
    assert np.isnan(values[1])


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_says_what_it_is_and_in_which_unit(name: str) -> None:
    metric = METRICS[name]

    assert metric.name == name
    assert metric.values.__doc__
    assert metric.unit
    assert metric.label[0].isupper() or metric.label.startswith("fvcore")
    assert metric.text(12.0).endswith(metric.unit)


def test_error_is_what_accuracy_leaves_of_a_hundred_percent() -> None:
    table = table_of(simulated_records())

    np.testing.assert_allclose(METRICS["test_error"](table) + METRICS["test_accuracy"](table), 100)
    assert METRICS["test_error"].direction == "lower"
    assert METRICS["test_accuracy"].direction == "higher"


def test_an_unknown_metric_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(ScalingError, match="unknown metric 'mac'; did you mean 'macs'"):
        get_metric("mac")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (12.5, "12.5"), (999, "999"), (999.9, "1 k"), (1000, "1 k"), (1234, "1.23 k"),
        (25_231_096, "25.2 M"), (3.979e9, "3.98 G"), (999_999, "1 M"), (0.0123, "0.0123"),
        (1e18, "1000 P"), (-5120000, "-5.12 M"),
    ],
)  # fmt: skip
def test_numbers_are_written_with_si_prefixes(value: float, text: str) -> None:
    assert si(value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("macs", 5_123_000, "5.12 M MACs"),
        ("params", 900, "900 parameters"),
        ("training_memory", 2_398_820, "2.4 MB"),
        ("training_memory", 12, "12 B"),
        ("train_seconds", 12_345, "12,345 s"),
        ("train_seconds", 0.0123, "0.0123 s"),
        ("test_accuracy", 81.234, "81.23 %"),
    ],
)
def test_numbers_are_written_with_their_unit(name: str, value: float, text: str) -> None:
    assert METRICS[name].text(value) == text


def test_a_missing_number_is_said_to_be_unknown() -> None:
    assert METRICS["macs"].text(float("nan")) == "unknown"
