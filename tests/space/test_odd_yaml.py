"""Spaces in odd YAML: equal numbers are one network, and whatever is written is a space or lines of mistakes."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from scaling.space.design import Design, cells
from scaling.space.load import load_space
from scaling.space.overrides import parse_overrides
from scaling.space.schema import Range, Space
from scaling.space.yaml_source import SpaceFile
from scaling.study.config import MOST_EPOCHS, TrialConfig, cell_label
from scaling.study.errors import SpaceError
from scaling.study.plain_yaml import read_yaml
from tests.support import RECORDS_V1, ROOT

GOOD = """\
family: patchconvnet
arch: {patch_size: 2}
axes:
  depth: [2, 4]
  width: {low: 32, high: 64, step: 32}
arms:
  pooling: [average, {name: attention, heads: 2}]
"""


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "space.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def problems(folder: Path, text: str | bytes, settings: list[str] | None = None) -> list[str]:
    """The lines with which a space is refused, without the file's name."""
    path = write(folder, text)
    with pytest.raises(SpaceError) as caught:
        load_space(path, parse_overrides(settings or [], None))
    assert all(problem.isprintable() and len(problem) < 600 for problem in caught.value.problems)
    return [problem.removeprefix(path) for problem in caught.value.problems]


def keys(space: Space) -> list[str]:
    return [config.key for config in Design(space).configs(cells(space))]


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        ("depth: [2, 4]", "depth: [2.0, 4.0]"),
        ("depth: [2, 4]", "depth: [2, 0x4]"),
        ("depth: [2, 4]", "depth: [2e0, 4]"),
        ("step: 32", "step: 32.0"),
        ("heads: 2", "heads: 2.0"),
        ("patch_size: 2", "patch_size: 2.0"),
        ("patch_size: 2", "patch_size: +2"),
    ],
)
def test_equal_numbers_have_one_content_key(tmp_path: Path, written: str, otherwise: str) -> None:
    space = load_space(write(tmp_path, GOOD))

    other = load_space(write(tmp_path, GOOD.replace(written, otherwise)))

    assert keys(other) == keys(space)
    assert [cell_label(cell) for cell in cells(other)] == [cell_label(cell) for cell in cells(space)]
    assert [str(arm) for arm in other.arm_values] == [str(arm) for arm in space.arm_values]
    assert other.conditions() == space.conditions()


@pytest.mark.parametrize(
    ("setting", "otherwise"),
    [
        ("axes.depth=[2, 6]", "axes.depth=[2.0, 6]"),
        ("arch.layer_scale=1", "arch.layer_scale=1.0"),
        ("arms.pooling=[average, {name: gem, exponent: 3}]", "arms.pooling=[average, {name: gem, exponent: 3.0}]"),
        ("recipe.epochs=3", "recipe.epochs=3.0"),
        ("recipe.weight_decay=1", "recipe.weight_decay=1.0"),
        ("axes.recipe.weight_decay=[0, 1]", "axes.recipe.weight_decay=[0.0, 1.0]"),
    ],
)
def test_equal_numbers_of_set_have_one_content_key(tmp_path: Path, setting: str, otherwise: str) -> None:
    path = write(tmp_path, GOOD)
    one, other = (load_space(path, parse_overrides([text], None)) for text in (setting, otherwise))

    assert keys(one) == keys(other)
    assert one.conditions() == other.conditions()


