"""Course: the trials of one cell in their order, with the decisions on the way.

Without early stopping or a bracket of learning rates, all trials of a cell can run at once. Otherwise the first seed
goes ahead: it settles whether the cell goes on, and which rate the other seeds take.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from scaling.brackets import chosen_rates
from scaling.config import Trial, cell_label
from scaling.design import Design
from scaling.records import Epoch, Record
from scaling.search.proposals import Wanted
from scaling.search.stopping import Decision, Standing, rungs


@dataclass(frozen=True)
class Leg:
    """A trial, or its part up to an epoch."""

    trial: Trial
    until: int | None = None  # epoch after which it rests, its state in its checkpoint; None: to its end


@dataclass
class Answer:
    """What is known of a trial so far."""

    curve: list[Epoch]
    record: Record | None = None  # once it has ended


@dataclass(frozen=True)
class Stopped:
    """The end of a course before its time."""

    reason: str
    trials: Sequence[Trial]


Course = Generator[list[Leg] | Standing, Mapping[str, Answer] | Decision, Stopped | None]


def course(design: Design, study: str, wanted: Wanted, macs: Mapping[str, int]) -> Course:
    """Run one cell: yield legs and be sent the answers by key; yield where it stands and be sent the decision."""
    space, cell = design.space, wanted.cell
    stop = space.search.stop
    others = [design.trial(study, cell, arm, seed) for seed in range(1, wanted.seeds) for arm in space.arm_values]
    first = [trial for arm in space.arm_values for trial in bracket(design, study, wanted, arm)]
    if stop is None and space.tune is None:
        yield [Leg(trial) for trial in [*first, *others]]
        return None
    for rung, epoch in enumerate(rungs(stop, min(trial.config.recipe.epochs for trial in first)) if stop else []):
        answers = yield [Leg(trial, epoch) for trial in first]
        assert not isinstance(answers, str)  # legs are answered by answers
        if any(answer.record and answer.record.status == "stopped" for answer in answers.values()):
            return None  # an earlier command has stopped the cell; another order of things does not revive it
        accuracy = accuracy_at(epoch, first, answers)
        if set(accuracy) != set(map(str, space.arm_values)):
            break  # an arm failed or diverged: nothing to judge the cell by, and it is nearly over
        decision = yield Standing(cell_label(cell), rung, epoch, accuracy, macs)
        assert isinstance(decision, str)
        if decision != "go on":
            return Stopped(decision, first)
    answers = yield [Leg(trial) for trial in first]
    assert not isinstance(answers, str)
    if space.tune is not None:
        rates = chosen_rates(answer.record for answer in answers.values() if answer.record)
        others = [
            design.trial(study, cell, arm, seed, rate=rates[cell_label(cell), str(arm)])
            for seed in range(1, wanted.seeds)
            for arm in space.arm_values
            if (cell_label(cell), str(arm)) in rates  # where every rate failed there is nothing to repeat
        ]
    if others:
        yield [Leg(trial) for trial in others]
    return None


def bracket(design: Design, study: str, wanted: Wanted, arm: object) -> list[Trial]:
    """Trials of an arm with the first seed: one, or one for each learning rate that is tried."""
    tune = design.space.tune
    if tune is None:
        return [design.trial(study, wanted.cell, arm, 0)]
    base = design.config(wanted.cell, arm, 0).recipe.learning_rate
    return [design.trial(study, wanted.cell, arm, 0, rate=rate) for rate in tune.rates(base)]


def accuracy_at(epoch: int, trials: Sequence[Trial], answers: Mapping[str, Answer]) -> dict[str, float]:
    """Validation accuracy of each arm after `epoch` epochs; of several learning rates the best one's."""
    found: dict[str, float] = {}
    for trial in trials:
        curve = answers[trial.key].curve
        if len(curve) >= epoch:
            found[trial.arm] = max(found.get(trial.arm, 0.0), curve[epoch - 1].val_accuracy)
    return found
