"""Spaces: a question as a file, read and checked, with every mistake told at once.

A space names a family, its free parameters (axes), the one factor that is compared (arms), how often each run is
repeated (seeds), what models may cost (limits), and the data and recipe that all trials share.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from scaling.search.settings import Budget, Search, Tune
from scaling.source import SHORT_FORMS, Source
from scaling.study.config import DataConfig, Recipe, Resources, Settings
from scaling.study.errors import SpaceError, unknown

Value = bool | int | float | str
MOST_VALUES = 100_000  # of an axis
MOST_SEEDS = 10_000


class Range(Settings):
    """Numbers from `low` to `high`, both included, in Optuna's vocabulary."""

    low: int | float
    high: int | float
    step: PositiveInt | PositiveFloat | None = Field(
        default=None, description="distance of neighbours; whole numbers: 1"
    )
    log: bool = Field(default=False, description="sampled evenly on a logarithmic scale; needs --samples")

    @model_validator(mode="after")
    def _is_upright(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"the range is upside down: low {self.low} is above high {self.high}; swap them")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range takes no step; leave out one of the two")
        if self._count is not None and self._count > MOST_VALUES:
            raise ValueError(f"has {self._count:,} values; give it a larger step, or log: true")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    def values(self) -> list[int | float] | None:
        """All members, or None where they cannot be listed (logarithmic, or real numbers without a step)."""
        return None if self._count is None else [self.low + i * (self.step or 1) for i in range(self._count)]

    @property
    def _count(self) -> int | None:
        if self.log or (self.step is None and not self.is_whole):
            return None
        return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1


def _without_gaps(values: list[Value]) -> list[Value]:
    if not values:
        raise ValueError("is empty; give it at least one value")
    twice = {str(value) for value in values if values.count(value) > 1}
    if twice:
        raise ValueError(f"names {', '.join(sorted(twice))} twice")
    return values


def _comparable(values: list[Value]) -> list[Value]:
    if len(values) < 2:
        raise ValueError("has one value; a comparison needs two")
    return values


Listed = Annotated[list[Value], AfterValidator(_without_gaps)]
Axis = Annotated[
    Annotated[Listed, Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, dict | Range) else "list"),
]


class Limits(Settings):
    """Upper bounds on what one model may cost; a cell is left out when any of its arms costs more."""

    params: PositiveFloat | None = Field(default=None, description="learnable numbers")
    macs: PositiveFloat | None = Field(default=None, description="multiply-accumulates of one image's forward pass")
    activations: PositiveFloat | None = Field(
        default=None, description="output elements of convolutions and matrix products"
    )
    training_memory: ByteSize | None = Field(default=None, description="bytes of a training step, such as 16GiB")


class Match(Settings):
    """Arms that cost the same: each but the baseline gets the value at which it costs what the baseline does."""

    cost: Literal["params", "macs", "fvcore_flops", "activations", "training_macs", "training_memory"] = Field(
        default="macs", description="what is to be equal"
    )
    vary: str = Field(default="width", description="parameter of the family that gives way")


class Space(Settings):
    """A question: axes × arms × seeds under one recipe, on one data set."""

    question: str = Field(default="", description="what the study is to answer, one sentence; heads the report")
    family: str = Field(description="a parametrised set of architectures, such as patchconvnet")
    arch: dict[str, Value | list[Value] | None] = Field(
        default={}, description="parameters of the family, the same everywhere"
    )
    axes: dict[str, Axis] = Field(
        description="free parameters: a list of values, or low and high; recipe.NAME and data.NAME are allowed"
    )
    arms: dict[str, Annotated[Listed, AfterValidator(_comparable)]] = Field(
        description="the one compared factor and its values; the first is the baseline of the comparison"
    )
    seeds: PositiveInt = Field(
        default=3, le=MOST_SEEDS, description="repetitions of every cell and arm: seeds 0 to N - 1"
    )
    match: Match | None = Field(default=None, description="make the arms of a cell cost the same")
    search: Search = Search()
    tune: Tune | None = Field(default=None, description="try several learning rates for every cell and arm")
    limits: Limits = Limits()
    budget: Budget = Budget()
    data: DataConfig = DataConfig()
    recipe: Recipe = Recipe()
    resources: Resources = Resources()
    keep_weights: Literal["none", "first_seed", "all"] = Field(
        default="first_seed", description="trials whose final weights stay, with a gallery of what attention looks at"
    )

    @field_validator("axes")
    @classmethod
    def _has_axes(cls, axes: dict[str, Axis]) -> dict[str, list[Value] | Range]:
        if not axes:
            raise ValueError("no axis is given; name at least one, such as depth: [2, 4]")
        return axes

    @field_validator("arms")
    @classmethod
    def _is_one_factor(cls, arms: dict[str, list[Value]]) -> dict[str, list[Value]]:
        if len(arms) != 1:
            raise ValueError(
                f"compares {len(arms)} factors ({', '.join(arms) or 'none'}); give exactly one,"
                " such as pooling: [average, attention], and make the others axes"
            )
        return arms

    @model_validator(mode="before")
    @classmethod
    def _matched_arms(cls, content: Any) -> Any:
        """`search: matched` is a grid whose arms cost the same."""
        search = content.get("search") if isinstance(content, dict) else None
        if isinstance(search, dict) and search.get("design") == "matched":
            return {**content, "search": {**search, "design": "grid"}, "match": content.get("match") or {}}
        return content

    @property
    def factor(self) -> str:
        """Name of the compared parameter."""
        return next(iter(self.arms))

    @property
    def arm_values(self) -> list[Value]:
        """Values of the compared parameter; the first is the baseline."""
        return self.arms[self.factor]

    def conditions(self) -> dict[str, Any]:
        """What all trials have in common; a study whose conditions differ is another study.

        Defaults are left out, so that a setting that a later version adds does not part a study from its past.
        """
        return {
            "family": self.family,
            "factor": self.factor,
            "axes": list(self.axes),
            **({"match": self.match.model_dump()} if self.match else {}),
            **({"tune": self.tune.model_dump()} if self.tune else {}),
            "arch": dict(self.arch),
            "data": self.data.model_dump(mode="json", exclude_defaults=True),
            "recipe": self.recipe.model_dump(mode="json", exclude_defaults=True),
        }


