"""All designs and stopping rules, found by their names: importing this module registers them."""

from scaling.search import dominance as dominance
from scaling.search import searched as searched
from scaling.search.admission import Admission
from scaling.search.proposals import DESIGNS, Proposals
from scaling.search.stopping import RULES as RULES
from scaling.search.until import until_decided
from scaling.space.schema import Space


def propose(space: Space, admission: Admission) -> Proposals:
    """What the space's design proposes; then, where it is asked for, more until the verdict is decided."""
    proposals = DESIGNS[space.search.design](space, admission)
    return proposals if space.search.until is None else until_decided(space, admission, proposals)
