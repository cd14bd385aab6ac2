"""All designs and stopping rules, found by their names: importing this module registers them."""

from scaling.space.schema import Space
from scaling.sweep.search.designs import searched as searched
from scaling.sweep.search.designs.proposals import DESIGNS, Proposals
from scaling.sweep.search.feasibility import Feasibility
from scaling.sweep.search.stopping import dominance as dominance
from scaling.sweep.search.stopping.rules import RULES as RULES
from scaling.sweep.search.until import until_decided


def propose(space: Space, feasibility: Feasibility) -> Proposals:
    """What the space's design proposes; then, where it is asked for, more until the verdict is decided."""
    proposals = DESIGNS[space.search.design](space, feasibility)
    return proposals if space.search.until is None else until_decided(space, feasibility, proposals)
