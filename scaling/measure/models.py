"""The models to measure: networks of timm, members of families, or all cells and arms of a space."""

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
from scaling.models.activation_checkpointing import enable_activation_checkpointing
from scaling.models.meta import on_meta
from scaling.space.pooling_setting import Scalar
from scaling.study.errors import ModelError, unknown
from scaling.study.records import CountedCost
from scaling.sweep.plan import make_plan

TIMM = "timm:"


@dataclass(frozen=True)
class Candidate:
    """One network to measure, with its labels in a table."""

    labels: dict[str, Any]  # column → value
    family: str | None  # None: a network of timm as it is
    arch: dict[str, Any]  # all parameters; of a network of timm its name, classes and channels
    cost: CountedCost | None = None  # where already known
    recipe: dict[str, Any] = field(default_factory=dict)  # batch_size, precision, optimizer of a space

    @property
    def image_size(self) -> ImageSize:
        return self.arch.get("image_size", 224)

    @property
    def in_chans(self) -> int:
        return self.arch.get("in_chans", 3)

    def build(self, device: str, *, checkpointing: bool = False) -> nn.Module:
        """Build it on a device; on `meta` it occupies no memory.

        Raises:
            ModelError: it does not support activation checkpointing.
        """
        model: Any = on_meta(self._build) if device == "meta" else self._build().to(device)
        if checkpointing:
            enable_activation_checkpointing(model, str(self.labels))
        return model

    def _build(self) -> nn.Module:
        return build_model(self.family, **self.arch, seed=0) if self.family else _built_by_timm(**self.arch)

    def without(self, name: str) -> "Candidate":
        """Return the same without one parameter, and so without known cost."""
        labels, arch = ({k: v for k, v in d.items() if k != name} for d in (self.labels, self.arch))
        return replace(self, labels=labels, arch=arch, cost=None)


def from_models(names: Sequence[str], settings: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Candidate]:
    """Yield candidates for names such as `timm:resnet50`, or `patchconvnet` with every combination of settings.

    Args:
        settings: parameters of families; a list holds several values.
        given: image_size, in_chans and num_classes, as far as given.

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
            raise ModelError(unknown("family", name, FAMILIES) + f"; a network of timm is {TIMM}NAME")


def from_space(name: str, overrides: Mapping[str, Any], samples: int | None, memory_on: str | None) -> list[Candidate]:
    """Return candidates for every cell and arm that a sweep of the space would run, with their costs on its data.

    Args:
        samples: draw so many cells instead of taking all.
        memory_on: kind of device for which the memory of a training step is predicted; None: not predicted.
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
            labels = {**cell, plan.space.factor: arm if isinstance(arm, Scalar) else str(arm)}
            found.append(Candidate(labels, plan.space.family, {**config.arch, **seen}, cost, recipe))
    return found


def _of_timm(name: str, given: Mapping[str, Any]) -> Candidate:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; timm.list_models() lists them"
        raise ModelError(f"timm has no model '{name}'{hint}")
    size = given.get("image_size") or _native_size(name)
    rest = {key: value for key, value in given.items() if key != "image_size"}
    return Candidate({"model": TIMM + name}, None, {"model": name, **rest, "image_size": size})


def _built_by_timm(model: str, image_size: ImageSize, **options: Any) -> nn.Module:
    """Build a network of timm for images of a size, which those with position embeddings need as a parameter."""
    if image_size != _native_size(model):
        with contextlib.suppress(TypeError):  # the others have no such parameter
            return timm.create_model(model, img_size=image_size, **options)
    return timm.create_model(model, **options)


def _native_size(name: str) -> ImageSize:
    """Return the image size for which a network of timm was made."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    _, height, width = config.input_size if config is not None else (3, 224, 224)
    return height if height == width else (height, width)
