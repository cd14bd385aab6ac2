"""Settings that a command overrides: `--set KEY=VALUE`."""

from collections.abc import Sequence
from typing import Any

from scaling.space.yaml_source import REMOVED
from scaling.study.errors import SpaceError
from scaling.study.plain_scalars import text_problem
from scaling.study.plain_yaml import YamlError, read_yaml
from scaling.wording import shortened


def parse_overrides(settings: Sequence[str], data: str | None) -> dict[str, Any]:
    """Read `KEY=VALUE` strings; values are YAML. `KEY-` removes a key; `--data SPEC` is short for `data.source=SPEC`.

    Raises:
        SpaceError: one line for every setting that cannot be read, or not in one way only.
    """
    overrides: dict[str, Any] = {}
    problems = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        key = key.strip()
        removes = not equals and key.endswith("-")
        key = key.removesuffix("-") if removes else key
        if not (equals or removes) or not key:
            problems.append(f"--set {shortened(setting)}: write KEY=VALUE, such as recipe.epochs=5")
        elif "" in key.split("."):
            problems.append(f"--set {shortened(key)}: a part of the key is empty; write it as in recipe.epochs=5")
        elif text_problem(key) or "\n" in key or "\r" in key:
            problems.append(f"--set {shortened(key)}: the key holds a letter that cannot be printed; leave it out")
        elif removes:
            overrides[key] = REMOVED
        else:
            try:
                overrides[key] = read_yaml(value)
            except YamlError as error:
                problems += [finding.sentence(f"--set {shortened(key)}", with_line=False) for finding in error.findings]
    if data is not None:
        if text_problem(data):
            problems.append(f"--data {shortened(data)}: holds a letter that cannot be printed; leave it out")
        overrides["data.source"] = data
    if problems:
        raise SpaceError(problems)
    return overrides
