"""From a space to its trials: cells × arms × repetitions, always paired and balanced."""

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeVar

from scaling.space.data_place import last_name, real_place
from scaling.space.pooling_setting import PoolingSetting, as_arch, read_pooling
from scaling.space.schema import Range, Space
from scaling.space.seeding import seed_of
from scaling.study.aliases import present_name
from scaling.study.config import NO_IDENTITY, DataConfig, Settings, Trial, TrialConfig, as_whole, cell_label
from scaling.study.data_fingerprint import DataContent
from scaling.study.errors import SpaceError
from scaling.study.flat_pooling import flat_pooling
from scaling.study.plugins import used_by
from scaling.study.records import Seeding
from scaling.study.training_compute import EPOCHS

Cell = dict[str, Any]
Section = TypeVar("Section", bound=Settings)

# sections whose changes extend a study rather than make another one
EXTENDING = {
    *("axes", "arms", "repetitions", "looks", "detect"),
    *("limits", "resources", "question", "keep_weights", "search", "budget"),
}


def cells(space: Space) -> list[Cell]:
    """List all points on the axes.

    Raises:
        SpaceError: an axis cannot be listed.
    """
    listed: list[Sequence[Any]] = []
    for name, values in space.axes.items():
        members = values.values() if isinstance(values, Range) else values
        if members is None:
            raise SpaceError(f"axes.{name} is a range of real numbers; give it a step, or sample it: --samples N")
        listed.append(members)
    return [dict(zip(space.axes, point, strict=True)) for point in itertools.product(*listed)]


@dataclass(frozen=True)
class Design:
    """The settings of each arm in each cell of a space."""

    space: Space
    # (cell, arm) → values that match found: parameters of the family, and settings as `recipe.epochs`
    matched: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    seeding: Seeding = "own"  # of the study; see `scaling.study.records.Study`
    data: Mapping[DataConfig, DataContent] = field(default_factory=dict)  # what the images are, as far as it is known
    earlier_keys: frozenset[str] = frozenset()  # of trials that keep a key from before fingerprints of data

    def config(self, cell: Cell, arm: Any, repetition: int) -> TrialConfig:
        """Combine the settings of space, cell and arm; poolings with options may be given by their text.

        The fingerprint of the data is left to `trial`.
        """
        space = self.space
        matched = self.matched.get((cell_label(cell), str(arm)), {})
        varied = {**cell, space.factor: arm, **{name: value for name, value in matched.items() if "." in name}}
        sections: dict[str, dict[str, Any]] = {"recipe": {}, "data": {}}
        arch = dict(space.arch)
        for name, value in varied.items():
            section, _, setting = name.rpartition(".")
            (sections[section] if section else arch)[setting] = space.pooling(value) if name == "pooling" else value
        # a matched or drawn value may be 4.0
        flat = flat_pooling({name: as_whole(as_arch(value)) for name, value in arch.items()})
        config = TrialConfig(
            family=space.family,
            arch={**flat, **{name: as_whole(value) for name, value in matched.items() if "." not in name}},
            data=_changed(space.data, sections["data"]),
            recipe=_changed(space.recipe, sections["recipe"]),
        )
        changes: dict[str, Any] = {"seed": self._seed(cell, repetition)}
        if used := used_by(config):
            changes["plugins"] = used
        return config.model_copy(update=changes)

    def _seed(self, cell: Cell, repetition: int) -> int:
        """Seed of a repetition of a cell, the same for all arms."""
        space = self.space
        if self.seeding == "shared":
            return repetition
        axes: dict[str, Any] = {}
        settings: dict[str, dict[str, Any]] = {}
        for name, value in cell.items():
            section, _, setting = name.rpartition(".")
            if section:
                settings.setdefault(section, {})[setting] = value
            else:
                axes[name] = as_arch(space.pooling(value) if name == "pooling" else value)
        for section, changes in settings.items():  # as they are read, so that 1e-3 and "0.001" are one value
            read = _changed(space.recipe if section == "recipe" else space.data, changes).model_dump(mode="json")
            axes |= {f"{section}.{setting}": read[setting] for setting in changes}
        fixed = {name: as_arch(value) for name, value in space.arch.items() if not self._is_compared(name)}
        return seed_of(space.family, axes, fixed, repetition, space.seed)

    def _is_compared(self, name: str) -> bool:
        """Whether a parameter is the compared factor, or an option of the compared poolings in flat form."""
        factor = self.space.factor
        return name == factor or (factor == "pooling" and name.startswith("pooling_"))

    def configs(self, points: Iterable[Cell]) -> list[TrialConfig]:
        """List the settings of every cell and arm in the first repetition."""
        return [self.config(cell, arm, 0) for cell in points for arm in self.space.arm_values]

    def trial(self, study: str, cell: Cell, arm: Any, repetition: int, *, rate: float | None = None) -> Trial:
        """Make one trial.

        Args:
            rate: learning rate in place of the recipe's, one of the space's learning-rate grid.
        """
        config = self.config(cell, arm, repetition)
        rates = None
        if rate is not None and self.space.tune:
            rates = self.space.tune.rates(config.recipe.learning_rate)
            config = config.model_copy(update={"recipe": config.recipe.model_copy(update={"learning_rate": rate})})
        content = self.data.get(config.data)
        if content and not (self.earlier_keys and config.key in self.earlier_keys):
            config = config.model_copy(update={"data_fingerprint": content.fingerprint.digest})
        keep = self.space.keep_weights
        return Trial(
            study=study,
            cell={name: str(value) if isinstance(value, PoolingSetting) else value for name, value in cell.items()},
            arm=str(arm),
            config=config,
            data=content.used if content else None,
            repetition=repetition,
            keeps_weights=keep == "all" or (keep == "first_repetition" and repetition == 0),
            device=self.space.resources.device,
            compiles=self.space.resources.compile,
            activation_checkpointing=self.space.resources.activation_checkpointing,
            learning_rate_grid=rates,
            budgets=[] if rates else self._budgets(),
        )

    def _budgets(self) -> list[int]:
        """Epochs of the arms, where these are what is compared."""
        is_compared = self.space.factor == f"recipe.{EPOCHS}"
        return [value for value in self.space.arm_values if isinstance(value, int)] if is_compared else []

    def within_limits(self, points: Sequence[Cell], cost_of: Callable[[TrialConfig, str], float]) -> list[Cell]:
        """Keep the cells all of whose arms are within the limits, so that the rest is still paired.

        Args:
            cost_of: returns a trial's cost by the name of a limit.

        Raises:
            SpaceError: no cell remains; names the limit and the cost of the cheapest cell.
        """
        bounds = self.space.bounds
        worst = {
            name: [max(cost_of(config, name) for config in self.configs([cell])) for cell in points] for name in bounds
        }
        kept = [cell for i, cell in enumerate(points) if all(worst[name][i] <= bounds[name] for name in bounds)]
        if kept:
            return kept
        problems = []
        for name, bound in bounds.items():
            cheapest = min(range(len(points)), key=worst[name].__getitem__)
            if worst[name][cheapest] > bound:
                problems.append(
                    f"limits.{name}: {bound:g} excludes all {len(points)} cells; the cheapest, "
                    f"{cell_label(points[cheapest])}, needs {worst[name][cheapest]:,}; raise the limit"
                )
        raise SpaceError(problems or [f"limits: together they exclude all {len(points)} cells; raise one of them"])


