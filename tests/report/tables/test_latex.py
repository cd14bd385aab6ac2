"""Tables as LaTeX, and figures as PDF."""

import re

import pytest

from scaling.report.analysis.analysis import analyse
from scaling.report.figures import FIGURES
from scaling.report.tables import TABLES, Column, Table
from scaling.report.tables.table import PAGE_ROWS
from tests.support.studies import Truth, describe, simulated_records

TRUTH = Truth(arms=("a$b_c & d", "100 % {x}\\y#"))
RECORDS = simulated_records(TRUTH)
ODD = analyse(describe(RECORDS, TRUTH), RECORDS)


@pytest.mark.parametrize("name", TABLES)
def test_every_latex_table_has_rows_of_equal_length(name: str) -> None:
    table = TABLES[name](ODD)

    text = table.latex()

    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    is_long = "longtable" in text
    assert is_long == (len(table.rows) > PAGE_ROWS)
    assert len([row for row in rows if "\\caption" not in row]) == 1 + is_long + len(table.rows)
    assert all(len(re.findall(r"(?<!\\)&", row)) == len(table.columns) - 1 for row in rows if "\\caption" not in row)
    assert not re.search(r"(?<!\\)[#$%~^]", text)
    assert re.findall(r"\\(\w+rule)\n", text) == (1 + is_long) * ["toprule", "midrule"] + ["bottomrule"]


def test_a_long_latex_table_repeats_its_head() -> None:
    text = Table("A", "B.", [Column("x", "heading")], [[str(row)] for row in range(PAGE_ROWS + 1)]).latex()

    assert text.index(r"\begin{longtable}{l}") < text.index(r"\endfirsthead") < text.index(r"\endhead")
    assert text.count("heading") == 2
    assert "tabular" not in text


def test_words_that_latex_would_obey_are_printed() -> None:
    text = Table("A", "B.", [Column("x", "50 %")], [[r"\input{x} a_b"]]).latex()

    assert r"\textbackslash{}input\{x\} a\_b \\" in text
    assert r"50 \%" in text


def test_a_figure_is_a_pdf_and_the_same_one_twice() -> None:
    drawing = FIGURES["accuracy_by_macs"](ODD)
    assert drawing is not None

    assert drawing.pdf().startswith(b"%PDF")
    assert drawing.pdf() == drawing.pdf()
