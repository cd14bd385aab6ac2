"""Spaces are read whole or refused with every mistake, each in one line with its place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args
from unittest.mock import ANY

import pytest
from pydantic import ValidationError

from scaling.space.load import find_space, load_space, schema
from scaling.space.schema import Range, Space
from scaling.space.yaml_source import read_yaml
from scaling.study.aliases import EARLIER_NAMES
from scaling.study.config import Resources, Settings
from scaling.study.errors import SpaceError
from tests.support import ROOT

GOOD = """\
family: patchconvnet
arch: {patch_size: 2}
axes:
  depth: [2, 4]
  width: {low: 32, high: 64, step: 32}
arms:
  pooling: [average, attention]
"""
GOOD_PARTS: dict[str, Any] = read_yaml(GOOD)
SHIPPED = sorted(ROOT.glob("search_spaces/*.yaml"))


def write(folder: Path, text: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    assert all(problem.startswith(f"{path}") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}") for problem in caught.value.problems]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_space_is_valid_and_has_a_question(path: Path) -> None:
    space = load_space(str(path))

    assert space.question.endswith("?")
    assert len(space.arm_values) >= 2


def test_a_space_is_found_by_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_space("depth_width").stem == "depth_width"


def test_a_space_beside_the_user_comes_before_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / "search_spaces" / "depth_width.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)

    assert load_space("depth_width").axes["width"] == Range(low=32, high=64, step=32)


def test_overrides_reach_every_part(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "data: digits\n")
    overrides = {
        "recipe.epochs": 5,
        "data.train_limit": 100,
        "axes.depth": [8],
        "axes.recipe.learning_rate": [0.1, 0.2],
        "axes.width.high": 96,
        "seeds": 7,
    }

    space = load_space(str(path), overrides)

    assert (space.recipe.epochs, space.data.train_limit, space.repetitions) == (5, 100, 7)
    assert space.data.source == "digits"
    assert space.axes["depth"] == [8]
    assert space.axes["recipe.learning_rate"] == [0.1, 0.2]
    assert space.axes["width"] == Range(low=32, high=96, step=32)


def test_numbers_with_an_exponent_are_numbers_without_a_dot_too(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(GOOD.replace("  depth: [2, 4]", "  depth: [2, 4]\n  recipe.learning_rate: [1e-3, 3e-3]"))

    asked = load_space(str(path), {"recipe.weight_decay": read_yaml("5E-2")})

    assert asked.axes["recipe.learning_rate"] == [0.001, 0.003]
    assert asked.recipe.weight_decay == 0.05
    assert [read_yaml(text) for text in ("1e3", "-.5e+1", "e3", "1e", "0x1e3", "12", "1.5")] == [
        1000.0, -5.0, "e3", "1e", 0x1E3, 12, 1.5,
    ]  # fmt: skip


def test_a_wrong_override_names_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)

    with pytest.raises(SpaceError, match=r"^--set recipe\.epochs: input should be greater than 0; it is -1$"):
        load_space(str(path), {"recipe.epochs": -1})
    with pytest.raises(SpaceError, match="did you mean 'epochs'"):
        load_space(str(path), {"recipe.epoch": 1})
    with pytest.raises(SpaceError, match=r"--set family\.x: 'family' is 'patchconvnet' and has no parts"):
        load_space(str(path), {"family.x": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ": holds no settings"),
        ("- 1\n- 2", ": holds no settings"),
        ("family: [", r":\d: not valid YAML"),
        (GOOD + "famly: x", r":8: unknown setting 'famly'; did you mean 'family'\? \(known: arch, arms"),
        (GOOD + "family: patchconvnet", ":8: family: given twice"),
        (GOOD.replace("family: patchconvnet\n", ""), ": family is missing"),
        (
            GOOD.replace("family: patchconvnet", "family: patchconvnt"),
            ":1: family: unknown family 'patchconvnt'; did you",
        ),
        (GOOD.replace("depth:", "dept:"), r":4: axes.dept: .*unknown parameter 'dept'; did you mean 'depth'"),
        (GOOD.replace("[2, 4]", "[]"), ":4: axes.depth: is empty"),
        (GOOD.replace("[2, 4]", "[2, 2]"), ":4: axes.depth: names 2 twice"),
        (GOOD.replace("[2, 4]", "[2, x]"), ":4: axes.depth: .*depth"),
        (GOOD.replace("[2, 4]", "[2, -4]"), ":4: axes.depth: .*-4"),
        (GOOD.replace("[2, 4]", "4"), r":4: axes.depth: needs a list, as in \[2, 4\]; it is 4"),
        (GOOD.replace("low: 32, high: 64", "low: 64, high: 32"), ":5: axes.width: the range is upside down: low 64"),
        (GOOD.replace("low: 32", "low: 30"), ":5: axes.width: .*width 30 is not a multiple of 8"),
        (GOOD.replace("step: 32", "step: 0"), ":5: axes.width.step: input should be greater than 0"),
        (GOOD.replace("step: 32", "stop: 3"), ":5: axes.width: unknown setting 'stop'; did you mean 'step'"),
        (GOOD.replace("average,", "averge,"), ":7: arms.pooling: .*unknown pooling 'averge'; did you mean 'average'"),
        (GOOD + "  depth: [1, 2]", ":6: arms: compares 2 factors"),
        (
            GOOD.replace("[average, attention]", "[average]") + "match: {cost: macs}",
            ":8: match: makes arms cost the same",
        ),
        (
            GOOD.replace("[average, attention]", "[average]") + "search: {until: decided}",
            ":8: search.until: decides between arms, and this study has one",
        ),
        (GOOD.replace("patch_size: 2", "patch_size: 3"), ":2: arch.patch_size: .*3"),
        (GOOD.replace("patch_size: 2", "depth: 2"), ":4: axes.depth: 'depth' is fixed in arch too"),
        (GOOD.replace("arch: {patch_size: 2}", "arch: {image_size: 32}"), "vary data.image_size instead"),
        (GOOD + "recipe: {epoch: 3}", ":8: recipe: unknown setting 'epoch'; did you mean 'epochs'"),
        (GOOD + "recipe: {epochs: 2.5}", ":8: recipe.epochs: needs a whole number; it is 2.5"),
        (GOOD + "limits: {mac: 3}", ":8: limits: unknown setting 'mac'; did you mean 'macs'"),
        (GOOD + "repetitions: 0", ":8: repetitions: input should be greater than 0"),
        (GOOD + "repetitions: 100000000", ":8: repetitions: input should be less than or equal to 10000"),
        (GOOD + "seeds: 0", ":8: seeds: input should be greater than 0"),  # the earlier name
        (GOOD + "seeds: 3\nrepetitions: 3", "'seeds' is the earlier name of 'repetitions'; keep one"),
        (GOOD + "seed: -1", ":8: seed: input should be greater than or equal to 0"),
        (GOOD + "looks: 2", ":8: looks: is 2; give 1, which fixes the plan, or leave it out"),
        (
            GOOD + "looks: 1\nsearch: {until: decided}",
            ":8: looks: 1 fixes the plan, and search.until adds",
        ),
        (GOOD + "detect: 0", ":8: detect: input should be greater than 0"),
        (GOOD + "keep_weights: first", ":8: keep_weights: unknown keep_weights 'first'"),
        (GOOD + "data: {split: anew}", ":8: data.split: unknown split 'anew'"),
        (
            GOOD + "repetitions: 1\ntune: {lr: 3}",
            ":9: tune: the 1 repetition that chooses a learning rate is not scored, so 2 repetitions are needed",
        ),
        (
            GOOD + "repetitions: 2\ntune: {lr: 3, choose_by: 2}",
            ":9: tune: the 2 repetitions that choose a learning rate are not scored, so 3 repetitions are needed",
        ),
        (GOOD + "tune: {lr: 3, choose_by: 0}", ":8: tune.choose_by: input should be greater than 0"),
        (GOOD.replace("high: 64", "high: 1000000000000"), ":5: axes.width: has 31,250,000,000 values; give it a"),
        (GOOD + "search: {seed: 5000000000}", ":8: search.seed: input should be less than 4294967296"),
        (GOOD + "tune: {lr: 3, factor: 1}", ":8: tune.factor: input should be greater than or equal to 1.01"),
        (
            GOOD.replace("arch: {patch_size: 2}", "arch: &a {patch_size: *a}"),
            r": an alias \(\*name\) stands within",
        ),
        (
            GOOD.replace("  depth: [2, 4]", "  recipe.epoch: [2]"),
            "unknown recipe setting 'epoch'; did you mean 'epochs'",
        ),
        (GOOD.replace("  depth: [2, 4]", "  recip.epochs: [2]"), "unknown section 'recip'; did you mean 'recipe'"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, text)

    assert len([p for p in found if re.search(expected, p)]) == 1, found
    assert not any("\n" in problem for problem in found)


def test_mistakes_of_every_kind_are_reported_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("depth", "dept").replace("average", "averge") + "recipe: {epoch: 3, loss: bec}\nseeds: 0\n"
    text += "search: {design: tpx, seed: -1, stop: {rule: ashaa, first: 0}}\nlimits: {mac: 1}\nmatch: {vary: widht}\n"

    found = problems(tmp_path, text)

    names = [
        "'dept'",
        "'averge'",
        "'epoch'",
        "seeds",
        "'bec'",
        "'tpx'",
        "search.seed",
        "stop.first",
        "'mac'",
        "'widht'",
        "'ashaa'",
    ]
    assert [len([line for line in found if name in line]) for name in names] == [1] * len(names)
    assert len(found) == len(names)


@pytest.mark.parametrize("section", ["family", "axes", "arms"])
def test_a_required_section_that_is_wrong_hides_no_other_mistake(tmp_path: Path, section: str) -> None:
    lines = [line for line in GOOD.splitlines() if line.startswith(("family", "arch", "axes", "arms"))]
    others = [line for line in lines if not line.startswith(section)]
    text = GOOD if section == "family" else "\n".join(others).replace("axes:", "axes: {depth: [2]}")
    text = text.replace("family: patchconvnet", "family: [1]") if section == "family" else f"{text}\n{section}: 3"

    found = problems(tmp_path, f"{text}\nsearch: {{design: gird}}\nrecipe: {{loss: bec}}\n")

    assert any(f"{section}: needs" in line for line in found)
    assert any("did you mean 'grid'" in line for line in found)
    assert any("did you mean 'bce'" in line for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search: {design: sobl, cells: 2}", ":8: search.design: unknown design 'sobl'; did you mean 'sobol'"),
        ("search: {design: sobol}", ":8: search: sobol needs a number of cells"),
        ("search: {stop: {rule: ashaa}}", ":8: search.stop.rule: unknown stopping rule 'ashaa'; did you mean 'asha'"),
        ("search: {stop: {first: 2}}", ":8: search.stop: rule is missing"),
        ("search: {stop: {rule: asha, first: 10}}", ":8: search.stop.first: epoch 10 is not below recipe.epochs, 10"),
        ("search: {objectives: [mac]}", ":8: search.objectives: unknown objective 'mac'; did you mean 'macs'"),
        ("recipe: {loss: bec}", ":8: recipe.loss: unknown loss 'bec'; did you mean 'bce'"),
        ("recipe: {augmentation: [x]}", ":8: recipe.augmentation: unknown augmentation 'x'"),
        ("recipe: {augmentation: x}", ":8: recipe.augmentation: needs a list"),
        (
            "recipe: {learning_rate_rule: {name: mop, reference_width: 8}}",
            ":8: recipe.learning_rate_rule.name: unknown learning-rate rule 'mop'; did you mean 'mup'",
        ),
        ("match: {cost: mac}", ":8: match.cost: unknown cost 'mac'; did you mean 'macs'"),
        ("limits: {macs: 16GiB}", ":8: limits.macs: needs a number; it is '16GiB'"),
        ("limits: {training_memory: lots}", ":8: limits.training_memory: needs a number, or a size such as 16GiB"),
        ("limits: {macs: -1}", ":8: limits.macs: input should be greater than 0"),
        ("limits: {macs: 0}", ":8: limits.macs: input should be greater than 0"),
        ("search: 3.5", ":8: search: needs names and values"),
        ("arch: {1: 2}", ":8: arch.1: needs text; it is 1"),
    ],
)
def test_unknown_names_and_wrong_bounds_have_their_place(tmp_path: Path, text: str, expected: str) -> None:
    (line,) = problems(tmp_path, GOOD.replace("arch: {patch_size: 2}", "seeds: 1") + text)

    assert line.startswith(expected)


def test_an_axis_over_names_is_checked_too(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, GOOD.replace("depth: [2, 4]", "recipe.loss: [bce, bec]\n  depth: [2]"))

    assert line.startswith(":4: axes.recipe.loss: unknown loss 'bec'; did you mean 'bce'")


def test_limits_take_numbers_and_sizes(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "limits: {macs: 5e9, training_memory: 16GiB, params: null, activations: '10'}\n")

    assert load_space(str(path)).bounds == {"macs": 5e9, "training_memory": 16 * 2**30, "activations": 10}


def settings_in(model: type[Settings]) -> Iterator[tuple[str, type[Settings]]]:
    """Sections of a space that are settings."""
    for section, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Settings):
                yield section, kind


EARLIER = [
    (section, earlier, name)
    for section, model in settings_in(Space)
    for name in model.model_fields
    for earlier in EARLIER_NAMES.get(name, ())
]


@pytest.mark.parametrize(("section", "earlier", "name"), EARLIER)
def test_settings_are_read_under_their_earlier_names(tmp_path: Path, section: str, earlier: str, name: str) -> None:
    value = not getattr(getattr(Space(**GOOD_PARTS), section), name)
    now = load_space(str(write(tmp_path, GOOD + f"{section}: {{{name}: {value}}}\n")))

    before = write(tmp_path, GOOD + f"{section}: {{{earlier}: {value}}}\n")

    assert load_space(str(before)) == now
    assert load_space(str(write(tmp_path, GOOD)), {f"{section}.{earlier}": value}) == now
    assert Space.model_validate({**GOOD_PARTS, section: {earlier: value}}) == Space(
        **{**GOOD_PARTS, section: {name: value}}
    )


def test_an_earlier_name_beside_the_present_one_is_a_mistake(tmp_path: Path) -> None:
    text = GOOD + "resources: {activation_checkpointing: true, checkpoint_gradients: false}\n"

    (line,) = problems(tmp_path, text)

    assert line == ":8: resources: 'checkpoint_gradients' is the earlier name of 'activation_checkpointing'; keep one"
    with pytest.raises(ValidationError, match="'checkpoint_gradients' is the earlier name of"):
        Resources.model_validate({"activation_checkpointing": True, "checkpoint_gradients": True})


def test_a_space_file_executes_nothing(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, GOOD + "question: !!python/object/apply:os.system [touch executed]\n")

    assert line.startswith(":8: not valid YAML")


def test_a_missing_parameter_is_named(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, GOOD.replace("  depth: [2, 4]\n", ""))

    assert "depth" in line


def test_an_unknown_space_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match="unknown space 'depth_widt'; did you mean 'depth_width'"):
        load_space("depth_widt")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Range(low=2, high=8, step=2), [2, 4, 6, 8]),
        (Range(low=2, high=7, step=2), [2, 4, 6]),
        (Range(low=1, high=3), [1, 2, 3]),
        (Range(low=5, high=5), [5]),
        (Range(low=0.1, high=0.3, step=0.1), pytest.approx([0.1, 0.2, 0.3])),
        (Range(low=0.1, high=0.3), None),
        (Range(low=1, high=100, log=True), None),
    ],
)
def test_a_range_lists_its_members_where_it_has_an_end(values: Range, expected: list[float] | None) -> None:
    assert values.values() == expected


def test_the_published_schema_is_the_one_the_code_reads() -> None:
    published = json.loads((ROOT / "search_spaces" / "space.schema.json").read_text())

    assert is_part(published, schema()), "run `make schema`"
    assert set(published["$defs"]) == set(schema()["$defs"])


def is_part(one: Any, other: Any) -> bool:
    """Whether `other` is `one`, but for names that an added file may have registered since."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(name in other and is_part(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return all(any(is_part(value, found) for found in other) for value in one)
    return one == other


