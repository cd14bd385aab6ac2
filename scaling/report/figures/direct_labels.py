"""Labels beside the points of a figure, where there is room."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))  # of the point: right above, right below, left above, left below
GAP = 4.0  # points between a point and its label
WIDE = 0.64  # width of a letter over the size of the font
HIGH = 1.25  # height of a line over the size of the font


def place_labels(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    labels: Sequence[str],
    colours: Sequence[str],
    size: float,
    avoid: Sequence[tuple[np.ndarray, np.ndarray]] = (),
) -> int:
    """Write each label at the first side of its point where it covers no other point or label; leave out the rest.

    Call it when the limits of the axes are final. Sizes are estimated, because measuring text is slow.

    Args:
        x, y: (points,) in data units.
        size: of the font, in points.
        avoid: corners of step lines, to be covered only where nothing else is free.

    Returns:
        the number of labels that were written.
    """
    scale = 72 / axes.figure.dpi
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    frame = axes.get_window_extent()
    room = (frame.x0 * scale, frame.y0 * scale, frame.x1 * scale, frame.y1 * scale)
    lines = [box for one in avoid for box in _segments(axes.transData.transform(np.column_stack(one)) * scale)]
    taken = [(px - 3, py - 3, px + 3, py + 3) for px, py in points]
    written = 0
    for place, (label, colour) in enumerate(zip(labels, colours, strict=True)):
        others = taken[:place] + taken[place + 1 :]
        sides = [(side, _beside(points[place], side, WIDE * size * len(label), HIGH * size)) for side in SIDES]
        free = [(side, box) for side, box in sides if _inside(box, room) and not _covers(box, others)]
        if not free:
            continue
        (to_right, to_top), box = next((one for one in free if not _covers(one[1], lines)), free[0])
        axes.annotate(
            label, (float(x[place]), float(y[place])), xytext=(to_right * GAP, to_top * GAP / 2),
            textcoords="offset points", ha="left" if to_right > 0 else "right", va="bottom" if to_top > 0 else "top",
            fontsize=size, color=colour,
        )  # fmt: skip
        taken.append(box)
        written += 1
    return written


Box = tuple[float, float, float, float]  # left, bottom, right, top, in points


def _beside(point: np.ndarray, side: tuple[int, int], wide: float, high: float) -> Box:
    """The box of a label at one side of a point."""
    left = point[0] + GAP if side[0] > 0 else point[0] - GAP - wide
    bottom = point[1] + GAP / 2 if side[1] > 0 else point[1] - GAP / 2 - high
    return left, bottom, left + wide, bottom + high


def _segments(corners: np.ndarray) -> list[Box]:
    """Boxes of the level and upright parts of a step line through `corners`, (n, 2)."""
    boxes = []
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        boxes += [(x0, y0 - 1, x1, y0 + 1), (x1 - 1, min(y0, y1), x1 + 1, max(y0, y1))]
    return boxes


def _inside(box: Box, room: Box) -> bool:
    return box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]


def _covers(box: Box, others: Sequence[Box]) -> bool:
    return any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)
