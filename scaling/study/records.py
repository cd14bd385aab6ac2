"""Records of trials: the contract between the half that runs a study and the half that reports it.

A study is a folder: `study.json` holds the question, `records/KEY.json` the result of one trial. Every file is written
under a temporary name and renamed, so that a kill at any moment leaves a complete file or none.
"""

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Literal, Self, TypeVar

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from scaling.study.aliases import either_name
from scaling.study.config import Trial, cell_label
from scaling.study.data_fingerprint import StudyData, UsedData
from scaling.study.errors import RecordError, StorageError
from scaling.study.seal import fits, is_intact, sealed
from scaling.study.storage import Where, cause, read_all
from scaling.study.storage import write_atomically as write_atomically

Seeding = Literal["own", "shared"]  # of the cells of a study; see `Study`
SCHEMA = 1  # of records and of study.json; raise it when an older reader would misread a newer file


class Entry(BaseModel):
    """Base of everything that is stored: immutable; fields unknown to this version are ignored."""

    # NaN is written as a string: JSON has no such number, and null would not be read back as one.
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class Cost(Entry):
    """Costs of a model at its input size, batch size 1, in the forward pass unless stated otherwise."""

    # Each of these may be missing in published results, whose authors did not report it.
    params: int | None = None  # learnable numbers
    macs: int | None = None  # multiply-accumulates of convolutions, linear layers, matrix products; FLOPs = 2 × macs
    fvcore_flops: int | None = None  # fvcore's total: macs plus norms and some poolings, unit of the PatchConvNet paper
    activations: int | None = None  # output elements of convolutions, linear layers and matrix products
    training_macs: int | None = None  # of one image's forward and backward pass
    training_memory_bytes: int | None = None  # predicted peak of a training step at the recipe's batch size
    inference_memory_bytes: int | None = None  # predicted peak of an evaluation, batch size 1
    measured_memory_bytes: int | None = None  # peak of a training step: CUDA's statistics, tensors alive on a CPU
    latency_ms: float | None = None  # median of one image's forward pass, on the device of the record's environment
    images_per_second: float | None = None  # of evaluation at the largest batch that fits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cost) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(tuple(self.model_dump().values()))


class CountedCost(Cost):
    """Costs that this package has counted, so that no count is missing."""

    # A frozen model may narrow the type of an inherited field; pyright assumes a mutable one.
    params: int  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    macs: int  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    fvcore_flops: int  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    activations: int  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    training_macs: int | None = None


class Epoch(Entry):
    """One pass over the training set and the validation after it."""

    epoch: int  # counted from 1
    train_loss: float
    val_loss: float
    val_accuracy: float  # percent
    learning_rate: float  # at the end of the epoch
    train_seconds: float  # forward, backward and optimiser, without validation
    data_seconds: float | None = None  # part of train_seconds that was spent waiting for batches
    evaluation_seconds: float | None = None
    images: int | None = None  # that passed through training steps, each copy counted; missing in earlier records
    training_compute: int | None = None  # multiply-accumulates of these steps, at the size of the training images


class Scores(Entry):
    """Accuracies in percent and mean cross-entropies after the last epoch, never those of the best test epoch."""

    val_accuracy: float
    val_loss: float
    test_accuracy: float
    test_loss: float
    val_examples: int  # 0: unknown, as in imported results
    test_examples: int
    val_top5: float | None = None  # percent; missing for five classes or fewer
    test_top5: float | None = None
    val_calibration_error: float | None = None  # expected calibration error in percent, 15 bins
    test_calibration_error: float | None = None
    ema_val_accuracy: float | None = None  # of the moving average of the weights, if the recipe keeps one
    ema_val_loss: float | None = None
    ema_test_accuracy: float | None = None
    ema_test_loss: float | None = None
    ema_val_top5: float | None = None
    ema_test_top5: float | None = None
    ema_val_calibration_error: float | None = None
    ema_test_calibration_error: float | None = None
    test_correct: str | None = None  # correctly classified test examples: packed bits, base64; see `correct_examples`

    def correct_examples(self) -> np.ndarray | None:
        """Return which test examples were correct, bool (N,) in the test set's order, or None if unknown."""
        if self.test_correct is None:
            return None
        bits = np.unpackbits(np.frombuffer(base64.b64decode(self.test_correct), np.uint8))
        return bits[: self.test_examples].astype(bool)


