"""Pooling options nested in a space make the same trials as the flat form, under arm names that people can read."""

from pathlib import Path
from typing import Any

import pytest

from scaling.space.design import Design, cells, study_name
from scaling.space.load import load_space
from scaling.space.schema import Space
from scaling.study.config import TrialConfig
from scaling.study.errors import SpaceError
from scaling.study.records import read_records
from tests.support import RECORDS_V1

NESTED = {"name": "attention", "heads": 4}
BASE = {
    "family": "patchconvnet",
    "arch": {"patch_size": 2, "width": 32},
    "axes": {"depth": [2, 4]},
    "arms": {"pooling": ["average", "attention"]},
}


def asked(**parts: Any) -> Space:
    return Space.model_validate({**BASE, **parts})


def keys(space: Space) -> list[str]:
    """Keys of all networks of a space with its data and recipe, whatever their seeds."""
    return [config.model_copy(update={"seed": 0}).key for config in Design(space).configs(cells(space))]


def key(**arch: Any) -> str:
    return TrialConfig(family="patchconvnet", arch={"patch_size": 2, "width": 32, **arch}).key


def test_a_nested_arm_has_the_key_of_the_flat_form() -> None:
    space = asked(axes={"depth": [2]}, arms={"pooling": ["average", NESTED]})

    assert keys(space) == [key(depth=2, pooling="average"), key(depth=2, pooling="attention", pooling_heads=4)]


def test_a_nested_axis_value_has_the_flat_form_s_key() -> None:
    space = asked(axes={"pooling": ["average", NESTED]}, arms={"depth": [2, 4]})

    assert keys(space)[2] == key(depth=2, pooling="attention", pooling_heads=4)


def test_nested_and_flat_arch_are_one_study_with_equal_keys() -> None:
    nested = asked(arch={**BASE["arch"], "pooling": NESTED}, arms={"mlp_ratio": [2.0, 3.0]})
    flat = asked(arch={**BASE["arch"], "pooling": "attention", "pooling_heads": 4}, arms={"mlp_ratio": [2.0, 3.0]})

    assert keys(nested) == keys(flat)
    assert nested.conditions() == flat.conditions()


@pytest.mark.parametrize("written", [{"name": "attention"}, "attention", {"name": "attention", "width": None}])
def test_a_mapping_without_options_is_the_name(written: Any) -> None:
    space = asked(arms={"pooling": ["average", written]})

    assert space.arm_values == ["average", "attention"]


@pytest.mark.parametrize("study", ["example", "patchconvnet_cifar10_subset"])
def test_earlier_records_have_the_key_of_their_nested_form(study: str) -> None:
    for record in read_records(RECORDS_V1 / study):
        arch = dict(record.config["arch"])
        options = {name.removeprefix("pooling_"): arch.pop(name) for name in list(arch) if name.startswith("pooling_")}
        arch["pooling"] = {"name": arch["pooling"], **options}

        assert TrialConfig(**{**record.config, "arch": arch}).key == record.key


def test_an_arm_s_name_ignores_the_order_of_its_options() -> None:
    one = asked(arms={"pooling": ["average", {"name": "attention", "width": 64, "heads": 4}]})
    other = asked(arms={"pooling": ["average", {"heads": 4, "width": 64, "name": "attention"}]})

    assert str(one.arm_values[1]) == str(other.arm_values[1]) == "attention heads=4 width=64"


@pytest.mark.parametrize(("option", "written"), [("heads", 1.0), ("mlp_ratio", 2), ("mlp_ratio", 2.5)])
def test_a_nested_value_gives_the_key_of_the_flat_one(option: str, written: Any) -> None:
    nested = asked(axes={"depth": [2]}, arms={"pooling": ["average", {"name": "attention", option: written}]})
    flat = asked(axes={"depth": [2]}, arch={**BASE["arch"], f"pooling_{option}": written})

    of_nested = Design(nested).config({"depth": 2}, nested.arm_values[1], 0)
    of_flat = Design(flat).config({"depth": 2}, "attention", 0)

    assert of_nested.key == of_flat.key


def test_match_may_vary_an_option_that_arch_sets() -> None:
    nested = {"name": "attention", "width": 16}
    space = asked(arch={**BASE["arch"], "pooling": nested}, arms={"mlp_ratio": [2.0, 3.0]})

    design = Design(space, {("depth=2", "3.0"): {"pooling_width": 24}})

    assert design.config({"depth": 2}, 2.0, 0).arch["pooling_width"] == 16
    assert design.config({"depth": 2}, 3.0, 0).arch["pooling_width"] == 24


