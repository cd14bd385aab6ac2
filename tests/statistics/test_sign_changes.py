"""Changes of sign: between parts that are decided, never at a cost."""

import re

import numpy as np
import pytest

from scaling.statistics.equal_cost_parts import EqualCostParts, compare_at_equal_cost, polyline
from scaling.statistics.estimates import Interval
from scaling.statistics.missing import Missing
from scaling.statistics.parts import Part
from scaling.statistics.sign_changes import SignChange, sign_change_sentence, sign_changes
from scaling.statistics.words import Words

WORDS = Words("average", "attention", "MACs")
SIGNS = {"+": 1.0, "-": -1.0, "0": 0.1}


def parts(signs: str) -> list[Part]:
    """Parts that are decided on the side of their sign; `0`: open."""
    found = []
    for place, sign in enumerate(signs):
        interval = Interval(SIGNS[sign], SIGNS[sign] - 0.5, SIGNS[sign] + 0.5, 0.95, 9)
        found.append(Part(10.0**place, 10.0 ** (place + 1), interval, interval))
    return found


def at_equal_cost(accuracy: np.ndarray, cells: int = 12) -> EqualCostParts:
    """An arm over a baseline of 70 %, both at the same costs, with cells that scatter a little."""
    cost, names = np.geomspace(1e5, 1e7, cells), [f"c{i}" for i in range(cells)]
    noise = np.random.default_rng(0).normal(0, 0.05, (2, cells))
    flat = polyline(cost, 70 + noise[0], names)
    found = compare_at_equal_cost(flat, polyline(cost, accuracy + noise[1], names), 0.2, 0.95)
    assert isinstance(found, EqualCostParts)
    return found


@pytest.mark.parametrize(
    ("signs", "changes"),
    [
        ("+", []),
        ("+-", [SignChange(0, 1)]),
        ("+0-", [SignChange(0, 2)]),
        ("0-+", [SignChange(1, 2)]),
        ("+-+", [SignChange(0, 1), SignChange(1, 2)]),
        ("++0", []),
        ("000", []),
    ],
)
def test_changes_lie_between_decided_parts(signs: str, changes: list[SignChange]) -> None:
    assert sign_changes(parts(signs)) == changes


def test_a_crossing_is_placed_between_parts() -> None:
    said = sign_change_sentence(at_equal_cost(70 + np.linspace(-2, 2, 12)), WORDS)

    assert re.fullmatch(
        r"At equal MACs the better arm changes between the cheapest third \(0\.1 M to 0\.464 M MACs: −1\.\d\d, .*\) and"
        r" the most expensive third \(2\.15 M to 10 M MACs: \+1\.\d\d, .*\), the middle third being open\.",
        said,
    )
    assert "from cost" not in said


def test_one_side_throughout_is_no_change() -> None:
    said = sign_change_sentence(at_equal_cost(np.full(12, 71.0)), WORDS)

    assert said == "At equal MACs no change of sign: attention is ahead in every part."
    behind = sign_change_sentence(at_equal_cost(np.full(12, 69.0)), WORDS)
    assert behind.endswith("average is ahead in every part.")


def test_open_parts_are_named() -> None:
    hockey = 70 + np.where(np.arange(12) > 8, 2.0, 0.0)

    assert sign_change_sentence(at_equal_cost(hockey), WORDS) == (
        "At equal MACs no change of sign is seen; the cheapest third and the middle third are open."
    )
    assert sign_change_sentence(at_equal_cost(np.full(12, 70.0)), WORDS).endswith("no part is decided.")


def test_equal_arms_are_rarely_said_to_change() -> None:
    rng, cost, names, changed = np.random.default_rng(2), np.geomspace(1, 100, 12), [f"c{i}" for i in range(12)], 0
    for _ in range(300):
        lines = [polyline(cost, 70 + rng.normal(0, 0.5, 12), names) for _ in range(2)]
        found = compare_at_equal_cost(lines[0], lines[1], 0.2, 0.95)
        assert isinstance(found, EqualCostParts)
        changed += bool(sign_changes(found.parts))

    assert changed <= 0.03 * 300


def test_too_few_cells_are_said() -> None:
    said = sign_change_sentence(Missing("too few cells", "too few: an arm has 4 cells"), WORDS)

    assert said == "At equal MACs nothing is known of a change of sign: too few: an arm has 4 cells."
