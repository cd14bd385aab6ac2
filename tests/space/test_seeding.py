"""Seeds follow from what names a cell and a repetition, and from nothing else."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.space.design import Design, cells
from scaling.space.schema import Space
from scaling.space.seeding import seed_of
from scaling.study.records import read_records, read_study
from scaling.sweep.study_folder import describe
from tests.support import RECORDS_V1
from tests.support.queues import all_cells, play, queue, space

SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
NAMES = st.dictionaries(st.sampled_from(["depth", "width", "recipe.epochs", "stem", "heads"]), SCALARS, max_size=4)


def seeds(asked: Space, repetitions: int = 2) -> dict[tuple[str, int, str], int]:
    """Seed of each cell, repetition and arm of a space."""
    design = Design(asked)
    return {
        (str(cell), repetition, str(arm)): design.config(cell, arm, repetition).seed
        for cell in cells(asked)
        for repetition in range(repetitions)
        for arm in asked.arm_values
    }


def one_seed(**parts: Any) -> int:
    """The seed of the first repetition of the first cell."""
    asked = space(**parts)
    return Design(asked).config(cells(asked)[0], asked.arm_values[0], 0).seed


def test_cells_and_repetitions_differ_and_arms_agree() -> None:
    asked = space(axes={"depth": list(range(1, 21)), "width": list(range(8, 88, 8))})

    found = seeds(asked, repetitions=5)

    by_pair = {(cell, r): {seed for (c, n, _), seed in found.items() if (c, n) == (cell, r)} for cell, r, _ in found}
    assert all(len(of_arms) == 1 for of_arms in by_pair.values())
    assert len(set.union(*by_pair.values())) == len(by_pair) == 20 * 10 * 5


@given(cell=NAMES, arch=NAMES, repetition=st.integers(0, 10_000), study_seed=st.integers(0, 2**63 - 1))
def test_a_seed_is_a_whole_number_of_31_bits(
    cell: dict[str, Any], arch: dict[str, Any], repetition: int, study_seed: int
) -> None:
    assert 0 <= seed_of("f", cell, arch, repetition, study_seed) < 2**31


@given(cell=NAMES, arch=NAMES, order=st.randoms())
def test_neither_order_nor_the_form_of_numbers_matters(
    cell: dict[str, Any], arch: dict[str, Any], order: random.Random
) -> None:
    def mixed(settings: dict[str, Any]) -> dict[str, Any]:
        items = list(settings.items())
        order.shuffle(items)
        return {
            name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in items
        }

    assert seed_of("f", cell, arch, 1) == seed_of("f", mixed(cell), mixed(arch), 1)


@given(axis=SCALARS, fixed=SCALARS)
def test_a_parameter_counts_alike_on_an_axis_and_fixed(axis: Any, fixed: Any) -> None:
    assert seed_of("f", {"depth": axis}, {"width": fixed}, 0) == seed_of("f", {"width": fixed, "depth": axis}, {}, 0)


@pytest.mark.parametrize("pair", [(2, "2"), (1, True), (0, False), (0.1, 0.2), (1, -1), ("a", "A"), (2, [2])])
def test_different_values_give_different_seeds(pair: tuple[Any, Any]) -> None:
    one, other = (seed_of("f", {"depth": value}, {}, 0) for value in pair)

    assert one != other


BASE: dict[str, Any] = {"axes": {"depth": [2], "width": [32]}, "arch": {"patch_size": 2}}
SAME: dict[str, dict[str, Any]] = {
    "another arm first": {"arms": {"pooling": ["attention", "average"]}},
    "other arms": {"arms": {"pooling": ["max", "average"]}},
    "an arm with options": {"arms": {"pooling": [{"name": "attention", "heads": 4}, "average"]}},
    "options of the compared pooling in arch": {"arch": {"patch_size": 2, "pooling_heads": 4}},
    "the compared factor in arch": {"arch": {"patch_size": 2, "pooling": {"name": "attention", "heads": 2}}},
    "another factor": {"arms": {"mlp_ratio": [2, 3]}},
    "another factor that arch has too": {"arms": {"mlp_ratio": [2, 3]}, "arch": {"patch_size": 2, "mlp_ratio": 4}},
    "another recipe": {"recipe": {"epochs": 3, "learning_rate": 0.5}},
    "other data": {"data": {"source": "folder:/elsewhere", "train_limit": 10}},
    "a learning-rate grid": {"tune": {"lr": 5, "factor": 4, "choose_by": 2}},
    "matched arms": {"match": {"vary": "width"}},
    "another place in the list": {"axes": {"width": [96, 32][1:], "depth": [2]}},
    "a longer axis": {"axes": {"depth": [2, 4, 8], "width": [32, 64]}},
    "a fixed parameter": {"axes": {"depth": [2]}, "arch": {"width": 32, "patch_size": 2}},
    "real numbers": {"axes": {"depth": [2.0], "width": [32.0]}, "arch": {"patch_size": 2.0}},
    "more repetitions": {"repetitions": 50},
    "a limit and a budget": {"limits": {"macs": 1e12}, "budget": {"trials": 3}, "search": {"seed": 4, "margin": 1}},
    "what only a verdict reads": {"question": "?", "looks": 1, "detect": 0.3, "keep_weights": "all"},
}
OTHER: dict[str, dict[str, Any]] = {
    "another study seed": {"seed": 1},
    "another cell": {"axes": {"depth": [4], "width": [32]}},
    "another fixed parameter": {"arch": {"patch_size": 4}},
    "one more fixed parameter": {"arch": {"patch_size": 2, "mlp_ratio": 4}},
    "another family": {"family": "timm"},
    "a recipe on an axis": {"axes": {"depth": [2], "width": [32], "recipe.epochs": [10]}},
    "data on an axis": {"axes": {"depth": [2], "width": [32], "data.source": ["digits"]}},
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_what_is_no_part_of_a_cell_leaves_its_seed(changes: dict[str, Any]) -> None:
    assert one_seed(**{**BASE, **changes}) == one_seed(**BASE)


def test_every_part_of_a_cell_moves_its_seed() -> None:
    found = {name: one_seed(**{**BASE, **changes}) for name, changes in OTHER.items()}

    assert len({one_seed(**BASE), *found.values()}) == 1 + len(OTHER)


def test_a_data_path_on_an_axis_counts_as_given() -> None:
    paths = [["folder:/a/b"], ["folder:/a/c"], ["folder:/a/b/"]]

    found = {one_seed(**{**BASE, "axes": {"depth": [2], "data.source": path}}) for path in paths}

    assert len(found) == len(paths)


@pytest.mark.parametrize("written", [[1e-3, "0.001"], [0.001, 0.0010]])
def test_a_setting_on_an_axis_counts_as_it_is_read(written: list[Any]) -> None:
    found = {one_seed(**{**BASE, "axes": {"depth": [2], "recipe.learning_rate": [value]}}) for value in written}

    assert len(found) == 1


def test_forms_of_a_pooling_on_an_axis_agree() -> None:
    forms: list[dict[str, Any]] = [
        {"axes": {"pooling": [{"name": "attention", "heads": 4}]}},
        {"axes": {"pooling": [{"heads": 4.0, "name": "attention", "width": None}]}},
        {"axes": {"pooling": ["attention"]}, "arch": {"pooling_heads": 4}},
        {"axes": {"pooling": ["attention"], "pooling_heads": [4]}},
        {"axes": {"pooling_heads": [4]}, "arch": {"pooling": {"name": "attention"}}},
    ]

    assert len({one_seed(**{"arms": {"depth": [2, 4]}, **form}) for form in forms}) == 1


def test_the_text_of_a_pooling_gives_its_seed() -> None:
    asked = space(axes={"pooling": [{"name": "attention", "heads": 4}]}, arms={"depth": [2, 4]})
    as_recorded = {name: str(value) for name, value in cells(asked)[0].items()}

    assert Design(asked).config(as_recorded, 2, 0) == Design(asked).config(cells(asked)[0], 2, 0)


def test_a_cell_of_two_studies_is_the_same_trial() -> None:
    small, large = space(axes={"depth": [2], "width": [32]}), space(axes={"width": [96, 64, 32], "depth": [8, 4, 2]})

    ours, theirs = (
        {segment.trial.key for segment in play(queue(asked, all_cells(asked, cells(asked))), lambda _: 50.0)[0]}
        for asked in (small, large)
    )

    assert len(ours) == 1 * 2 * 3
    assert ours < theirs


def test_matched_arms_keep_the_seed_of_their_cell() -> None:
    asked = space(match={"vary": "width"})
    cell = cells(asked)[0]
    design = Design(asked, {("depth=2 width=32", "attention"): {"width": 24}})

    average, attention = (design.config(cell, arm, 0) for arm in asked.arm_values)

    assert (average.arch["width"], attention.arch["width"]) == (32, 24)
    assert average.seed == attention.seed == Design(space()).config(cell, "average", 0).seed


def test_matched_epochs_keep_the_seed_of_their_cell() -> None:
    asked = space(axes={"depth": [2], "recipe.epochs": [10]})
    cell = cells(asked)[0]
    design = Design(asked, {("depth=2 recipe.epochs=10", "attention"): {"recipe.epochs": 7}})

    average, attention = (design.config(cell, arm, 0) for arm in asked.arm_values)

    assert (average.recipe.epochs, attention.recipe.epochs) == (10, 7)
    assert average.seed == attention.seed


def test_tried_rates_share_the_seed_of_their_repetition() -> None:
    asked = space(axes={"depth": [2]}, tune={"lr": 3, "choose_by": 2}, repetitions=4)
    trials = [segment.trial for segment in play(queue(asked, all_cells(asked, cells(asked))), lambda _: 50.0)[0]]

    of_each = {r: {t.config.seed for t in trials if t.repetition == r} for r in range(4)}

    assert [len(found) for found in of_each.values()] == [1, 1, 1, 1]
    assert len(set.union(*of_each.values())) == 4


@pytest.mark.parametrize("folder", [path.parent for path in RECORDS_V1.glob("*/study.json")], ids=lambda f: f.name)
def test_an_earlier_study_is_extended_with_shared_seeds(folder: Any) -> None:
    study, records = read_study(folder), read_records(folder)
    asked = Space.model_validate(study.space)
    grown = asked.model_copy(update={"repetitions": asked.repetitions + 2})
    design = Design(grown, seeding=study.seeding)

    points = list({str(record.cell): record.cell for record in records}.values())
    trials = {
        (str(cell), str(arm), r): design.trial(study.name, cell, arm, r)
        for cell, arm, r in itertools.product(points, grown.arm_values, range(grown.repetitions))
    }

    assert {record.key: record.repetition for record in records}.items() <= {
        trial.key: trial.repetition for trial in trials.values()
    }.items()
    assert all(trial.config.seed == r for (_, _, r), trial in trials.items())
    assert describe(study.name, design, list(trials.values()), study).seeding == "shared"
