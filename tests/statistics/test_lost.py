"""Lost trials at the worst seen."""

import math

import numpy as np
import pytest

from scaling.statistics.comparison import VerdictSettings, assess
from scaling.statistics.contrast import Contrast
from scaling.statistics.lost import count_losses, with_worst

NAN = math.nan


def test_the_lost_trial_has_the_worst_deviation_of_its_arm() -> None:
    """Deviations from the cells' means: −1, 1, and in the cell with the loss −0.5, 0.5; three repetitions planned."""
    baseline = np.full((2, 3), 50.0)
    arm = np.array([[60.0, 62, 61], [70.0, 71, NAN]])
    found = with_worst(Contrast(baseline, arm), of_arm=True)

    assert found is not None
    assert found.values[1, 2] == pytest.approx(70.5 - math.sqrt(3 / 2) - 50)
    assert found.values[0].tolist() == [10, 12, 11]
    assert with_worst(Contrast(baseline, arm), of_arm=False) is None


def test_the_mirror_gives_the_baseline_its_worst() -> None:
    baseline = np.array([[60.0, 62], [70.0, NAN]])
    found = with_worst(Contrast(baseline, np.full((2, 2), 50.0)), of_arm=False)

    assert found is not None
    assert found.values[1, 1] == pytest.approx(50 - (70 - math.sqrt(2)))


def test_without_repetitions_a_lost_pair_has_the_worst_difference() -> None:
    arm = np.array([[61.0], [NAN], [59.5]])
    found = with_worst(Contrast(np.full((3, 1), 60.0), arm), of_arm=True)

    assert found is not None
    assert found.values[:, 0].tolist() == [1, -0.5, -0.5]


def test_trials_that_both_lost_change_nothing() -> None:
    baseline, arm = np.array([[60.0, NAN], [70.0, 71]]), np.array([[61.0, NAN], [71.0, 72]])
    lost = np.isnan(arm)

    assert with_worst(Contrast(baseline, arm, baseline_lost=lost, arm_lost=lost), of_arm=True) is None


def test_cells_that_never_finish_are_named_and_left_out() -> None:
    arm = np.array([[61.0, 62], [NAN, NAN], [70.5, 72]])
    contrast = Contrast(np.array([[60.0, 61], [65.0, 66], [70.0, 71]]), arm, names=("s", "m", "l"))
    losses = count_losses(contrast)

    assert losses.never == ("m",)
    assert (losses.arm, losses.arm_trials, losses.baseline) == (2, 6, 0)
    assert losses.is_lopsided
    assert assess(contrast, VerdictSettings()).here.estimate == pytest.approx(1.0 - 0.125)


def test_better_is_withheld_where_the_lost_trials_could_turn_it() -> None:
    rng = np.random.default_rng(2)
    baseline = 60 + rng.normal(0, 0.3, (8, 5))
    arm = 60.08 + rng.normal(0, 0.3, (8, 5))
    whole = assess(Contrast(baseline, arm), VerdictSettings(margin=0.05))
    arm[arm < np.quantile(arm, 0.12)] = NAN
    found = assess(Contrast(baseline, arm), VerdictSettings(margin=0.05))

    assert whole.kind == "inconclusive"
    assert found.here.low > 0
    assert (found.kind, found.withheld) == ("inconclusive", "better")
    assert found.losses.if_arm_bad is not None
    assert found.losses.if_arm_bad.low <= 0


def test_better_is_withheld_where_the_arm_lost_many_more() -> None:
    rng = np.random.default_rng(1)
    baseline, arm = 60 + rng.normal(0, 0.1, (6, 5)), 65 + rng.normal(0, 0.1, (6, 5))
    arm[:, 0] = NAN

    found = assess(Contrast(baseline, arm), VerdictSettings())
    assert found.losses.if_arm_bad is not None
    assert found.losses.if_arm_bad.low > 0
    assert (found.kind, found.withheld) == ("inconclusive", "better")


def test_places_without_a_trial_are_no_losses() -> None:
    arm = np.array([[61.0, NAN], [70.5, 72]])
    none = np.zeros((2, 2), dtype=bool)
    losses = count_losses(Contrast(np.array([[60.0, 61], [70.0, 71]]), arm, arm_lost=none))

    assert not losses.any
