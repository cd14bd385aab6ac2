"""The proposals of a space: those of its design, then more of them if it runs until the verdict is decided."""

from scaling.space.schema import Space
from scaling.space.search_settings import DESIGNS
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.proposals import Proposals
from scaling.sweep.search.until import until_decided


def propose(space: Space, feasibility: Feasibility) -> Proposals:
    """Start the space's design; with `search.until`, continue until the verdict is decided."""
    proposals = DESIGNS[space.search.design].function(space, feasibility)
    return proposals if space.search.until is None else until_decided(space, feasibility, proposals)
