"""The cost table: costs and memory of each cell and arm of a space, computed before anything is built or run."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scaling.costs.counting.quick import OfData, cost_all
from scaling.costs.live_tensors import Step
from scaling.costs.matching import counted, match_arms
from scaling.costs.memory import inference_memory_all, training_memory_all
from scaling.costs.training_compute import match_epochs, training_compute
from scaling.data import Dataset, Split, load_data
from scaling.data.batches import SHARE_OF_GPU
from scaling.devices import KINDS, chosen
from scaling.space.design import Cell, Design
from scaling.study.config import DataConfig, Resources, Trial, TrialConfig, cell_label
from scaling.study.errors import CostError
from scaling.study.metrics import METRICS, TRAINING_MEMORY
from scaling.study.records import CountedCost
from scaling.study.training_compute import EPOCHS, TRAINING_COMPUTE
from scaling.training.resolution import refuse_resolutions
from scaling.training.task import EVALUATION_BATCH
from scaling.training.width import refuse_rule

ALLOCATOR_SLACK = 64 * 2**20  # bytes of blocks that an allocator cannot use again


def load_datasets(configs: Iterable[DataConfig]) -> dict[DataConfig, Dataset]:
    """Load each data set once."""
    return {config: load_data(config) for config in dict.fromkeys(configs)}


def match_arms_of(design: Design, points: Sequence[Cell], datasets: Mapping[DataConfig, Dataset]) -> Design:
    """Give every other arm the value at which its cost equals the baseline's, if the space has `match`.

    Raises:
        CostError: an arm cannot reach that cost with any value.
    """
    wanted = design.space.match
    if wanted is None:
        return design
    if wanted.cost == TRAINING_COMPUTE:
        return _match_epochs_of(design, points, datasets)
    matched: dict[tuple[str, str], Mapping[str, Any]] = {}
    for cell in points:
        if (cell_label(cell), str(design.space.arm_values[-1])) in design.matched:
            continue
        configs = {str(arm): design.config(cell, arm, 0) for arm in design.space.arm_values}
        archs = {arm: {**config.arch, **_of_data(datasets[config.data])} for arm, config in configs.items()}
        first = next(iter(configs.values()))
        step = Step.of(first.recipe, len(datasets[first.data].train), "cpu")
        try:
            found = match_arms(design.space.family, archs, cost=wanted.cost, vary=wanted.vary, step=step)
        except CostError as error:
            raise CostError([f"match: {cell_label(cell)}: {problem}" for problem in error.problems]) from None
        for arm in list(found)[1:]:
            matched[cell_label(cell), arm] = {wanted.vary: found[arm].arch[wanted.vary]}
    return replace(design, matched={**design.matched, **matched})


def _match_epochs_of(design: Design, points: Sequence[Cell], datasets: Mapping[DataConfig, Dataset]) -> Design:
    """Give every other arm the epochs at which its training compute is nearest to the baseline's."""
    baseline, *others = design.space.arm_values
    new = [cell for cell in points if (cell_label(cell), str(others[-1])) not in design.matched]
    configs = {
        (cell_label(cell), str(arm)): design.config(cell, arm, 0) for cell in new for arm in design.space.arm_values
    }
    counts = _counts(configs, datasets)
    matched: dict[tuple[str, str], Mapping[str, Any]] = {}
    for cell in map(cell_label, new):
        first = cell, str(baseline)
        target = training_compute(configs[first], datasets[configs[first].data], counts[first])
        for arm in map(str, others):
            config = configs[cell, arm]
            found = match_epochs(config, datasets[config.data], counts[cell, arm], target)
            matched[cell, arm] = {f"recipe.{EPOCHS}": found.epochs}
    return replace(design, matched={**design.matched, **matched})


def _counts(
    configs: Mapping[tuple[str, str], TrialConfig], datasets: Mapping[DataConfig, Dataset]
) -> dict[tuple[str, str], CountedCost]:
    """Count the networks of trials, all of one data set at once, which is faster."""
    counts: dict[tuple[str, str], CountedCost] = {}
    for data in dict.fromkeys(config.data for config in configs.values()):
        places = [place for place, config in configs.items() if config.data == data]
        archs = [configs[place].arch for place in places]
        found = cost_all(configs[places[0]].family, archs, **_of_data(datasets[data]))
        counts |= dict(zip(places, found, strict=True))
    return counts


