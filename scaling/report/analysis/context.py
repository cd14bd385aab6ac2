"""Context: what a report adds to the study's own trials: unreadable files, published numbers, changes, notes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reference:
    """A published number, drawn into the figures for orientation."""

    model: str
    series: str  # the paper, such as PatchConvNet
    accuracy: float  # percent, on the paper's own test set
    params: float | None  # learnable numbers
    macs: float | None  # multiply-accumulates of one image; halved if the paper counts two operations each
    data: str  # that it was trained and tested on, with the image size
    source: str  # where the number is from, and how reliable it is


@dataclass(frozen=True)
class References:
    """A series of published numbers with its source."""

    series: str
    citation: str
    counts: Literal["MACs", "2×MACs"]  # meaning of FLOPs in the paper
    points: Sequence[Reference]


@dataclass(frozen=True)
class MovedTrial:
    """A trial whose score differs from that in an earlier study."""

    cell: str
    arm: str
    repetition: int
    before: float | None  # test accuracy in percent; None if it had none
    after: float | None
    is_beyond_noise: bool


@dataclass(frozen=True)
class MovedVerdict:
    """A comparison then and now."""

    arm: str
    before: str  # kind and difference with its interval
    after: str
    has_changed: bool


@dataclass(frozen=True)
class Changes:
    """Differences from an earlier study."""

    earlier: str  # its name
    trials: Sequence[MovedTrial]  # of the trials in both studies, those whose status or score changed
    verdicts: Sequence[MovedVerdict]
    shared: int  # trials in both, scored on the same test images as far as that is known
    added: int
    gone: int
    noise: float | None  # points beyond which a trial counts as moved; None: unknown
    how: str  # how the noise was computed
    on_other_images: int = 0  # trials in both that are not compared, as their test images differ


@dataclass(frozen=True)
class KeptLook:
    """One verdict on a study, of all its arms; kept in `looks.json`."""

    number: int  # from 1 on
    time: str  # ISO 8601, UTC
    trials: int  # that had ended
    planned: int
    records: str  # digest of what the verdict rested on
    level: float  # of the look; of each interval where one arm is compared
    kind: dict[str, str]  # arm → kind


@dataclass(frozen=True)
class Context:
    """Everything beside the study; empty for a study that is reported on its own."""

    left_out: Sequence[str] = ()  # files that could not be read, one line each
    notes: Sequence[str] = ()  # caveats of a joint study and of the look, one or two sentences each
    looks: Sequence[KeptLook] = ()  # at the study, this one included
    references: Sequence[References] = ()
    changes: Changes | None = None
