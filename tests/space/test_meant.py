"""What people type on a command line is answered with the setting that they mean."""

from pathlib import Path

import pytest

from scaling.data.registry import find
from scaling.space.load import load_space
from scaling.space.overrides import parse_overrides
from scaling.study.config import DataConfig
from scaling.study.errors import DataError, SpaceError


def problem(setting: str) -> str:
    with pytest.raises(SpaceError) as raised:
        load_space("depth_width", parse_overrides([setting], None))
    [line] = raised.value.problems
    return line


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("epochs=3", "recipe.epochs"),
        ("lr=0.1", "recipe.learning_rate"),
        ("recipe.lr=0.1", "learning_rate"),
        ("recipe.bs=8", "batch_size"),
        ("batch=8", "recipe.batch_size"),
        ("recipe.image_size=32", "data.image_size"),
        ("dataset=digits", "data.source"),
        ("gpus=1", "resources.gpus"),
        ("recipe.gpus=1", "resources.gpus"),
        ("depth=3", "axes.depth"),
        ("patch_size=4", "arch.patch_size"),
        ("model=patchconvnet", "family"),
        ("reciepe.epochs=3", "recipe"),
        ("epohcs=3", "recipe.epochs"),
    ],
)
def test_a_setting_in_the_wrong_place_gets_the_right_one(setting: str, meant: str) -> None:
    assert f"; did you mean '{meant}'?" in problem(setting)


def test_a_word_that_means_nothing_gets_no_guess() -> None:
    assert "did you mean" not in problem("frobnicate=1")


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("/photos", "folder:/photos"),
        ("./photos", "folder:./photos"),
        ("photos/train.parquet", "parquet:photos/train.parquet"),
        ("shard-0.tar", "wds:shard-0.tar"),
        ("imagenet", "folder:PATH, with ImageNet's train and val in PATH"),
        ("cifar-10", "cifar10"),
    ],
)
def test_a_path_is_taken_for_a_folder(source: str, meant: str) -> None:
    with pytest.raises(DataError, match="unknown data source") as raised:
        find(DataConfig(source=source))
    assert f"did you mean '{meant}'?" in str(raised.value)


def test_a_folder_here_is_recognised_without_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="did you mean 'folder:photos'"):
        find(DataConfig(source="photos"))


def test_a_minus_removes_a_key() -> None:
    space = load_space("depth_width", parse_overrides(["recipe.epochs-", "arms-"], None))

    assert space.recipe.epochs == type(space.recipe)().epochs
    assert space.arms == {"pooling": ["average"]}
    with pytest.raises(SpaceError, match="the space has no arch"):
        load_space("depth_width", parse_overrides(["arch.nope-"], None))
    with pytest.raises(SpaceError, match="write KEY=VALUE"):
        parse_overrides(["-"], None)