def test_a_drawn_number_has_the_key_of_the_whole_one(tmp_path: Path) -> None:
    design = Design(load_space(write(tmp_path, GOOD)))

    assert design.config({"depth": 4.0, "width": 32}, "average", 0) == design.config(
        {"depth": 4, "width": 32}, "average", 0
    )
    assert cell_label({"depth": 4.0}) == "depth=4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("[2, 4]", "[4, 4.0]"), ":4: axes.depth: names 4, 4.0 twice"),
        (GOOD.replace("[2, 4]", "[4, 0x4, 2]"), ":4: axes.depth: names 4 twice"),
        (
            GOOD.replace("average, {", "{name: attention, heads: 2.0}, {"),
            "attention heads=2, attention heads=2.0 twice",
        ),
        (GOOD + "recipe: {epochs: 1:30}", ":8: recipe.epochs: YAML 1.1 reads 1:30 as 90; quote it"),
        (GOOD + "on: 3", ":8: YAML 1.1 reads on as true; a key needs text, so quote it: 'on'"),
        (
            GOOD.replace("average, {name: attention, heads: 2}", "off, on"),
            ":7: arms.pooling: YAML 1.1 reads off, on as",
        ),
        (GOOD + "seeds: 0777", ":8: seeds: YAML 1.1 reads 0777 as 511; quote it ('0777') if it is text, or write 777"),
        (GOOD + 'question: "a\ab"', ":8: not valid YAML: holds the control character U+0007"),
        (GOOD + r'question: "a\x07b"', ":8: question: text holds the control character U+0007"),
        (GOOD + "seeds: " + "9" * 5000, "a number of 5,000 digits"),
        (GOOD + "seeds: .inf", ":8: seeds: .inf: is no finite number"),
        ("[" * 3000, ":1: not valid YAML here: nested"),
        ("family: \0", ":1: not valid YAML: holds the control character U+0000"),
        (GOOD.encode("utf-16"), ":1: is written in UTF-16"),
        (GOOD.replace("[2, 4]", "[2, 18446744073709551616]"), ":4: axes.depth: 18446744073709551616: is too large"),
        (
            GOOD.replace("[2, 4]", "[2, 9223372036854775807]"),
            ":4: axes.depth: patchconvnet: depth 9223372036854775807 is",
        ),
        (GOOD.replace("[2, 4]", "[2, 1000000]"), ":4: axes.depth: patchconvnet: depth 1000000 is above 5000"),
        (GOOD.replace("low: 32, high: 64, step: 32", "low: 8, high: 8e9, step: 8e9"), ":5: axes.width: "),
        (GOOD.replace("heads: 2", "heads: 4000000000"), "is above 1,000,000"),
        (GOOD.replace("high: 64, step: 32", "high: 9e18, step: 0.1"), ":5: axes.width: has "),
        (
            GOOD.replace("low: 32, high: 64, step: 32", "low: -1e308, high: 1e308, step: 1e-300"),
            "has more than 100,000",
        ),
        (GOOD.replace("low: 32, high: 64, step: 32", "low: 1e17, high: 1.0000001e17, step: 1"), "has "),
        (GOOD.replace("low: 32, high: 64, step: 32", "low: 1e17, high: 1.00000000000001e17, step: 1"), "step 1 is too"),
        (GOOD.replace("step: 32", "step: 1").replace("[2, 4]", "{low: 1, high: 2000}"), ":3: axes: give 66,000 cells"),
        (
            GOOD + "repetitions: 10000\nsearch: {cells: 20000, design: sobol}",
            ":8: repetitions: make 400,000,000 trials",
        ),
        (GOOD + "search: {cells: 20001}", ":8: search.cells: input should be less than or equal to 20000"),
        (GOOD + f"recipe: {{epochs: {MOST_EPOCHS + 1}}}", ":8: recipe.epochs: input should be less than or equal to"),
        (GOOD + "recipe: {batch_size: 9223372036854775807}", ":8: recipe.batch_size: input should be less than"),
        (GOOD + "data: {image_size: 1000000000}", ":8: data.image_size: input should be less than or equal to"),
        (GOOD + "tune: {lr: 4611686018427387905}", ":8: tune.lr: input should be less than or equal to 99"),
        (GOOD.replace("patchconvnet", "x" * 9000), ":1: family: unknown family 'xxxx"),
        (GOOD.replace("patchconvnet", '"a\\n\\tb"'), ":1: family: unknown family 'a  b'"),
        (GOOD.replace("depth:", '"de\\u200bpth":'), r":4: axes.de\u200bpth: "),
        (GOOD.replace("depth:", "'depth ':"), ":4: axes.depth : "),
        (GOOD.replace("[2, 4]", f"[{', '.join(map(str, range(1, 9000)))}, 7]"), ":4: axes.depth: names 7 twice"),
        (GOOD + f"recipe: [{', '.join(['x'] * 5000)}]", ":8: recipe: needs names and values"),
    ],
    ids=lambda value: ascii(value)[-40:],
)
def test_odd_text_in_a_space_is_one_short_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    found = problems(tmp_path, text)

    assert [expected in line for line in found if expected in line or len(found) == 1] == [True], found


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("axes.depth=[2, 18446744073709551616]", "--set axes.depth: 18446744073709551616: is too large"),
        ("axes.depth=[2, 99999999]", "--set axes.depth: patchconvnet: depth 99999999 is above 5000"),
        ("recipe.epochs=1:30", "--set recipe.epochs: YAML 1.1 reads 1:30 as 90"),
        ("seeds=1_0", "--set seeds: YAML 1.1 reads 1_0 as 10; quote it ('1_0') if it is text, or write 10"),
        ("arms.pooling=[off, on]", "--set arms.pooling: YAML 1.1 reads off, on as false, true"),
        ("recipe.learning_rate=1e400", "--set recipe.learning_rate: 1e400: is too large for a number"),
        ("recipe.learning_rate=.nan", "--set recipe.learning_rate: .nan: is no finite number"),
        ("recipe.epochs=" + "9" * 5000, "a number of 5,000 digits"),
        ("recipe=" + "[" * 5000, "nested more than"),
        ("question=\x1b[2J", "control character U+001B"),
        ("question=\udce4", "control character U+DCE4"),
        ("a\x1b=1", "the key holds a letter that cannot be printed"),
        (".".join("a" * 5000) + "=1", "has 5000 parts; no setting lies so deep"),
        ("recipe..epochs=1", "--set recipe..epochs: a part of the key is empty"),
        ("x" * 9000, "write KEY=VALUE"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_an_odd_override_is_one_short_line(tmp_path: Path, setting: str, expected: str) -> None:
    (line,) = problems(tmp_path, GOOD, [setting])

    assert expected in line


def test_an_override_changes_no_other_part_of_an_alias(tmp_path: Path) -> None:
    file = SpaceFile.read(Path(write(tmp_path, "arch: &same {depth: 2}\naxes: *same\n")))

    assert file.override({"arch.depth": 3}).content == {"arch": {"depth": 3}, "axes": {"depth": 2}}


@pytest.mark.parametrize("text", ["true", "false"])
def test_a_truth_value_is_true_or_false(tmp_path: Path, text: str) -> None:
    space = load_space(write(tmp_path, GOOD + f"resources: {{compile: {text}}}\n"))

    assert space.resources.compile is (text == "true")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (Range(low=1, high=9, step=2.0), 5),
        (Range(low=0, high=1, step=0.25), 5),
        (Range(low=0.5, high=1), None),
    ],
)
def test_a_range_knows_its_number_of_members(value: Range, count: int | None) -> None:
    members = value.values()

    assert value.count == count
    assert members is None or [type(one) for one in members if one == int(one)] == [int] * sum(
        one == int(one) for one in members
    )


