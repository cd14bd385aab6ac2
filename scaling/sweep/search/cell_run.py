"""Course: the trials of one cell in their order, with the decisions on the way.

Without early stopping or a bracket of learning rates, all trials of a cell can run at once. Otherwise the first seed
goes ahead: it settles whether the cell goes on, and which rate the other seeds take.
"""

from collections.abc import Container, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scaling.space.design import Design
from scaling.study.config import Trial, cell_label
from scaling.study.learning_rates import chosen_rates
from scaling.sweep.search.designs.proposals import Wanted
from scaling.sweep.search.outcomes import Outcome, given_up
from scaling.sweep.search.stopping.rules import Decision, RungResult, rung_epochs


@dataclass(frozen=True)
class Segment:
    """A trial, or its part up to an epoch."""

    trial: Trial
    until: int | None = None  # epoch after which it rests, its state in its checkpoint; None: to its end


@dataclass(frozen=True)
class Stopped:
    """The end of a course before its time."""

    reason: str
    trials: Sequence[Trial]


CellRun = Generator[list[Segment] | RungResult, Mapping[str, Outcome] | Decision, Stopped | None]


def cell_run(
    design: Design, study: str, wanted: Wanted, macs: Mapping[str, int], known: Container[str] = frozenset()
) -> CellRun:
    """Run one cell: yield legs and be sent the outcomes by key; yield where it stands and be sent the decision.

    Args:
        known: keys of trials that have run.
    """
    space, cell = design.space, wanted.cell
    stop = space.search.stop
    others = [design.trial(study, cell, arm, seed) for seed in range(1, wanted.seeds) for arm in space.arm_values]
    first = [trial for arm in space.arm_values for trial in learning_rate_grid(design, study, wanted, arm)]
    if stop is None and space.tune is None:
        yield [Segment(trial) for trial in [*first, *others]]
        return None
    has_gone_on = any(trial.key in known for trial in others)
    outcomes: Mapping[str, Outcome] | Decision = {}
    for rung, epoch in enumerate(rung_epochs(stop, min(trial.config.recipe.epochs for trial in first)) if stop else []):
        outcomes = yield [Segment(trial, epoch) for trial in first]
        assert not isinstance(outcomes, str)  # legs bring outcomes
        accuracy = accuracy_at(epoch, first, outcomes)
        if set(accuracy) != set(map(str, space.arm_values)):
            break  # an arm failed or diverged: nothing to judge the cell by, and it is nearly over
        before = decided_at(epoch, outcomes) or ("go on" if has_gone_on else None)
        decision = yield RungResult(cell_label(cell), rung, epoch, accuracy, macs, before)
        assert isinstance(decision, str)
        if decision != "go on":
            return Stopped(decision, first)
    if reason := given_up(outcomes):
        return Stopped(reason, first)
    outcomes = yield [Segment(trial) for trial in first]
    assert not isinstance(outcomes, str)
    if reason := given_up(outcomes):
        return Stopped(reason, first)
    if space.tune is not None:
        rates = chosen_rates(outcome.record for outcome in outcomes.values() if outcome.record)
        with_rate = [arm for arm in space.arm_values if (cell_label(cell), str(arm)) in rates]
        others = [
            design.trial(study, cell, arm, seed, rate=rates[cell_label(cell), str(arm)])
            for seed in range(1, wanted.seeds)
            for arm in comparable(with_rate, space.arm_values)
        ]
    if others:
        yield [Segment(trial) for trial in others]
    return None


def comparable(arms: Sequence[Any], all_arms: Sequence[Any]) -> Sequence[Any]:
    """Of the arms that have a learning rate, those whose other seeds can be compared.

    Where every rate failed there is nothing to repeat; without the baseline, or alone, an arm has nothing to be
    compared with, and its seeds would be spent on half pairs.
    """
    return arms if len(all_arms) == 1 or (len(arms) > 1 and arms[0] == all_arms[0]) else []


def decided_at(epoch: int, outcomes: Mapping[str, Outcome]) -> Decision | None:
    """What an earlier command decided on a cell at a rung, as its records tell.

    Decisions hold: another order of things neither revives a cell nor gives up half of one.
    """
    if (reason := given_up(outcomes)) is not None:
        ends = [len(one.record.curve) for one in outcomes.values() if one.record and one.record.status == "stopped"]
        return "go on" if max(ends) > epoch else reason
    beyond = {"finished": 0, "diverged": epoch}  # a trial rests at a rung: what diverged later, had gone on
    ended = [one.record for one in outcomes.values() if one.record and one.record.status in beyond]
    return "go on" if any(len(one.curve) >= beyond[one.status] for one in ended) else None


def learning_rate_grid(design: Design, study: str, wanted: Wanted, arm: object) -> list[Trial]:
    """Trials of an arm with the first seed: one, or one for each learning rate that is tried."""
    tune = design.space.tune
    if tune is None:
        return [design.trial(study, wanted.cell, arm, 0)]
    base = design.config(wanted.cell, arm, 0).recipe.learning_rate
    return [design.trial(study, wanted.cell, arm, 0, rate=rate) for rate in tune.rates(base)]


def accuracy_at(epoch: int, trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Validation accuracy of each arm after `epoch` epochs; of several learning rates the best one's."""
    found: dict[str, float] = {}
    for trial in trials:
        curve = outcomes[trial.key].curve
        if len(curve) >= epoch:
            found[trial.arm] = max(found.get(trial.arm, 0.0), curve[epoch - 1].val_accuracy)
    return found