class Record(Entry):
    """Result of one trial: its config, cost, curve, scores, environment and status.

    The seconds of an interrupted trial add up all its runs, each up to the checkpoint from which the next one
    continued. Those of a trial that was stopped with its cell cover its epochs only.
    """

    schema_number: int = Field(default=SCHEMA, alias="schema")
    key: str
    study: str
    cell: dict[str, Any]  # value of each axis
    arm: str
    # place among the runs of its cell and arm, from 0; records older than the field have their seed there
    repetition: int = Field(validation_alias=AliasChoices("repetition", "seed"))
    seed: int  # shared by the arms of a cell and repetition; see `Study.seeding`
    status: Literal["finished", "failed", "diverged", "stopped"]  # stopped: early, with its whole cell; no scores
    reason: str | None = None  # why it failed or was stopped, in one line
    traceback: str | None = None  # of the failure, for debugging
    notes: list[str] = []  # one line for each thing worth knowing about the run, such as a halved micro-batch
    # learning rates tried for this cell and arm
    learning_rate_grid: list[float] | None = Field(default=None, validation_alias=either_name("learning_rate_grid"))
    config: dict[str, Any]  # the complete TrialConfig, so that the trial can be repeated
    data: UsedData | None = None  # fingerprint of the images that it used; missing in earlier records
    cost: Cost | None = None
    curve: list[Epoch] = []
    scores: Scores | None = None
    train_seconds: float | None = None  # over all epochs, without validation
    wall_seconds: float | None = None  # from building to scoring, over all its runs
    # What training really took, also of a trial that ended early; missing in earlier records, see `spent`.
    images_seen: int | None = None  # that passed through training steps
    training_compute: int | None = None  # multiply-accumulates of all training steps; FLOPs are twice that
    shared_epochs: int | None = None  # its first epochs that a trial of another length trained; they count here too
    seconds: dict[str, float] | None = None  # wall_seconds, divided by activity
    environment: dict[str, Any] = {}  # versions, device, host, cores, commit
    started: str | None = None  # ISO 8601, UTC
    ended: str | None = None

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def of(cls, trial: Trial, **left: Any) -> Self:
        """Return the record of `trial` with its status and whatever it reached."""
        return cls(
            key=trial.key,
            study=trial.study,
            cell=trial.cell,
            arm=trial.arm,
            repetition=trial.repetition,
            seed=trial.config.seed,
            learning_rate_grid=trial.learning_rate_grid,
            config=trial.config.model_dump(mode="json"),
            data=trial.data,
            **left,
        )


class Study(Entry):
    """The question of a study: enough to read its records and to know which are missing."""

    schema_number: int = Field(default=SCHEMA, alias="schema")
    name: str
    question: str
    factor: str  # the compared factor, such as "pooling"
    arms: list[str]  # values of the factor; the first is the baseline of all comparisons
    axes: list[str]
    repetitions: int = Field(validation_alias=either_name("repetitions"))
    conditions: dict[str, Any]  # common to all trials: family, fixed arch, data, recipe
    space: dict[str, Any]  # the space as read, with overrides applied
    planned: list[str]  # keys of all trials of the study
    plans_more: bool = False  # whether the search may still plan trials; false in studies older than the field
    ended_by: str | None = None  # the part of its budget with which it ended before all planned trials had run
    plugins: dict[str, str] = {}  # name → digest of those that it needs to go on
    data: list[StudyData] = []  # fingerprint of each of its data sets; none in studies from before fingerprints
    has_earlier_keys: bool = (
        False  # whether it was begun before fingerprints: the keys of its trials then name a source
    )
    imported: list[str] | None = None  # for imported results: their origin, assumptions, and what was left out
    # own: every cell and repetition has a seed of its own. shared: repetition r of every cell has the seed r, as in all
    # studies older than the field
    seeding: Seeding = Field(default_factory=lambda read: "shared" if read.get("imported") is None else "own")

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @property
    def looks(self) -> int | None:
        """Number of verdicts that the study allows: 1 fixes its plan; None allows further runs, at stricter levels."""
        return self.space.get("looks")

    @property
    def detect(self) -> float | None:
        """Difference in percentage points for which further runs are planned; None: twice the margin."""
        return self.space.get("detect")

    @property
    def choose_by(self) -> int:
        """How many repetitions of each cell and arm only choose a learning rate; 0 where none is tuned."""
        tune = self.space.get("tune")
        return tune.get("choose_by", 1) if isinstance(tune, dict) else 0


LARGEST_SEED = 2**63 - 1  # largest value of an integer column
Stored = TypeVar("Stored", Record, Study)
AMOUNTS = ["train_seconds", "wall_seconds", "images_seen", "training_compute"]
PERCENTAGES = [name for name in Scores.model_fields if name.endswith(("accuracy", "top5", "calibration_error"))]


class MisnamedRecordError(RecordError):
    """A record lies under another name than its key, and so twice or in the place of another one."""


def write_record(folder: Where, record: Record, *, sync: bool = True) -> Where:
    """Write `record` into the study at `folder`; replace an earlier record of the same key.

    Args:
        sync: whether to wait until the disk has it.

    Raises:
        StorageError: the record cannot be written, for example on a full disk; the message names the trial. An earlier
            record is unchanged.
    """
    path = folder / "records" / f"{record.key}.json"
    try:
        write_atomically(path, sealed(_written(record)), sync=sync)
    except StorageError as error:
        raise StorageError(
            f"the record of {cell_label(record.cell)} {record.arm} repetition {record.repetition} was not saved:"
            f" {error}; fix that and run the same command again to resume this trial from its checkpoint and run the"
            " missing ones"
        ) from None
    return path


def _written(record: Record) -> bytes:
    return record.model_dump_json(by_alias=True, indent=1).encode()