class CostTable:
    """Costs of every cell and arm of a study on their data, and on request their memory.

    Raises:
        ModelError: a network of the space cannot be built for these data.
        CostError: a count that cannot be trusted.
    """

    def __init__(
        self,
        configs: Iterable[TrialConfig],
        datasets: dict[DataConfig, Dataset],
        resources: Resources = Resources(),  # noqa: B008 # frozen
    ) -> None:
        self.datasets = datasets
        self.resources = resources
        self._configs: dict[str, TrialConfig] = {}
        self._costs: dict[str, CountedCost] = {}
        self._memory: dict[tuple[str, str], int] = {}
        self._evaluations: dict[tuple[str, str], int] = {}
        self._training: dict[str, int] = {}
        self.add(configs)

    def add(self, configs: Iterable[TrialConfig]) -> None:
        """Add the costs of more trials."""
        named = {self._name(config): config for config in configs}
        new = {name: config for name, config in named.items() if name not in self._configs}
        for data_config in dict.fromkeys(config.data for config in new.values()):
            names = [name for name, config in new.items() if config.data == data_config]
            archs = [new[name].arch for name in names]
            found = cost_all(new[names[0]].family, archs, **_of_data(self.datasets[data_config]))
            self._costs |= dict(zip(names, found, strict=True))
        self._configs |= new
        refuse_resolutions(new.values(), self.datasets)
        for config in new.values():
            refuse_rule(config.family, config.arch, config.recipe)

    def of(self, config: TrialConfig) -> CountedCost:
        """Return the cost of a trial's model for one image."""
        return self._costs[self._name(config)]

    def limited(self, config: TrialConfig, limit: str) -> float:
        """Return a trial's cost in the unit of one of the space's limits."""
        if TRAINING_MEMORY not in METRICS[limit].fields:
            return counted(limit, self.of(config))
        memory = self.memory(config, self.resources.device or chosen().type)
        return METRICS[limit].of_whole({**self.of(config).model_dump(), TRAINING_MEMORY: memory})

    def training_compute(self, config: TrialConfig) -> int:
        """Return the multiply-accumulates of all training steps of a trial that runs to its end."""
        name = self._name(config)
        if name not in self._training:
            self._training[name] = training_compute(config, self.datasets[config.data], self.of(config))
        return self._training[name]

    def memory(self, config: TrialConfig, device: str = "cpu") -> int:
        """Return the predicted peak bytes of the trial's training step on a `device` of that type."""
        wanted = (self._name(config), device)
        if wanted not in self._memory:
            self._predict(config, device)
        return self._memory[wanted]

    def process_memory(self, config: TrialConfig, device: str, device_bytes: int) -> int:
        """Return the predicted peak bytes of a trial's tensors on an accelerator, the largest of its workers'.

        These are the training step, or an evaluation beside the weights and the optimiser's state; the moving average;
        the images that stay there; and what the allocator keeps for later.

        Args:
            device_bytes: memory of the device; a set larger than a part of it stays in the machine's memory.
        """
        params = 4 * self.of(config).params
        states = 4 * params  # weights, gradients and two numbers of the optimiser
        step = max(self.memory(config, device), states + self._evaluation(config, device) - params)
        average = params if config.recipe.ema_decay is not None else 0
        return step + average + self.images_on_device(config, device_bytes) + ALLOCATOR_SLACK

    def process_bound(self, config: TrialConfig, device_bytes: int) -> int:
        """Return an upper bound of `process_memory` that needs no simulation."""
        cost = self.of(config)
        evaluation = 20 * cost.params + 2 * 4 * cost.activations * EVALUATION_BATCH
        average = 4 * cost.params
        step = max(self.memory_bound(config), evaluation) + max(kind.workspace for kind in KINDS.values())
        return step + average + self.images_on_device(config, device_bytes) + ALLOCATOR_SLACK

    def images_on_device(self, config: TrialConfig, device_bytes: int) -> int:
        """Return the bytes of images on an accelerator: the training set and the larger of the others, if they fit."""
        data = self.datasets[config.data]
        sizes = {name: len(split) * (math.prod((*data.image_size, data.channels)) + 8) for name, split in data.splits()}
        of_batches = 4 * max(config.recipe.batch_size, EVALUATION_BATCH) * math.prod((*data.image_size, data.channels))
        fitting = {
            name: size if isinstance(split, Split) and size <= SHARE_OF_GPU * device_bytes else 0
            for (name, size), (_, split) in zip(sizes.items(), data.splits(), strict=True)
        }
        training, *others = fitting.values()
        return training + max(others, default=0) + of_batches

    def _evaluation(self, config: TrialConfig, device: str) -> int:
        """Return the predicted peak bytes of an evaluation, its weights among them."""
        wanted = (self._name(config), device)
        if wanted not in self._evaluations:
            data = self.datasets[config.data]
            names = [name for name, other in self._configs.items() if other.data == config.data]
            archs = [self._configs[name].arch for name in names]
            step = Step(EVALUATION_BATCH, device=device)
            predicted = inference_memory_all(config.family, archs, step, **_of_data(data))
            self._evaluations |= {(name, device): size for name, size in zip(names, predicted, strict=True)}
        return self._evaluations[wanted]

    def memory_bound(self, config: TrialConfig) -> int:
        """Return an upper bound of a training step's bytes that needs no simulation.

        A network saves at most about three times as many numbers as its convolutions and products output; eight times
        as many are counted, of four bytes each, and the optimiser's state.
        """
        cost = self.of(config)
        return 16 * cost.params + 8 * 4 * cost.activations * config.recipe.batch_size

    def _predict(self, like: TrialConfig, device: str) -> None:
        """Predict the memory of all trials with the same data and training step together, which is faster."""
        data = self.datasets[like.data]
        step = self._step(like, device)
        names = [
            name
            for name, config in self._configs.items()
            if config.data == like.data and self._step(config, device) == step
        ]
        archs = [self._configs[name].arch for name in names]
        predicted = training_memory_all(like.family, archs, step, **_of_data(data))
        self._memory |= {(name, device): size for name, size in zip(names, predicted, strict=True)}

    def _step(self, config: TrialConfig, device: str) -> Step:
        """Return the training step of one of the trial's workers."""
        examples, by = len(self.datasets[config.data].train), self.resources
        return Step.of(config.recipe, examples, device, checkpointing=by.activation_checkpointing, workers=by.workers)

    def work(self, trial: Trial) -> float:
        """Return the multiply-accumulates of all training steps of a trial."""
        data = self.datasets[trial.config.data]
        cost = self.of(trial.config)
        return float(cost.training_macs or 3 * cost.macs) * len(data.train) * trial.config.recipe.epochs

    @staticmethod
    def _name(config: TrialConfig) -> str:
        """Return what a cost depends on: the config without the seed and the learning rate."""
        recipe = config.recipe.model_dump(exclude={"learning_rate"})
        return json.dumps([config.arch, config.data.model_dump(), recipe], sort_keys=True)


def _of_data(data: Dataset) -> OfData:
    """Return the parameters of an architecture that its data decide."""
    return {"image_size": data.image_size, "in_chans": data.channels, "num_classes": data.num_classes}