def test_conditions_leave_defaults_out() -> None:
    space = Space.model_validate(
        {"family": "f", "axes": {"depth": [1]}, "arms": {"pooling": ["a", "b"]}, "recipe": {"epochs": 99}}
    )

    assert space.conditions()["recipe"] == {"epochs": 99}


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "search_spaces" / "recipes"
    folder.mkdir(parents=True)
    (folder / "long.yaml").write_text("epochs: 300\nbatch_size: 32\n")
    (folder / "wrong.yaml").write_text("epoch: 300\n")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_space_and_the_command_line_change_a_named_recipe(tmp_path: Path, recipes: Path) -> None:
    path = str(write(tmp_path, GOOD + "recipe: {base: long, batch_size: 64}\n"))
    short = str(write(recipes, GOOD + "recipe: long\n"))

    assert load_space(path).conditions()["recipe"] == {"epochs": 300, "batch_size": 64}
    assert load_space(path, {"recipe.epochs": 2}).conditions()["recipe"] == {"epochs": 2, "batch_size": 64}
    assert load_space(short).conditions()["recipe"] == {"epochs": 300, "batch_size": 32}
    assert load_space(short, {"recipe.epochs": 2}).recipe.epochs == 2


def test_an_unknown_or_wrong_recipe_is_named(tmp_path: Path, recipes: Path) -> None:
    (line,) = problems(tmp_path, GOOD + "recipe: lng\n")
    assert line.startswith(":8: recipe: unknown recipe 'lng'; did you mean 'long'")

    path = str(write(tmp_path, GOOD + "recipe: wrong\n"))
    with pytest.raises(SpaceError, match=r"wrong\.yaml:1: unknown setting 'epoch'; did you mean 'epochs'"):
        load_space(path)


