"""Galleries: what the attention of trained trials looks at, as `scaling.training.artifacts` drew it when they ended.

Only trials that keep their weights leave one, so a study may have none. Trials are chosen on validation accuracy, never
by how their maps look.
"""

import base64
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scaling.study.config import cell_label
from scaling.study.records import Record
from scaling.study.storage import Where
from scaling.wording import plural

IMAGES = 8  # of the test set, as `scaling.training.artifacts` draws them; fewer where the test set has fewer
BEGINNING, END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"  # of a whole PNG


@dataclass(frozen=True)
class Gallery:
    """One trial's test images, each with the map of attention beside it."""

    title: str
    caption: str
    description: str  # for those who cannot see it
    source: str  # the image, as a `data:` address
    width: int  # pixels
    height: int


def find_galleries(folder: Where, arms: Iterable[str], records: Iterable[Record]) -> list[Gallery]:
    """Galleries of the study at `folder`: of each arm that has any, that of its best trial and of its cheapest cell.

    The second is of the cell with the fewest MACs among the others, and missing where no other cell has one.
    """
    by_arm: dict[str, list[Record]] = {}
    for record in sorted(records, key=_validation, reverse=True):
        if record.status == "finished" and record.scores:
            by_arm.setdefault(record.arm, []).append(record)
    return [gallery for arm in arms for gallery in _of_arm(folder, by_arm.get(arm, []))]


def _of_arm(folder: Where, trials: list[Record]) -> Iterator[Gallery]:
    """At most two galleries of one arm's finished trials, which come best first."""
    best = _first(folder, trials, "its best trial on validation, of those that kept a gallery")
    if best is None:
        return
    chosen, gallery = best
    yield gallery
    others = sorted((trial for trial in trials if trial.cost and trial.cell != chosen.cell), key=_macs)
    cheapest = _first(folder, others, "of the cheapest other cell that kept one")
    if cheapest:
        yield cheapest[1]


def _first(folder: Where, trials: Iterable[Record], why: str) -> tuple[Record, Gallery] | None:
    """The first trial that left a whole gallery, and that gallery."""
    for trial in trials:
        path = folder / "attention" / f"{trial.key}.png"
        image = path.read_bytes() if path.is_file() else b""
        if image.startswith(BEGINNING) and image.endswith(END):  # a trial that is cut off here leaves a part of one
            return trial, _gallery(trial, image, why)
    return None


def _gallery(trial: Record, image: bytes, why: str) -> Gallery:
    assert trial.scores
    name = f"{trial.arm}, {cell_label(trial.cell)}, seed {trial.seed}"
    images = plural(min(IMAGES, trial.scores.test_examples), "test image")
    width, height = struct.unpack(">II", image[16:24])  # PNG, third edition, section 11.2.1
    return Gallery(
        title=name,
        caption=(
            f"Test accuracy {trial.scores.test_accuracy:.2f} %; {why}. {images}; predicted class and its probability"
            " above each. Beside it the weight of each patch: the brighter, the more of the pooled features comes from"
            " there, on a scale of its own for each image."
        ),
        description=f"{images} with maps of what the attention pooling looks at: {name}.",
        source=f"data:image/png;base64,{base64.b64encode(image).decode()}",
        width=width,
        height=height,
    )


def _validation(trial: Record) -> float:
    return trial.scores.val_accuracy if trial.scores else 0.0


def _macs(trial: Record) -> int:
    return (trial.cost.macs or 0) if trial.cost else 0
