"""Units of imports: decimal commas, errors, sizes and units in cells; a note for every assumption."""

import math
from pathlib import Path

import pytest

from scaling.report.imports import Imported
from scaling.report.imports.quantities import BYTES, MILLISECONDS, OPERATIONS, number
from scaling.study.errors import RecordError
from tests.report.imports.test_tables import found, table


def values(imported: Imported, quantity: str) -> list[float]:
    return [row.quantities.get(quantity, math.nan) for row in imported.rows]


def said(imported: Imported) -> str:
    return " ".join(imported.notes)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_three_decimals_after_a_comma_are_decimals_if_unambiguous(tmp_path: Path, separator: str) -> None:
    lines = ["model;acc;gmacs;params_m", "a;90,056;2,048;0,764", "b;89,5;0,48;1014,45"]
    path = table(tmp_path / "de.csv", *(line.replace(";", separator) for line in lines))

    imported = found(f"csv:{path}")

    assert values(imported, "accuracy") == pytest.approx([90.056, 89.5])
    assert values(imported, "macs") == pytest.approx([2.048e9, 0.48e9])
    assert values(imported, "params") == pytest.approx([0.764e6, 1014.45e6])
    assert "Commas" not in said(imported)


def test_ambiguous_columns_are_read_like_the_others(tmp_path: Path) -> None:
    path = table(tmp_path / "results-imagenet.csv", "model;top1;param_count", "a.x;90,056;305,08", "b.x;89,956;25,6")

    imported = found(f"timm:{path}")

    assert values(imported, "accuracy") == pytest.approx([90.056, 89.956])
    assert "Commas in 'top1' are read as decimal, as in 'param_count'" in said(imported)


@pytest.mark.parametrize(
    ("lines", "macs"),
    [
        (("model;acc;gmacs", "a;90;2,048", "b;89;1,024"), [2048e9, 1024e9]),  # undecided
        (("model;acc;gmacs;lr", "a;90,5;2,048;0.1", "b;89,5;1,024;0.2"), [2048e9, 1024e9]),  # both marks are used
        (('model,acc,gmacs', 'a,"90,5","2,048"', 'b,"89,5","1,024"'), [2048e9, 1024e9]),
        (("model;acc;gmacs", "a;90;0.5", "b;89;1,024", "c;88;0,25"), [0.5e9, 1024e9, 0.25e9]),
    ],
)  # fmt: skip
def test_ambiguous_commas_are_noted(tmp_path: Path, lines: tuple[str, ...], macs: list) -> None:
    imported = found(f"csv:{table(tmp_path / 'a.csv', *lines)}")

    assert values(imported, "macs") == pytest.approx(macs)
    assert "Commas in 'gmacs' may be decimal or separate thousands" in said(imported)


@pytest.mark.parametrize(
    "lines",
    [
        ("model,acc,params", 'a,81.5,"25,600,000"', 'b,80.5,"11,700,000"'),
        ("model,acc,params", 'a,81.5,"25,600"', 'b,80.5,"11,700"'),
        ("model\tacc\tparams", "a\t81.5\t256,000", "b\t80.5\t117,000"),
        ("model;acc;params", "a;81;256,000", "b;80;1,117,000"),
    ],
)
def test_thousands_stay_thousands(tmp_path: Path, lines: tuple[str, ...]) -> None:
    imported = found(f"csv:{table(tmp_path / 'a.csv', *lines)}")

    whole = [float(line.split(separator, 2)[-1].strip('"').replace(",", "")) for line in lines[1:]
             for separator in ",;\t" if line.count(separator) >= 2 and separator in lines[0]]  # fmt: skip
    assert values(imported, "params") == pytest.approx(whole)
    assert "Commas" not in said(imported)


def test_commas_of_words_and_lists_are_left_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "model;acc;kernels", "a, wide;90,5;3,5,7", "b;89,5;3,5,9")

    first, _ = found(f"csv:{path}").rows

    assert first.cell == {"model": "a, wide"}
    assert first.settings == {"kernels": "3,5,7"}


@pytest.mark.parametrize("option", ["accuracy=test_error", "accuracy=test_error*100", "accuracy=my val err"])
def test_a_chosen_error_column_is_an_error(tmp_path: Path, option: str) -> None:
    scale = 100 if "*" in option else 1
    column = "my val err" if "my" in option else "test_error"
    path = table(tmp_path / "a.csv", f"model,arm,{column}", f"a,attention,{5 / scale}", f"a,average,{6 / scale}")

    imported = found(f"csv:{path}?{option}")

    assert values(imported, "accuracy") == pytest.approx([95, 94])
    assert f"'{column}' is named as an error, so accuracy is 100 minus it" in said(imported)


def test_counts_of_small_networks_are_counts(tmp_path: Path) -> None:
    path = table(
        tmp_path / "trials.csv", "cell,arm,seed,test_accuracy,macs,params,activations",
        "depth=2 width=32,max,0,95.5,124800,17562,5035", "depth=4 width=32,max,0,96.5,4210688,278528,82000",
    )  # fmt: skip

    imported = found(f"csv:{path}")

    assert values(imported, "params") == [17562, 278528]
    assert values(imported, "macs") == [124800, 4210688]
    assert values(imported, "activations") == [5035, 82000]
    assert "whole numbers above 10,000, they are read as single activations" in said(imported)
    assert [row.cell for row in imported.rows] == [{"cell": "depth=2 width=32"}, {"cell": "depth=4 width=32"}]
    assert "No column names a cell" not in said(imported)


def test_numbers_with_decimals_and_no_unit_are_millions(tmp_path: Path) -> None:
    imported = found(f"csv:{table(tmp_path / 'a.csv', 'model,acc,params', 'a,80,25.6', 'b,81,20500.0')}")

    assert values(imported, "params") == pytest.approx([25.6e6, 20500e6])
    assert "read as millions of parameters; if not, import with params=params*FACTOR" in said(imported)


