"""How tables are written: separators, encodings, line ends, Markdown, Parquet, JSON, numbers of other countries."""

import json
from pathlib import Path

import pandas as pd
import pytest

from scaling.report.imports.quantities import number
from scaling.study.errors import RecordError
from tests.report.imports.test_tables import found, table

HEADER, ROWS = ["model", "arm", "top1", "params"], [["r18", "avg", "70.1", "11.7M"], ["r18", "att", "71.5", "11.9M"]]
WANTED = [({"model": "r18"}, "avg", 70.1, 11.7e6), ({"model": "r18"}, "att", 71.5, 11.9e6)]


def taken(path: Path) -> list[tuple[dict, str, float, float]]:
    return [
        (dict(row.cell), row.arm, row.quantities["accuracy"], row.quantities["params"])
        for row in found(f"csv:{path}").rows
    ]


def lines(separator: str) -> list[str]:
    return [separator.join(cells) for cells in (HEADER, *ROWS)]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(lines("|")),
        "\r".join(lines(",")),
        "\r\n".join(lines("\t")),
        "\n".join(["sep=;", *lines(";")]),
        "\r".join(["SEP=|", *lines("|")]),
        "\n\n" + "\n\n".join(lines(";")),
        "\n".join(['"model";"arm";"top1";"params"', *lines(";")[1:]]),
        "| model|arm | top1 | params |\n|:--|---|--:|:-:|\n|r18 | `avg` | 70.1 | 11.7M |\n|**r18**|att|**71.5**|11.9M|",
        "# Results\n\nToday:\n\nmodel | arm | top1 | params\n--- | --- | --- | ---\n"
        "r18|avg|70.1|11.7M\nr18|att|71.5|11.9M\n\nThat is all.",
    ],
    ids=["pipes", "CR", "tabs", "sep", "SEP and CR", "blank lines", "quotes", "Markdown", "Markdown in prose"],
)  # fmt: skip
def test_every_way_to_separate_cells_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(text.encode())

    assert taken(path) == WANTED


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16"])
def test_letters_of_every_encoding_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes("model,arm,top1\nr18,café – avg,70\nr18,att™,71\n".encode(encoding))

    imported = found(f"csv:{path}")

    assert imported.arms == ["café – avg", "att™"]
    assert ("code page 1252" in " ".join(imported.notes)) == (encoding == "cp1252")


def test_tables_of_parquet_are_read_like_csv(tmp_path: Path) -> None:
    path = tmp_path / "runs.parquet"
    frame = pd.DataFrame([dict(zip(HEADER, row, strict=True)) for row in ROWS])
    frame["top1"] = frame["top1"].astype(float)
    frame["arm"] = frame["arm"].astype("category")
    frame.to_parquet(path)

    assert taken(path) == WANTED
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RecordError, match="is not whole Parquet"):
        found(f"csv:{path}")


@pytest.mark.parametrize("layout", ["lines", "list"])
def test_tables_of_json_are_read_like_csv(tmp_path: Path, layout: str) -> None:
    rows = [{"model": m, "config": {"arm": a}, "top1": float(t), "params": p, "seed": None} for m, a, t, p in ROWS]
    path = tmp_path / "runs.jsonl"
    path.write_text(json.dumps(rows) if layout == "list" else "\n".join(map(json.dumps, rows)) + "\n")

    imported = found(f"csv:{path}", "config/arm")

    assert imported.arms == ["avg", "att"]
    assert [row.quantities["accuracy"] for row in imported.rows] == [70.1, 71.5]


@pytest.mark.parametrize("text", ["{", '{"a": 1}\n[1]', "[{]", "{}{}"])
def test_broken_json_is_one_clear_line(tmp_path: Path, text: str) -> None:
    path = table(tmp_path / "runs.jsonl", text)

    with pytest.raises(RecordError, match="is not a JSON object a line"):
        found(f"csv:{path}")


@pytest.mark.parametrize(
    ("cells", "throughput"),
    [
        (["1.234", "987"], [1234, 987]),
        (["1.234,5", "987,25"], [1234.5, 987.25]),
        (["1.234.567", "2.000.000"], [1234567, 2e6]),
        (["1'234", "987"], [1234, 987]),
        (["1’234.5", "987.5"], [1234.5, 987.5]),
        (["1 234", "987"], [1234, 987]),
        (["1\u202f234\u202f567", "987"], [1234567, 987]),
        (["1.5", "987"], [1.5, 987]),
        (["0.987", "1.234"], [0.987, 1.234]),
    ],
)
def test_thousands_of_other_countries_are_read(tmp_path: Path, cells: list[str], throughput: list[float]) -> None:
    rows = [f"m{place};{70 + place},5;{cell}" for place, cell in enumerate(cells)]

    imported = found(f"csv:{table(tmp_path / 'a.csv', 'model;top1;throughput', *rows)}")

    assert [row.quantities["throughput"] for row in imported.rows] == throughput


def test_points_taken_for_thousands_are_noted(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model;top1;throughput", "a;70,5;1.234", "b;71,5;987")

    assert "Points in 'throughput' are read as separating thousands" in " ".join(found(f"csv:{path}").notes)


def test_points_are_decimal_where_no_comma_is(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model,top1,throughput", "a,70.125,1.234", "b,71.250,9.875")

    assert [row.quantities["throughput"] for row in found(f"csv:{path}").rows] == [1.234, 9.875]


@pytest.mark.parametrize("cell", ["51" + " " * 60_000 + "x", "1" * 60_000 + "x", "1 " * 30_000, "-" * 60_000])
def test_very_long_cells_are_words(cell: str) -> None:  # and cost no time, which would grow with their square
    assert number(cell) is None


def test_a_cell_of_blanks_is_missing_in_a_table(tmp_path: Path) -> None:
    rows = ["a,avg,50," + " " * 60_000, "a,att,51" + " " * 60_000 + ",1M"]

    imported = found(f"csv:{table(tmp_path / 'a.csv', 'model,arm,top1,params', *rows)}")

    assert [dict(row.quantities) for row in imported.rows] == [{"accuracy": 50}, {"accuracy": 51, "params": 1e6}]
