"""Synchronous successive halving."""

from scaling.space.search_settings import Stop
from scaling.sweep.search.decisions import CONTINUE, WAIT, Decision, RungResult, RungState, behind, stopping


@stopping
def halving(stop: Stop, result: RungResult, state: RungState) -> Decision:
    """Wait until all cells have reached the rung, then continue the best 1/factor, independent of their order.

    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification", arXiv 1502.07943.
    """
    if state.coming and not state.is_last:
        return WAIT
    return CONTINUE if state.rank < max(1, state.arrived // stop.factor) else behind(result, state)