@pytest.mark.parametrize(
    ("cells", "option", "macs", "note"),
    [
        (("8.2", "4"), "", (8.2e9, 4e9), "import with macs=GFLOPs*5e+08"),
        (("8.2", "4"), "?macs=GFLOPs*5e+08", (4.1e9, 2e9), None),
        (("8.2", "4"), "?macs=GFLOPs/2e-9", (4.1e9, 2e9), None),
        (("8.2G", "4G"), "", (8.2e9, 4e9), "import with macs=GFLOPs*0.5"),
        (("8.2G", "4G"), "?macs=GFLOPs*0.5", (4.1e9, 2e9), "(g); the factor 0.5 is applied in addition"),
        (("8.2", "400M"), "", (8.2e9, 0.4e9), "halve it in the file first"),
        (("8.2", "400M"), "?macs=GFLOPs*0.5e9", (4.1e9, 0.4e9), "to cells of 'GFLOPs' without a unit"),
    ],
)
def test_the_advice_on_flops_works(
    tmp_path: Path, cells: tuple[str, str], option: str, macs: tuple[float, float], note: str | None
) -> None:
    path = table(tmp_path / "a.csv", "model,acc,GFLOPs", f"a,80,{cells[0]}", f"b,79,{cells[1]}")

    imported = found(f"csv:{path}{option}")

    assert values(imported, "macs") == pytest.approx(macs)
    assert ("multiply-accumulates" in said(imported)) == (not option)
    assert note is None or note in said(imported)


@pytest.mark.parametrize(
    ("cell", "units", "value"),
    [
        ("2 GiB", BYTES, 2 * 2**30), ("512 MiB", BYTES, 2**29), ("2 GB", BYTES, 2e9), ("512 B", BYTES, 512),
        ("4.1 GFLOPs", OPERATIONS, 4.1e9), ("300 MMACs", OPERATIONS, 3e8), ("4.1G", OPERATIONS, 4.1e9),
        ("3.2 ms", MILLISECONDS, 3.2), ("1.5 s", MILLISECONDS, 1500), ("700 µs", MILLISECONDS, 0.7),
    ],
)  # fmt: skip
def test_units_in_cells_are_read(cell: str, units: dict[str, float], value: float) -> None:
    read = number(cell, units)

    assert read is not None
    assert read.value == pytest.approx(value)


@pytest.mark.parametrize("cell", ["2 GiB", "3.2 ms", "25.600.000", "82.1(0.2)", "1e999", "52e1234"])
def test_units_of_something_else_and_numbers_beyond_floats_are_words(cell: str) -> None:
    assert number(cell) is None


def test_cells_with_units_outrank_the_unit_of_their_column(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "model,Err@1,latency_s,inference_memory_mb,params_m",
        "a,20,3.2 ms,2 GiB,25.6M", "b,21,0.004,1000,11.7",
    )  # fmt: skip

    imported = found(f"csv:{path}")

    assert values(imported, "accuracy") == [80, 79]
    assert values(imported, "latency") == pytest.approx([3.2, 4])
    assert values(imported, "inference_memory") == pytest.approx([2**31, 1e9])
    assert values(imported, "params") == pytest.approx([25.6e6, 11.7e6])


def test_validation_accuracy_does_not_fill_a_missing_test_accuracy(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "name,val_acc,test_acc", "a,80,79", "b,85,", "c,,78", "d,,")
    alone = table(tmp_path / "b.csv", "name,val_acc", "a,80")

    imported = found(f"csv:{path}")

    assert values(imported, "accuracy") == [79, 78]
    assert "1 without a test accuracy, 1 without an accuracy" in said(imported)
    assert values(found(f"csv:{alone}"), "accuracy") == [80]


def test_words_that_look_like_huge_numbers_are_words(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "commit,acc,params", "52e1234,80,1e999", "1e999,81,5", "77a1234,82,6")

    imported = found(f"csv:{path}?cell=commit")

    assert [row.cell["commit"] for row in imported.rows] == ["52e1234", "1e999", "77a1234"]
    assert "such as “1e999”; 1 cell taken as missing" in said(imported)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("test_examples=²", "is not a number of images"),
        ("test_examples=" + "9" * 5000, "is not a number of images"),
        ("macs=gmacs*1e999", "a factor of inf"),
        ("macs=gmacs*0", "a factor of 0"),
    ],
)
def test_numbers_in_options_that_are_none_are_refused(tmp_path: Path, option: str, message: str) -> None:
    path = table(tmp_path / "a.csv", "model,acc,gmacs", "a,80,1")

    with pytest.raises(RecordError, match=message):
        found(f"csv:{path}?{option}")


def test_fractions_beside_percents_are_fractions(tmp_path: Path) -> None:
    imported = found(f"csv:{table(tmp_path / 'a.csv', 'model,acc', 'a,0.70', 'b,71%', 'c,0.5%')}")

    assert values(imported, "accuracy") == pytest.approx([70, 71, 0.5])
    assert "'acc' without a percent sign never exceeds 1" in said(imported)


def test_small_numbers_beside_percentages_are_noted(tmp_path: Path) -> None:
    imported = found(f"csv:{table(tmp_path / 'a.csv', 'model,acc', 'a,0.70', 'b,71')}")

    assert values(imported, "accuracy") == [0.7, 71]
    assert "1 number of 'acc' below 1 beside larger ones, read as percentages" in said(imported)


def test_a_line_without_separators_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no comma, semicolon, tab or \| separates them"):
        found(f"csv:{table(tmp_path / 'a.csv', 'model arm acc', 'a b 70')}")
