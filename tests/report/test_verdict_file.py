"""The document for scripts: its keys are those that its module lists, and its numbers are those of the analysis."""

import json
import math
import re
from typing import Any

import pytest

from scaling.report.analysis.analysis import Analysis, analyse
from scaling.report.analysis.context import Context, KeptLook
from scaling.report.verdict_file import __doc__ as documented
from scaling.report.verdict_file import verdict_document
from scaling.statistics.missing import Missing
from tests.support.studies import Truth, describe, failed, simulated_records

ARMS = ("average", "attention", "average_mlp", "attention_no_mlp")
TRUTH = Truth(arms=ARMS, keeps_images=True, test_examples=500)
ENTRY = re.compile(r"^([A-Za-z_]\w*(?:, \w+)*) {2,}(.*?)(?=^[A-Za-z_]\w*(?:, \w+)* {2,}|\Z)", re.M | re.S)
Shape = dict[str, Any]  # key → shape of an object there, or None for a value; the key ANY stands for every key
ANY = "*"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """A study of four arms with everything that a document can hold; a trial of the baseline failed."""
    records = simulated_records(TRUTH)
    records[0] = failed(records[0])
    look = KeptLook(1, "2026-01-01T00:00:00+00:00", 72, 72, "0123", 0.96, {"attention": "better"})
    return analyse(describe(records, TRUTH), records, context=Context(looks=[look]))


def written(analysis: Analysis) -> dict[str, Any]:
    return json.loads(json.dumps(verdict_document(analysis), allow_nan=False), parse_constant=pytest.fail)


def parts_of(text: str) -> list[str]:
    """Split at the commas that are in no brackets."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(text[start:place])
            start = place + 1
    return [*found, text[start:]]


def shape_of(text: str, named: dict[str, Shape]) -> Shape | None:
    """What a description says of a value: the keys of the first object in it."""
    opening, name = text.find("{"), re.search(r"\b(INTERVAL|PART)\b", text)
    if name and (opening < 0 or name.start() < opening):
        return named[name[0]]
    if opening < 0:
        return named["missing"] if text.strip() == "missing" else None
    depth, end = 0, opening
    for end in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            break
    shape: Shape = {}
    for part in parts_of(text[opening + 1 : end]):
        words, _, rest = part.partition(":")
        key = words.split("(")[0].strip()
        shape[ANY if key.isupper() else key] = shape_of(rest or key, named)
    return shape


def documented_shape() -> Shape:
    assert documented is not None
    text = documented.split("```")[1]
    entries = {names: " ".join(said.split()) for names, said in ENTRY.findall(text)}
    named: dict[str, Shape] = {}
    for name in ("INTERVAL", "missing", "PART"):
        named[name] = shape_of(entries.pop(name), named) or {}
    whole: Shape = {}
    for names, said in entries.items():
        whole |= {name: shape_of(said, named) for name in names.split(", ")}
    return whole


def differences(value: Any, shape: Shape | None, where: str = "") -> list[str]:
    """Keys of a document that are not as documented; of what is missing, the head alone is there."""
    if isinstance(value, list):
        return [line for one in value for line in differences(one, shape, where)]
    if not isinstance(value, dict):
        return []
    if shape is None:
        return [f"{where}: an object that is not described"]
    if ANY in shape:
        return [line for one in value.values() for line in differences(one, shape[ANY], f"{where}.*")]
    expected = set(shape) - {"df"} | ({"n"} if "n" in value else {"df"}) if "df" in shape else set(shape)
    is_head = value.get("missing") is not None
    wrong = [f"{where}.{name}" for name in set(value) ^ expected if not (is_head and name in expected)]
    return wrong + [line for name in value for line in differences(value[name], shape.get(name), f"{where}.{name}")]


def test_the_documented_keys_are_there_and_no_others(analysis: Analysis) -> None:
    assert differences(written(analysis), documented_shape()) == []
    assert differences(written(analyse(describe([], TRUTH), [])), documented_shape()) == []


def test_a_key_too_many_or_too_few_is_found(analysis: Analysis) -> None:
    document = written(analysis)

    document["verdicts"][1]["here"]["extra"] = document["look"]["kept"][0].pop("level")

    assert sorted(differences(document, documented_shape())) == [".look.kept.level", ".verdicts.here.extra"]


def test_the_numbers_are_those_of_the_analysis(analysis: Analysis) -> None:
    document = written(analysis)

    assert document["schema"] == 2
    assert document["trials"]["failed"] == 1
    assert [verdict["arm"] for verdict in document["verdicts"]] == list(ARMS[1:])
    for verdict, one in zip(analysis.verdicts, document["verdicts"], strict=True):
        here = one["here"]
        assert (here["estimate"], here["low"], here["high"], here["df"]) == pytest.approx(
            (verdict.difference.estimate, verdict.difference.low, verdict.difference.high, verdict.difference.df)
        )
        assert one["lost"]["baseline"] == 1
        assert [part["models"] for part in one["parts"]] == [list(part.cells) for part in verdict.found.parts]
    for answer, one in zip(analysis.equal_cost, document["equal_cost"], strict=True):
        if isinstance(answer.result, Missing):
            assert one["missing"] == {"why": answer.result.why, "said": answer.result.said}
        else:
            assert one["mean"]["estimate"] == pytest.approx(answer.result.mean.estimate)
    for front in (front for front in document["fronts"] if front["missing"] is None):
        assert len(front["configurations"]) == len(analysis.cells)
        assert set(front["arms"]) == set(ARMS)
    assert document["control"]["gain"]["level"] == pytest.approx(0.96)
    assert document["look"]["level"] == pytest.approx(0.96)
    assert math.isfinite(document["control"]["attention"]["estimate"])