@pytest.mark.parametrize("path", sorted(SHIPPED[0].parent.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_read(path: Path, tmp_path: Path) -> None:
    assert load_space(str(write(tmp_path, GOOD + f"recipe: {path.stem}\n"))).recipe.epochs >= 1


@pytest.mark.parametrize("name", ["repetitions", "seeds"])
@pytest.mark.parametrize("written", ["", "repetitions: 7\n", "seeds: 7\n"])
def test_repetitions_are_set_by_either_name(tmp_path: Path, name: str, written: str) -> None:
    path = write(tmp_path, GOOD + written)

    assert load_space(str(path)).repetitions == (7 if written else 3)
    assert load_space(str(path), {name: 5}).repetitions == 5


def test_repetitions_set_by_both_names_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)

    with pytest.raises(SpaceError, match="'seeds' is the earlier name of 'repetitions'; keep one"):
        load_space(str(path), {"seeds": 5, "repetitions": 4})


@pytest.mark.parametrize(
    ("written", "read"), [("first_seed", "first_repetition"), ("first_repetition", "first_repetition"), ("all", "all")]
)
def test_earlier_words_for_kept_weights_are_read(tmp_path: Path, written: str, read: str) -> None:
    assert load_space(str(write(tmp_path, GOOD + f"keep_weights: {written}"))).keep_weights == read


@pytest.mark.parametrize(
    ("written", "is_another"),
    [
        ("seed: 1", True),
        ("tune: {lr: 3, choose_by: 2}", True),
        ("data: {split: per_repetition}", True),
        ("seed: 0", False),
        ("repetitions: 9\ndetect: 1\nlooks: 1\nkeep_weights: all", False),
    ],
)
def test_what_changes_a_result_is_a_condition(tmp_path: Path, written: str, is_another: bool) -> None:
    whole = load_space(str(write(tmp_path, GOOD)))
    changed = load_space(str(write(tmp_path, GOOD + written)))

    assert (changed.conditions() != whole.conditions()) == is_another


def test_a_grid_that_one_run_chooses_is_under_earlier_conditions(tmp_path: Path) -> None:
    tuned = load_space(str(write(tmp_path, GOOD + "tune: {lr: 3, factor: 2}")))

    assert tuned.conditions()["tune"] == {"lr": 3, "factor": 2.0}  # as studies older than choose_by have it


def test_a_space_without_arms_has_one(tmp_path: Path) -> None:
    without = GOOD.partition("arms:")[0]
    average = load_space(str(write(tmp_path, without)), {})
    attention = load_space(str(write(tmp_path, without.replace("size: 2}", "size: 2, pooling: attention}"))), {})

    assert (average.arms, attention.arms) == ({"pooling": ["average"]}, {"pooling": ["attention"]})
    assert "pooling" not in attention.arch
    assert Space.model_validate(average.model_dump(mode="json")) == average


def test_without_arms_pooling_cannot_be_an_axis(tmp_path: Path) -> None:
    without = GOOD.partition("arms:")[0] + "  pooling: [average, attention]\n"

    assert problems(tmp_path, without) == [ANY]
