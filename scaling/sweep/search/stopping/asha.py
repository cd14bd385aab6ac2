"""Asynchronous successive halving."""

from scaling.space.search_settings import Stop
from scaling.sweep.search.decisions import CONTINUE, WAIT, Decision, RungResult, RungState, behind, stopping


@stopping
def asha(stop: Stop, result: RungResult, state: RungState) -> Decision:
    """Continue the best 1/factor of the cells that have reached the rung so far; let the others wait.

    Li et al., "A System for Massively Parallel Hyperparameter Tuning", arXiv 1810.05934, algorithm 2, with cells
    ranked by how many others dominate them in accuracy and cost: by accuracy alone only the largest would survive.
    """
    best = state.arrived // stop.factor
    if state.rank < (max(1, best) if state.is_last else best):
        return CONTINUE
    return behind(result, state) if state.is_last else WAIT
