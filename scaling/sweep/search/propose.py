"""All designs and stopping rules, found by their names: importing this module registers them."""

from scaling.space.schema import Space
from scaling.sweep.search.designs import searched as searched
from scaling.sweep.search.designs.proposals import DESIGNS, Proposals
from scaling.sweep.search.feasibility import Admission
from scaling.sweep.search.stopping import dominance as dominance
from scaling.sweep.search.stopping.rules import RULES as RULES
from scaling.sweep.search.until import until_decided


def propose(space: Space, admission: Admission) -> Proposals:
    """What the space's design proposes; then, where it is asked for, more until the verdict is decided."""
    proposals = DESIGNS[space.search.design](space, admission)
    return proposals if space.search.until is None else until_decided(space, admission, proposals)
