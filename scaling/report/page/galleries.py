"""Pictures of a study: samples of its data, and attention maps of trained trials, drawn when the trials ended.

Only trials that keep their weights leave one, so a study may have none. Trials are chosen on validation accuracy, never
by the look of their maps.
"""

import base64
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scaling.study.config import cell_label
from scaling.study.data_fingerprint import StudyData
from scaling.study.records import Record
from scaling.study.storage import Where
from scaling.wording import plural

IMAGES = 8  # of the test set, as `scaling.training.artifacts` draws them; fewer if the test set has fewer
MOST_BYTES = 4_000_000  # of a picture on the page
DIGEST = re.compile("[0-9a-f]{16}")
BEGINNING, END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"  # of a whole PNG


@dataclass(frozen=True)
class Gallery:
    """One trial's test images, each with its attention map."""

    title: str
    caption: str
    description: str  # for screen readers
    source: str  # the image, as a `data:` address
    width: int  # pixels
    height: int


def find_galleries(folder: Where, arms: Iterable[str], records: Iterable[Record]) -> list[Gallery]:
    """Find the galleries of the study at `folder`: for each arm, of its best trial and of its cheapest cell.

    The second is of the cell with the fewest MACs among the others, and absent if no other cell has one.
    """
    by_arm: dict[str, list[Record]] = {}
    for record in sorted(records, key=_validation, reverse=True):
        if record.status == "finished" and record.scores:
            by_arm.setdefault(record.arm, []).append(record)
    return [gallery for arm in arms for gallery in _of_arm(folder, by_arm.get(arm, []))]


def _of_arm(folder: Where, trials: list[Record]) -> Iterator[Gallery]:
    """At most two galleries of one arm's finished trials, which are sorted best first."""
    best = _first(folder, trials, "best trial on validation with a gallery")
    if best is None:
        return
    chosen, gallery = best
    yield gallery
    others = sorted((trial for trial in trials if trial.cost and trial.cell != chosen.cell), key=_macs)
    cheapest = _first(folder, others, "cheapest other cell with a gallery")
    if cheapest:
        yield cheapest[1]


@dataclass(frozen=True)
class Samples:
    """Training images of one data set, a row for each class."""

    classes: list[str]  # from the top
    description: str  # for screen readers
    source: str  # the image, as a `data:` address
    width: int  # pixels
    height: int


def find_samples(folder: Where, data: StudyData) -> Samples | None:
    """Read the picture of samples that the sweep drew; None if there is none, or it is no picture."""
    classes = data.summary.pictured if data.summary else []
    image = _picture(folder / data.picture)
    if not image or not classes or not DIGEST.fullmatch(data.fingerprint.digest):
        return None
    width, height = struct.unpack(">II", image[16:24])
    return Samples(
        classes=classes,
        description=f"Training images of {data.source}, a row for each of {len(classes)} classes.",
        source=f"data:image/png;base64,{base64.b64encode(image).decode()}",
        width=width,
        height=height,
    )


def _picture(path: Where) -> bytes:
    """Read a whole PNG file of the study itself; nothing where it is anything else."""
    if not path.is_file() or (isinstance(path, Path) and path.is_symlink()):
        return b""
    image = path.read_bytes()
    is_whole = image.startswith(BEGINNING) and image.endswith(END)  # a killed trial may leave a partial file
    return image if is_whole and len(image) <= MOST_BYTES else b""


def _first(folder: Where, trials: Iterable[Record], why: str) -> tuple[Record, Gallery] | None:
    """The first trial with an intact gallery, and that gallery."""
    for trial in trials:
        if image := _picture(folder / "attention" / f"{trial.key}.png"):
            return trial, _gallery(trial, image, why)
    return None


def _gallery(trial: Record, image: bytes, why: str) -> Gallery:
    assert trial.scores
    name = f"{trial.arm}, {cell_label(trial.cell)}, repetition {trial.repetition}"
    images = plural(min(IMAGES, trial.scores.test_examples), "test image")
    width, height = struct.unpack(">II", image[16:24])  # PNG, third edition, section 11.2.1
    return Gallery(
        title=name,
        caption=(
            f"Test accuracy {trial.scores.test_accuracy:.2f} %; {why}. {images}, with the predicted class and its"
            " probability above. Beside each, the weight of every patch: brighter patches contribute more to the pooled"
            " features; the scale differs between images."
        ),
        description=f"{images} with attention maps: {name}.",
        source=f"data:image/png;base64,{base64.b64encode(image).decode()}",
        width=width,
        height=height,
    )


def _validation(trial: Record) -> float:
    return trial.scores.val_accuracy if trial.scores else 0.0


def _macs(trial: Record) -> int:
    return (trial.cost.macs or 0) if trial.cost else 0