@pytest.mark.parametrize("folder", [RECORDS_V1, ROOT / "results" / "example"], ids=["records_v1", "example"])
def test_records_keep_the_keys_that_they_carry(folder: Path) -> None:
    files = sorted(folder.rglob("records/*.json"))

    assert files
    for file in files:
        stored: dict[str, Any] = json.loads(file.read_bytes())
        assert TrialConfig(**stored["config"]).key == stored["key"] == file.stem


DEFAULT = (ROOT / "search_spaces" / "depth_width.yaml").read_text(encoding="utf-8")
WORDS = [
    "0777",
    "on",
    "1e400",
    ".nan",
    "~",
    "[]",
    "{}",
    "{name: attention}",
    "-1",
    "1:30",
    "4.0",
    "'",
    '"',
    "&a",
    "*a",
    "|",
]
WORDS += [
    "9223372036854775807",
    "true",
    "2024-01-01",
    "\x07",
    "\t",
    "x" * 300,
    "[1, [2]]",
    "{a: {b: c}}",
    "1e300",
    "é",
    "🚀",
]
WORDS += [
    "{low: 1, high: 9e18}",
    "{low: 1, high: 8, log: true}",
    "{name: average, heads: [1]}",
    "null",
    "''",
    "!!str x",
]


def mutated(rng: random.Random) -> str:
    """The default space with some words replaced, lines moved or letters lost."""
    parts = re.split(r"([\s,:\[\]{}]+)", DEFAULT)
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(parts))
        match rng.randrange(4):
            case 0:
                parts[place] = rng.choice(WORDS)
            case 1:
                parts[place] = parts[rng.randrange(len(parts))]
            case 2:
                parts[place] = ""
            case _:
                parts[place] = parts[place] * 2
    return "".join(parts)


def outcome(space: str, settings: dict[str, Any] | list[str]) -> Space | list[str]:
    """The space, or the lines with which it is refused; any other error is a mistake of the reader."""
    try:
        return load_space(space, settings if isinstance(settings, dict) else parse_overrides(settings, None))
    except SpaceError as error:
        return error.problems


def is_space_or_lines(found: Space | list[str]) -> bool:
    if isinstance(found, Space):
        return True
    return bool(found) and all(problem.isprintable() and len(problem) < 1500 for problem in found)


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_space_is_a_space_or_printable_lines(seed: int, tmp_path: Path) -> None:
    assert is_space_or_lines(outcome(write(tmp_path, mutated(random.Random(seed))), {}))


@pytest.mark.parametrize("seed", range(200))
def test_a_mutated_setting_is_a_space_or_printable_lines(seed: int) -> None:
    rng = random.Random(seed)
    names = ["arch", "axes", "arms", "recipe", "data", "seeds", "limits", "search", "tune", "match", "depth", "epochs"]
    key = ".".join(rng.choices(names, k=rng.randrange(1, 4)))

    assert is_space_or_lines(outcome("depth_width", [f"{key}={rng.choice(WORDS)}"]))


def test_words_read_by_the_fuzz_are_odd_enough() -> None:
    refused = [word for word in WORDS if not is_read(word)]

    assert 5 < len(refused) < len(WORDS) - 5


def is_read(word: str) -> bool:
    try:
        read_yaml(f"a: {word}")
    except ValueError:
        return False
    return True
