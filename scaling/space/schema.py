"""The schema of a space: a question, typed and checked.

A space names a family, its free parameters (axes), the one factor that is compared (arms), how often each run is
repeated (seeds), what models may cost (limits), and the data and recipe that all trials share.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ByteSize,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from scaling.space.search_settings import Budget, Search, Tune
from scaling.study.config import DataConfig, Recipe, Resources, Settings

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
