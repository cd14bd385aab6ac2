"""What a setting that does not exist is likely to mean: `epochs` is recipe.epochs, `lr` is learning_rate."""

import difflib
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scaling.study.config import Settings
from scaling.study.plain_yaml import KeyPath

OTHER_WORDS = {  # what other programs call a setting → its name here
    "lr": "learning_rate",
    "bs": "batch_size",
    "batch": "batch_size",
    "wd": "weight_decay",
    "opt": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "warmup": "warmup_fraction",
    "dataset": "source",
    "img_size": "image_size",
    "input_size": "image_size",
    "size": "image_size",
    "model": "family",
    "network": "family",
    "amp": "precision",
    "dtype": "precision",
    "smoothing": "label_smoothing",
    "cpu": "cpus",
    "gpu": "gpus",
    "n_trials": "trials",
    "num_samples": "cells",
    "samples": "cells",
    "ema": "ema_decay",
}


def meant(
    whole: type[Settings], content: Mapping[str, Any], path: KeyPath, name: str, here: Collection[str]
) -> str | None:
    """The dotted name of the setting that `name` at `path` is likely to mean; None where nothing is.

    Args:
        whole: the settings of a whole space.
        content: of the space, whose axes and arch hold names of the family.
        here: names of settings that are known at `path`.
    """
    known = OTHER_WORDS.get(name, name)
    if known in here:
        return known
    if path and known == name and difflib.get_close_matches(name, here, n=1, cutoff=0.75):
        return None  # a slip of the pen
    found = [".".join(place) for place in _places(whole) if place[-1] == known and place[:-1] != path]
    if len(found) == 1:
        return found[0]
    if not path:
        for section in ("axes", "arch", "arms"):
            if isinstance(inner := content.get(section), Mapping) and name in inner:
                return f"{section}.{name}"
    if not found and not difflib.get_close_matches(name, here, n=1):
        every = {place[-1]: ".".join(place) for place in _places(whole)}
        return next((every[one] for one in difflib.get_close_matches(name, every, n=1, cutoff=0.8)), None)
    return found[0] if found else None


def _places(model: type[Settings], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Dotted places of all settings in sections, the upper ones first."""
    for name in model.model_fields:
        yield (*path, name)
    for name, field in model.model_fields.items():
        for inner in _sections(field.annotation):
            yield from _places(inner, (*path, name))


def _sections(annotation: Any) -> Iterator[type[Settings]]:
    """Settings classes of an annotation that is one, or may be none."""
    if isinstance(annotation, type):
        if issubclass(annotation, Settings):
            yield annotation
        return
    if typing.get_origin(annotation) not in (dict, list, tuple):
        for part in typing.get_args(annotation):
            yield from _sections(part)