def write_study(folder: Where, study: Study) -> None:
    """Write `study.json`."""
    write_atomically(folder / "study.json", study.model_dump_json(by_alias=True, indent=1).encode())


def read_study(folder: Where) -> Study:
    """Read `study.json`; raise `RecordError` if it is missing or was written by a newer version."""
    path = folder / "study.json"
    try:
        return parsed(path, path.read_bytes(), Study)
    except (FileNotFoundError, NotADirectoryError):
        known = sorted(p.parent.name for p in folder.parent.glob("*/study.json"))
    except OSError as error:
        return parsed(path, error, Study)
    raise RecordError(
        f"{folder} is not a study (no study.json); studies in {folder.parent}: {', '.join(known) or 'none'};"
        " run `python -m scaling.sweep` first"
    )


def read_records(folder: Where, left_out: list[str] | None = None) -> list[Record]:
    """Read every record of the study at `folder`, sorted by cell, arm and repetition.

    Args:
        left_out: gets a line for each file that holds a record under another name, such as a copy; it is not read.

    Raises:
        RecordError: a record is damaged, incomplete or of a newer version.
    """
    records = []
    for path, content in read_all(sorted((folder / "records").glob("*.json"), key=str)):
        try:
            records.append(parsed(path, content, Record))
        except MisnamedRecordError as mistake:
            if left_out is not None:
                left_out += [f"left out: {problem}" for problem in mistake.problems]
    return in_order(records)


def in_order(records: Iterable[Record]) -> list[Record]:
    """Sort records by cell, arm and repetition; numbers sort by value."""
    return sorted(records, key=lambda r: (list(map(_sortable, r.cell.values())), r.arm, r.repetition))


def _sortable(value: object) -> tuple[bool, float, str]:
    number = isinstance(value, int | float)
    return (not number, float(value) if number else 0.0, str(value))


def parsed(path: Where, read: bytes | Exception, kind: type[Stored]) -> Stored:
    """Parse the content of the file `path` into a record or study.

    Raises:
        StorageError: the file could not be read.
        RecordError: the content is damaged, incomplete, of a newer version, or has an impossible value; one line.
    """
    if isinstance(read, StorageError):
        raise read
    if isinstance(read, Exception):
        raise StorageError(f"{path} cannot be read: {cause(read)}")
    cure = "delete it to run its trial again" if kind is Record else "the study cannot be reported without it"
    try:
        content = json.loads(read)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}; {cure}") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise RecordError(f"{path} has schema {schema}, this version reads up to {SCHEMA}; update scaling to read it")
    try:
        found = kind.model_validate(_nan_for_null(content))
    except ValidationError as error:
        first = error.errors()[0]
        said = ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])
        raise RecordError(f"{path} is not a complete {kind.__name__.lower()}: {said}") from None
    if isinstance(found, Record):
        if wrong := impossible(found):
            raise RecordError(f"{path} has an impossible value: {wrong}")
        if found.key != path.stem:
            raise MisnamedRecordError(f"{path} is a copy of the record {found.key}.json, or was renamed; delete it")
        if not is_intact(read) and not fits(read, _written(found)):
            raise RecordError(f"{path} was changed after it was written, as its checksum does not fit; {cure}")
    return found


def impossible(record: Record) -> str | None:
    """Return the first impossible value of a record, such as an accuracy of 250 %; NaN counts as missing.

    A single one could reverse a mean over cells, or stretch an axis until nothing else is visible.
    """
    accuracies = {f"epoch {epoch.epoch} val_accuracy": epoch.val_accuracy for epoch in record.curve}
    if scores := record.scores:
        accuracies |= {name: getattr(scores, name) for name in PERCENTAGES}
    for name, value in accuracies.items():
        if value is not None and (value < 0 or value > 100):
            return f"{name} {value:g} is not a percentage"
    amounts = {name: getattr(record, name) for name in AMOUNTS}
    if cost := record.cost:
        amounts |= {name: getattr(cost, name) for name in Cost.model_fields}
    for name, value in amounts.items():
        if value is not None and (value < 0 or value == math.inf):
            return f"{name} is {value:g}"
    labels = {"seed": record.seed, "repetition": record.repetition}
    return next((f"{name} {value}" for name, value in labels.items() if abs(value) > LARGEST_SEED), None)


def _nan_for_null(content: Any) -> Any:
    """Replace null by NaN in losses and accuracies, as an earlier version wrote NaN as null."""
    if not isinstance(content, dict):
        return content
    curve, scores = content.get("curve"), content.get("scores")
    if isinstance(curve, list):
        curve = [_filled(epoch, Epoch) for epoch in curve]
    return {**content, **({"curve": curve} if curve else {}), **({"scores": _filled(scores, Scores)} if scores else {})}


def _filled(entry: Any, kind: type[Entry]) -> Any:
    if not isinstance(entry, dict):
        return entry
    required = {name for name, field in kind.model_fields.items() if field.annotation is float}
    return {name: float("nan") if value is None and name in required else value for name, value in entry.items()}
