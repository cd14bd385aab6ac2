"""Metrics: labels and units, values per trial, and the lists of costs that follow from them."""

from dataclasses import replace

import numpy as np
import pytest

from scaling.study.errors import PluginError, ScalingError
from scaling.study.metrics import (
    METRICS,
    Columns,
    Role,
    analysed_costs,
    column_costs,
    costs,
    counted_costs,
    get_metric,
    limited_costs,
    main_cost,
    metric,
    predicted_costs,
    si,
)
from tests.support.studies import failed, simulated_records, table_of


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_finite_where_its_columns_are(name: str) -> None:
    finished, crashed = simulated_records()[:2]
    crashed = failed(crashed).model_copy(update={"cost": None, "wall_seconds": None})
    metric = METRICS[name]
    table = table_of([finished, crashed])
    read = np.isfinite(table[list(metric.fields)].to_numpy(dtype=float)).all(axis=1)

    values = metric(table)

    assert np.isfinite(values).tolist() == read.tolist()


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_docstring_unit_and_label(name: str) -> None:
    metric = METRICS[name]

    assert metric.name == name
    assert metric.values.__doc__
    assert metric.unit
    assert metric.label
    assert metric.text(12.0).endswith(metric.unit)


def test_lists_of_costs_follow_from_the_metrics() -> None:
    assert main_cost() == "macs"
    assert column_costs() == ["macs", "params", "activations", "train_seconds", "training_compute"]
    assert analysed_costs() == [
        "macs", "params", "activations", "training_memory", "inference_memory", "latency", "train_seconds",
        "training_compute",
    ]  # fmt: skip
    assert counted_costs() == ["params", "macs", "fvcore_flops", "activations", "training_macs"]
    assert predicted_costs() == [*counted_costs(), "training_memory", "inference_memory"]
    assert limited_costs() == [*counted_costs(), "training_memory"]
    assert set(costs()) == {name for name in METRICS if METRICS[name].role is not Role.SCORE}
    assert costs(Role.MEMORY) == ["training_memory", "inference_memory", "measured_memory"]


def test_a_metric_without_its_column_is_missing() -> None:
    table = table_of(simulated_records()[:2]).drop(columns="macs")

    assert np.isnan(METRICS["macs"](table)).all()


@pytest.mark.parametrize("fields", ["mac", ("macs", "mac"), ("key",), ()])
def test_a_field_that_no_trial_has_is_refused(fields: str | tuple[str, ...]) -> None:
    def half(trials: Columns) -> np.ndarray:
        return trials["mac"] / 2

    register = metric("half", label="Half", unit="MACs", direction="lower", role="cost", fields=fields)

    with pytest.raises(PluginError, match=f"metric 'half' in {__name__}: unknown field '(mac|key|half)'"):
        register(half)
    assert "half" not in METRICS


def test_a_metric_of_the_wrong_shape_is_refused() -> None:
    mean = replace(METRICS["macs"], name="mean_macs", values=lambda trials: trials["macs"].mean())

    with pytest.raises(PluginError, match=r"metric 'mean_macs' returns shape \(\) for 2 trials"):
        mean(table_of(simulated_records()[:2]))


def test_a_metric_can_be_had_of_one_model() -> None:
    assert METRICS["test_error"].of({"test_accuracy": 80.0}) == 20


def test_a_whole_number_of_one_model_is_an_int() -> None:
    assert repr(METRICS["training_memory"].of_whole({"training_memory_bytes": 2**40 + 1})) == str(2**40 + 1)


def test_error_is_100_minus_accuracy() -> None:
    table = table_of(simulated_records())

    np.testing.assert_allclose(METRICS["test_error"](table) + METRICS["test_accuracy"](table), 100)
    assert METRICS["test_error"].direction == "lower"
    assert METRICS["test_accuracy"].direction == "higher"


def test_an_unknown_metric_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ScalingError, match="unknown metric 'mac'; did you mean 'macs'"):
        get_metric("mac")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (12.5, "12.5"), (999, "999"), (999.9, "1 k"), (1000, "1 k"), (1234, "1.23 k"),
        (25_231_096, "25.2 M"), (3.979e9, "3.98 G"), (999_999, "1 M"), (0.0123, "0.0123"),
        (1e18, "1000 P"), (6.22e20, "622 E"), (1e19, "10 E"), (3e22, "30 Z"), (-5120000, "-5.12 M"),
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


def test_a_missing_number_is_unknown() -> None:
    assert METRICS["macs"].text(float("nan")) == "unknown"
