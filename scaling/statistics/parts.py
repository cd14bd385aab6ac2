"""Parts: the cells by size, in halves or thirds, each with an interval of its own mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.statistics.beyond import Scatter, has_one_size
from scaling.statistics.contrast import Differences
from scaling.statistics.estimates import Interval, Mean, around, t_quantile
from scaling.statistics.here import CellMeans, mean_here, widened_by_seeds

HALVES_FROM, THIRDS_FROM = 4, 9  # cells


@dataclass(frozen=True)
class Part:
    """Some of the cells, next to each other in cost."""

    low_cost: float | None  # of the cheapest of its cells; None where costs are not known
    high_cost: float | None
    interval: Interval  # of the mean over its cells
    wide: Interval  # that also allows for the scatter of single cells; decides whether the difference depends on size
    cells: tuple[str, ...] = ()
    variance: float = float("nan")  # points², of the mean


def number_of_parts(cells: int) -> int:
    """One part with up to three cells, halves with four to eight, thirds with more."""
    return 1 if cells < HALVES_FROM else 2 if cells < THIRDS_FROM else 3


def split(cost: np.ndarray | None, names: Sequence[str]) -> list[np.ndarray]:
    """Places of the cells of each part, the cheapest part first.

    Cells are ordered by cost, equal costs by the name of the cell; the first C mod G parts have one cell more. One
    part where costs are missing or all equal.
    """
    count = len(names)
    parts = number_of_parts(count)
    if cost is None or has_one_size(cost) or parts == 1:
        return [np.arange(count)]
    order = np.array(sorted(range(count), key=lambda i: (cost[i], names[i])))
    return np.array_split(order, parts)


def part_level(level: float, parts: int) -> float:
    """Level of each part's interval so that all of them hold together: level^(1/G) (Šidák 1967)."""
    return level ** (1 / parts)


def parts_of(
    cells: CellMeans, scatter: Scatter | None, differences: Differences, level: float, shared_seeds: bool = False
) -> list[Part]:
    """Estimate the mean of each part with its two half-widths.

    The first is that of its own cells' v_i and df (`here.mean_here`), or without repetitions t(C − p) s / √n. The
    second is max(first, t(C − p) s / √n).

    Args:
        level: of the parts together, 1 − α/k.
    """
    members = split(differences.cost, differences.names)
    each = part_level(level, len(members))
    return [_part(cells, scatter, differences, places, each, shared_seeds) for places in members]


def _part(
    cells: CellMeans,
    scatter: Scatter | None,
    differences: Differences,
    members: np.ndarray,
    level: float,
    shared_seeds: bool,
) -> Part:
    mean = mean_of(cells, scatter, members)
    if shared_seeds:
        mean = widened_by_seeds(mean, differences, members, level)
    own = mean.interval(level)
    wide = own
    if scatter is not None and own.is_known:
        reach = t_quantile(level, scatter.df) * (scatter.variance / len(members)) ** 0.5
        wide = around(mean.estimate, reach, level, scatter.df) if reach > own.half_width else own
    cost = differences.cost
    ends = (None, None) if cost is None else (float(cost[members].min()), float(cost[members].max()))
    names = tuple(differences.names[i] for i in members)
    return Part(*ends, own, wide, names, mean.variance)


def mean_of(cells: CellMeans, scatter: Scatter | None, members: np.ndarray | None = None) -> Mean:
    """Mean over cells by their repetitions where these tell the luck of training, by the cells' scatter otherwise."""
    if cells.is_repeated:
        return mean_here(cells, members)
    chosen = cells.mean if members is None else cells.mean[members]
    if scatter is None:
        return Mean(float(chosen.mean()), float("nan"), float("nan"))
    return scatter.mean(float(chosen.mean()), len(chosen))
