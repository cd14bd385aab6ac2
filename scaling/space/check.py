"""What is wrong with a space beyond its form: what only the family, or two places together, can tell."""

import itertools
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from scaling.models.registry import FAMILIES, check_arch, parameters
from scaling.space.schema import Limits, Range, Space, Value
from scaling.space.yaml_source import Source
from scaling.study.config import DataConfig, Recipe
from scaling.study.errors import ModelError, unknown
from scaling.sweep.search.designs.proposals import SAMPLED
from scaling.sweep.search.designs.searched import ACCURACY
from scaling.sweep.search.propose import DESIGNS, RULES

SECTIONS: dict[str, type[BaseModel]] = {"recipe": Recipe, "data": DataConfig}  # what an axis may vary besides arch
OBJECTIVES = {ACCURACY, *Limits.model_fields}
GIVEN = {"num_classes", "in_chans", "image_size", "seed"}  # arch parameters that the data and the trial decide
MOST_COMBINATIONS = 4096  # of parameters to check together before trials are planned; the rest is checked then


def mistakes(space: Space, source: Source, *, is_whole: bool) -> Iterator[str]:
    """Yield one line per mistake, each with file and place.

    Args:
        is_whole: whether nothing was taken out because its form was wrong; then what is missing is missing.
    """
    if space.family not in FAMILIES:
        yield source.place("family") + unknown("family", space.family, FAMILIES)
        return
    varied: dict[tuple[str, str], list[Value]] = {
        **{("axes", name): _members(values) for name, values in space.axes.items()},
        **{("arms", name): list(values) for name, values in space.arms.items()},
    }
    found = [*_clashes(space, source), *_search(space, source)]
    for name, value in space.arch.items():
        found += [source.place(("arch", name)) + p for p in _single(space, name, value)]
    for (section, name), values in varied.items():
        for value in values:
            found += [source.place((section, name)) + p for p in _single(space, name, value)]
    yield from found
    if is_whole and not found:
        yield from _together(space, source, {name: values for (_, name), values in varied.items()})


def _clashes(space: Space, source: Source) -> Iterator[str]:
    """Names that stand in two places."""
    for name in space.axes:
        if name in space.arch:
            yield source.place(("axes", name)) + f"'{name}' is fixed in arch too; keep one of the two"
    if space.match and space.match.vary not in parameters(space.family):
        yield source.place(("match", "vary")) + unknown("parameter", space.match.vary, parameters(space.family))
    if space.match and space.match.vary == space.factor:
        yield source.place(("match", "vary")) + f"'{space.factor}' is what the arms differ in; vary another parameter"
    if space.tune and "recipe.learning_rate" in {*space.axes, space.factor}:
        yield source.place("tune") + "learning rates are an axis or the arms already; keep one of the two"
    if space.factor in space.arch:
        yield source.place(("arms", space.factor)) + f"'{space.factor}' is fixed in arch too; keep one of the two"
    if space.factor in space.axes:
        yield source.place(("arms", space.factor)) + f"'{space.factor}' is an axis too; keep one of the two"


def _search(space: Space, source: Source) -> Iterator[str]:
    """Names and needs of how the space is searched."""
    search = space.search
    if search.design not in DESIGNS:
        yield source.place(("search", "design")) + unknown("design", search.design, DESIGNS)
    if search.design in SAMPLED and search.cells is None:
        yield (
            source.place("search") + f"{search.design} needs to know how many cells; give search.cells, or --samples N"
        )
    for objective in search.objectives:
        if objective not in OBJECTIVES:
            yield source.place(("search", "objectives")) + unknown("objective", objective, OBJECTIVES)
    if search.stop and search.stop.rule not in RULES:
        yield source.place(("search", "stop", "rule")) + unknown("rule", search.stop.rule, RULES)
    if search.stop and search.stop.first >= space.recipe.epochs:
        yield source.place(("search", "stop", "first")) + (
            f"epoch {search.stop.first} is not below recipe.epochs, {space.recipe.epochs}; nothing could be stopped"
        )


def _single(space: Space, name: str, value: Any) -> list[str]:
    """Mistakes of one parameter alone."""
    section, _, setting = name.rpartition(".")
    if section:
        return _setting_mistakes(section, setting, value, getattr(space, section, None))
    if name in GIVEN:
        advice = "; vary data.image_size instead" if name == "image_size" else ""
        return [f"'{name}' is decided by the data and the trial, a space cannot set it{advice}"]
    return arch_mistakes(space.family, {name: value}, partial=True)


def _setting_mistakes(section: str, setting: str, value: Any, current: Any) -> list[str]:
    if section not in SECTIONS:
        return [unknown("section", section, SECTIONS)]
    model = SECTIONS[section]
    if setting not in model.model_fields:
        return [unknown(f"{section} setting", setting, model.model_fields)]
    try:
        model.model_validate({**current.model_dump(), setting: value})
    except ValidationError as error:
        return [f"{value!r}: {e['msg'][:1].lower()}{e['msg'][1:]}" for e in error.errors()]
    return []


def _together(space: Space, source: Source, varied: dict[str, list[Value]]) -> Iterator[str]:
    """Mistakes of parameters that are right alone: something missing, a width that its heads do not divide."""
    names = [name for name in varied if "." not in name]
    combinations = itertools.islice(itertools.product(*(varied[n] for n in names)), MOST_COMBINATIONS)
    for values in combinations:
        arch = {**space.arch, **dict(zip(names, values, strict=True))}
        for problem in arch_mistakes(space.family, {**arch, "num_classes": 2, "image_size": 1024}, partial=False):
            yield f"{source.path}: {problem}"


def arch_mistakes(family: str, arch: dict[str, Any], *, partial: bool) -> list[str]:
    """What the family says against these parameters; `partial` allows required ones to be missing."""
    try:
        check_arch(family, arch, partial=partial)
    except ModelError as error:
        return error.problems
    return []


def _members(values: list[Value] | Range) -> list[Value]:
    """Values of an axis to check: all of a list, some of a range."""
    if isinstance(values, Range):
        listed = values.values()
        return [values.low, values.high] if listed is None else [*listed[:2], listed[-1]]
    return list(values)
