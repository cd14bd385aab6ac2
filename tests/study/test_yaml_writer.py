"""What this package writes as YAML is read back as it was."""

import pytest
import yaml

from scaling.study.plain_yaml import read_yaml
from scaling.study.yaml_writer import write_yaml

WORDS = [
    *("1e3", "0o17", "0777", "1:30", "2024-01-01", "on", "No", "~", "", "1_000", "0b11", "=", "<<", ".inf", "4.0"),
    *("a: b", "# no comment", "'quoted'", "- item", "[list", "{map", "&a", "*a", "!tag", "two\nlines", "é", " blank "),
]


@pytest.mark.parametrize("word", WORDS)
def test_a_text_stays_a_text(word: str) -> None:
    tree = {"question": word, "listed": [word, 1e-05, 0.1, 4, True, None]}

    assert read_yaml(write_yaml(tree)) == tree
    assert yaml.safe_load(write_yaml(tree))["question"] == word
