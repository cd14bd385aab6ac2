"""The result of an importer, before it becomes a study."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scaling.study.records import Epoch

COST_NAMES = {  # quantity → field of `scaling.study.records.Cost`
    "params": "params",
    "macs": "macs",
    "activations": "activations",
    "training_memory": "training_memory_bytes",
    "inference_memory": "inference_memory_bytes",
    "latency": "latency_ms",
    "throughput": "images_per_second",
}


@dataclass(frozen=True)
class Row:
    """One imported model or trial in this package's units: percent, numbers, bytes, milliseconds, images/s."""

    cell: Mapping[str, Any]
    arm: str
    quantities: Mapping[str, float]  # of `scaling.report.imports.quantities.QUANTITIES`; unknown ones are absent
    seed: int = 0
    status: Literal["finished", "failed", "stopped"] = "finished"
    reason: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # other columns, shown unchanged
    curve: tuple[Epoch, ...] = ()
    device: str | None = None


@dataclass(frozen=True)
class Imported:
    """Rows, and what a reader must know about them."""

    name: str  # suggested name of the study
    question: str
    source: str  # the files read: `timm tables results-imagenet.csv and benchmark.csv`
    factor: str  # what the arms differ in
    arms: list[str]  # the baseline first
    axes: list[str]
    rows: list[Row]
    notes: list[str]  # assumptions, omissions and their reasons, one sentence each
    test_examples: int = 0  # images that accuracies were measured on; 0: unknown
    roles: Mapping[str, str] = field(default_factory=dict)  # what was taken as score, arm, cell, seed; for one line
    knows_seeds: bool = False  # whether repeated rows are repetitions with seeds of their own
    sets: Literal["one", "both"] = "one"  # whether validation and test accuracy are from different sets
