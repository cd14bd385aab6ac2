"""Distributions of errors over a design space, with bands, and whether two arms' differ.

Radosavovic et al., "On Network Design Spaces for Visual Recognition", arXiv 1905.13214: the error distribution function
F(e) is the share of models with an error below e; where two spaces differ in complexity, models are weighted so that
their complexities are distributed alike (there section 4.2).
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.statistics.missing import Missing

FEWEST = 4  # cells of an arm; steps of more than a quarter describe no distribution
BINS = 10  # of log cost, in which the arms are given equal weights; fewer where there are few cells
DRAWS = 999
MOST_NUMBERS = 20_000_000  # held at once by the permutations


@dataclass(frozen=True)
class Distribution:
    """F of one arm: `share[i]` of the weight lies at errors up to `errors[i]`."""

    errors: np.ndarray  # (n,) percent, ascending
    share: np.ndarray  # (n,) from 0 to 1
    half_width: float  # of the simultaneous band, in shares
    n: int
    effective: float  # cells that as many equal weights would be


def distribution(errors: np.ndarray, weights: np.ndarray, level: float) -> Distribution | Missing:
    """Distribution of `errors` (n,) under `weights` (n,), with the band that holds for all e at once.

    Dvoretzky, Kiefer and Wolfowitz with Massart's constant, "The tight constant in the DKW inequality", 1990: the
    half-width is √(ln(2 / α) / 2n). Under weights n is Kish's effective number, (Σw)² / Σw², for which the band is an
    approximation; docs/design_spaces.md has its coverage.
    """
    known = np.isfinite(errors) & (weights > 0)
    errors, weights = errors[known], weights[known]
    if len(errors) < FEWEST:
        return Missing("too few cells", f"{len(errors)} cells with a score, and a distribution needs {FEWEST}")
    order = np.argsort(errors, kind="stable")
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    share = np.cumsum(weights[order]) / weights.sum()
    half = math.sqrt(math.log(2 / (1 - level)) / (2 * effective))
    return Distribution(errors[order], share, half, len(errors), effective)


def complexity_weights(costs: np.ndarray, arm: np.ndarray, arms: int) -> np.ndarray | Missing:
    """Weights (n,) under which all arms have the same distribution of costs, in bins of log cost.

    Bins that not all arms reach get no weight: there is nothing to compare there.

    Args:
        costs: (n,) of each cell and arm; not finite where unknown.
        arm: (n,) number of its arm.
    """
    known = np.isfinite(costs) & (costs > 0)
    if known.sum() < FEWEST * arms:
        return Missing("unknown cost", "too few cells have this cost")
    logs = np.log(np.where(known, costs, 1.0))
    low, high = logs[known].min(), logs[known].max()
    if high - low < 1e-9:
        return Missing("equal costs", "all cells cost the same")
    bins = max(1, min(BINS, int(known.sum() / arms / 3)))
    place = np.clip(((logs - low) / (high - low) * bins).astype(int), 0, bins - 1)
    counts = np.zeros((arms, bins))
    np.add.at(counts, (arm[known], place[known]), 1)
    shared = (counts > 0).all(axis=0)
    if not shared.any():
        return Missing("no overlap", "the arms have no cost in common")
    mass = np.where(shared, counts.sum(axis=0), 0.0)
    weights = np.zeros(len(costs))
    weights[known] = mass[place[known]] / counts[arm[known], place[known]]
    return weights


@dataclass(frozen=True)
class Separation:
    """The largest distance between two distributions, and how often chance makes one as large."""

    distance: float  # Kolmogorov's and Smirnov's, in shares
    at_error: float  # percent, where it is
    p_value: float
    cells: int


def separation(
    baseline: np.ndarray, arm: np.ndarray, weights: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> Separation | Missing:
    """Kolmogorov–Smirnov distance of two arms that were run in the same cells, (n,) errors each.

    Its p value is from permutations that swap the arms within cells. Under "the arms do not differ" every such swap
    was as likely as what happened, which makes the test exact; the usual table, for independent samples, is far too
    cautious where the arms of a cell resemble each other.

    Args:
        weights: of each arm's cells, (n,) each.
    """
    both = np.isfinite(baseline) & np.isfinite(arm) & (weights[0] > 0) & (weights[1] > 0)
    count = int(both.sum())
    if count < FEWEST:
        return Missing("too few cells", f"{count} paired cells, and a test needs {FEWEST}")
    errors = np.concatenate([baseline[both], arm[both]])
    # one weight a cell, so that a swap changes who has the errors and nothing else
    weight = np.sqrt(weights[0][both] * weights[1][both])
    weight = weight / weight.sum()
    order = np.argsort(errors, kind="stable")
    cell, sign = np.tile(np.arange(count), 2)[order], np.repeat([1.0, -1.0], count)[order]
    steps = sign * weight[cell]
    ends = np.append(np.flatnonzero(np.diff(errors[order]) > 0), 2 * count - 1)  # ties count together
    difference = np.cumsum(steps)[ends]
    where = int(np.abs(difference).argmax())
    observed = float(abs(difference[where]))
    as_large, done = 0, 0
    draws = DRAWS if count <= 2000 else DRAWS // 5
    while done < draws:
        now = max(1, min(draws - done, MOST_NUMBERS // (2 * count)))
        swaps = rng.choice([-1.0, 1.0], size=(now, count))
        walks = np.abs(np.cumsum(swaps[:, cell] * steps, axis=1)[:, ends]).max(axis=1)
        as_large += int((walks >= observed - 1e-12).sum())
        done += now
    return Separation(observed, float(errors[order][ends[where]]), (1 + as_large) / (1 + draws), count)