def test_trials_carry_the_readable_name_as_arm_and_in_cells() -> None:
    arms = asked(arms={"pooling": ["average", NESTED]})
    axis = asked(axes={"pooling": [NESTED]}, arms={"depth": [2, 4]})

    of_arm = Design(arms).trial("s", {"depth": 2}, arms.arm_values[1], 0)
    of_axis = Design(axis).trial("s", cells(axis)[0], 2, 0)

    assert of_arm.label == "depth=2 attention heads=4 repetition 0"
    assert of_axis.cell == {"pooling": "attention heads=4"}


def test_settings_are_found_again_from_the_names_in_records() -> None:
    arms = asked(arms={"pooling": ["average", NESTED]})
    axis = asked(axes={"pooling": [NESTED]}, arms={"depth": [2, 4]})

    assert Design(arms).config({"depth": 2}, "attention heads=4", 0).arch["pooling_heads"] == 4
    assert Design(axis).config({"pooling": "attention heads=4"}, 2, 0).arch["pooling_heads"] == 4


def test_a_stored_space_reads_back_equal() -> None:
    space = asked(axes={"pooling": [NESTED, "average"]}, arms={"depth": [2, 4]})

    assert Space.model_validate(space.model_dump(mode="json")) == space


def test_overrides_set_a_pooling_with_options_and_name_the_study() -> None:
    before = load_space("attention_augmented")
    overrides = {"arch.pooling": NESTED}

    changed = load_space("attention_augmented", overrides)

    assert changed.conditions()["arch"]["pooling_heads"] == 4
    assert study_name("s", changed, before, overrides) == "s-pooling=attention_heads=4"


def test_an_override_adds_an_option_to_a_named_pooling() -> None:
    changed = load_space("attention_augmented", {"arch.pooling": "attention", "arch.pooling.heads": 4})

    assert (
        changed.conditions()["arch"] == load_space("attention_augmented", {"arch.pooling": NESTED}).conditions()["arch"]
    )


SPACE = """\
family: patchconvnet
arch: {patch_size: 2}
axes:
  depth: [2]
  width: [32]
arms:
  pooling:
    - average
    - ARM
"""


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ("{name: atention, heads: 4}", "9: arms.pooling: .*unknown pooling 'atention'; did you mean 'attention'"),
        ("{name: attention, haeds: 4}", "9: arms.pooling: .*'haeds'; did you mean 'heads'"),
        ("{name: attention, heads: 0}", "9: arms.pooling: .*heads 0 is not above 0"),
        ("{name: attention, heads: [4]}", r"9: arms.pooling.1: pooling option heads needs a number or a word; .*\[4\]"),
        (
            "{heads: 4}",
            "9: arms.pooling.1: .* has no name; write a pooling with options as {name: attention, heads: 4}",
        ),
        ("{name: [attention]}", "9: arms.pooling.1: .* has no name"),
        ("{name: average}", "7: arms.pooling: names average twice"),
        ("{name: average, heads: null}", "9: arms.pooling: .*pooling 'average' has no options; leave out heads"),
        ("{name: attention, haeds: null}", "9: arms.pooling: .*'haeds'; did you mean 'heads'"),
        (
            "attention\n    - {name: attention, heads: 1}",
            "7: arms.pooling: 'attention' and 'attention heads=1' are the same network; keep one of the two",
        ),
        (
            "attention\n    - {name: attention, layer_scale: 0.0001}",
            "7: arms.pooling: 'attention' and 'attention layer_scale=0.0001' are the same network",
        ),
        (
            "{name: attention, heads: 2}\n    - {name: attention, heads: 2.0}",
            "7: arms.pooling: names attention heads=2, attention heads=2.0 twice",
        ),
    ],
)
def test_a_mistake_in_a_nested_arm_gives_one_located_line(tmp_path: Path, arm: str, expected: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("ARM", arm))

    with pytest.raises(SpaceError, match=f"^{path}:{expected}[^\n]*$"):
        load_space(str(path))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"arch.pooling_heads": 2}, "arms.pooling: sets heads, and arch sets pooling_heads; keep one of the two"),
        ({"axes.pooling_heads": [2]}, "arms.pooling: sets heads, and axes sets pooling_heads; keep one of the two"),
        (
            {"match": {"vary": "pooling_heads"}},
            "match.vary: arm 'attention heads=4' sets 'pooling_heads', which match varies; leave heads out of the arm",
        ),
        (
            {"axes.pooling": {"name": "attention", "heads": 4}},
            r"axes.pooling: an axis needs a list of poolings, as in \[average, \{name: attention, heads: 4\}\]",
        ),
        ({"axes.depth": [{"name": "a", "b": 1}]}, "axes.depth: 'depth' takes no options; write a number or a word"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path: Path, overrides: dict[str, Any], expected: str) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("ARM", "{name: attention, heads: 4}"))

    with pytest.raises(SpaceError, match=expected):
        load_space(str(path), overrides)
