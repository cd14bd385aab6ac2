"""A study goes on with the data it was begun with, wherever they lie now, and with no others."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from scaling.study.config import Trial
from scaling.study.errors import RecordError
from scaling.study.records import Record, Scores, read_records, read_study, write_record, write_study
from scaling.sweep.executor.replay import Replay
from scaling.sweep.plan import StudyPlan, data_lines, make_plan
from scaling.sweep.study_data import adoption
from scaling.sweep.study_folder import describe, previous
from tests.support import RECORDS_V1, ROOT
from tests.support.images import picture, write_folder
from tests.support.sweeps import end, start, tiny_space

SPACE = """\
family: patchconvnet
arch: {patch_size: 4, width: 16}
axes: {depth: [1, 2]}
arms: {pooling: [average, max]}
repetitions: 1
data: {source: SOURCE}
recipe: {epochs: 1, batch_size: 16}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with images in `photos`."""
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "photos")
    (tmp_path / "space.yaml").write_text(SPACE.replace("SOURCE", "folder:photos"))
    return tmp_path


def plan(name: str | None = None, **overrides: Any) -> StudyPlan:
    named = {key.replace("__", "."): value for key, value in overrides.items()}
    return make_plan("space.yaml", named, results=Path("results"), name=name)


def keys(made: StudyPlan) -> list[str]:
    return [trial.key for trial in made.trials]


def scores(trial: Trial) -> Scores:
    used = trial.data
    assert used is not None
    numbers = {f"{part}_{kind}": 50.0 for part in ("val", "test") for kind in ("accuracy", "loss")}
    counts = {"val_examples": used.sets["validation"].images, "test_examples": used.sets["test"].images}
    return Scores.model_validate({**numbers, **counts})


def ran(made: StudyPlan, *, before_fingerprints: bool = False) -> None:
    """Write the study as a sweep leaves it, or as one from before fingerprints did."""
    trials = list(made.trials)
    if before_fingerprints:
        trials = [
            one.model_copy(update={"data": None, "config": one.config.model_copy(update={"data_fingerprint": None})})
            for one in trials
        ]
    study = describe(made.study, made.design, trials, previous(made.folder, made.space, made.design.data))
    write_study(made.folder, study.model_copy(update={"data": []}) if before_fingerprints else study)
    for trial, with_data in zip(trials, made.trials, strict=True):
        write_record(made.folder, Record.of(trial, status="finished", scores=scores(with_data)))
    if before_fingerprints:  # no file of that time has the fields
        for file in (made.folder / "study.json", *(made.folder / "records").glob("*.json")):
            content = json.loads(file.read_bytes())
            for field in ("data", "has_earlier_keys", "checksum"):
                content.pop(field, None)
            content.get("config", {}).pop("data_fingerprint", None)
            file.write_bytes(json.dumps(content).encode())


def goes_on(made: StudyPlan) -> bool:
    """Whether the study in the folder is the planned one; else `RecordError`."""
    return previous(made.folder, made.space, made.design.data) is not None


SPELLINGS = ["folder:photos/", "folder:./photos", "folder:photos/../photos", "folder:link", "folder:moved/pictures"]


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "from before fingerprints"])
@pytest.mark.parametrize("spelled", SPELLINGS)
def test_data_in_another_spelling_or_place_are_the_same(here: Path, spelled: str, is_old: bool) -> None:
    first = plan("study")
    ran(first, before_fingerprints=is_old)
    Path("link").symlink_to("photos")
    shutil.copytree("photos", "moved/photos" if is_old else "moved/pictures")
    spelled = spelled.replace("pictures", "photos") if is_old else spelled

    again = plan("study", data__source=spelled)

    assert goes_on(again)
    assert set(keys(again)) == {record.key for record in read_records(again.folder)}
    assert again.queue({record.key: record for record in read_records(again.folder)}).is_over
    assert f"data: the study knows {spelled} as folder:photos" in list(data_lines(again))
    grown = plan("study", data__source=spelled, repetitions=2)
    assert set(keys(grown)) > set(keys(again))
    assert [trial.config.data.source for trial in grown.trials] == ["folder:photos"] * 8


def test_a_new_study_gives_fingerprints_to_study_trials_and_records(here: Path) -> None:
    made = plan()
    ran(made)

    (data,) = read_study(made.folder).data
    assert data.fingerprint.sets["train"].classes == {"cat": 10, "dog": 10}
    for record in read_records(made.folder):
        assert record.data is not None
        assert record.config["data_fingerprint"] == record.data.fingerprint == data.fingerprint.digest
        assert {name: one.images for name, one in record.data.sets.items()} == {"train": 14, "validation": 2, "test": 4}
    assert not read_study(made.folder).has_earlier_keys


def test_changed_data_are_refused_with_what_changed(here: Path) -> None:
    ran(plan())
    for number in range(12):
        picture(1000 + number).save(here / "photos" / "cat" / f"new{number}.png")

    made = plan(repetitions=2)
    with pytest.raises(RecordError) as caught:
        goes_on(made)

    assert caught.value.problems == [
        f"{made.folder}: the data have changed since this study was begun (folder:photos: train: 12 images more in"
        " class cat); restore them, or start a new study with a --name of its own"
    ]
    assert previous(plan("another").folder, made.space, made.design.data) is None
    shutil.move("photos", "moved")
    with pytest.raises(RecordError, match=r"data.source is folder:photos there, .*: 12 images more in class cat"):
        goes_on(plan("space", data__source="folder:moved"))


def test_an_earlier_study_adopts_what_is_found(here: Path) -> None:
    ran(plan(), before_fingerprints=True)
    old = {file.stem for file in Path("results/space/records").iterdir()}

    adopting = plan(repetitions=2)
    before = previous(adopting.folder, adopting.space, adopting.design.data)

    (found,) = {trial.data.fingerprint for trial in adopting.trials if trial.data}
    assert adoption(before, adopting.design) == (
        "data: this study was begun before fingerprints of data were kept; it adopts what is found now:"
        f" {found} of folder:photos"
    )
    assert {key for key in keys(adopting) if key in old} == old
    new = [trial for trial in adopting.trials if trial.key not in old]
    assert len(new) == 4
    assert {trial.config.data_fingerprint for trial in new} == {found}
    write_study(adopting.folder, describe("space", adopting.design, adopting.trials, before))

    third = plan(repetitions=3)
    before = previous(third.folder, third.space, third.design.data)
    assert adoption(before, third.design) is None
    assert set(keys(third)) > set(keys(adopting))
    picture(1000).save(here / "photos" / "cat" / "new.png")
    with pytest.raises(RecordError, match="1 image more in class cat"):
        goes_on(plan(repetitions=3))


def test_an_earlier_study_refuses_other_numbers_of_images(here: Path) -> None:
    ran(plan(), before_fingerprints=True)
    for number in range(12):
        picture(1000 + number).save(here / "photos" / "cat" / f"new{number}.png")

    with pytest.raises(RecordError, match=r"scored on 2 validation images, now there are 3 and 4 test images, now.* 6"):
        goes_on(plan())


def test_an_earlier_study_takes_no_data_of_another_name(here: Path) -> None:
    ran(plan("study"), before_fingerprints=True)
    shutil.copytree("photos", "flowers")

    with pytest.raises(RecordError, match=r"data.source is folder:photos there, folder:flowers here"):
        goes_on(plan("study", data__source="folder:flowers"))


def test_other_data_than_those_of_a_study_are_another_study(here: Path) -> None:
    ran(plan("study"))
    write_folder(here / "flowers", classes=("lily", "rose"))

    with pytest.raises(RecordError, match=r"data.source is folder:photos there, folder:flowers here"):
        goes_on(plan("study", data__source="folder:flowers"))


def test_an_axis_over_sources_knows_each_by_content(here: Path) -> None:
    write_folder(here / "flowers", classes=("lily", "rose"))
    shutil.copytree("photos", "copy")
    sources = ["folder:photos", "folder:flowers"]
    ran(first := plan("study", axes={"depth": [1], "data.source": sources}))
    assert len(set(keys(first))) == 4

    again = plan("study", axes={"depth": [1], "data.source": ["folder:copy/", "folder:flowers/"]})
    more = plan("study", axes={"depth": [1], "data.source": ["folder:flowers/", "digits", "folder:photos/"]})

    assert goes_on(again)
    assert keys(again) == keys(first)
    assert [trial.cell for trial in again.trials] == [trial.cell for trial in first.trials]
    assert goes_on(more)
    assert set(keys(more)) > set(keys(first))
    ran(more)
    assert {one.source for one in read_study(more.folder).data} == {*sources, "digits"}
    picture(1000).save(here / "flowers" / "lily" / "new.png")
    with pytest.raises(RecordError, match="folder:flowers: train: 1 image more in class lily"):
        goes_on(plan("study", axes={"depth": [1], "data.source": sources}))


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("part", ["axes", "arms"])
def test_sources_that_are_varied_may_be_respelled(here: Path, part: str, is_old: bool) -> None:
    write_folder(here / "flowers", classes=("lily", "rose"))

    def varied(*sources: str) -> StudyPlan:
        axes = {"depth": [1], "data.source": list(sources)} if part == "axes" else {"depth": [1]}
        arms = {"data.source": list(sources)} if part == "arms" else {"pooling": ["average", "max"]}
        return plan("study", axes=axes, arms=arms)

    ran(varied("folder:photos", "folder:flowers"), before_fingerprints=is_old)
    old = read_records(Path("results/study"))

    again = varied("folder:./photos", f"folder:{here}/flowers/")

    assert goes_on(again)
    assert {(trial.key, *trial.cell.values(), trial.arm) for trial in again.trials} == {
        (record.key, *record.cell.values(), record.arm) for record in old
    }
    assert [str(arm) for arm in again.space.arm_values] == read_study(again.folder).arms


def test_an_axis_over_sizes_has_one_fingerprint(here: Path) -> None:
    made = plan(axes={"depth": [1], "data.image_size": [4, 8]})
    ran(made)

    assert len({trial.config.data_fingerprint for trial in made.trials}) == 1
    assert len(set(keys(made))) == 4
    assert len(read_study(made.folder).data) == 1


@pytest.mark.parametrize("folder", [ROOT / "results" / "example", RECORDS_V1 / "example"], ids=["now", "v1"])
def test_committed_studies_keep_their_keys(folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(folder, tmp_path / "example")
    study = read_study(folder)
    (tmp_path / "space.yaml").write_text(json.dumps(study.space))

    made = make_plan(str(tmp_path / "space.yaml"), {}, results=tmp_path, name="example")

    assert set(keys(made)) == set(study.planned)
    assert goes_on(made)
    assert made.queue({record.key: record for record in read_records(folder)}).is_over


@pytest.mark.parametrize("is_old", [False, True])
def test_a_trial_replays_its_own_record_under_either_key(here: Path, is_old: bool) -> None:
    made = plan()
    ran(made, before_fingerprints=is_old)
    replay = Replay("space", read_records(made.folder))

    for trial in made.trials:
        assert replay.like(trial).cell == trial.cell
        assert replay.like(trial).arm == trial.arm


@pytest.mark.parametrize("spelled", ["folder:photos", "folder:photos/", "folder:./photos", "folder:photos/../photos"])
def test_spellings_of_the_space_s_own_data_keep_its_name(here: Path, spelled: str) -> None:
    assert plan(data__source=spelled).study == "space"


@pytest.mark.parametrize("spelled", ["flowers", "flowers/", "./flowers", "photos/../flowers"])
def test_spellings_of_other_data_give_one_name(here: Path, spelled: str) -> None:
    write_folder(here / "flowers", classes=("lily", "rose"))

    assert plan(data__source=f"folder:{spelled}").study == "space-flowers"


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_real_study_moves_and_refuses_other_images(tmp_path: Path) -> None:
    text = tiny_space(repetitions=1, train_limit=12, epochs=1, batch_size=8)
    (tmp_path / "tiny.yaml").write_text(text.replace("source: digits", "source: folder:photos"))
    photos = write_folder(tmp_path / "photos", per_class=12)
    assert end(start(tmp_path))[0] == 0
    before = {record.key: record.model_dump() for record in read_records(tmp_path / "results" / "tiny")}

    photos = photos.rename(tmp_path / "elsewhere")
    code, said = end(start(tmp_path, "--name", "tiny", "--data", "folder:elsewhere/"))

    assert (code, "4 of 4 trials are finished; 0 to run" in said) == (0, True)
    assert {record.key: record.model_dump() for record in read_records(tmp_path / "results" / "tiny")} == before
    assert all(record["data"]["sets"]["test"]["images"] == 5 for record in before.values())
    picture(1000).save(photos / "cat" / "new.png")
    code, said = end(start(tmp_path, "--name", "tiny", "--data", "folder:elsewhere", "--set", "repetitions=2"))
    assert (code, "1 image more in class cat" in said, "--name" in said) == (2, True, True)
