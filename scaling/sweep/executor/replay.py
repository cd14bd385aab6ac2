"""Replay: recorded curves in place of training, to rehearse a study or the engine at no cost.

A trial of the recorded study replays its own curve; any other trial replays that of a recorded trial of its arm, chosen
by its key. The record notes that nothing was trained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scaling.study.config import Trial
from scaling.study.errors import RecordError
from scaling.study.records import Epoch, Record, read_records
from scaling.study.storage import Where


@dataclass(frozen=True)
class Replay:
    """Recorded trials whose curves are replayed."""

    source: str  # name of their study
    records: Sequence[Record]  # finished ones

    @classmethod
    def of(cls, folder: Where) -> "Replay":
        """Read the finished trials of the study at `folder`; raise `RecordError` if there are none."""
        records = [r for r in read_records(folder) if r.status == "finished" and r.scores and r.curve]
        if not records:
            raise RecordError(f"{folder} has no finished trial to replay")
        return cls(folder.name, records)

    def run(self, trial: Trial, until: int | None = None) -> Iterator[Epoch | Record]:
        """Yield the epochs of `trial`, then its record, as `run_trial` does."""
        recorded = self.like(trial)
        epochs = trial.config.recipe.epochs
        curve = [
            recorded.curve[min(number, len(recorded.curve)) - 1].model_copy(update={"epoch": number})
            for number in range(1, epochs + 1)
        ]
        yield from curve[:until]
        if until is None or until >= epochs:
            yield Record.of(
                trial,
                status="finished",
                notes=[f"replayed from {recorded.key} of {self.source}; nothing was trained"],
                cost=recorded.cost,
                curve=curve,
                scores=recorded.scores,
                train_seconds=recorded.train_seconds,
                wall_seconds=recorded.wall_seconds,
            )

    def like(self, trial: Trial) -> Record:
        """Return the trial's own record, otherwise one of its arm, otherwise any."""
        keys = {trial.key, trial.config.model_copy(update={"data_fingerprint": None}).key}  # a study may have either
        own = [record for record in self.records if record.key in keys]
        of_arm = own or [record for record in self.records if record.arm == trial.arm] or list(self.records)
        return of_arm[int(trial.key, 16) % len(of_arm)]
