"""Settings that a command overrides: `--set KEY=VALUE`."""

from collections.abc import Sequence
from typing import Any

import yaml

from scaling.space.yaml_source import read_yaml
from scaling.study.errors import SpaceError


def parse_overrides(settings: Sequence[str], data: str | None) -> dict[str, Any]:
    """Read `KEY=VALUE` strings; values are YAML. `--data SPEC` is short for `--set data.source=SPEC`."""
    overrides: dict[str, Any] = {}
    problems = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            problems.append(f"--set {setting}: write KEY=VALUE, such as recipe.epochs=5")
            continue
        try:
            overrides[key.strip()] = read_yaml(value)
        except yaml.YAMLError:
            problems.append(f"--set {setting}: the value is not valid YAML")
    if problems:
        raise SpaceError(problems)
    if data is not None:
        overrides["data.source"] = data
    return overrides
