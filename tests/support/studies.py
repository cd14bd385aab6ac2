"""Simulated studies with known effects: records, and folders of them for reports.

Accuracies follow a simple law of size, so cells differ by tens of points and arms by a fraction of one;
the two trials of a pair share most of their noise, as real pairs do.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from scaling.study.config import TrialConfig
from scaling.study.records import CountedCost, Epoch, Record, Scores, Study, write_record, write_study
from scaling.study.trial_frame import frame

IMAGES = 1000  # that an epoch trains on


@dataclass(frozen=True)
class Truth:
    """True effects of a simulated study; accuracies and deviations in percentage points."""

    depths: tuple[int, ...] = (2, 4, 8)
    widths: tuple[int, ...] = (32, 64)
    arms: tuple[str, ...] = ("average", "attention")
    seeds: int = 3
    effect: float = 0.5  # of the second arm over the first, mean over all possible cells
    slope: float = 0.0  # of the effect, per doubling of MACs
    seed_sd: float = 0.3  # of one trial
    cell_sd: float = 0.0  # of the effect among cells
    epochs: int = 4
    test_examples: int = 10_000
    keeps_images: bool = False  # whether records hold which test images were correct

    @property
    def cells(self) -> list[dict[str, int]]:
        return [{"depth": depth, "width": width} for depth in self.depths for width in self.widths]

    def cost(self, cell: dict[str, int], arm: str) -> CountedCost:
        width, depth = cell["width"], cell["depth"]
        extra = 4 * width**2 if arm != self.arms[0] else 0
        params = depth * 8 * width**2 + extra
        macs = depth * 8 * width**2 * 16 + extra
        return CountedCost(
            params=params,
            macs=macs,
            fvcore_flops=int(1.01 * macs),
            activations=depth * width * 160,
            training_macs=3 * macs,
            training_memory_bytes=64 * params + 4_000_000,
            inference_memory_bytes=8 * params,
            measured_memory_bytes=65 * params + 4_000_000,
            latency_ms=macs / 1e6,
            images_per_second=1e9 / macs,
        )

    def accuracies(self, rng: np.random.Generator) -> np.ndarray:
        """True draws of the test accuracy: (cells, arms, seeds)."""
        log_macs = np.log2([self.cost(cell, self.arms[0]).macs for cell in self.cells])
        base = 60 + 30 * (1 - np.exp(-(log_macs - log_macs.min() + 1) / 4))
        effects = self.effect + self.slope * (log_macs - log_macs.mean()) + rng.normal(0, self.cell_sd, len(base))
        arms = np.arange(len(self.arms)) > 0
        truth = base[:, None] + effects[:, None] * arms
        return truth[:, :, None] + rng.normal(0, self.seed_sd, (*truth.shape, self.seeds))


REPORTED = Truth(depths=(2, 4), widths=(32, 64), seeds=2, effect=1.0, test_examples=500)  # of the fixture `reported`


def simulated_records(truth: Truth = Truth(), seed: int = 0, study: str = "simulated") -> list[Record]:
    """Every record of a study, all finished, in the order in which a sweep runs them."""
    rng = np.random.default_rng(seed)
    accuracies = truth.accuracies(rng)
    records = []
    for s in range(truth.seeds):
        for c, cell in enumerate(truth.cells):
            for a, arm in enumerate(truth.arms):
                step = 100 / truth.test_examples
                final = float(np.clip(np.round(accuracies[c, a, s] / step) * step, 0, 100))
                records.append(_record(truth, study, cell, arm, s, final, rng, len(records)))
    return records


def _record(
    truth: Truth,
    study: str,
    cell: dict[str, int],
    arm: str,
    seed: int,
    final: float,
    rng: np.random.Generator,
    nth: int,
) -> Record:
    config = TrialConfig(family="patchconvnet", arch={"patch_size": 2, "pooling": arm, **cell}, seed=seed)
    cost = truth.cost(cell, arm)
    seconds = 2e-6 * cost.macs * float(rng.uniform(0.95, 1.05))
    rise = 1 - np.exp(-3 * np.arange(1, truth.epochs + 1) / truth.epochs) * 0.9
    rise /= rise[-1]
    validation = np.clip(final * rise + rng.normal(0, 0.2, truth.epochs), 0, 100)
    curve = [
        Epoch(
            epoch=i + 1,
            train_loss=2.3 - 1.9 * float(rise[i]),
            val_loss=2.3 - 1.8 * float(rise[i]),
            val_accuracy=float(validation[i]),
            learning_rate=1e-3 * (1 - i / truth.epochs),
            train_seconds=seconds,
            images=IMAGES,
            training_compute=3 * cost.macs * IMAGES,
        )
        for i in range(truth.epochs)
    ]
    start, end = 60 * nth, 60 * nth + 50  # one after the other
    return Record(
        key=config.key,
        study=study,
        cell=cell,
        arm=arm,
        repetition=seed,
        seed=seed,
        status="finished",
        config=config.model_dump(mode="json"),
        cost=cost,
        curve=curve,
        scores=Scores(
            val_accuracy=curve[-1].val_accuracy,
            val_loss=0.5,
            test_accuracy=final,
            test_loss=0.6,
            test_top5=(final + 100) / 2,
            test_calibration_error=1.5,
            val_examples=1000,
            test_examples=truth.test_examples,
            test_correct=_images(final, truth.test_examples, rng) if truth.keeps_images else None,
        ),
        train_seconds=seconds * truth.epochs,
        wall_seconds=seconds * truth.epochs + 1,
        images_seen=IMAGES * truth.epochs,
        training_compute=3 * cost.macs * IMAGES * truth.epochs,
        seconds={"setup": 0.75, "training": seconds * truth.epochs, "evaluation": 0.25},
        environment={"device": "Pretended Processor", "host": "simulation", "python": "3.11.2", "torch": "2.15.0"},
        started=_clock(start),
        ended=_clock(end),
    )


def _images(accuracy: float, images: int, rng: np.random.Generator) -> str:
    """Which images are classified correctly, easy ones first: as many as `accuracy` gives."""
    difficulty = np.arange(images) / images + rng.normal(0, 0.1, images)
    right = np.zeros(images, dtype=bool)
    right[np.argsort(difficulty)[: round(accuracy / 100 * images)]] = True
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def _clock(seconds: int) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).isoformat()


def describe(records: list[Record], truth: Truth = Truth(), study: str = "simulated") -> Study:
    """The `study.json` of the records from `simulated_records`, all planned."""
    return Study(
        name=study,
        question="Does attention-based pooling beat average pooling as a PatchConvNet gets deeper and wider?",
        factor="pooling",
        arms=list(truth.arms),
        axes=["depth", "width"],
        repetitions=truth.seeds,
        conditions={"family": "patchconvnet", "factor": "pooling", "arch": {"patch_size": 2}, "data": {}, "recipe": {}},
        space={
            "question": "Does attention-based pooling beat average pooling as a PatchConvNet gets deeper and wider?",
            "family": "patchconvnet",
            "arch": {"patch_size": 2},
            "axes": {"depth": list(truth.depths), "width": list(truth.widths)},
            "arms": {"pooling": list(truth.arms)},
            "repetitions": truth.seeds,
            "data": {"source": "digits"},
            "recipe": {"epochs": truth.epochs, "batch_size": 64},
        },
        planned=[record.key for record in records],
        seeding="own",
    )


def with_learning_rate_grid(records: list[Record], rejected: float, kept: float) -> list[Record]:
    """The records at `kept`, and for the first seed also trials at `rejected` that score 20 points less."""
    found = []
    for record in records:
        for rate in (kept, rejected) if record.seed == 0 else (kept,):
            recipe = {**record.config["recipe"], "learning_rate": rate}
            assert record.scores
            worse = 20 if rate == rejected else 0
            scores = record.scores.model_copy(
                update={
                    "val_accuracy": record.scores.val_accuracy - worse,
                    "test_accuracy": record.scores.test_accuracy - worse,
                }
            )
            update = {
                "key": f"{record.key}{rate}",
                "learning_rate_grid": [1e-3, 2e-3, 4e-3],
                "config": {**record.config, "recipe": recipe},
                "scores": scores,
            }
            found.append(record.model_copy(update=update))
    return found


def failed(record: Record, status: Literal["failed", "diverged"] = "failed", reason: str = "out of memory") -> Record:
    """`record` as of a trial that failed or diverged."""
    return record.model_copy(
        update={"status": status, "reason": reason, "scores": None, "curve": record.curve[:1], "train_seconds": None}
    )


def write_simulation(folder: Path, records: list[Record], study: Study) -> Path:
    """Write a study's folder like a sweep."""
    write_study(folder, study)
    for record in records:
        write_record(folder, record)
    return folder


def table_of(records: list[Record]) -> pd.DataFrame:
    return frame(records, ["depth", "width"])
