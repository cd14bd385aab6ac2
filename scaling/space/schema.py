"""The schema of a space: a question, typed and checked.

A space names a family, its free parameters (axes), the one factor that is compared (arms), the number of
repetitions, the upper bounds of a model's cost (limits), and the data and recipe that all trials share.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    field_validator,
    model_validator,
)

from scaling.space.pooling_setting import PoolingSetting, Scalar, as_arch, read_value
from scaling.space.search_settings import Budget, Search, Tune
from scaling.study.aliases import present_value
from scaling.study.config import NO_IDENTITY, DataConfig, Recipe, Resources, Settings, as_whole
from scaling.study.flat_pooling import flat_pooling, pooling_text
from scaling.study.training_compute import EPOCHS, TRAINING_COMPUTE
from scaling.wording import shortened, shown

Value = Annotated[bool | int | float | str | PoolingSetting, BeforeValidator(read_value)]
ListedScalar = Annotated[Scalar, BeforeValidator(as_whole)]
MOST_VALUES = 100_000  # of an axis
MOST_REPETITIONS = 10_000


class Range(Settings):
    """Numbers from `low` to `high`, both included, in Optuna's terms."""

    low: int | float
    high: int | float
    step: PositiveInt | PositiveFloat | None = Field(
        default=None, description="distance between neighbours; for whole numbers, 1 by default"
    )
    log: bool = Field(default=False, description="sample evenly on a logarithmic scale; needs --samples")

    @classmethod
    def misread(cls, content: Mapping[str, Any]) -> str | None:
        """Return a message if `content` is a pooling with options, which an axis takes in a list."""
        if "name" not in content:
            return None
        return (
            "an axis needs a list of poolings, as in [average, {name: attention, heads: 4}];"
            f" it is {shown(dict(content))}"
        )

    @model_validator(mode="after")
    def _is_upright(self) -> "Range":
        if self.low > self.high:
            raise ValueError(f"the range is upside down: low {self.low} is above high {self.high}; swap them")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range takes no step; leave out one of the two")
        steps = self._steps()
        if (not self.log and (self.step is not None or self.is_whole)) and steps >= MOST_VALUES:
            values = f"{int(steps) + 1:,}" if steps < 2**63 else f"more than {MOST_VALUES:,}"
            raise ValueError(f"has {values} values; give it a larger step, or log: true")
        if self.step is not None and self.low + self.step == self.low < self.high:
            raise ValueError(f"the step {self.step} is too small beside {self.low}; give a larger one")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    def values(self) -> list[int | float] | None:
        """List all members, 4 for 4.0; None where that is impossible (logarithmic, or real numbers without a step)."""
        count = self.count
        return None if count is None else [as_whole(self.low + i * (self.step or 1)) for i in range(count)]

    @property
    def count(self) -> int | None:
        """Number of members; None where they cannot be listed."""
        if self.log or (self.step is None and not self.is_whole):
            return None
        return int(self._steps()) + 1

    def _steps(self) -> float:
        """Steps from `low` to `high`; infinite where that is more than a number can hold."""
        try:
            return (self.high - self.low) / (self.step or 1) + 1e-9
        except OverflowError:
            return math.inf


def _distinct(written: Any, read: Callable[[Any], list[Value]]) -> list[Value]:
    """Read a list; refuse equal values, named as they are written: 4 and 4.0."""
    values = read(written)
    if not values:
        raise ValueError("is empty; give it at least one value")
    names: dict[tuple[bool, Value], set[str]] = {}
    counts = Counter((isinstance(value, bool), value) for value in values)  # true is not 1
    for value, one in zip(values, written, strict=True):
        text = pooling_text(one) if isinstance(one, Mapping) and isinstance(value, PoolingSetting) else str(value)
        text = str(one) if isinstance(one, int | float) else text
        names.setdefault((isinstance(value, bool), value), set()).add(shortened(text))
    twice = sorted(name for value, count in counts.items() if count > 1 for name in names[value])
    if twice:
        raise ValueError(f"names {', '.join(twice)} twice")
    return values


Listed = Annotated[list[Value], WrapValidator(_distinct)]
Axis = Annotated[
    Annotated[Listed, Tag("list")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "range" if isinstance(value, dict | Range) else "list"),
]


def _in_bytes(value: Any) -> Any:
    """Read `16GiB` as a number of bytes; leave numbers alone, quoted ones too."""
    if not isinstance(value, str) or is_number(value):
        return value
    try:
        return TypeAdapter(ByteSize).validate_python(value)
    except ValidationError:
        raise ValueError(f"needs a number, or a size such as 16GiB; it is {shown(value)}") from None