def _changed(settings: Section, changes: Mapping[str, Any]) -> Section:
    """Return the settings with changes, checked; without changes the same object, which many trials share."""
    return type(settings)(**{**settings.model_dump(), **changes}) if changes else settings


def data_configs(space: Space) -> list[DataConfig]:
    """List the data sets of the space's trials: more than one where an axis or the arms vary `data.…`.

    Raises:
        SpaceError: they cannot be listed.
    """
    varied = {name: values for name, values in {**space.axes, **space.arms}.items() if name.startswith("data.")}
    listed: list[Sequence[Any]] = []
    for name, values in varied.items():
        members = values.values() if isinstance(values, Range) else values
        if members is None:
            raise SpaceError(f"axes.{name} is a range of real numbers; data are loaded beforehand, so list the values")
        listed.append(members)
    settings = [name.partition(".")[2] for name in varied]
    return [
        DataConfig(**{**space.data.model_dump(), **dict(zip(settings, point, strict=True))})
        for point in itertools.product(*listed)
    ]


def study_name(space_name: str, asked: Space, original: Space, overrides: dict[str, Any]) -> str:
    """Name the study of a space with overrides.

    A study that only grew (more cells, arms or repetitions) keeps the name of its space; one under other conditions
    gets its own, made from the overrides, such as `depth_width-cifar10-epochs=1`.
    """
    if _conditions(asked) == _conditions(original):
        return space_name
    parts = [space_name]
    for key, value in overrides.items():
        if present_name(key.partition(".")[0]) in EXTENDING:
            continue
        text = _text(value)
        if key == "data.source":
            parts.append(last_name(text))
        else:
            parts.append(f"{key.rpartition('.')[2]}={PurePath(text.partition(':')[2] or text).name}")
    return re.sub(r"[^A-Za-z0-9=._-]+", "_", "-".join(parts))


def _conditions(space: Space) -> dict[str, Any]:
    """The conditions of a space, in which a place of data has one spelling."""
    return {**space.conditions(), "source": real_place(space.data.source), "data": _without_source(space.data)}


def _without_source(data: DataConfig) -> dict[str, Any]:
    return data.model_dump(mode="json", exclude_defaults=True, exclude={"source", *NO_IDENTITY})


def _text(value: Any) -> str:
    """Text of an override: the name of a pooling with options where it is one."""
    try:
        return str(read_pooling(value))
    except ValueError:
        return str(value)
