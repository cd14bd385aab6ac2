"""Families of networks: how one is registered, checked and built."""

import contextlib
import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, overload

import torch
from pydantic import AfterValidator, Field
from torch import nn

from scaling.models.pooling import POOLINGS, PoolingChoice, option_owners, pooling_options, unknown_options
from scaling.models.signature import arguments, check_argument, required
from scaling.study.config import Side
from scaling.study.errors import ModelError, unknown
from scaling.study.flat_pooling import flat_pooling
from scaling.study.registry import Registry

Check = Callable[[Mapping[str, Any]], Iterable[str]]


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


Positive = Annotated[int, Field(gt=0)]
# One number is a square; stored as (height, width).
ImageSize = Annotated[Side | tuple[Side, Side], AfterValidator(_height_and_width)]


@dataclass(frozen=True)
class Family:
    """A registered family: the function that builds a member, and the rules between its parameters."""

    build: Callable[..., nn.Module]
    check: Check | None = None


FAMILIES: Registry[Family] = Registry("family", "scaling.models")
_COMMON = ("num_classes", "image_size", "in_chans", "pooling", "seed")  # parameters of every family, with defaults


@overload
def family(build: Callable[..., nn.Module], /) -> Callable[..., nn.Module]: ...
@overload
def family(*, check: Check | None = None) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]: ...
def family(build: Callable[..., nn.Module] | None = None, /, *, check: Check | None = None) -> Any:
    """Register a function as a family under its own name; use it as a decorator.

    The annotations of its parameters define the allowed values, as pydantic reads them. Every family has
    `num_classes: int`, `image_size: ImageSize`, `in_chans: int`, `pooling: PoolingChoice` and `seed: int | None`, with
    the defaults 1000, 224, 3, any pooling and None. The seed has no annotated bounds, since it is not part of the
    architecture. The function draws the initial weights of trunk, pooling and head inside `seeded(seed, "trunk")`,
    `"pooling"` and `"head"`; `scaling.models.pooled_network` does so for the latter two.

    Args:
        check: receives the complete architecture (defaults filled in, `pooling` as a `PoolingChoice`, `image_size` as
            (height, width)) and yields a sentence for every rule between parameters that is broken. It builds nothing.

    Raises:
        ModelError: the function lacks one of the parameters of every family, or a default for it.
    """
    if build is None:
        return functools.partial(_register, check)
    return _register(check, build)


def _register(check: Check | None, build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    known = arguments(build)
    if lacking := [name for name in _COMMON if name not in known or known[name].default is inspect.Parameter.empty]:
        raise ModelError(
            f"family '{build.__name__}' in {build.__module__} lacks {', '.join(lacking)};"
            f" every family takes {', '.join(_COMMON)}, with defaults"
        )
    if not isinstance(known["pooling"].default, PoolingChoice):
        raise ModelError(
            f"family '{build.__name__}' in {build.__module__}: the default of pooling is"
            f" {known['pooling'].default!r}; it must be a PoolingChoice, such as PoolingChoice('average')"
        )
    FAMILIES.add(build.__name__, Family(build, check), module=build.__module__)
    return build


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a family by name, with annotation and default.

    Every option of every pooling is included as `pooling_OPTION`. It has no effect where the chosen pooling does not
    have it, so that arms with and without it can share one cell.

    Raises:
        ModelError: there is no such family.
    """
    own = dict(arguments(_family(name).build))
    own.pop("seed", None)
    own["pooling"] = own["pooling"].replace(annotation=str, default=own["pooling"].default.name)
    return own | {f"pooling_{option}": parameter for option, parameter in pooling_options().items()}


def check_arch(name: str, arch: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Check the parameters of one member of a family against its signature; return them coerced, without defaults.

    Pooling options may be nested (`pooling: {name: attention, heads: 4}`) or flat (`pooling_heads: 4`); they are
    returned flat. Nothing is built.

    Args:
        partial: allow required parameters to be missing and skip the rules between parameters, to check the values of
            one axis alone.

    Raises:
        ModelError: one line per problem, such as `patchconvnet: width 30 is not a multiple of 8`.
    """
    build, known = _family(name).build, parameters(name)
    problems = unknown_options(arch.get("pooling"))
    coerced: dict[str, Any] = {}
    try:
        flat = flat_pooling(arch)
    except ModelError as error:
        problems, flat = [*problems, *error.problems], {key: arch[key] for key in arch if key != "pooling"}
    owners = {f"pooling_{option}": function for option, function in option_owners(flat.get("pooling")).items()}
    for key, value in flat.items():
        coerced[key] = value
        if key in owners:
            coerced[key], wrong = check_argument(owners[key], key.removeprefix("pooling_"), value)
            problems += [f"pooling_{sentence}" for sentence in wrong]
        elif key == "pooling":
            problems += [] if isinstance(value, str) and value in POOLINGS else [unknown("pooling", value, POOLINGS)]
        elif key in known:
            coerced[key], wrong = check_argument(build, key, value)
            problems += wrong
        elif key in arch:  # a nested option was reported above
            problems.append(unknown("parameter", key, known))
    if not partial:
        problems += [f"needs a value for {key}" for key in required(build) if key not in arch]
        if not problems:
            problems += _broken_rules(name, coerced)
    if problems:
        raise ModelError([f"{name}: {problem}" for problem in problems])
    return coerced


def build_model(family: str, *, seed: int | None = None, **arch: Any) -> nn.Module:
    """Build one member of a family: images (N, in_chans, H, W) to logits (N, num_classes).

    Args:
        family: name of the family, such as `patchconvnet`.
        seed: of the initial weights. One seed gives the same trunk and the same head whatever the pooling, and leaves
            the global random state alone. Without it the global random state is used.
        arch: parameters of the family, among them `num_classes` (1000), `image_size` (224; one number, or height and
            width, in pixels), `in_chans` (3) and `pooling` (a name, or `{"name": "attention", "heads": 4}`).

    Raises:
        ModelError: one line for every parameter that is unknown, missing or out of range.
    """
    coerced = check_arch(family, arch)
    model = FAMILIES[family].build(**_with_choice(coerced, FAMILIES[family].build), seed=seed)
    if not isinstance(model, nn.Module):
        raise FAMILIES.refusal(family, model, "an nn.Module")
    return model


@contextlib.contextmanager
def seeded(seed: int | None, part: str) -> Iterator[None]:
    """Draw what is initialised inside from a stream of its own, determined by `seed` and the name of the part.

    Without a seed the global random state is used as usual. Weights are drawn on the CPU; only its generator is set.
    """
    if seed is None:
        yield
        return
    digest = hashlib.sha256(f"{seed}/{part}".encode()).digest()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        yield


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ModelError(unknown("family", name, FAMILIES))
    return FAMILIES[name]


def _broken_rules(name: str, coerced: Mapping[str, Any]) -> list[str]:
    check, build = FAMILIES[name].check, FAMILIES[name].build
    if check is None:
        return []
    defaults = {key: parameter.default for key, parameter in arguments(build).items()}
    defaults["image_size"] = check_argument(build, "image_size", defaults["image_size"])[0]
    return list(check(defaults | _with_choice(coerced, build)))


def _with_choice(coerced: Mapping[str, Any], build: Callable[..., nn.Module]) -> dict[str, Any]:
    """Replace `pooling` and its options by one `PoolingChoice`."""
    rest, choice = PoolingChoice.taken_from(coerced, arguments(build)["pooling"].default)
    return {**rest, "pooling": choice}