def search_path() -> list[Path]:
    """Folders in which a space is looked up by name: here, then what the package ships."""
    here = Path("search_spaces")
    installed = Path(str(resources.files("scaling"))) / "search_spaces"
    checkout = Path(str(resources.files("scaling"))).parent / "search_spaces"
    return [folder for folder in dict.fromkeys([here, installed, checkout]) if folder.is_dir()]


def find_space(name: str) -> Path:
    """Path of the space file that `name` means: a file, or a name on the search path."""
    path = Path(name)
    if path.is_file():
        return path
    if path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        siblings = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise SpaceError(unknown("space file", name, siblings) if siblings else f"there is no space file {name}")
    candidates = {p.stem: p for folder in reversed(search_path()) for p in folder.glob("*.yaml")}
    if name not in candidates:
        raise SpaceError(unknown("space", name, candidates) + "; or give the path of a .yaml file")
    return candidates[name]


def load_space(name: str, overrides: Mapping[str, Any] | None = None) -> Space:
    """Read, override and check the space that `name` means.

    Args:
        overrides: dotted key → value, such as {"recipe.epochs": 5}; from `--set`.

    Raises:
        SpaceError: one line per mistake, each with file and place.
    """
    return check_space(Source.read(find_space(name)).override(overrides or {}))


def check_space(source: Source) -> Space:
    """Turn what a file says into a `Space`, or raise `SpaceError` with every mistake in it."""
    from scaling.space_check import mistakes  # loads torch, which reading a file does not need

    found: dict[str, str] = {}  # the part that is wrong → the first that was said against it
    content = written_out(source)
    try:
        space = Space.model_validate(content)
    except ValidationError as error:
        for finding in error.errors():
            found.setdefault(str(source.steps(finding["loc"])), source.explain(finding, Space))
            prune(content, finding["loc"][:2])
        try:
            space = Space.model_validate(content)  # what is left may hold mistakes of its own
        except ValidationError:
            raise SpaceError(list(found.values())) from None
    problems = [*found.values(), *dict.fromkeys(mistakes(space, source, is_whole=not found))]
    if problems:
        raise SpaceError(problems)
    return space


def written_out(source: Source) -> dict[str, Any]:
    """The content with short forms written out, and the named recipe under what the space changes in it."""
    content = copy.deepcopy(source.content)
    for section, key in SHORT_FORMS.items():
        if isinstance(content.get(section), str | int):
            content[section] = {key: content[section]}
    recipe = content.get("recipe")
    if isinstance(recipe, dict) and "base" in recipe:
        base = load_recipe(str(recipe.pop("base")), source.place("recipe"))
        content["recipe"] = {**base.model_dump(exclude_unset=True), **recipe}
    return content


def load_recipe(name: str, place: str) -> Recipe:
    """Read the recipe `name` from `recipes/` beside the spaces.

    Args:
        place: where it was asked for, for the message.
    """
    known = {p.stem: p for folder in reversed(search_path()) for p in folder.glob("recipes/*.yaml")}
    if name not in known:
        raise SpaceError(place + unknown("recipe", name, known))
    source = Source.read(known[name])
    try:
        return Recipe.model_validate(source.content)
    except ValidationError as error:
        raise SpaceError([source.explain(finding, Recipe) for finding in error.errors()]) from None


def prune(content: dict[str, Any], place: Sequence[int | str]) -> None:
    """Take the part at `place` out, so that the rest can be looked at."""
    *parents, last = place
    for parent in parents:
        inner = content.get(parent) if isinstance(parent, str) else None
        if not isinstance(inner, dict):
            content.pop(str(parent), None)
            return
        content = inner
    content.pop(str(last), None)


def schema() -> dict[str, Any]:
    """JSON Schema of a space file, for editors' completion and checks."""
    document = Space.model_json_schema()
    for section, key in SHORT_FORMS.items():
        part = document["properties"][section]
        short = {"type": "string", "description": f"short for {{{key}: …}}"}
        whole = part.pop("anyOf", None) or [{"$ref": part.pop("$ref")}]
        document["properties"][section] = {"anyOf": [short, *whole], **part}
    base = {"type": "string", "description": "name of a recipe in recipes/, under the settings given here"}
    document["$defs"]["Recipe"]["properties"]["base"] = base
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
