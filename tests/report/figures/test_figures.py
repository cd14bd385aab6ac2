"""Figures: their numbers are those of the records; each draws any study, or has nothing to draw."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from scaling.report.analysis.analysis import (
    Analysis,
    analyse,
    find_fronts,
    overheads,
    share_of_front,
    summarise,
    trials_overlap,
)
from scaling.report.figures import FIGURES, Section, in_order
from scaling.report.figures.accuracy_by_cost import arm_accuracy
from scaling.report.figures.learning_curves import arm_curves
from scaling.report.figures.paired_difference import arm_differences
from scaling.report.figures.theme import THEME
from scaling.report.figures.thinning import sample
from scaling.study.metrics import column_costs
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records

TRUTH = Truth(cell_sd=0.2)


def analysis_of(truth: Truth = TRUTH, records: list[Record] | None = None) -> Analysis:
    everything = simulated_records(truth)
    return analyse(describe(everything, truth), everything if records is None else records)


WHOLE = analysis_of()
STUDIES = {
    "whole": WHOLE,
    "three arms": analysis_of(Truth(arms=("average", "attention", "max"))),
    "half": analysis_of(records=[failed(r) if i % 7 == 3 else r for i, r in enumerate(simulated_records(TRUTH)[:20])]),
    "one arm": analysis_of(records=[r for r in simulated_records(TRUTH) if r.arm == "average"]),
    "one seed": analysis_of(Truth(seeds=1)),
    "one cell": analysis_of(Truth(depths=(2,), widths=(32,))),
    "one pair": analysis_of(Truth(depths=(2,), widths=(32,), seeds=1)),
    "one trial": analysis_of(records=simulated_records(TRUTH)[:1]),
    "all failed": analysis_of(records=[failed(r) for r in simulated_records(TRUTH)]),
    "empty": analysis_of(records=[]),
    "odd names": analysis_of(Truth(arms=("<b>", "a$b$c & d"))),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("study", STUDIES)
def test_a_figure_draws_a_study_or_nothing(name: str, study: str) -> None:
    drawing = FIGURES[name](STUDIES[study])

    if drawing is not None:
        assert drawing.text.title
        assert drawing.text.caption.endswith(".")
        assert drawing.text.description


def test_a_whole_study_has_every_kind_of_figure() -> None:
    drawn = {name for name in FIGURES if FIGURES[name](WHOLE) is not None}

    assert {figure.section for name, figure in FIGURES.items() if name in drawn} == set(Section)
    assert {"paired_difference", "difference_at_equal_cost", "difference_by_macs", "cost_agreement"} <= drawn
    assert {f"accuracy_by_{cost}" for cost in column_costs()} <= drawn


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_its_n_and_is_repeatable(name: str) -> None:
    drawing = FIGURES[name](STUDIES["odd names"])
    if drawing is None:
        pytest.skip("nothing to draw")

    png, svg = drawing.render()

    assert png.startswith(b"\x89PNG")
    words = [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert any(re.search(r"\d (cell|trial|model|pair)s?\b", text) for text in words)
    assert drawing.render()[1] == svg


def test_names_of_arms_are_drawn_as_they_are() -> None:
    drawing = FIGURES["paired_difference"](STUDIES["odd names"])
    assert drawing is not None

    svg = drawing.render()[1]

    words = [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert any("a$b$c & d" in text for text in words)


def test_figures_come_in_their_order() -> None:
    assert list(in_order())[:3] == ["paired_difference", "difference_at_equal_cost", "accuracy_by_macs"]


def test_every_colour_of_a_plot_follows_the_theme() -> None:
    drawing = FIGURES["paired_difference"](STUDIES["three arms"])
    assert drawing is not None

    svg = drawing.render()[1].decode()

    used = {word[:7] for word in svg.split("#") for word in [f"#{word}"] if word[1:7].isalnum() and word[7:8] in ";\"'"}
    assert used - {"#000000"} <= set(THEME)


def test_accuracy_shows_cell_means_and_every_trial() -> None:
    shown = arm_accuracy(WHOLE, "macs")
    assert shown is not None
    table = WHOLE.table

    for one in shown.arms:
        trials = table[table["arm"] == one.arm]
        means = trials.pivot_table(index="cell", values="test_accuracy", aggfunc="mean")["test_accuracy"].to_numpy()
        assert np.sort(one.accuracy) == pytest.approx(np.sort(means))
        assert (np.diff(one.cost) >= 0).all()
        assert len(one.trial_cost) == 18
        assert one.label == f"{one.arm} (6 cells, 18 trials)"


def test_fronts_are_chosen_on_validation() -> None:
    records = simulated_records(Truth(depths=(2,), widths=(32,), seeds=1))
    first, second = records
    assert first.scores
    assert second.scores
    lucky = first.model_copy(
        update={"scores": first.scores.model_copy(update={"val_accuracy": 99.0, "test_accuracy": 1.0})}
    )
    unlucky = second.model_copy(
        update={"scores": second.scores.model_copy(update={"val_accuracy": 1.0, "test_accuracy": 99.0})}
    )

    cells = summarise(analysis_of(records=[lucky, unlucky]).table, ["average", "attention"])

    assert find_fronts(cells, "macs")["joint"].tolist() == [True, False]
    assert find_fronts(cells, "macs")["own"].tolist() == [True, True]


def test_the_joint_front_is_shared_out_among_the_arms() -> None:
    shares = share_of_front(WHOLE, "macs")

    assert sum(shares.values()) == WHOLE.fronts["macs"]["joint"].sum()
    assert list(shares) == ["average", "attention"]


def test_differences_have_a_row_per_cell_and_the_mean() -> None:
    shown = arm_differences(STUDIES["three arms"])
    assert shown is not None

    assert [one.arm for one in shown.arms] == ["attention", "max"]
    for one, verdict in zip(shown.arms, STUDIES["three arms"].verdicts, strict=True):
        assert one.estimate.mean() == pytest.approx(one.mean.estimate)
        assert one.mean == verdict.difference


def test_cells_with_unequal_pairs_are_labelled_with_their_number() -> None:
    shown = arm_differences(analysis_of(records=simulated_records(TRUTH)[:-2]))
    assert shown is not None

    assert shown.labels[0] == "depth=2 width=32 (3)"
    assert shown.labels[-1] == "depth=8 width=64 (2)"
    assert "In brackets" in shown.text.caption


def test_curves_are_means_over_seeds_then_over_cells() -> None:
    shown = arm_curves(WHOLE)
    assert shown is not None

    for curve in shown.arms:
        last = WHOLE.cells.loc[WHOLE.cells["arm"] == curve.arm, "val_accuracy"]
        assert curve.mean[-1] == pytest.approx(last.mean())
        assert len(curve.cells) == 6


def test_overheads_are_extra_costs_in_the_same_cells() -> None:
    by_cost = {overhead.cost: overhead for overhead in overheads(WHOLE, WHOLE.verdicts[0])}

    # 4·width² on top of depth·8·width²: 1 / (2·depth)
    assert (by_cost["params"].low, by_cost["params"].high) == pytest.approx((100 / 16, 100 / 4))
    assert by_cost["activations"].mean == pytest.approx(0)


def test_training_seconds_of_concurrent_trials_carry_a_warning() -> None:
    records = simulated_records(TRUTH)
    assert not trials_overlap(records)
    together = [
        record.model_copy(update={"started": records[0].started, "ended": records[0].ended}) for record in records
    ]
    assert trials_overlap(together)
    assert trials_overlap([record.model_copy(update={"started": None}) for record in records])
    elsewhere = [
        record.model_copy(update={"environment": {"host": str(number)}}) for number, record in enumerate(together)
    ]
    assert not trials_overlap(elsewhere)

    drawing = FIGURES["accuracy_by_train_seconds"](analysis_of(records=together))

    assert drawing is not None
    assert "do not measure speed" in drawing.text.caption


def test_progress_counts_what_became_of_every_planned_trial() -> None:
    records = simulated_records(TRUTH)
    progress = analysis_of(records=[failed(records[0]), failed(records[1], "diverged"), *records[2:10]]).progress

    assert dataclasses.asdict(progress) == {
        "planned": 36,
        "finished": 8,
        "failed": 1,
        "diverged": 1,
        "missing": 26,
        "stopped": 0,
        "is_complete": False,
    }


def test_a_sample_is_repeatable_and_keeps_what_it_must() -> None:
    keep = np.arange(10_000) % 1000 == 7

    chosen = sample(10_000, 300, keep)

    assert chosen.tolist() == sample(10_000, 300, keep).tolist() == sorted(set(chosen.tolist()))
    assert set(np.flatnonzero(keep)) <= set(chosen)
    assert 300 <= len(chosen) <= 310
    assert sample(300, 300).tolist() == list(range(300))
