"""Seeds: every cell and repetition has one of its own, which the arms of the cell share.

Cells that shared seeds would share their luck too: the order of the images and their augmentation. Differences of
several cells would then err in the same direction, and their mean would look more certain than it is.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from scaling.study.flat_pooling import flat_pooling


def seed_of(family: str, cell: Mapping[str, Any], arch: Mapping[str, Any], repetition: int, study_seed: int = 0) -> int:
    """Return the seed of a repetition of a cell: 31 bits of the SHA-256 of what names it.

    The network's parameters count whether they are on an axis or fixed, in any order, so that a cell has the same
    seeds in every study that has it: its trials are the same trials there, and an extended study keeps its own. What
    is equal as a number is equal here (2 and 2.0), and so are a pooling's nested and flat forms.

    Args:
        cell: value of each axis, those of `recipe.NAME` and `data.NAME` too.
        arch: the family's other parameters, without the compared factor, which must not matter: arms are pairs.
        repetition: from 0.
        study_seed: the space's `seed`, another of which draws all seeds anew.

    Returns:
        A whole number from 0 to 2³¹ − 1.
    """
    content = {
        "family": family,
        "parameters": flat_pooling({**arch, **cell}),
        "repetition": repetition,
        "seed": study_seed,
    }
    text = json.dumps(canonical(content), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


def canonical(value: Any) -> Any:
    """Return `value` such that equal numbers have one text, in mappings and lists too: 2 for 2.0; true is no number."""
    if isinstance(value, Mapping):
        return {str(name): canonical(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
