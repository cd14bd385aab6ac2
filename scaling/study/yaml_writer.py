"""YAML that this package writes: every text is read back as the text that it is, by `plain_yaml` and by YAML 1.1."""

from collections.abc import Mapping
from typing import Any

import yaml

from scaling.study.plain_scalars import plain_value


def write_yaml(tree: Mapping[str, Any]) -> str:
    """Return a mapping as YAML, in its own order; texts that look like another value are quoted, such as '1e3'."""
    return yaml.dump(tree, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)


class _Writer(yaml.SafeDumper):
    """Quotes what an unquoted word would not give back."""


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain_value(text) == text else "'")


_Writer.add_representer(str, _text)
