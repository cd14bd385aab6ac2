"""Bands: the difference at equal cost along each cost."""

from dataclasses import dataclass

import numpy as np

from scaling.answers.analysis import Analysis
from scaling.figures.text import Text
from scaling.statistics.equal_cost import EqualCost
from scaling.statistics.missing import Missing
from scaling.study.metrics import METRICS, Metric
from scaling.wording import plural, points


@dataclass(frozen=True)
class Band:
    """One arm minus the baseline along one cost; arrays (grid,)."""

    arm: str
    colour: int
    cost: np.ndarray
    difference: np.ndarray  # points
    low: np.ndarray  # of the simultaneous band
    high: np.ndarray


@dataclass(frozen=True)
class Panel:
    """The bands of all arms along one cost."""

    cost: Metric
    bands: list[Band]


@dataclass(frozen=True)
class Bands:
    """A panel a cost."""

    text: Text
    panels: list[Panel]
    labels: list[tuple[str, int]]  # of the arms, with their n, and their colours
    margin: float  # points


def bands(analysis: Analysis) -> Bands | None:
    """The difference at equal cost, a panel for every cost that has an answer; None where none has."""
    panels: dict[str, list[Band]] = {}
    cells: dict[str, int] = {}
    words = []
    for answer in analysis.equal_cost:
        result = answer.result
        if isinstance(result, Missing):
            continue
        colour = analysis.arms.index(answer.arm)
        band = Band(answer.arm, colour, result.cost, result.difference, result.low, result.high)
        panels.setdefault(answer.cost, []).append(band)
        cells[answer.arm] = max(result.cells, cells.get(answer.arm, 0))
        mean = points(result.mean.estimate, signed=True)
        words.append(f"{answer.arm} at equal {METRICS[answer.cost].title}: {mean} points on the average")
    if not panels:
        return None
    baseline = analysis.arms[0]
    labels = [
        (f"{arm} − {baseline} ({plural(cells[arm], 'cell')})", place)
        for place, arm in enumerate(analysis.arms)
        if arm in cells
    ]
    included = any(isinstance(a.result, EqualCost) and a.result.images_included for a in analysis.equal_cost)
    caption = (
        f"Test accuracy minus that of {baseline} at equal cost: the distance of two curves through the cells, over the"
        " range that both arms cover, with its simultaneous 95 % band (cells are the units"
        f"{'; the choice of the test images is included' if included else ''}). Where a band leaves out zero, the"
        f" difference is sure. Shaded: ±{analysis.verdicts[0].margin:g} points, which count as no difference."
    )
    return Bands(
        Text("Difference at equal cost", caption, f"Lines with bands, a panel a cost. {'; '.join(words)}."),
        [Panel(METRICS[cost], found) for cost, found in panels.items()],
        labels,
        analysis.verdicts[0].margin,
    )
