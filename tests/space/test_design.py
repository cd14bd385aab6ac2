"""A design is paired and balanced: each cell has every arm in every repetition, and they differ in the factor alone."""

from collections import Counter

import pytest

from scaling.space.design import Design, cells, study_name
from scaling.space.schema import Range, Space
from scaling.study.config import Trial, TrialConfig
from scaling.study.errors import SpaceError
from scaling.sweep.search.sampling import sample_cells
from tests.support.queues import all_cells, play, queue, space


def planned_of(asked: Space) -> list[Trial]:
    segments, _ = play(queue(asked, all_cells(asked, cells(asked))), lambda trial: 50.0)
    return [segment.trial for segment in segments]


def test_every_cell_has_every_arm_in_every_repetition_once() -> None:
    asked = space(repetitions=3)

    planned = planned_of(asked)

    assert len(planned) == 2 * 3 * 2 * 3
    counts = Counter((*t.cell.values(), t.arm, t.repetition) for t in planned)
    assert set(counts.values()) == {1}
    assert len({t.key for t in planned}) == len(planned)


def test_arms_of_a_cell_and_repetition_differ_only_in_factor() -> None:
    asked = space(repetitions=2)

    planned = planned_of(asked)

    for first, second in zip(planned[::2], planned[1::2], strict=True):
        a, b = first.config.model_dump(), second.config.model_dump()
        assert (first.cell, first.repetition) == (second.cell, second.repetition)
        assert a["arch"].pop("pooling") == "attention"  # the more expensive one first
        assert b["arch"].pop("pooling") == "average"
        assert a == b


def test_an_axis_may_be_a_setting_of_recipe_or_data() -> None:
    asked = space(axes={"depth": [2], "recipe.learning_rate": [0.1, 0.2], "data.image_size": [16]}, repetitions=1)

    planned = planned_of(asked)

    assert [t.config.recipe.learning_rate for t in planned] == [0.1, 0.1, 0.2, 0.2]
    assert {t.config.data.image_size for t in planned} == {16}
    assert "recipe.learning_rate" not in planned[0].config.arch


def test_real_ranges_need_samples() -> None:
    with pytest.raises(SpaceError, match="give it a step, or sample it: --samples N"):
        cells(space(axes={"recipe.learning_rate": {"low": 0.1, "high": 0.2}}))


def width_of(config: TrialConfig, limit: str) -> float:
    return config.arch["width"] + (40 if config.arch["pooling"] == "attention" else 0)


def test_a_cell_is_omitted_when_any_arm_exceeds_a_limit() -> None:
    asked = space(limits={"params": 100})

    kept = Design(asked).within_limits(cells(asked), width_of)

    assert {cell["width"] for cell in kept} == {32}


def test_without_limits_nothing_is_left_out_and_nothing_is_costed() -> None:
    asked = space()

    assert Design(asked).within_limits(cells(asked), lambda config, limit: pytest.fail("costed")) == cells(asked)


def test_a_limit_that_excludes_everything_names_the_cheapest_cell() -> None:
    asked = space(limits={"macs": 10, "params": 1e9})

    with pytest.raises(
        SpaceError, match=r"^limits.macs: 10 excludes all 6 cells; the cheapest, depth=2 width=32, needs 72;"
    ):
        Design(asked).within_limits(cells(asked), width_of)


def test_a_grown_study_keeps_its_name_another_gets_its_own() -> None:
    before = space()

    assert study_name("s", space(repetitions=9), before, {"repetitions": 9}) == "s"
    assert study_name("s", space(axes={"depth": [8], "width": [32]}), before, {"axes.depth": [8]}) == "s"
    changed = space(recipe={"epochs": 1}, data={"source": "parquet:/data/cifar10"})
    overrides = {"recipe.epochs": 1, "data.source": "parquet:/data/cifar10"}
    assert study_name("s", changed, before, overrides) == "s-epochs=1-cifar10"


AXES = {
    "depth": Range(low=2, high=20, step=2),
    "width": [32, 64, 96],
    "recipe.lr": Range(low=1e-4, high=1e-2, log=True),
}


def test_sampled_cells_are_different_reproducible_and_inside() -> None:
    drawn = sample_cells(AXES, 32)

    assert drawn == sample_cells(AXES, 32)
    assert len({tuple(cell.values()) for cell in drawn}) == 32
    assert all(cell["depth"] in range(2, 21, 2) and cell["width"] in (32, 64, 96) for cell in drawn)
    assert all(1e-4 <= cell["recipe.lr"] <= 1e-2 for cell in drawn)


def test_more_samples_keep_the_earlier_ones() -> None:
    assert sample_cells(AXES, 12)[:5] == sample_cells(AXES, 5)


def test_samples_cover_an_axis_evenly() -> None:
    counts = Counter(cell["width"] for cell in sample_cells(AXES, 30))

    assert max(counts.values()) - min(counts.values()) <= 3


def test_a_whole_space_can_be_sampled_and_no_more() -> None:
    axes = {"a": [1, 2, 3], "b": [4, 5]}

    assert len(sample_cells(axes, 6)) == 6
    with pytest.raises(SpaceError, match=r"more cells than the space has \(6\)"):
        sample_cells(axes, 7)
