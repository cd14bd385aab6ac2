"""Short labels, sizes and lines of cells, by hand counts."""

from scaling.report.analysis.analysis import analyse
from scaling.report.analysis.cell_marks import CellMark, cell_marks, joined, short_names
from tests.support.studies import Truth, describe, simulated_records

TRUTH = Truth(depths=(2, 4, 8), widths=(32, 64), seeds=1)


def marks_of(cells: list[dict[str, object]]) -> dict[str, CellMark]:
    records = simulated_records(Truth(depths=(2,), widths=(32,), seeds=1))[:1] * len(cells)
    changed = [record.model_copy(update={"cell": cell}) for record, cell in zip(records, cells, strict=True)]
    study = describe(records, TRUTH).model_copy(update={"axes": list(cells[0])})
    return cell_marks(analyse(study, changed))


def test_cells_of_equal_width_are_on_one_line() -> None:
    records = simulated_records(TRUTH)
    marks = cell_marks(analyse(describe(records, TRUTH), records))

    assert sorted(mark.label for mark in marks.values()) == ["d2 w32", "d2 w64", "d4 w32", "d4 w64", "d8 w32", "d8 w64"]
    lines: dict[int, set[str]] = {}
    for mark in marks.values():
        lines.setdefault(mark.line, set()).add(mark.label)
    assert sorted(map(sorted, lines.values())) == [["d2 w32", "d4 w32", "d8 w32"], ["d2 w64", "d4 w64", "d8 w64"]]
    assert {mark.label: mark.size for mark in marks.values() if mark.label[:2] == "d2"} == {"d2 w32": 0, "d2 w64": 1}
    assert joined(marks)


def test_axes_of_one_beginning_get_longer_names() -> None:
    assert short_names(["depth", "width"]) == {"depth": "d", "width": "w"}
    assert short_names(["recipe.depth_a", "depth_b"]) == {"recipe.depth_a": "depth_a", "depth_b": "depth_b"}
    assert short_names(["depth", "dropout", "width"]) == {"depth": "de", "dropout": "dr", "width": "w"}
    assert short_names(["x", "x.x"]) == {"x": "x", "x.x": "x"}


def test_an_axis_of_words_needs_no_name() -> None:
    marks = marks_of([{"family": "resnet50"}, {"family": "a_name_longer_than_any_label"}])

    assert [mark.label for mark in marks.values()] == ["resnet50", "a_name_longer…"]
    assert {mark.size for mark in marks.values()} == {0.5}
    assert not joined(marks)


def test_an_axis_of_one_value_is_not_named() -> None:
    marks = marks_of([{"depth": 2, "width": 32}, {"depth": 4.0, "width": 32}])

    assert [mark.label for mark in marks.values()] == ["d2", "d4"]
    assert [mark.size for mark in marks.values()] == [0, 1]


def test_a_study_of_one_cell_has_a_mark() -> None:
    assert [mark.label for mark in marks_of([{"depth": 2}]).values()] == [""]
