"""The verdict in words, its remarks, and studies that can hardly be judged."""

import math
from dataclasses import replace

import numpy as np
import pytest

from scaling.statistics.comparison import Comparison, VerdictSettings, settings_at
from scaling.statistics.contrast import Contrast
from scaling.statistics.further_runs import LookRule
from scaling.statistics.judge import judge
from scaling.statistics.kinds import Kind
from scaling.statistics.other_images import image_variance
from scaling.statistics.words import Words, short_cost

WORDS = Words("average", "attention", "MACs")
NAN = math.nan


def study(
    effect: float | np.ndarray = 0.0, cells: int = 12, repetitions: int = 3, *, sd: float = 0.15, seed: int = 0
) -> Contrast:
    rng = np.random.default_rng(seed)
    base = np.linspace(60, 80, cells)[:, None] + rng.normal(0, sd, (cells, repetitions))
    arm = base + np.reshape(effect, (-1, 1)) + rng.normal(0, sd, (cells, repetitions))
    return Contrast(base, arm, [f"cell {i}" for i in range(cells)], np.geomspace(0.3e6, 5.1e6, cells))


def judged(contrast: Contrast, settings: VerdictSettings | None = None) -> Comparison:
    return judge(contrast, settings or settings_at(1), WORDS)


def test_better_here_and_beyond() -> None:
    found = judged(study(0.5))

    assert found.kind is Kind.BETTER
    assert found.sentence.startswith("In the 12 models that were run, attention beats average by 0.")
    assert "(96 % interval 0." in found.sentence
    assert ": the luck of training, 3 runs each). Other models between 0.3 M and 5.1 M MACs: 0." in found.sentence
    assert found.sentence.endswith(", better as well.")


def test_worse_is_told_in_positive_numbers() -> None:
    found = judged(study(-0.5))

    assert found.kind is Kind.WORSE
    assert "attention loses to average by 0." in found.sentence
    assert found.sentence.endswith("worse as well.")


def test_better_here_only() -> None:
    uneven = 0.4 + np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1]) * 1.5
    found = judged(study(uneven))

    assert found.kind is Kind.BETTER
    assert "Other models between 0.3 M and 5.1 M MACs: anything from −" in found.sentence
    assert found.sentence.endswith(", not settled.")


def test_a_grid_with_few_levels_speaks_of_these_alone() -> None:
    axes = {"depth": np.repeat([2.0, 4, 8], 2), "width": np.tile([32.0, 64], 3)}
    found = judged(replace(study(0.5, 6), axes=axes))

    assert found.sentence.endswith(
        "Said of depths 2, 4, 8 and widths 32, 64; of other depths or widths these six models cannot tell."
    )


def test_one_cell_cannot_speak_for_others() -> None:
    found = judged(study(1.0, 1, 4))

    assert found.kind is Kind.BETTER
    assert found.beyond is None
    assert found.sentence.startswith("In the only model that was run, attention beats")
    assert found.sentence.endswith("Nothing is known of others.")


def test_practically_equal() -> None:
    found = judged(study(0.0, 24, 5, sd=0.1))

    assert found.kind is Kind.EQUAL
    assert found.sentence.startswith("attention and average are practically equal: ")
    assert (
        "in the cheapest, middle and most expensive third alike (typical difference under 0.2 points)" in found.sentence
    )


def test_practically_equal_near_the_ceiling_says_what_that_means() -> None:
    near = study(0.0, 12, 5, sd=0.002)
    lifted = replace(near, baseline=near.baseline * 0 + 99.8 + near.arm - near.baseline, arm=near.arm * 0 + 99.8)
    found = judged(lifted)

    assert found.margin == pytest.approx(0.02, rel=0.05)
    assert found.kind is Kind.EQUAL
    assert "a tenth of the errors that are left" in found.sentence


def test_equal_with_single_runs_names_what_was_not_examined() -> None:
    found = judged(study(0.0, 40, 1, sd=0.1))

    assert found.kind is Kind.EQUAL
    assert "single models were not looked at" in found.sentence
    assert any("one run an arm" in remark for remark in found.remarks)


def test_it_depends_on_size() -> None:
    found = judged(study(np.linspace(-0.6, 0.6, 12)))

    assert found.kind is Kind.BY_SIZE
    assert found.sentence.startswith("It depends on size: up to ")
    assert "MACs attention loses by 0." in found.sentence
    assert " MACs on it wins by 0." in found.sentence
    assert found.sentence.endswith("each a mean over a third of the models.")
    assert any("With size the difference rises by" in remark for remark in found.remarks)


def test_mixed() -> None:
    found = judged(study(np.array([-1, -1, -1, -1, 2, 2, 2, 2, -1, -1, -1, -1.0])))

    assert found.kind is Kind.MIXED
    assert found.sentence.startswith("Better in some of these models and worse in others, not in order of size: mean ")


