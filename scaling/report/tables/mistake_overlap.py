"""How far the mistakes of two models are the same test images."""

from collections.abc import Sequence

from scaling.report.analysis.analysis import Analysis
from scaling.report.analysis.mistakes import ARMS, RUNS, SIZES, MistakeOverlap, averaged, mistakes_of
from scaling.report.tables.table import Column, Table, percent, plain, table, whole
from scaling.statistics.overlap import Overlap
from scaling.wording import plural

ALL_CELLS = "mean over cells"
MOST_CELLS = 24  # that have a row each


@table
def mistake_overlap(analysis: Analysis) -> Table:
    """One row per arm and the baseline, per arm's smallest and largest model, and per arm's runs of one model."""
    columns = [
        Column("between", "mistakes of"),
        Column("one", "first"),
        Column("other", "second"),
        Column("cell", "cell"),
        Column("other_cell", "cell of the second"),
        Column("pairs", "pairs of runs", whole),
        Column("jaccard", "overlap (Jaccard)", percent),
        Column("expected", "expected if independent", percent),
        Column("one_wrong", "first wrong (%)", percent),
        Column("other_wrong", "second wrong (%)", percent),
        Column("both_wrong", "both wrong (%)", percent),
    ]
    found = mistakes_of(analysis)
    rows = []
    for between in (ARMS, SIZES, RUNS):
        for (one, other), group in _by_arms(found.of(between)).items():
            if between != SIZES:
                rows.append(_row(between, one, other, ALL_CELLS, ALL_CELLS, averaged(group)))
            if between == SIZES or (between == ARMS and len(group) <= MOST_CELLS):
                rows += [_row(between, one, other, own.cell, own.other_cell, own.overlap) for own in group]
    caption = (
        "Test images that both models get wrong over those that either does, a mean over pairs of runs, and what"
        " independent mistakes of the same numbers would give (hypergeometric). Models share their hard images, so that"
        " the overlap of two runs of one model is the mark to hold the others against: what is below it is not the luck"
        " of training."
    )
    if not found.overlaps:
        caption = "Not known: not all trials record which test images they got right, or none is compared."
    elif analysis.test_examples and found.images < analysis.test_examples:
        caption += f" From an even sample of {plural(found.images, 'test image')}."
    if found.overlaps and found.cells < len(set(analysis.cells["cell"])):
        caption += f" Means are over an even sample of {plural(found.cells, 'cell')}."
    return Table("Overlap of mistakes", caption, columns, rows)


def _by_arms(overlaps: Sequence[MistakeOverlap]) -> dict[tuple[str, str], list[MistakeOverlap]]:
    groups: dict[tuple[str, str], list[MistakeOverlap]] = {}
    for one in overlaps:
        groups.setdefault((one.one, one.other), []).append(one)
    return groups


def _row(between: str, one: str, other: str, cell: str, other_cell: str, overlap: Overlap) -> list[object]:
    rates = [overlap.one_wrong, overlap.other_wrong, overlap.both_wrong]
    return plain([between, one, other, cell, other_cell, overlap.pairs, overlap.jaccard, overlap.expected, *rates])
