"""Galleries of attention maps, of trials that are chosen on validation."""

import base64
import dataclasses
import re
import struct
import zlib
from pathlib import Path

import pytest

from scaling.report.page import galleries
from scaling.report.page.galleries import Gallery, find_galleries, find_samples
from scaling.report.write import write_report
from scaling.study.data_fingerprint import DataFingerprint, SetFingerprint, StudyData
from scaling.study.data_summary import DataSummary
from scaling.study.records import Record
from tests.support.studies import Truth, describe, failed, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32, 64), seeds=2)
ARMS = TRUTH.arms


def png(width: int, height: int) -> bytes:
    """A black PNG image."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress(height * (b"\0" * (1 + width)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def scored(record: Record, validation: float) -> Record:
    assert record.scores
    return record.model_copy(update={"scores": record.scores.model_copy(update={"val_accuracy": validation})})


def attending() -> list[Record]:
    """Trials of the attention arm with known validation accuracies: 50, 51, … in the order of the sweep."""
    trials = [record for record in simulated_records(TRUTH) if record.arm == "attention"]
    return [scored(record, 50 + nth) for nth, record in enumerate(trials)]


def draw(folder: Path, records: list[Record], content: bytes = png(40, 10)) -> None:
    (folder / "attention").mkdir(exist_ok=True)
    for record in records:
        (folder / "attention" / f"{record.key}.png").write_bytes(content)


def names(found: list[Gallery]) -> list[str]:
    return [gallery.title for gallery in found]


def test_the_best_trial_and_the_cheapest_other_cell_are_shown(tmp_path: Path) -> None:
    trials = attending()
    draw(tmp_path, trials)

    found = find_galleries(tmp_path, ARMS, trials)

    assert names(found) == ["attention, depth=4 width=64, repetition 1", "attention, depth=2 width=32, repetition 1"]
    assert trials[-1].scores
    assert found[0].caption.startswith(f"Test accuracy {trials[-1].scores.test_accuracy:.2f} %; best trial")
    assert "8 test images, with the predicted class and its probability above." in found[0].caption
    assert (found[0].width, found[0].height) == (40, 10)
    assert base64.b64decode(found[0].source.removeprefix("data:image/png;base64,")) == png(40, 10)


def test_a_trial_without_a_gallery_is_skipped(tmp_path: Path) -> None:
    trials = attending()
    draw(tmp_path, trials[2:3])

    assert names(find_galleries(tmp_path, ARMS, trials)) == ["attention, depth=4 width=32, repetition 0"]


@pytest.mark.parametrize("content", [b"", b"not an image", png(40, 10)[:-20]])
def test_a_gallery_that_was_cut_off_is_not_shown(tmp_path: Path, content: bytes) -> None:
    draw(tmp_path, attending(), content)

    assert find_galleries(tmp_path, ARMS, attending()) == []


def test_trials_that_did_not_finish_are_not_shown(tmp_path: Path) -> None:
    draw(tmp_path, attending())

    assert find_galleries(tmp_path, ARMS, [failed(record) for record in attending()]) == []


def test_each_arm_with_attention_has_galleries_in_order(tmp_path: Path) -> None:
    records = simulated_records(dataclasses.replace(TRUTH, depths=(2,), widths=(32,), arms=("average", "b", "a")))
    draw(tmp_path, [record for record in records if record.arm != "average"])

    found = find_galleries(tmp_path, ["average", "b", "a"], records)

    assert [name.split(",")[0] for name in names(found)] == ["b", "a"]


@pytest.mark.slow
def test_the_page_shows_galleries_only_if_there_are_any(tmp_path: Path, reported: Path) -> None:
    assert "Attention maps" not in (reported / "index.html").read_text()
    records = simulated_records(TRUTH)
    study = write_simulation(tmp_path / "results" / "pools", records, describe(records, TRUTH))
    draw(study, [record for record in records if record.arm == "attention"])
    page = write_report(study, tmp_path / "reports").page.read_text()

    assert "Attention maps" in page
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == 2
    for image in images:
        assert 'src="data:image/png;base64,' in image
        assert 'loading="lazy"' in image
        assert re.search(r'alt="8 test images with attention maps: attention, depth=', image)


def test_a_gallery_states_the_number_of_images_drawn() -> None:
    from scaling.training.artifacts import IMAGES

    assert galleries.IMAGES == IMAGES


def with_samples(classes: list[str]) -> StudyData:
    sets = {"train": SetFingerprint(images=4, classes={}, names="1", sizes="2", content="3")}
    summary = DataSummary(classes=len(classes), sets={}, looked_at=4, of=4, pictured=classes)
    return StudyData(source="folder:photos", fingerprint=DataFingerprint(sets=sets), summary=summary)


def test_samples_of_the_data_are_on_the_page(tmp_path: Path) -> None:
    data = with_samples(["cat", "<dog>"])
    study = describe(attending(), TRUTH).model_copy(update={"data": [data]})
    folder = write_simulation(tmp_path / "results" / "pools", attending(), study)
    (folder / data.picture).write_bytes(png(40, 10))
    page = write_report(folder, tmp_path / "reports").page.read_text()

    assert base64.b64encode(png(40, 10)).decode() in page
    assert "Training images of folder:photos, a row for each of 2 classes." in page
    assert "<li>&lt;dog&gt;</li>" in page


@pytest.mark.parametrize("wrong", [b"", b"root:x:0:0", png(4, 4)[:-3], png(4, 4)[:-12] + b" " * galleries.MOST_BYTES])
def test_what_is_no_whole_small_picture_is_left_out(tmp_path: Path, wrong: bytes) -> None:
    data = with_samples(["cat"])
    (tmp_path / data.picture).write_bytes(wrong)

    assert find_samples(tmp_path, data) is None


def test_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    data = with_samples(["cat"])
    (tmp_path / "private.png").write_bytes(png(4, 4))
    (tmp_path / data.picture).symlink_to(tmp_path / "private.png")

    assert find_samples(tmp_path, data) is None