def test_inconclusive_names_further_runs_and_the_next_look() -> None:
    found = judged(study(0.0, 6, 3, sd=0.5))

    assert found.kind is Kind.INCONCLUSIVE
    assert found.further is not None
    n, runs = found.further.repetitions, found.further.runs
    assert (
        f"If it is 0.4 or more, {n} more runs of each model and arm ({runs} runs) show it in four of five"
        in found.sentence
    )
    assert (
        "This was look 1; what look 2 may say is at the 0.6 % level, so that both together hold 5 %." in found.sentence
    )


def test_a_fixed_plan_says_so() -> None:
    found = judged(study(0.0, 6, 3, sd=0.5), settings_at(1, LookRule.ONE))

    assert "further runs are a new study" in found.sentence
    assert found.further is None


def test_one_cell_that_decides_is_named() -> None:
    effect = np.zeros(8)
    effect[5] = 3.0
    found = judged(study(effect, 8, sd=0.3))

    assert found.kind in (Kind.BETTER, Kind.MIXED)
    assert any(r.startswith("Without cell 5 (+") and " it would be " in r for r in found.remarks)
    assert any(r.startswith("cell 5 is odd: ") for r in found.remarks)


def test_lost_trials_are_counted_and_withhold_better() -> None:
    whole = study(0.4, 6, 3)
    arm = whole.arm.copy()
    arm[:4, 0] = NAN
    found = judged(replace(whole, arm=arm))

    assert found.kind is Kind.INCONCLUSIVE
    assert "attention lost 4 of 18 runs, average none, so 'better' is not said." in found.sentence


def test_runs_that_all_finished_leave_a_bound_on_collapses() -> None:
    found = judged(study(0.5))

    assert any("36 runs cannot rule out that up to 8 % of runs would collapse" in remark for remark in found.remarks)


def test_images_that_are_too_few_cannot_show_equality() -> None:
    found = judged(study(0.0, 24, 5, sd=0.05), VerdictSettings(images=360))

    assert found.kind is Kind.INCONCLUSIVE
    assert found.sentence.startswith("equal on these images: ")
    assert "360 images cannot show whether the difference is within ±0.2" in found.sentence


def test_other_images_stand_beside() -> None:
    rng = np.random.default_rng(0)
    gains = [rng.choice([-1.0, 0, 0, 0, 1], (3, 500)) for _ in range(12)]
    found = judged(replace(study(0.5), image_variance=image_variance(gains, 500)))

    assert found.assessment.other_images is not None
    assert found.assessment.other_images.both.half_width > found.here.half_width
    assert any("With other test images like these 500" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("contrast", "said"),
    [
        (study(0.0, 1, 1), "a single pair of runs"),
        (study(1.0, 5, 3, sd=0.0), "the pairs of each model differ by the same"),
        (replace(study(), arm=study().arm * NAN), "no run of attention has finished"),
        (replace(study(), baseline=study().arm * NAN), "no run of average has finished"),
        (Contrast(np.array([[60.0, NAN]]), np.array([[NAN, 61.0]])), "no model has a run in which both"),
        (Contrast(np.zeros((0, 0)), np.zeros((0, 0))), "No verdict"),
        (Contrast(np.full((4, 2), 100.0), np.full((4, 2), 100.0)), "shows how much luck"),
    ],
)
def test_what_cannot_be_judged_says_why(contrast: Contrast, said: str) -> None:
    found = judged(contrast)

    assert found.kind is Kind.UNKNOWN
    assert said in found.sentence
    assert not found.here.is_known


def test_one_seed_shared_by_all_cells_cannot_be_judged() -> None:
    found = judged(study(0.5, 9, 1), VerdictSettings(shared_seeds=True))

    assert found.kind is Kind.UNKNOWN
    assert "trained with the same seed" in found.sentence


def test_costs_that_are_missing_or_equal_leave_one_part() -> None:
    for cost, said in (
        (None, "The costs of the models are not known, so that nothing is said of other sizes."),
        (np.full(12, NAN), "The costs of the models are not known"),
        (np.full(12, 7.0), "All models cost the same"),
    ):
        found = judged(replace(study(0.5), cost=cost))
        assert found.kind is Kind.BETTER
        assert found.beyond is None
        assert len(found.parts) == 1
        assert said in found.sentence


def test_infinite_scores_count_as_lost() -> None:
    whole = study(0.5)
    arm = whole.arm.copy()
    arm[0, 0], arm[1, 1] = math.inf, -math.inf
    found = judged(replace(whole, arm=arm))

    assert found.assessment.losses.arm == 2
    assert math.isfinite(found.here.estimate)


def test_the_side_of_zero_survives_rounding() -> None:
    near = study(0.0, 4, 4)
    values = np.array([[0.1, 0.2, 0.3, 0.21]] * 4)
    found = judged(replace(near, arm=near.baseline + values), VerdictSettings(margin=0.01))

    assert found.kind is Kind.BETTER
    assert "interval 0.00 " not in found.sentence


@pytest.mark.parametrize(
    ("cost", "text"),
    [(5.1e6, "5.1 M"), (0.3e6, "0.3 M"), (120, "120"), (4.6e9, "4.6 G"), (2500, "2.5 k"), (1e8, "100 M")],
)
def test_costs_are_short(cost: float, text: str) -> None:
    assert short_cost(cost) == text
