"""Context: what a report says beside its own trials: what could not be read, references, changes, comparisons."""

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
    macs: float | None  # multiply-accumulates of one image; already halved where the paper counts two for each
    data: str  # what it was trained and tested on, with the image size
    source: str  # where the number is from, and how far it is to be trusted


@dataclass(frozen=True)
class References:
    """A series of published numbers with where they are from."""

    series: str
    citation: str
    counts: Literal["MACs", "2×MACs"]  # what the paper calls FLOPs
    points: Sequence[Reference]


@dataclass(frozen=True)
class MovedTrial:
    """A trial whose score is not what it was in an earlier study."""

    cell: str
    arm: str
    seed: int
    before: float | None  # test accuracy in percent; None where it had none
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
    """What differs from an earlier study."""

    earlier: str  # its name
    trials: Sequence[MovedTrial]  # of trials in both, those whose status or score changed at all
    verdicts: Sequence[MovedVerdict]
    shared: int  # trials in both
    added: int
    gone: int
    noise: float | None  # points that a trial may differ by before it counts as moved; None: not known
    how: str  # how the noise was found


@dataclass(frozen=True)
class Context:
    """All of it; a study that is reported on its own has none."""

    left_out: Sequence[str] = ()  # files that could not be read, one line each
    notes: Sequence[str] = ()  # doubts about a joint study, one sentence or two each
    references: Sequence[References] = ()
    changes: Changes | None = None
