"""A small member of every family, found from the family itself."""

import typing
from typing import Any

import pytest

from scaling.models import check_arch, parameters
from scaling.study.errors import ModelError

# smaller or faster than what the defaults give; a new family needs no entry
SMALLER: dict[str, dict[str, Any]] = {
    "patchconvnet": {"width": 16, "depth": 1, "patch_size": 4},
    "attention_augmented": {"base": "resnet18"},
    "timm": {"name": "convnext_atto"},
}


def small_member(family: str) -> dict[str, Any]:
    """Return parameters of a small member of a family: small values of the required ones, defaults of the others."""
    arch = dict(SMALLER.get(family, {}))
    for name, parameter in parameters(family).items():
        if name not in arch and parameter.default is parameter.empty:
            arch[name] = _allowed(family, name, parameter.annotation)
    return arch


def _allowed(family: str, name: str, annotation: Any) -> Any:
    kinds = typing.get_args(annotation)
    choices = [choice for kind in (annotation, *kinds) for choice in typing.get_args(kind)]
    for value in (16, 8, 32, 64, 1, 2, 4, 0.5, True, *choices):
        try:
            return check_arch(family, {name: value}, partial=True)[name]
        except ModelError:
            continue
    pytest.fail(f"{family} needs {name}, and none of the values tried is allowed; give it a default")
