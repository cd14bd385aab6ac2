"""Boxes of the parts by size: drawn where they are known, as high as their intervals, and named in the caption."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.figures.boxes import Box, boxes_of, draw_boxes
from scaling.report.figures.difference_at_equal_cost import cost_panels
from scaling.report.figures.difference_by_macs import arms_by_size
from scaling.report.figures.paired_difference import arm_differences
from scaling.statistics.missing import Missing
from tests.support.studies import Truth, describe, simulated_records

TRUTH = Truth(depths=(2, 4, 8, 16, 32), arms=("average", "attention", "max"))
RECORDS = simulated_records(TRUTH)


def analysis_of(count: int | None = None) -> Analysis:
    return analyse(describe(RECORDS, TRUTH), RECORDS[:count])


@pytest.fixture(scope="module")
def whole() -> Analysis:
    return analysis_of()


@pytest.fixture(scope="module")
def under_way() -> Analysis:
    return analysis_of(-1)


def test_every_part_has_a_box_with_its_interval(whole: Analysis) -> None:
    shown = arms_by_size(whole)

    assert shown is not None
    for arm, verdict in zip(shown.arms, whole.verdicts, strict=True):
        assert [(box.start, box.end, box.mean, box.low, box.high) for box in arm.boxes] == [
            (part.low_cost, part.high_cost, part.interval.estimate, part.interval.low, part.interval.high)
            for part in verdict.found.parts
        ]
        assert len(arm.boxes) == 3
        low, high = (min(arm.cost), max(arm.cost))
        assert (arm.boxes[0].start, arm.boxes[-1].end) == pytest.approx((low, high))
    assert "Boxes: the mean over a half or third" in shown.text.caption
    assert shown.text.description.count("from the cheapest part on") == 2


def test_boxes_at_equal_cost_cover_the_shared_range(whole: Analysis) -> None:
    panels = cost_panels(whole)

    assert panels is not None
    answers = {(one.cost, one.arm): one.result for one in whole.equal_cost}
    for panel in panels.panels:
        for arm in panel.arms:
            result = answers[panel.cost.name, arm.arm]
            assert not isinstance(result, Missing)
            assert arm.boxes == boxes_of(result.parts)
            assert (arm.boxes[0].start, arm.boxes[-1].end) == pytest.approx((result.low_cost, result.high_cost))
            assert [box.end for box in arm.boxes[:-1]] == pytest.approx([box.start for box in arm.boxes[1:]])


def test_before_the_plan_is_complete_no_box_is_drawn(under_way: Analysis) -> None:
    by_size, forest = arms_by_size(under_way), arm_differences(under_way)

    assert by_size is not None
    assert [arm.boxes for arm in by_size.arms] == [[], []]
    assert "Boxes" not in by_size.text.caption
    assert by_size.text.description == "Points over cost."
    assert cost_panels(under_way) is None
    assert forest is not None
    assert not any(one.mean.is_known for one in forest.arms)
    assert "diamond" not in forest.text.caption
    assert "so far" in forest.arms[0].label


def test_the_verdict_has_a_diamond(whole: Analysis) -> None:
    forest = arm_differences(whole)

    assert forest is not None
    assert "The diamond is the mean over cells" in forest.text.caption


def test_a_part_that_is_not_known_has_no_box(whole: Analysis) -> None:
    part = whole.verdicts[0].found.parts[0]
    unknown = replace(part.interval, low=math.nan, high=math.nan)

    assert len(boxes_of([part, replace(part, interval=unknown), replace(part, low_cost=None)])) == 1


def test_a_box_has_a_line_at_its_mean() -> None:
    axes = Figure().add_subplot()

    draw_boxes(axes, [Box(1.0, 3.0, 0.5, -0.25, 1.25)], "#000000")

    shapes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert {(one.get_x(), one.get_y(), one.get_width(), one.get_height()) for one in shapes} == {(1.0, -0.25, 2.0, 1.5)}
    (line,) = axes.collections
    assert np.asarray(line.get_paths()[0].vertices).tolist() == [[1.0, 0.5], [3.0, 0.5]]
