"""The difference at equal cost: second implementations, what is missing, and known truth in simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from scaling.report.analysis.analysis import analyse
from scaling.report.verdict_file import verdict_document
from scaling.statistics.bits import read_bits
from scaling.statistics.curves import natural_basis
from scaling.statistics.equal_cost import EqualCost, Fit, at_equal_cost, prepare
from scaling.statistics.missing import Missing
from scaling.statistics.planning import more_cells, power
from scaling.study.metrics import analysed_costs
from scaling.study.records import Record
from tests.support.known_truth import LEVEL, Design, cell_means, equal_cost_shares, fit_of, image_shares
from tests.support.studies import Truth, describe, failed, simulated_records

TRUTH = Truth(depths=(2, 4, 8, 16), keeps_images=True, test_examples=800)
RECORDS = simulated_records(TRUTH)


def test_arms_of_equal_cost_give_the_regression_of_paired_differences() -> None:
    design = Design("equal", cells=6, extra_cost=0.0)
    fit = fit_of(design)
    means = cell_means(design, 1, np.random.default_rng(0))[..., 0]
    x, differences = design.log_costs[0], means[:, 1] - means[:, 0]
    expected = np.poly1d(np.polyfit(x, differences, 1))

    found = at_equal_cost(fit, means, LEVEL)

    assert found.functions == 2
    assert found.difference == pytest.approx(expected(np.log(found.cost)))
    assert found.mean.estimate == pytest.approx(expected(np.log(found.cost)).mean(), abs=1e-6)
    residual = math.sqrt(float(((differences - expected(x)) ** 2).sum()) / 4)
    # not the classical standard error, but of its size, on as many degrees of freedom or fewer
    half = (found.mean.high - found.mean.low) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, 4) * residual / math.sqrt(6), rel=0.5)
    assert found.freedom <= 4 + 1e-6


def test_three_equal_cost_cells_give_a_slightly_wider_t_interval() -> None:
    costs = np.array([1.0, 2.0, 4.0])
    fit = prepare(costs, costs, LEVEL)
    assert isinstance(fit, Fit)
    differences = np.array([0.4, 0.7, 0.1])
    means = np.stack([np.array([70.0, 75.0, 80.0]), np.array([70.0, 75.0, 80.0]) + differences], axis=1)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)

    found = at_equal_cost(fit, means, LEVEL)

    # (I − 1/3)^(−3/4) instead of (I − 1/3)^(−1/2): a little wider than Student's interval
    wider = (2 / 3) ** -0.25
    half = wider * (expected.high - expected.low) / 2
    assert (found.mean.low, found.mean.high) == pytest.approx((0.4 - half, 0.4 + half))
    assert found.low == pytest.approx(np.full(33, 0.4 - half))


def test_an_arm_of_extra_cost_gains_nothing_at_equal_cost() -> None:
    x = np.linspace(0, 6, 12)
    fit = prepare(np.exp(x), np.exp(x + 0.5), LEVEL)
    assert isinstance(fit, Fit)
    means = np.stack([60 + 4 * x, 60 + 4 * (x + 0.5)], axis=1)

    found = at_equal_cost(fit, means, LEVEL)

    assert (means[:, 1] - means[:, 0]).min() == pytest.approx(2.0)
    assert found.difference == pytest.approx(np.zeros(33), abs=1e-8)
    assert (found.cost[0], found.cost[-1]) == pytest.approx((math.exp(0.5), math.exp(6)))


def test_a_cell_effect_common_to_both_arms_keeps_the_difference() -> None:
    fit = fit_of(Design("equal", cells=8, extra_cost=0.0))
    means = cell_means(Design("equal", cells=8, extra_cost=0.0), 1, np.random.default_rng(1))[..., 0]
    shape = np.random.default_rng(2).normal(0, 5, (8, 1))

    one, other = at_equal_cost(fit, means, LEVEL), at_equal_cost(fit, means + shape, LEVEL)

    assert one.low == pytest.approx(other.low)
    assert one.high == pytest.approx(other.high)


def test_a_natural_spline_reproduces_its_knots_and_straight_lines() -> None:
    x = np.linspace(1, 9, 50)
    basis = natural_basis(x, 5)

    assert basis(basis.knots) == pytest.approx(np.eye(5), abs=1e-12)
    assert basis(x) @ (2 + 3 * basis.knots) == pytest.approx(2 + 3 * x)
    assert basis(x).sum(axis=1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize(
    ("baseline", "arm", "why"),
    [
        ([], [], "unknown cost"),
        ([1, 2, 4], [math.nan] * 3, "unknown cost"),
        ([0, -1, math.inf], [1, 2, 3], "unknown cost"),
        ([5, 5, 5, 5], [5, 5, 5, 5], "equal costs"),
        ([1, 2, 3], [10, 20, 30], "no overlap"),
        ([1, 2], [1, 2], "too few cells"),
        ([1, 1, 1, 8], [1, 1, 1, 8], "too few cells"),
    ],
)
def test_where_costs_cannot_carry_a_curve_the_reason_is_told(baseline: list[float], arm: list[float], why: str) -> None:
    found = prepare(np.array(baseline, dtype=float), np.array(arm, dtype=float), LEVEL)

    assert isinstance(found, Missing)
    assert found.why == why
    assert found.said
    assert not found


def test_every_recorded_cost_is_answered_with_excess_of_the_others() -> None:
    answers = analyse(describe(RECORDS, TRUTH), RECORDS).equal_cost

    assert [answer.cost for answer in answers] == analysed_costs()
    for answer in answers:
        assert isinstance(answer.result, EqualCost)
        assert answer.result.images_included
        assert (answer.result.low <= answer.result.difference).all()
        assert set(answer.others) == set(analysed_costs()) - {answer.cost}
    by_cost = {answer.cost: answer for answer in answers}
    assert by_cost["params"].others["inference_memory"] == pytest.approx(0, abs=0.01)  # proportional in the simulation
    assert by_cost["macs"].others["params"] > 3


def test_the_test_images_widen_the_band_and_leave_the_difference() -> None:
    without = [r.model_copy(update={"scores": r.scores.model_copy(update={"test_correct": None})}) for r in RECORDS
               if r.scores]  # fmt: skip

    one, other = (analyse(describe(RECORDS, TRUTH), records).equal_cost[0].result for records in (RECORDS, without))

    assert isinstance(one, EqualCost)
    assert isinstance(other, EqualCost)
    assert one.difference == pytest.approx(other.difference)
    assert not other.images_included
    assert one.high[16] - one.low[16] > other.high[16] - other.low[16]


@pytest.mark.parametrize(
    "records",
    [
        [],
        RECORDS[:1],
        [record for record in RECORDS if record.arm == "average"],
        [record for record in RECORDS if record.seed == 0],
        [record for record in RECORDS if record.cell == RECORDS[0].cell],
        [failed(record) for record in RECORDS],
        [record.model_copy(update={"cost": None, "train_seconds": None}) for record in RECORDS],
        [record.model_copy(update={"cost": RECORDS[0].cost}) for record in RECORDS],
        [r.model_copy(update={"scores": r.scores.model_copy(update={"test_accuracy": math.nan})}) for r in RECORDS[:9]
         if r.scores] + RECORDS[9:],
    ],
    ids=["none", "one trial", "one arm", "one seed", "one cell", "all failed", "no costs", "equal costs", "NaN"],
)  # fmt: skip
def test_poor_records_give_answers_or_reasons_and_never_an_error(records: list[Record]) -> None:
    analysis = analyse(describe(RECORDS, TRUTH), records)
    document = verdict_document(analysis)

    for answer in [*document["equal_cost"], *document["fronts"]]:
        assert answer["missing"] is None or (answer["missing"]["why"] and answer["missing"]["said"])
    for verdict in document["verdicts"]:
        assert verdict["kind"] in ("better", "worse", "practically equal", "inconclusive", "unknown")


def test_torn_bits_or_another_test_set_s_bits_are_ignored() -> None:
    scores = [record.scores for record in RECORDS[:4] if record.scores]
    stored, images = [score.test_correct for score in scores], [score.test_examples for score in scores]

    bits = read_bits(stored, images)

    assert bits is not None
    right = bits.weighted(np.eye(4))
    assert right.sum(axis=0) / 8 == pytest.approx([score.test_accuracy for score in scores])
    assert bits.count(np.array([1, 0, 1, 0]), 2).sum(axis=0) == pytest.approx(right.sum(axis=1))
    assert read_bits([*stored[:3], None], images) is None
    assert read_bits([*stored[:3], "AAAA"], images) is None
    assert read_bits([*stored[:3], "no base64"], images) is None
    assert read_bits(stored, [*images[:3], 700]) is None
    assert read_bits([], []) is None


def test_cells_still_needed_agree_with_a_t_interval_s_power() -> None:
    more = more_cells(0.5, 1.0, 10, 0.95, freedom=9)

    assert more is not None
    assert power(0.5, 1.0, 10 + more, 0.95) >= 0.8 > power(0.5, 1.0, 9 + more, 0.95)
    assert more_cells(0.5, 1.0, 10, 0.95, 9, fixed_variance=1.0) is None  # no cell takes the images' noise away


STUDIES = 2000
DESIGNS = [
    Design("three cells", cells=3, cell_sd=0.3),
    Design("default study"),
    Design("cells differ", cell_sd=0.5),
    Design("much more expensive", cells=12, extra_cost=0.5, cell_sd=0.3),
    Design("heavy tails", heavy=True),
    Design("uneven seed noise", uneven=True),
    Design("grows with size", cells=12, effect=0.5, slope=0.1, cell_sd=0.2),
    Design("forty cells", cells=40, seeds=1, cell_sd=0.3, shape_sd=1.0),
]


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_bands_and_means_at_equal_cost_have_their_nominal_coverage(design: Design) -> None:
    shares = equal_cost_shares(design, STUDIES, seed=0)

    # two standard errors of 2000 studies, 0.01, around 93 to 97 %; three cells have two degrees of freedom
    assert 0.93 - 0.01 <= shares.band_covers <= 0.97 + 0.01
    assert 0.93 - 0.01 <= shares.mean_covers <= 0.97 + 0.01
    if design.effect == 0:
        assert shares.band_differs <= 0.05 + 0.012
        assert shares.mean_differs <= 0.05 + 0.012


@pytest.mark.slow
def test_a_bootstrap_over_few_cells_would_not_cover() -> None:
    assert equal_cost_shares(Design("default study"), 500, seed=1, naive=500).naive_covers < 0.9


@pytest.mark.slow
def test_over_other_test_images_the_band_needs_their_share() -> None:
    shares = image_shares(cells=12, seeds=3, images=360, image_sd=20, studies=1000, seed=0)

    assert 0.93 - 0.015 <= shares.covers <= 0.97 + 0.01
    assert shares.covers_without < 0.8
