"""Mistakes of a space beyond its form: unknown names, wrong parameters, settings that contradict each other."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from scaling.models.pooling import POOLINGS, options_of
from scaling.models.registry import FAMILIES, check_arch, parameters
from scaling.space.names import REGISTRIES, is_in_bytes, limit_names, match_costs, objective_names
from scaling.space.pooling_setting import PoolingSetting, as_arch, read_value
from scaling.space.schema import Range, Space, Value, is_number
from scaling.space.search_settings import DESIGNS, MOST_CELLS, STOPPING_RULES
from scaling.space.yaml_source import SpaceFile
from scaling.study.config import DataConfig, Recipe, as_whole
from scaling.study.errors import ModelError, unknown
from scaling.study.plain_yaml import KeyPath
from scaling.study.recipe_registries import unknown_in_recipe
from scaling.study.training_compute import EPOCHS, TRAINING_COMPUTE
from scaling.wording import plural, shown

SECTIONS: dict[str, type[BaseModel]] = {"recipe": Recipe, "data": DataConfig}  # what an axis may vary besides arch
GIVEN = {"num_classes", "in_chans", "image_size", "seed"}  # arch parameters that the data and the trial decide
MOST_TRIALS = 1_000_000
MOST_COMBINATIONS = 512  # of parameters to check together before trials are planned; the rest is checked then
OF_TRUNK = "layer_scale"  # option of poolings whose default is the trunk's where the family has it (`pooled_head`)
Mistake = tuple[KeyPath, str]  # where it is in the file, and what is wrong


def mistakes(space: Space, file: SpaceFile, *, is_whole: bool) -> Iterator[str]:
    """Yield one line per mistake, each with file and place.

    Args:
        space: may lack parts whose form is wrong; these are not checked again.
        is_whole: whether it lacks none. Only then can something be missing, or wrong with the parameters together.
    """
    alone = _of_one_arm(space) if is_whole else ()
    problems = [*_clashes(space), *_names(space, file), *_needs(space), *alone]
    found = [file.place(path) + problem for path, problem in problems]
    if space.family in FAMILIES:
        found += list(_parameters(space, file))
    yield from found
    if is_whole and not found:
        yield from _together(space, file)


def _of_one_arm(space: Space) -> Iterator[Mistake]:
    """Settings that need two arms, in a study of one."""
    if len(space.arm_values) > 1:
        return
    if space.search.until == "decided":
        yield ("search", "until"), "decides between arms, and this study has one; leave it out, or give two arms"
    if space.match:
        yield ("match",), "makes arms cost the same, and this study has one; leave it out, or give two arms"


def _clashes(space: Space) -> Iterator[Mistake]:
    """Names that are given in two places."""
    varied = {*space.axes, *space.arms}
    for name in space.axes:
        if name in space.arch:
            yield ("axes", name), f"'{name}' is fixed in arch too; keep one of the two"
    if space.match and space.match.vary in space.arms:
        yield ("match", "vary"), f"'{space.match.vary}' is what the arms differ in; vary another parameter"
    yield from _set_and_matched(space)
    yield from _epochs_and_matched(space)
    yield from _same_networks(space)
    if space.looks is not None and space.search.until is not None:
        yield ("looks",), "1 fixes the plan, and search.until adds to it; keep one of the two"
    if space.tune and "recipe.learning_rate" in varied:
        yield ("tune",), "learning rates are an axis or the arms already; keep one of the two"
    for name in space.arms:
        if name in space.arch:
            yield ("arms", name), f"'{name}' is fixed in arch too; keep one of the two"
        if name in space.axes:
            yield ("arms", name), f"'{name}' is an axis too; keep one of the two"
    for section, name, values in [*_varied(space), *(("arch", name, [value]) for name, value in space.arch.items())]:
        for option in sorted({o for value in values if isinstance(value, PoolingSetting) for o in value.options}):
            flat = f"pooling_{option}"
            for other, names in (("arch", space.arch), ("axes", space.axes), ("arms", space.arms)):
                if flat in names:
                    yield (section, name), f"sets {option}, and {other} sets {flat}; keep one of the two"


def _set_and_matched(space: Space) -> Iterator[Mistake]:
    """Arms that set, inside their pooling, what match varies."""
    for arm in space.arms.get("pooling", []):
        if space.match and isinstance(arm, PoolingSetting):
            for option in arm.options:
                if space.match.vary == f"pooling_{option}":
                    problem = (
                        f"arm '{arm}' sets '{space.match.vary}', which match varies; leave {option} out of the arm"
                    )
                    yield ("match", "vary"), f"{problem}, or vary another parameter"


def _epochs_and_matched(space: Space) -> Iterator[Mistake]:
    """Training compute is matched by epochs, other costs by a parameter of the family, and nothing else sets either."""
    if space.match is None:
        return
    cost, vary = space.match.cost, space.match.vary
    if vary != EPOCHS:
        if cost == TRAINING_COMPUTE:
            advice = f"leave out vary, or match training_macs by '{vary}'"
            yield ("match", "vary"), f"{cost} is matched by {EPOCHS}, not by '{vary}'; {advice}"
        return
    if cost != TRAINING_COMPUTE:
        advice = f"match {TRAINING_COMPUTE}, or vary a parameter of the family, such as width"
        yield ("match", "vary"), f"'{cost}' does not depend on {EPOCHS}; {advice}"
        return
    for section, names in (("axes", space.axes), ("arms", space.arms)):
        if f"recipe.{EPOCHS}" in names:
            problem = f"'recipe.{EPOCHS}' is what match sets for every arm but the baseline; keep one of the two"
            yield (section, f"recipe.{EPOCHS}"), problem


def _same_networks(space: Space) -> Iterator[Mistake]:
    """Poolings that differ only in options that are set to their defaults."""
    if space.family not in FAMILIES:
        return
    for section, name, values in _varied(space):
        if name != "pooling":
            continue
        known: dict[tuple[str, str], Value] = {}
        for value in values:
            pooling, options = _with_defaults(space, value)
            first = known.setdefault((pooling, repr(sorted((o, as_whole(v)) for o, v in options.items()))), value)
            if first != value:
                yield (section, name), f"'{first}' and '{value}' are the same network; keep one of the two"


def _with_defaults(space: Space, value: Value) -> tuple[str, dict[str, Any]]:
    """Name and options of a pooling, with the defaults that it has in this space."""
    name, options = (value.name, value.options) if isinstance(value, PoolingSetting) else (str(value), {})
    known = options_of(POOLINGS[name]) if name in POOLINGS else {}
    defaults = {option: parameter.default for option, parameter in known.items()}
    family = parameters(space.family)
    if OF_TRUNK in defaults and OF_TRUNK in {*space.axes, *space.arms}:
        del defaults[OF_TRUNK]
    elif OF_TRUNK in defaults and OF_TRUNK in family:
        defaults[OF_TRUNK] = space.arch.get(OF_TRUNK, family[OF_TRUNK].default)
    return name, defaults | options


def _names(space: Space, file: SpaceFile) -> Iterator[Mistake]:
    """Names of registered things and of costs that do not exist."""
    search = space.search
    if space.family not in FAMILIES:
        if space.family:  # else it is missing, or its form is wrong
            yield ("family",), unknown("family", space.family, FAMILIES)
    elif space.match and space.match.vary != EPOCHS and space.match.vary not in parameters(space.family):
        yield ("match", "vary"), unknown("parameter", space.match.vary, parameters(space.family))
    if search.design not in DESIGNS:
        yield ("search", "design"), unknown(DESIGNS.kind, search.design, DESIGNS)
    if search.stop and search.stop.rule not in STOPPING_RULES:
        yield ("search", "stop", "rule"), unknown(STOPPING_RULES.kind, search.stop.rule, STOPPING_RULES)
    for objective in search.objectives:
        if objective not in objective_names():
            yield ("search", "objectives"), unknown("objective", objective, objective_names())
    if space.match and space.match.cost not in match_costs():
        yield ("match", "cost"), unknown("cost", space.match.cost, match_costs())
    written = file.content.get("limits")
    for name in space.limits:
        as_written = written.get(name) if isinstance(written, Mapping) else None
        if name not in limit_names():
            yield ("limits",), unknown("setting", name, limit_names())
        elif isinstance(as_written, str) and not is_number(as_written) and not is_in_bytes(name):
            yield ("limits", name), f"needs a number; it is {shown(as_written)}"
    for setting, problem in unknown_in_recipe(space.recipe).items():
        yield ("recipe", *setting.split(".")), problem


def _needs(space: Space) -> Iterator[Mistake]:
    """Settings of the search that need others."""
    search = space.search
    if search.design in DESIGNS and DESIGNS[search.design].samples and search.cells is None:
        yield ("search",), f"{search.design} needs a number of cells; give search.cells, or --samples N"
    if search.stop and search.stop.first >= space.recipe.epochs:
        yield (
            ("search", "stop", "first"),
            f"epoch {search.stop.first} is not below recipe.epochs, {space.recipe.epochs}; nothing could be stopped",
        )
    yield from _too_many(space)
    if space.tune and space.repetitions <= space.tune.choose_by:
        needed = space.tune.choose_by + 1
        verbs = "chooses a learning rate is" if space.tune.choose_by == 1 else "choose a learning rate are"
        yield (
            ("tune",),
            f"the {plural(space.tune.choose_by, 'repetition')} that {verbs} not scored, so"
            f" {needed} repetitions are needed, not {space.repetitions}; set repetitions: {needed}, or more",
        )


def _too_many(space: Space) -> Iterator[Mistake]:
    """Numbers of cells and trials that nobody can run, and whose list would fill the memory."""
    counts = [values.count if isinstance(values, Range) else len(values) for values in space.axes.values()]
    cells = space.search.cells
    if cells is None and None not in counts:
        cells = math.prod(count for count in counts if count is not None)
        if cells > MOST_CELLS:
            yield (
                ("axes",),
                f"give {cells:,} cells, more than {MOST_CELLS:,}; take fewer values, or --samples N of them",
            )
            return
    arms = [len(values) for values in space.arms.values()]
    trials = (cells or 1) * math.prod(arms) * space.repetitions
    if trials > MOST_TRIALS:
        yield ("repetitions",), f"make {trials:,} trials, more than {MOST_TRIALS:,}; take fewer repetitions or cells"


def _parameters(space: Space, file: SpaceFile) -> Iterator[str]:
    """Mistakes of single values of arch, axes and arms."""
    for name, value in space.arch.items():
        for problem in _single(space, name, value):
            yield file.place(("arch", name)) + problem
    for section, name, values in _varied(space):
        written = {str(_read(one)): item for item, one in enumerate(_at(file.content, (section, name)))}
        for value in values:
            item = written.get(str(value))
            for problem in _single(space, name, value):
                yield file.place((section, name), item=item) + problem


def _single(space: Space, name: str, value: Any) -> list[str]:
    """Mistakes of one parameter alone."""
    section, _, setting = name.rpartition(".")
    if isinstance(value, PoolingSetting) and name != "pooling":
        return [f"'{name}' takes no options; write a number or a word, not {as_arch(value)}"]
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
        changed = model.model_validate({**current.model_dump(), setting: value})
    except ValidationError as error:
        return [f"{shown(value)}: {e['msg'][:1].lower()}{e['msg'][1:]}" for e in error.errors()]
    if isinstance(changed, Recipe) and (model.__name__, setting) in REGISTRIES:
        return [problem for name, problem in unknown_in_recipe(changed).items() if name.split(".")[0] == setting]
    return []


def _together(space: Space, file: SpaceFile) -> Iterator[str]:
    """Mistakes of parameters that are right alone: a missing one, or a width that its heads do not divide."""
    varied = {name: values for _, name, values in _varied(space) if "." not in name}
    combinations = itertools.islice(itertools.product(*varied.values()), MOST_COMBINATIONS)
    for values in combinations:
        arch = {**space.arch, **dict(zip(varied, values, strict=True)), "num_classes": 2, "image_size": 1024}
        for problem in arch_mistakes(space.family, arch, partial=False):
            yield f"{file.path}: {problem}"


def arch_mistakes(family: str, arch: Mapping[str, Any], *, partial: bool) -> list[str]:
    """Mistakes that the family finds in these parameters; `partial` allows required ones to be missing."""
    try:
        check_arch(family, {name: as_arch(value) for name, value in arch.items()}, partial=partial)
    except ModelError as error:
        return error.problems
    return []


def _varied(space: Space) -> Iterator[tuple[str, str, list[Value]]]:
    """Section, name and values to check of every axis and of the arms."""
    for name, values in space.axes.items():
        yield "axes", name, _members(values)
    for name, values in space.arms.items():
        yield "arms", name, list(values)


def _members(values: list[Value] | Range) -> list[Value]:
    """Values of an axis to check: all of a list, some of a range."""
    if isinstance(values, Range):
        listed = values.values()
        return [values.low, values.high] if listed is None else [*listed[:2], listed[-1]]
    return list(values)


def _read(value: Any) -> Any:
    """A value of an axis or arm as the space has it; unchanged where its form is wrong."""
    try:
        return read_value(value)
    except ValueError:
        return value


def _at(content: Mapping[str, Any], path: Iterable[str]) -> list[Any]:
    """The list in the file at `path`; empty where there is none."""
    found: Any = content
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found if isinstance(found, list) else []
