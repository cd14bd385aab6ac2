"""Scaling fits: known laws are found, intervals hold what they promise, and what cannot be carried says why."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import curve_fit

from scaling.report.analysis.analysis import analyse
from scaling.report.figures import FIGURES
from scaling.report.figures.scaling_law import arm_laws
from scaling.report.tables import TABLES
from scaling.report.verdict_file import verdict_document
from scaling.statistics.fits import FEWEST, HeldOutPrediction, ScalingFit, difference_of, fit_scaling, gather
from scaling.statistics.intervals import MeanInterval
from scaling.statistics.missing import Missing
from tests.support.known_laws import LawDesign, law_shares
from tests.support.studies import Truth, describe, failed, simulated_records

LEVEL = 0.95
COST = np.geomspace(1e5, 1e9, 12)


def fit(cost: np.ndarray, error: np.ndarray) -> ScalingFit:
    found = fit_scaling(cost, error, np.ones(len(cost)), LEVEL)
    assert isinstance(found, ScalingFit)
    return found


def test_a_law_without_noise_is_found_to_three_digits() -> None:
    found = fit(COST, 4 + 9 * (COST / 1e7) ** -0.35)

    assert found.law == "floor"
    assert found.floor is not None
    assert found.alpha.estimate == pytest.approx(0.35, rel=1e-3)
    assert found.floor.estimate == pytest.approx(4, rel=2e-3)
    assert found.amplitude.estimate == pytest.approx(9, rel=2e-3)
    assert found.reference == pytest.approx(1e7)
    assert found.floor_is_known


def test_the_fit_is_the_least_squares_of_a_second_implementation() -> None:
    error = 4 + 9 * (COST / 1e7) ** -0.35 + np.random.default_rng(0).normal(0, 0.3, 12)
    best, _ = curve_fit(lambda c, e, a, k: e + a * (c / 1e7) ** -k, COST, error, p0=(3, 8, 0.3))

    found = fit(COST, error)

    assert found.floor is not None
    assert (found.floor.estimate, found.amplitude.estimate, found.alpha.estimate) == pytest.approx(best, rel=3e-3)


def test_a_straight_line_in_log_log_needs_no_floor() -> None:
    found = fit(COST, 9 * (COST / 1e7) ** -0.35 * np.exp(np.random.default_rng(1).normal(0, 0.01, 12)))

    assert found.law == "no floor"
    assert not found.floor_is_known
    assert found.plain_alpha.low < 0.35 < found.plain_alpha.high


def test_two_slopes_are_told_from_one_by_held_out_error() -> None:
    x = np.log(np.geomspace(1e5, 1e9, 24) / 1e7)
    error = np.exp(3 - 0.05 * x - 0.4 * np.maximum(x, 0))
    found = fit(np.geomspace(1e5, 1e9, 24), error + np.random.default_rng(2).normal(0, 0.02, 24))

    assert found.law == "broken"
    assert found.slopes == pytest.approx((0.05, 0.45), abs=0.03)


def test_units_of_the_cost_change_no_exponent_and_no_floor() -> None:
    error = 4 + 9 * (COST / 1e7) ** -0.35 + np.random.default_rng(0).normal(0, 0.3, 12)
    one, other = fit(COST, error), fit(COST * 1e-9, error)

    assert one.floor is not None
    assert other.floor is not None
    assert (one.alpha.low, one.alpha.high) == pytest.approx((other.alpha.low, other.alpha.high))
    assert (one.floor.low, one.floor.high) == pytest.approx((other.floor.low, other.floor.high), abs=1e-6)
    assert one.error == pytest.approx(other.error)


def test_the_largest_costs_are_predicted_without_being_seen() -> None:
    error = 4 + 9 * (COST / 1e7) ** -0.35 + np.random.default_rng(3).normal(0, 0.1, 12)
    moved = error.copy()
    moved[-1] += 5

    one, other = fit(COST, error).held_out_prediction, fit(COST, moved).held_out_prediction

    assert isinstance(one, HeldOutPrediction)
    assert isinstance(other, HeldOutPrediction)
    assert one.cost == pytest.approx(COST[-4:])
    assert one.predicted == pytest.approx(other.predicted)
    assert one.within == 1
    assert other.within == 0.75


@pytest.mark.parametrize(
    ("cost", "why"),
    [
        ([], "unknown cost"),
        ([math.nan] * 6, "unknown cost"),
        ([-1.0, 0.0, math.inf], "unknown cost"),
        ([7.0] * 6, "equal costs"),
        ([5.0], "too few costs"),
        ([1.0, 1.0, 2.0, 2.0, 8.0, 8.0], "too few costs"),
        ([1.0, 1.5, 2.0, 2.5, 3.0, 3.5], "narrow range"),
    ],
)
def test_costs_that_carry_no_law_say_why(cost: list[float], why: str) -> None:
    found = fit_scaling(np.array(cost), np.linspace(20, 10, len(cost)), np.ones(len(cost)), LEVEL)

    assert isinstance(found, Missing)
    assert found.why == why
    assert found.said


def test_errors_that_rise_with_cost_get_no_bounded_floor_law() -> None:
    found = fit(COST, np.linspace(10, 20, 12))

    assert found.plain_alpha.high < 0
    assert not found.floor_is_known


def test_tied_cells_count_once_as_cost_and_each_as_cell() -> None:
    found = gather(np.repeat(COST, 3), np.ones(36), np.ones(36))

    assert not isinstance(found, Missing)
    assert len(found.counts) == 12
    assert found.points.cells == 36


def test_a_difference_of_symmetric_intervals_is_that_of_independent_ones() -> None:
    one, other = MeanInterval(2.0, 1.7, 2.3, LEVEL, 9), MeanInterval(1.0, 0.6, 1.4, LEVEL, 9)

    found = difference_of(one, other, 0.0)

    assert (found.low, found.high) == pytest.approx((0.5, 1.5))
    assert difference_of(one, replace(other, high=math.inf), 0.0).low == -math.inf
    assert difference_of(one, other, 0.5).high < found.high


TRUTH = Truth(depths=(2, 4, 8, 16), widths=(32, 64, 128))


@pytest.mark.parametrize("kind", ["whole", "one arm", "one cell", "one seed", "all failed", "none"])
def test_fits_tables_figures_and_document_survive_whatever_a_study_lacks(kind: str) -> None:
    truth = replace(TRUTH, arms=("average",)) if kind == "one arm" else TRUTH
    truth = replace(truth, depths=(2,), widths=(32,)) if kind == "one cell" else truth
    truth = replace(truth, seeds=1) if kind == "one seed" else truth
    records = simulated_records(truth)
    study = describe(records, truth)
    records = [failed(record) for record in records] if kind == "all failed" else records
    analysis = analyse(study, [] if kind == "none" else records)

    document = json.loads(json.dumps(verdict_document(analysis), allow_nan=False))
    for name in ("scaling_fits", "exponent_differences", "scaling_predictions"):
        table = TABLES[name](analysis)
        assert all(len(row) == len(table.columns) for row in table.rows)

    is_fitted = kind not in ("one cell", "all failed", "none")
    assert analysis.scaling_fits.any_known == is_fitted
    assert (FIGURES["scaling_law_by_macs"](analysis) is not None) == is_fitted
    assert (arm_laws(analysis, "macs") is not None) == is_fitted
    assert [one for one in document["scaling"] if one["cost"] == "macs" and one["missing"]] == [] or not is_fitted
    assert any("not all tuned" in said for said in document["caveats"]) == is_fitted


def test_fits_are_computed_once() -> None:
    records = simulated_records(TRUTH)
    analysis = analyse(describe(records, TRUTH), records)

    assert analysis.scaling_fits is analysis.scaling_fits


def test_fewest_costs_are_two_more_than_parameters_at_least() -> None:
    assert FEWEST["no floor"] >= 2 + 2
    assert FEWEST["floor"] >= 3 + 2
    assert FEWEST["broken"] >= 5 + 2  # its break and how smooth it is are parameters too


@pytest.mark.slow
@pytest.mark.parametrize("floor", [0.0, 5.0])
@pytest.mark.parametrize("cells", [6, 9, 12, 20])
def test_intervals_have_their_nominal_coverage_over_a_thousand_studies(cells: int, floor: float) -> None:
    found = law_shares(LawDesign(cells=cells, floor=floor), 1000, seed=100 + cells)

    most = 0.99 if floor == 0 else 0.97  # E lies at its bound there, and one side of its interval cannot fail
    assert 0.93 <= found.alpha <= 0.97
    assert 0.93 <= found.floor <= most
    assert 0.93 <= found.amplitude <= most
    assert 0.93 <= found.difference <= most
    assert found.predicted >= 0.93
    assert found.identified <= 0.05 if floor == 0 else found.identified >= 0.95
    assert found.median == pytest.approx(0.3, abs=0.015)
