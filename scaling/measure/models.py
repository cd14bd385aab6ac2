"""What is to be measured: models by name, members of families, all cells and arms of a space."""

import contextlib
import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import timm
from torch import nn

from scaling.costs.counting.quick import ImageSize
from scaling.models import FAMILIES, build_model
from scaling.models.activation_checkpointing import checkpoint_gradients
from scaling.models.meta import on_meta
from scaling.study.errors import ModelError, unknown
from scaling.study.records import CountedCost
from scaling.sweep.plan import make_plan

TIMM = "timm:"


@dataclass(frozen=True)
class Candidate:
    """One network to measure, with what it is called in a table."""

    labels: dict[str, Any]  # column → value
    family: str | None  # none: a model of timm's as it is
    arch: dict[str, Any]  # parameters, whole; of a model of timm's its name, classes and channels
    cost: CountedCost | None = None  # where it is known already
    recipe: dict[str, Any] = field(default_factory=dict)  # batch_size, precision, optimizer of a space

    @property
    def image_size(self) -> ImageSize:
        return self.arch.get("image_size", 224)

    @property
    def in_chans(self) -> int:
        return self.arch.get("in_chans", 3)

    def build(self, device: str, *, checkpointing: bool = False) -> nn.Module:
        """Build it on a device, `meta` for one that occupies nothing.

        Raises:
            ModelError: it has no gradient checkpointing.
        """
        model: Any = on_meta(self._build) if device == "meta" else self._build().to(device)
        if checkpointing:
            checkpoint_gradients(model, str(self.labels))
        return model

    def _build(self) -> nn.Module:
        return build_model(self.family, **self.arch, seed=0) if self.family else _built_by_timm(**self.arch)

    def without(self, name: str) -> "Candidate":
        """The same with one parameter left open, and so with no known cost."""
        labels, arch = ({k: v for k, v in d.items() if k != name} for d in (self.labels, self.arch))
        return replace(self, labels=labels, arch=arch, cost=None)


def from_models(names: Sequence[str], settings: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Candidate]:
    """Candidates for names such as `timm:resnet50` or `patchconvnet`, the latter for every combination of settings.

    Args:
        settings: parameters of families; a list is a value after the other.
        given: image_size, in_chans and num_classes, those that were given.

    Raises:
        ModelError: a name is unknown.
    """
    for name in names:
        if name.startswith(TIMM):
            yield _of_timm(name.removeprefix(TIMM), given)
        elif name in FAMILIES:
            choices = [value if isinstance(value, list) else [value] for value in settings.values()]
            for values in itertools.product(*choices):
                arch = dict(zip(settings, values, strict=True))
                yield Candidate({"model": name, **arch}, name, {**arch, **given})
        else:
            raise ModelError(unknown("family", name, FAMILIES) + f"; a model of timm's is {TIMM}NAME")


def from_space(name: str, overrides: Mapping[str, Any], samples: int | None, memory_on: str | None) -> list[Candidate]:
    """Candidates for every cell and arm that a sweep of the space would run, costed for the data that they will see.

    Args:
        samples: draw so many cells rather than take all.
        memory_on: kind of device to predict the memory of a training step for; none: not predicted.
    """
    plan = make_plan(name, overrides, results=Path("results"), samples=samples)
    found = []
    for cell in plan.cells:
        for arm in plan.space.arm_values:
            config = plan.design.config(cell, arm, 0)
            data = plan.cost_table.datasets[config.data]
            cost = plan.cost_table.of(config)
            if memory_on is not None:
                cost = cost.model_copy(update={"training_memory_bytes": plan.cost_table.memory(config, memory_on)})
            seen = {"image_size": data.image_size, "in_chans": data.channels, "num_classes": data.num_classes}
            recipe = config.recipe.model_dump(include={"batch_size", "precision", "optimizer"})
            labels = {**cell, plan.space.factor: arm}
            found.append(Candidate(labels, plan.space.family, {**config.arch, **seen}, cost, recipe))
    return found


def _of_timm(name: str, given: Mapping[str, Any]) -> Candidate:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; timm.list_models() names them"
        raise ModelError(f"timm has no model '{name}'{hint}")
    size = given.get("image_size") or _native_size(name)
    rest = {key: value for key, value in given.items() if key != "image_size"}
    return Candidate({"model": TIMM + name}, None, {"model": name, **rest, "image_size": size})


def _built_by_timm(model: str, image_size: ImageSize, **options: Any) -> nn.Module:
    """A model of timm's for images of a size; those with position embeddings must be told."""
    if image_size != _native_size(model):
        with contextlib.suppress(TypeError):  # the others know no such parameter
            return timm.create_model(model, img_size=image_size, **options)
    return timm.create_model(model, **options)


def _native_size(name: str) -> ImageSize:
    """Image size that a model of timm's was made for."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    _, height, width = config.input_size if config is not None else (3, 224, 224)
    return height if height == width else (height, width)
