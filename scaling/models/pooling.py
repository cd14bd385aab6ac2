"""Poolings: how the last map (N, H, W, C), channels last, becomes the vector (N, C') that the classifier reads.

A pooling is one function with `@pooling` in a file of `scaling/models/poolings/`, or in a plugin. It may return any
`nn.Module`:

    @pooling
    def median(channels: int) -> nn.Module:
        return Median(channels)
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self, overload

import torch
from pydantic import Field
from torch import nn

from scaling.models.meta import on_meta
from scaling.models.pool import AttendingPool as AttendingPool
from scaling.models.pool import OrdinaryPool, output_of
from scaling.models.pool import Pool as Pool
from scaling.models.signature import arguments
from scaling.study.errors import ModelError, unknown
from scaling.study.plugin_import import in_one_line
from scaling.study.registry import Registry

PoolingFunction = Callable[..., nn.Module]
POOLINGS: Registry[PoolingFunction] = Registry("pooling", "scaling.models.poolings")

Heads = Annotated[int, Field(gt=0, description="attention heads; they divide the pooling's width")]
Width = Annotated[int, Field(gt=0, description="channels inside the pooling and of its result; none keeps the map's")]
Ratio = Annotated[float, Field(gt=0, description="hidden width of the pooling's MLP over the pooling's width")]
Scale = Annotated[float, Field(gt=0, description="initial scale of its residual branches; none takes the trunk's")]
Exponent = Annotated[float, Field(gt=0, description="1 is the average; larger values approach the maximum")]

_CONTEXT = ("channels", "num_classes", "map_size")  # given by the family; all other parameters are options
_PREFIX = "pooling_"  # of options in the flat form


@overload
def pooling(function: PoolingFunction, /) -> PoolingFunction: ...
@overload
def pooling(*, name: str | None = None) -> Callable[[PoolingFunction], PoolingFunction]: ...
def pooling(function: PoolingFunction | None = None, /, *, name: str | None = None) -> Any:
    """Register a function as a pooling, under its own name or `name`; use it as a decorator.

    The function takes `channels` and, if it names them, `num_classes` and `map_size` (height and width of the map in
    training). Its other parameters are its options: each needs a default, and its annotation defines the allowed
    values, as pydantic reads it. Options of one name mean the same in all poolings.

    The function returns an `nn.Module` that maps (N, H, W, C), channels last, to (N, C'), or, where it takes
    `num_classes`, to (N, K, C'), a vector per class. The module must treat each image alone and accept maps of other
    sizes. Its width C' is found by running it on the meta device. A module may derive from `Pool` to ask for a norm
    behind it, or from `AttendingPool` to have its attention drawn. Its docstring describes it in reports and docs.

    Raises:
        ModelError: the function takes no `channels`, or an option has no default.
    """
    if function is not None:
        return _register(function.__name__, function)
    return lambda function: _register(function.__name__ if name is None else name, function)


def _register(name: str, function: PoolingFunction) -> PoolingFunction:
    if problems := _signature_problems(function):
        raise ModelError([f"pooling '{name}' in {function.__module__}: {problem}" for problem in problems])
    POOLINGS.add(name, function, module=function.__module__)
    return function


def _signature_problems(function: PoolingFunction) -> list[str]:
    try:
        known = arguments(function)
    except (NameError, TypeError, ValueError) as trouble:
        return [f"its signature cannot be read: {trouble}"]
    problems = []
    if "channels" not in known:
        problems.append("takes no `channels`, the number of channels of its maps")
    for option, parameter in options_of(function).items():
        if parameter.default is inspect.Parameter.empty:
            problems.append(f"its option {option} has no default")
        if option == "name":
            problems.append("its option cannot be called name, which is the pooling's own in settings")
    return problems


def options_of(function: PoolingFunction) -> dict[str, inspect.Parameter]:
    """Return the options of a pooling: its parameters but for those that the family gives."""
    return {name: parameter for name, parameter in arguments(function).items() if name not in _CONTEXT}


def option_owners(name: object = None) -> dict[str, PoolingFunction]:
    """Return every option of all poolings with the function whose signature judges it.

    That is pooling `name` where it has the option, and else the first pooling that has it.
    """
    chosen = [POOLINGS[name]] if isinstance(name, str) and name in POOLINGS else []
    functions = [*list(POOLINGS.values())[::-1], *chosen]
    return {option: function for function in functions for option in options_of(function)}


def pooling_options() -> dict[str, inspect.Parameter]:
    """Return the options of all poolings by name, with None as default, since each pooling has its own."""
    return {option: options_of(function)[option].replace(default=None) for option, function in option_owners().items()}


def unknown_options(nested: object) -> list[str]:
    """Return a line for each option in `{name: attention, heads: 4}` that this pooling does not have."""
    name = nested.get("name") if isinstance(nested, Mapping) else None
    if not isinstance(nested, Mapping) or not isinstance(name, str) or name not in POOLINGS:
        return []  # other checks report that
    known = options_of(POOLINGS[name])
    surplus = [option for option in nested if option != "name" and option not in known]
    if not known:
        return [f"pooling '{name}' has no options; leave out {option}" for option in surplus]
    return [f"pooling '{name}': {unknown('option', option, known)}" for option in surplus]


@dataclass(frozen=True)
class PoolingChoice:
    """A pooling and the options set for it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def taken_from(cls, flat: Mapping[str, Any], default: Self) -> tuple[dict[str, Any], Self]:
        """Split flat parameters of a family into those without the pooling, and the pooling with its options."""
        rest = {key: value for key, value in flat.items() if key != "pooling" and not key.startswith(_PREFIX)}
        options = {key.removeprefix(_PREFIX): value for key, value in flat.items() if key.startswith(_PREFIX)}
        name = flat.get("pooling", default.name)
        return rest, cls(name, {**default.options, **options} if name == default.name else options)

    def build(self, channels: int, *, num_classes: int, map_size: tuple[int, int], **defaults: Any) -> Pool:
        """Build the module for maps of `channels` channels and `map_size` (height, width).

        `defaults` replace the defaults of options that this pooling has and the user has not set. Options that it does
        not have are ignored, so that arms with and without them can share a cell.

        Raises:
            ModelError: it cannot be built, such as with heads that do not divide the width; it returns no module; or
                its module does not return (N, C') or (N, K, C').
        """
        make = functools.partial(self._module, channels, map_size, defaults)
        module = make(num_classes)
        if isinstance(module, Pool):
            return module
        takes_classes = "num_classes" in arguments(POOLINGS[self.name])
        width, per_class = output_of(
            module, self.name, channels, map_size=map_size, num_classes=num_classes if takes_classes else None
        )
        return OrdinaryPool(module, width, make if per_class else None)

    def _module(
        self, channels: int, map_size: tuple[int, int], defaults: Mapping[str, Any], num_classes: int
    ) -> nn.Module:
        if self.name not in POOLINGS:
            raise ModelError(unknown("pooling", self.name, POOLINGS))
        function = POOLINGS[self.name]
        given = {**defaults, **self.options, "channels": channels, "num_classes": num_classes, "map_size": map_size}
        try:
            module = function(**{name: given[name] for name in arguments(function) if name in given})
        except ModelError:
            raise
        except Exception as trouble:  # of any kind, from somebody else's code
            if isinstance(trouble, RuntimeError) and torch.empty(0).is_meta:
                raise  # `on_meta` builds it on the CPU instead
            raise ModelError(
                f"pooling '{self.name}' cannot be built for {channels} channels: {in_one_line(trouble)}"
            ) from trouble
        if not isinstance(module, nn.Module):
            raise ModelError(f"pooling '{self.name}' returns a {type(module).__name__}; it must return an nn.Module")
        return module

    def problems(self, channels: int, *, num_classes: int, map_size: tuple[int, int]) -> list[str]:
        """Return what keeps the module from being built, found at no cost by building it on the meta device."""
        try:
            on_meta(lambda: self.build(channels, num_classes=num_classes, map_size=map_size))
        except ModelError as error:
            return error.problems
        return []


PAPER_POOLING = PoolingChoice("attention")  # the default of PatchConvNet
AVERAGE = PoolingChoice("average")  # the default of families whose networks end in an average
TIMM_POOLINGS = {"avg": "average", "avgmax": "average_max"}  # timm's names, where they differ
