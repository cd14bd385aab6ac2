"""The table of caveats: how one is added, and the caveats that apply to a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from scaling.study.registry import Registry

if TYPE_CHECKING:
    from scaling.report.analysis.analysis import Analysis

    Check = Callable[[Analysis], str | None]

AT_MOST = 6  # cells or files named one by one
WORTH_SAYING = 5.0  # percent of extra cost


@dataclass(frozen=True)
class ReportCaveat:
    """A registered caveat; call it with an analysis to get its sentences."""

    check: Check
    order: int
    heading: str

    def __call__(self, analysis: Analysis) -> str | None:
        text = self.check(analysis)
        if text is not None and not isinstance(text, str):
            raise CAVEATS.refusal(self.check.__name__, text, "text, or None where it does not apply")
        return text


CAVEATS: Registry[ReportCaveat] = Registry("caveat", "scaling.report.caveats")


@overload
def caveat(check: Check, /) -> Check: ...
@overload
def caveat(*, order: int = 1000, heading: str = "") -> Callable[[Check], Check]: ...
def caveat(check: Check | None = None, /, *, order: int = 1000, heading: str = "") -> Any:
    """Register a function as a caveat under its own name, as `@caveat` or `@caveat(order=1)`.

    The function receives an `Analysis` of any study, also an empty one. It returns one or two whole sentences, or None
    if the caveat does not apply. Text in backticks is shown as code. Its docstring describes when it applies.

    Args:
        order: among the caveats of a report, the lowest first.
        heading: a few words that the page shows first; by default the function's name in words.
    """

    def register(check: Check) -> Check:
        words = heading or check.__name__.replace("_", " ").capitalize()
        CAVEATS.add(check.__name__, ReportCaveat(check, order, words), module=check.__module__)
        return check

    return register if check is None else register(check)


def headed_caveats(analysis: Analysis) -> list[tuple[str, str]]:
    """All caveats that apply to a study: heading and sentences."""
    ordered = sorted(CAVEATS.values(), key=lambda one: one.order)
    return [(one.heading, text) for one in ordered if (text := one(analysis)) is not None]


def caveats(analysis: Analysis) -> list[str]:
    """The sentences of all caveats that apply to a study."""
    return [text for _, text in headed_caveats(analysis)]