def is_number(text: str) -> bool:
    """Whether a text can be read as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_one(looks: int) -> int:
    if looks != 1:
        raise ValueError(f"is {looks}; give 1, which fixes the plan, or leave it out, so that the study may grow")
    return looks


OneLook = Annotated[int, AfterValidator(_is_one)]
KeepWeights = Annotated[
    Literal["none", "first_repetition", "all"], BeforeValidator(lambda value: present_value("keep_weights", value))
]
Limits = dict[str, Annotated[PositiveFloat, BeforeValidator(_in_bytes)] | None]


class Match(Settings):
    """Arms of equal cost: every arm but the baseline gets the value at which it costs what the baseline costs."""

    cost: str = Field(default="macs", description="the cost to equalise; training_compute takes epochs into account")
    vary: str = Field(
        default="width", description="parameter of the family that is adjusted; of training_compute it is epochs"
    )

    @classmethod
    def in_current_words(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """Also fill in what training compute varies: epochs, which may be called by their setting, recipe.epochs."""
        content = super().in_current_words(content)
        if content.get("vary") == f"recipe.{EPOCHS}" or (
            content.get("cost") == TRAINING_COMPUTE and "vary" not in content
        ):
            return {**content, "vary": EPOCHS}
        return content


class Space(Settings):
    """A question: axes × arms × repetitions under one recipe, on one data set."""

    question: str = Field(default="", description="what the study answers, in one sentence; the title of the report")
    family: str = Field(description="a parametrised set of architectures, such as patchconvnet")
    arch: dict[str, Value | list[ListedScalar] | None] = Field(
        default={}, description="parameters of the family that all trials share"
    )
    axes: dict[str, Axis] = Field(
        description="free parameters: a list of values, or low and high; recipe.NAME and data.NAME are allowed"
    )
    arms: dict[str, Listed] = Field(
        default={},
        description="the one compared factor and its values, the baseline first; a pooling with options is"
        " {name: attention, heads: 4}. Left out: one arm, the pooling of arch or else average, and no verdict",
    )
    repetitions: PositiveInt = Field(
        default=3,
        le=MOST_REPETITIONS,
        description="runs of every cell and arm; each repetition of a cell has a seed of its own, which its arms share",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="from which the seeds of all trials follow; another makes another study"
    )
    looks: OneLook | None = Field(
        default=None,
        description="1 fixes the plan: its one verdict is at the full 95 %, and further runs are a new study; none: a"
        " study may grow, and the verdict on each further plan is at a stricter level",
    )
    detect: PositiveFloat | None = Field(
        default=None,
        description="difference in percentage points for which further runs are planned; none: twice search.margin",
    )
    match: Match | None = Field(default=None, description="give the arms of a cell equal cost")
    search: Search = Search()
    tune: Tune | None = Field(default=None, description="try several learning rates for every cell and arm")
    limits: Limits = Field(
        default={},
        description="upper bounds on costs of one model; a cell is left out when any of its arms costs more."
        " Bytes can be written as 16GiB",
    )
    budget: Budget = Budget()
    data: DataConfig = DataConfig()
    recipe: Recipe = Recipe()
    resources: Resources = Resources()
    keep_weights: KeepWeights = Field(
        default="first_repetition",
        description="trials whose final weights are kept, with a gallery of their attention maps",
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

    @classmethod
    def in_current_words(cls, content: Mapping[str, Any]) -> dict[str, Any]:
        """Also spell out `search: matched`, a grid whose arms have equal cost, and the arm of a study without arms."""
        content = super().in_current_words(content)
        axes = content.get("axes")
        if "arms" not in content and not (isinstance(axes, Mapping) and "pooling" in axes):
            arch = content.get("arch")
            arch = dict(arch) if isinstance(arch, Mapping) else arch
            own = arch.pop("pooling", None) if isinstance(arch, dict) else None
            content = {**content, "arms": {"pooling": [own or "average"]}, **({"arch": arch} if own else {})}
        content.setdefault("arms", {})
        search = content.get("search")
        if isinstance(search, Mapping) and search.get("design") == "matched":
            return {**content, "search": {**search, "design": "grid"}, "match": content.get("match") or {}}
        return content

    @property
    def factor(self) -> str:
        """Name of the compared parameter."""
        return next(iter(self.arms))

    def pooling(self, value: Any) -> Any:
        """Return the pooling with options whose text is `value`, as records hold it; `value` itself where none is."""
        axis = self.axes.get("pooling", [])
        listed = self.arms.get("pooling", [] if isinstance(axis, Range) else axis)
        return next((one for one in listed if isinstance(one, PoolingSetting) and str(one) == value), value)

    @property
    def bounds(self) -> dict[str, float]:
        """Bound of each cost that is limited."""
        return {name: bound for name, bound in self.limits.items() if bound is not None}

    @property
    def arm_values(self) -> list[Value]:
        """Values of the compared parameter; the first is the baseline."""
        return self.arms[self.factor]

    def conditions(self) -> dict[str, Any]:
        """Return what all trials have in common; a study with other conditions is another study.

        Defaults are left out, so that a setting that a later version adds does not separate a study from its records.
        """
        return {
            "family": self.family,
            "factor": self.factor,
            "axes": list(self.axes),
            **({"match": self.match.model_dump()} if self.match else {}),
            **({"tune": self.tune.conditions()} if self.tune else {}),
            **({"seed": self.seed} if self.seed else {}),
            "arch": flat_pooling({name: as_arch(value) for name, value in self.arch.items()}),
            "data": self.data.model_dump(mode="json", exclude_defaults=True, exclude=NO_IDENTITY),
            "recipe": self.recipe.model_dump(mode="json", exclude_defaults=True),
        }
