"""The families of networks: how one is registered, checked and built."""

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

from scaling.models.pooling import POOLINGS, PoolingChoice, pooling_options
from scaling.models.signature import arguments, check_argument, required
from scaling.study.errors import ModelError, unknown

Check = Callable[[Mapping[str, Any]], Iterable[str]]


def _height_and_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


Positive = Annotated[int, Field(gt=0)]
# One number is a square; stored as (height, width).
ImageSize = Annotated[Positive | tuple[Positive, Positive], AfterValidator(_height_and_width)]


@dataclass(frozen=True)
class Family:
    """A registered family: the function that builds a member, and the rules between its parameters."""

    build: Callable[..., nn.Module]
    check: Check | None = None


FAMILIES: dict[str, Family] = {}


@overload
def family(build: Callable[..., nn.Module], /) -> Callable[..., nn.Module]: ...
@overload
def family(*, check: Check) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]: ...
def family(build: Callable[..., nn.Module] | None = None, /, *, check: Check | None = None) -> Any:
    """Register a function as a family under its own name; to be used as a decorator.

    The function has keyword-only parameters whose annotations say what is allowed, as pydantic reads them. Every family
    has `num_classes: int`, `image_size: ImageSize`, `in_chans: int`, `pooling: PoolingChoice` and `seed: int | None`,
    all with defaults (`seed` without annotated bounds; it is no part of the architecture). It draws the initial weights
    of trunk, pooling and head inside `seeded(seed, "trunk")`, `"pooling"` and `"head"`.

    Args:
        check: given the complete architecture (defaults filled in, `pooling` as a `PoolingChoice`, `image_size` as
            (height, width)), yields a sentence for everything that is wrong between parameters. It builds nothing.
    """
    if build is None:
        return functools.partial(_register, check)
    return _register(check, build)


def _register(check: Check | None, build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    name = build.__name__
    if name in FAMILIES:
        raise ValueError(f"a family named '{name}' is registered already, by {FAMILIES[name].build.__module__}")
    FAMILIES[name] = Family(build, check)
    return build


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a family, by name, with annotation and default.

    Every option of every pooling is one, as `pooling_OPTION`: where the chosen pooling has no such option it has no
    effect, so that arms with and without it can share one cell.

    Raises:
        ModelError: if there is no such family.
    """
    own = dict(arguments(_family(name).build))
    own.pop("seed", None)
    own["pooling"] = own["pooling"].replace(annotation=str, default=own["pooling"].default.name)
    return own | {f"pooling_{option}": parameter for option, parameter in pooling_options().items()}


def check_arch(name: str, arch: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Check the parameters of one member of a family against its signature; return them coerced, defaults left out.

    Nothing is built. With `partial`, required parameters may be missing and the rules between parameters are left for
    the call that has all of them: a way to ask about one value of one axis.

    Raises:
        ModelError: with one line for every problem, such as `patchconvnet: width 30 is not a multiple of 8`.
    """
    build, known = _family(name).build, parameters(name)
    coerced: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in arch.items():
        coerced[key] = value
        if key not in known:
            problems.append(unknown("parameter", key, known))
        elif key == "pooling":
            problems += [] if isinstance(value, str) and value in POOLINGS else [unknown("pooling", value, POOLINGS)]
        elif key.startswith("pooling_"):
            option = key.removeprefix("pooling_")
            owner = _owner_of_option(arch.get("pooling"), option)
            coerced[key], wrong = check_argument(owner, option, value)
            problems += [f"pooling_{sentence}" for sentence in wrong]
        else:
            coerced[key], wrong = check_argument(build, key, value)
            problems += wrong
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
        seed: of the initial weights. The same seed gives the same trunk whatever the pooling, and the same head; the
            global random state is left alone. Without it the global random state is used.
        arch: parameters of the family, among them `num_classes` (1000), `image_size` (224; one number or height and
            width, in pixels), `in_chans` (3) and `pooling`.

    Raises:
        ModelError: with one line for every parameter that is unknown, missing or out of range.
    """
    coerced = check_arch(family, arch)
    return FAMILIES[family].build(**_folded(coerced, _family(family).build), seed=seed)


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


def _owner_of_option(pooling: object, option: str) -> Callable[..., nn.Module]:
    """Return the pooling whose signature judges an option: the chosen one, or else the first that has it."""
    chosen = [POOLINGS[pooling]] if isinstance(pooling, str) and pooling in POOLINGS else []
    return next(function for function in [*chosen, *POOLINGS.values()] if option in arguments(function))


def _broken_rules(name: str, coerced: Mapping[str, Any]) -> list[str]:
    check, build = FAMILIES[name].check, FAMILIES[name].build
    if check is None:
        return []
    defaults = {key: parameter.default for key, parameter in arguments(build).items()}
    defaults["image_size"] = check_argument(build, "image_size", defaults["image_size"])[0]
    return list(check(defaults | _folded(coerced, build)))


def _folded(coerced: Mapping[str, Any], build: Callable[..., nn.Module]) -> dict[str, Any]:
    """Fold `pooling` and `pooling_OPTION` into one `PoolingChoice`; options the pooling has not got fall away."""
    flat = dict(coerced)
    name = flat.pop("pooling", arguments(build)["pooling"].default.name)
    options = {key.removeprefix("pooling_"): flat.pop(key) for key in list(flat) if key.startswith("pooling_")}
    own = arguments(POOLINGS[name])
    return {**flat, "pooling": PoolingChoice(name, {key: value for key, value in options.items() if key in own})}
