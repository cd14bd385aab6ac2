"""Pooling options: nested and flat settings are one trial with one key."""

from typing import Any

import pytest

from scaling.study.config import TrialConfig
from scaling.study.errors import ModelError
from scaling.study.flat_pooling import flat_pooling


def config(**arch: Any) -> TrialConfig:
    return TrialConfig(family="patchconvnet", arch={"depth": 2, "width": 32, **arch})


def test_nested_and_flat_options_have_one_key() -> None:
    flat = config(pooling="attention", pooling_heads=4)
    nested = config(pooling={"name": "attention", "heads": 4})
    both = config(pooling={"name": "attention", "heads": 4}, pooling_heads=4)

    assert nested == both == flat
    assert nested.key == both.key == flat.key == "53fd158717a97783"
    assert config(pooling={"name": "gem"}).key == config(pooling="gem").key


def test_flat_options_stand_where_pooling_stood() -> None:
    arch = {"depth": 2, "pooling": {"name": "attention", "heads": 4, "width": None}, "width": 32}

    assert list(flat_pooling(arch).items()) == [
        ("depth", 2),
        ("pooling", "attention"),
        ("pooling_heads", 4),
        ("width", 32),
    ]


def test_a_nested_option_of_none_is_not_given() -> None:
    nested = {"name": "attention", "width": None}

    assert config(pooling=nested).key == config(pooling="attention").key
    assert flat_pooling({"pooling": nested, "pooling_width": 8}) == {"pooling": "attention", "pooling_width": 8}


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ({"pooling": {"heads": 4}}, r"pooling \{'heads': 4\} has no name; write it as \{name: attention, heads: 4\}"),
        ({"pooling": {"name": 4}}, "has no name"),
        ({"pooling": {}}, "has no name"),
        (
            {"pooling": {"name": "attention", "heads": 4}, "pooling_heads": 2},
            "^pooling_heads is 2 and, inside pooling, 4; keep one of them$",
        ),
        (
            {"pooling": {"name": "attention", "heads": 1.0}, "pooling_heads": 1},
            "^pooling_heads is 1 and, inside pooling, 1.0; keep one of them$",
        ),
        (
            {"pooling_heads": True, "pooling": {"name": "attention", "heads": 1}},
            "^pooling_heads is True and, inside pooling, 1; keep one of them$",
        ),
    ],
    ids=str,
)
def test_a_contradicting_or_nameless_pooling_is_one_line(arch: dict[str, Any], said: str) -> None:
    for reads in (flat_pooling, lambda given: config(**given)):
        with pytest.raises(ModelError, match=said) as caught:
            reads(arch)
        assert len(caught.value.problems) == 1
