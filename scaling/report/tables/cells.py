"""Cells: the best one of each arm, and all."""

import math

from scaling.report.analysis.analysis import Analysis
from scaling.report.tables.table import Column, Table, cost_columns, percent, plain, table, whole
from scaling.study.metrics import METRICS, column_costs, column_scores


@table
def best(analysis: Analysis) -> Table:
    """One row per arm: its best cell, chosen on validation."""
    costs = [*column_scores(), *column_costs()]
    columns = [
        Column("arm", "arm"),
        Column("cell", "best cell"),
        Column("trials", "trials", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        Column("test_sd", "SD over repetitions (points)", percent),
        *cost_columns(costs),
    ]
    everything = analysis.cells.to_dict("records")
    rows = []
    for arm in analysis.arms:
        of_arm = [cell for cell in everything if cell["arm"] == arm and not math.isnan(cell["val_accuracy"])]
        if of_arm:
            chosen = max(of_arm, key=lambda cell: cell["val_accuracy"])
            names = ["arm", "cell", "n", "val_accuracy", "test_accuracy", "test_sd", *costs]
            rows.append(plain(chosen[name] for name in names))
    caption = "The cell of each arm with the highest mean validation accuracy. Chosen on validation, reported on test."
    return Table("Best cell of each arm", caption, columns, rows)


@table
def cells(analysis: Analysis) -> Table:
    """One row per cell and arm."""
    costs = column_costs()
    columns = [
        Column("cell", "cell"),
        Column("arm", "arm"),
        Column("trials", "trials", whole),
        Column("val_accuracy", "validation accuracy (%)", percent),
        Column("test_accuracy", "test accuracy (%)", percent),
        Column("test_sd", "SD over repetitions (points)", percent),
        *cost_columns([*column_scores(), *costs]),
        *(
            Column(f"front_{cost}", f"front: {METRICS[cost].title}", lambda on_it: "●" if on_it else "")
            for cost in costs
        ),
    ]
    names = ["cell", "arm", "n", "val_accuracy", "test_accuracy", "test_sd", *column_scores(), *costs]
    columns_of = [*(analysis.cells[name] for name in names), *(analysis.fronts[cost]["own"] for cost in costs)]
    rows = [plain(values) for values in zip(*columns_of, strict=True)]
    caption = (
        "Means over the finished repetitions of each cell and arm; costs of one image, batch size 1, forward pass. ●:"
        " on the Pareto front of its arm for that cost, by validation accuracy."
    )
    return Table("All cells", caption, columns, rows)
