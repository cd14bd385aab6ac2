"""Labels beside points: as many as there is room for, none over another."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scaling.report.figures.direct_labels import place_labels


def boxes(x: list[float], y: list[float], names: list[str]) -> tuple[int, list[tuple[float, float, float, float]]]:
    """Labels of points on an empty figure: how many were written, and the boxes that matplotlib gives them."""
    figure = Figure(figsize=(4, 3))
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot(xlim=(0, 10), ylim=(0, 10))
    written = place_labels(axes, np.array(x), np.array(y), names, ["black"] * len(x), 7)
    drawn = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts]
    return written, [(box.x0, box.y0, box.x1, box.y1) for box in drawn]


def test_labels_with_room_are_all_written() -> None:
    written, found = boxes([2, 5, 8], [2, 5, 8], ["d2 w32", "d4 w32", "d8 w32"])

    assert written == len(found) == 3


def test_no_label_covers_another() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 10, (2, 60))
    written, found = boxes([*points[0]], [*points[1]], [f"d{i} w{i}" for i in range(60)])

    assert 10 < written < 60
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_points_in_one_place_have_one_label_at_each_side() -> None:
    written, _ = boxes([5] * 9, [5] * 9, ["d2"] * 9)

    assert written == 4
