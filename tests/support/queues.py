"""A trial queue without networks, and a way to play it to its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.space.design import Cell, Design
from scaling.space.schema import Space
from scaling.space.search_settings import Budget
from scaling.study.config import Trial
from scaling.study.records import Epoch, Record, Scores, Seeding
from scaling.sweep.search.cell_run import Segment
from scaling.sweep.search.proposals import Proposals, Wanted
from scaling.sweep.search.trial_queue import TrialQueue


@dataclass(frozen=True)
class FakeCost:
    macs: int


class FakeCostTable:
    """Every model costs its depth × width² multiply-accumulates; attention a tenth more."""

    def of(self, config: Any) -> FakeCost:
        arch = config.arch
        more = 1.1 if arch.get("pooling") == "attention" else 1.0
        return FakeCost(round(arch.get("depth", 1) * arch.get("width", 8) ** 2 * more))

    def limited(self, config: Any, limit: str) -> float:
        return float(self.of(config).macs)


class FakeFeasibility:
    """Admits every cell."""

    def __init__(self, space: Space, seeding: Seeding = "own") -> None:
        self.design = Design(space, seeding=seeding)
        self.cost_table = FakeCostTable()

    def macs(self, cell: Cell) -> dict[str, int]:
        return {
            str(arm): self.cost_table.of(self.design.config(cell, arm, 0)).macs for arm in self.design.space.arm_values
        }

    def compute_costs(self, points: Sequence[Cell]) -> None: ...

    def admit(self, points: Sequence[Cell]) -> list[Cell]:
        return list(points)

    def feasible(self, points: Sequence[Cell]) -> list[Cell]:
        return list(points)

    def excess(self, cell: Cell) -> dict[str, float]:
        return {}


def space(**parts: object) -> Space:
    return Space.model_validate(
        {
            "family": "patchconvnet",
            "axes": {"depth": [2, 4], "width": [32, 64, 96]},
            "arms": {"pooling": ["average", "attention"]},
            **parts,
        }
    )


def all_cells(asked: Space, cells: Sequence[Cell]) -> Proposals:
    yield [Wanted(cell, asked.repetitions) for cell in cells]


def queue(
    asked: Space,
    proposals: Proposals,
    settled: dict[str, Record] | None = None,
    budget: Budget | None = None,
    seeding: Seeding = "own",
) -> TrialQueue:
    return TrialQueue("study", FakeFeasibility(asked, seeding), proposals, settled or {}, budget)


def curve(trial: Trial, accuracy: float, epochs: int) -> list[Epoch]:
    """A learning curve that reaches `accuracy` at the trial's last epoch."""
    whole = trial.config.recipe.epochs
    return [
        Epoch(epoch=e, train_loss=1, val_loss=1, val_accuracy=accuracy * e / whole, learning_rate=0.1, train_seconds=1)
        for e in range(1, epochs + 1)
    ]


def finished(trial: Trial, accuracy: float) -> Record:
    scores = Scores(
        val_accuracy=accuracy, val_loss=1, test_accuracy=accuracy, test_loss=1, val_examples=100, test_examples=100
    )
    return Record(
        key=trial.key,
        study=trial.study,
        cell=trial.cell,
        arm=trial.arm,
        repetition=trial.repetition,
        seed=trial.config.seed,
        status="finished",
        learning_rate_grid=trial.learning_rate_grid,
        config=trial.config.model_dump(mode="json"),
        curve=curve(trial, accuracy, trial.config.recipe.epochs),
        scores=scores,
        wall_seconds=10.0,
    )


def play(
    asked: TrialQueue, accuracy: Callable[[Trial], float], *, workers: int = 1, stop_after: int | None = None
) -> tuple[list[Segment], dict[str, Record]]:
    """Run a queue as an executor does, first come first served; return the segments in order and all records.

    Args:
        stop_after: segments after which everything is dropped, as by a kill.
    """
    segments: list[Segment] = []
    records: dict[str, Record] = {}
    running: list[Segment] = []
    while not asked.is_over:
        while len(running) < workers and (segment := asked.next()) is not None:
            running.append(segment)
            segments.append(segment)
        if not running:
            assert asked.is_over, "nothing runs and nothing is over"
            break
        segment = running.pop(0)
        if stop_after is not None and len(segments) > stop_after:
            return segments, records
        target = accuracy(segment.trial)
        for epoch in curve(segment.trial, target, segment.until or segment.trial.config.recipe.epochs):
            asked.epoch_ended(segment.trial, epoch)
        if segment.until is None:
            records[segment.trial.key] = finished(segment.trial, target)
            asked.ended(segment.trial, records[segment.trial.key])
        else:
            asked.rested(segment.trial)
        asked.move()
        records |= {trial.key: record for trial, record in asked.take_stopped()}
    records |= {trial.key: record for trial, record in asked.take_stopped()}
    return segments, records
