"""A rehearsal replays a finished study under a stopping rule and counts right and wrong stops."""

from pathlib import Path

import numpy as np
import pytest

from scaling.rehearse import main
from scaling.space.design import Design, cells
from scaling.space.schema import Space
from scaling.space.search_settings import STOPPING_RULES, Stop
from scaling.study.config import Trial
from scaling.study.errors import RecordError
from scaling.study.records import Cost, Epoch, Record, Scores, Study, write_record, write_study
from scaling.sweep.search.rehearsal import front_of, rehearse
from scaling.sweep.search.stopping.dominance import best_at_cost, most_gain
from tests.support.queues import space

EPOCHS = 9


def ran(trial: Trial, end: float, start: float, macs: int) -> Record:
    """A record whose error falls geometrically from `start` to `end` (accuracies in percent)."""
    errors = np.geomspace(100 - start, 100 - end, EPOCHS)
    curve = [
        Epoch(epoch=n + 1, train_loss=1, val_loss=1, val_accuracy=100 - e, learning_rate=0.1, train_seconds=1)
        for n, e in enumerate(errors)
    ]
    scores = Scores(val_accuracy=end, val_loss=1, test_accuracy=end, test_loss=1, val_examples=100, test_examples=100)
    cost = Cost(params=1, macs=macs, fvcore_flops=1, activations=1)
    return Record.of(trial, status="finished", curve=curve, scores=scores, cost=cost)


def study(asked: Space, quality: dict[int, tuple[float, float]]) -> tuple[Study, list[Record]]:
    """A study over depths.

    Args:
        quality: depth → accuracy at the end and after the first epoch.
    """
    design = Design(asked)
    records = [
        ran(design.trial("s", cell, arm, 0), *quality[cell["depth"]], macs=cell["depth"] * 1000)
        for cell in cells(asked)
        for arm in asked.arm_values
    ]
    what = Study(
        name="s",
        question="",
        factor="pooling",
        arms=["average", "attention"],
        axes=["depth"],
        repetitions=1,
        conditions={},
        space=asked.model_dump(mode="json"),
        planned=[record.key for record in records],
    )
    return what, records


def of_depths(*depths: int) -> Space:
    return space(axes={"depth": list(depths)}, repetitions=1, recipe={"epochs": EPOCHS})


def test_a_dominated_cell_is_stopped_rightly() -> None:
    good = {n: (60.0 + 3 * n, 20.0 + 3 * n) for n in range(1, 7)}
    what, records = study(of_depths(1, 2, 3, 4, 5, 6), {**good, 5: (30.0, 10.0)})

    found = rehearse(what, records, Stop(rule="dominance"))

    assert (found.cells, found.stopped, found.wrong) == (6, 1, 0)
    assert found.saved == 2 * (EPOCHS - 1)
    assert found.epochs == 6 * 2 * EPOCHS
    assert "stops 1 of 6 cells, 0 of them wrongly (0 %)" in str(found)


def test_stopping_a_late_bloomer_counts_as_wrong() -> None:
    good = {n: (60.0 + n, 50.0 + n) for n in range(1, 7)}
    what, records = study(of_depths(1, 2, 3, 4, 5, 6), {**good, 6: (90.0, 5.0)})

    found = rehearse(what, records, Stop(rule="dominance"))

    assert (found.stopped, found.wrong) == (1, 1)


@pytest.mark.parametrize("rule", sorted(STOPPING_RULES))
def test_no_rule_stops_every_cell(rule: str) -> None:
    what, records = study(of_depths(1, 2, 3), dict.fromkeys((1, 2, 3), (60.0, 30.0)))

    found = rehearse(what, records, Stop(rule=rule, factor=2))

    assert found.stopped < found.cells


def test_the_bound_on_gain_comes_from_finished_curves() -> None:
    what, records = study(of_depths(1, 2, 3), dict.fromkeys((1, 2, 3), (80.0, 20.0)))

    gain = most_gain(1, records)

    assert gain == pytest.approx(0.25)  # errors all fall from 80 to 20 %
    assert most_gain(1, records[:3]) is None  # too few finished trials
    assert best_at_cost("average", 2500, records) == 80.0
    assert best_at_cost("average", 500, records) is None
    assert what.name == "s"


def test_the_front_keeps_cells_that_no_cheaper_one_beats() -> None:
    _, records = study(of_depths(1, 2, 3), {1: (60.0, 1.0), 2: (50.0, 1.0), 3: (70.0, 1.0)})
    first = {(f"depth={r.cell['depth']}", r.arm): r for r in records}

    assert front_of("average", dict.fromkeys(["depth=1", "depth=2", "depth=3"]), first) == {"depth=1", "depth=3"}


def test_the_command_rehearses_every_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    what, records = study(of_depths(1, 2, 3, 4), {n: (60.0 + n, 30.0) for n in (1, 2, 3, 4)})
    write_study(tmp_path / "s", what)
    for record in records:
        write_record(tmp_path / "s", record)

    assert main(["s", "--results", str(tmp_path)]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == sorted(STOPPING_RULES)
    assert main(["t", "--results", str(tmp_path)]) == 2


def test_a_study_without_whole_cells_cannot_be_rehearsed() -> None:
    what, records = study(of_depths(1, 2), {1: (60.0, 1.0), 2: (50.0, 1.0)})

    with pytest.raises(RecordError, match="0 cells that finished in all arms"):
        rehearse(what, [r for r in records if r.arm == "average"], Stop(rule="asha"))
