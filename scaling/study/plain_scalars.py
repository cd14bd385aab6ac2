"""Unquoted words of YAML: numbers, truth values and none as in YAML 1.2, unless YAML 1.1 reads them otherwise."""

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from scaling.wording import shortened

MOST_WHOLE = 2**63 - 1
MOST_LETTERS = 10_000  # of a text
_LONGEST_NUMBER = 60  # letters

_NONE = {"", "~", "null", "Null", "NULL"}
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Each pattern has one way to match a text, so that no text makes it try others.
_WHOLE = re.compile(r"[-+]?[0-9]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]")
_MADE_OF_DIGITS = re.compile(r"[-+]?(?:0[xob])?[0-9a-fA-F_.:]+(?:[eE][-+]?[0-9_]+)?")
# all but tab, line ends, and letters that can be printed; U+0085, U+2028 and U+2029 end lines in YAML 1.1 alone
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufdcf\ufdf0-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

Kind = Literal["word", "key", "range"]


@dataclass(frozen=True)
class Unclear:
    """A plain word that is refused.

    Attributes:
        kind: `word` is read differently by versions of YAML, so is `key`; `range` is no usable number.
        written: the word.
        reading: what YAML 1.1 takes it for, or what is wrong with a number.
        instead: what to write for that; empty where nothing but text can be meant.
    """

    kind: Kind
    written: str
    reading: str
    instead: str = ""

    @staticmethod
    def sentence(words: Sequence["Unclear"]) -> str:
        """Say what is wrong with words of one kind, and what to write."""
        written = ", ".join(shortened(word.written) for word in words)
        if words[0].kind == "range":
            return f"{written}: {words[0].reading}"
        them, they_are = ("it", "it is") if len(words) == 1 else ("them", "they are")
        quoted = ", ".join(in_quotes(word.written) for word in words)
        reads = f"YAML 1.1 reads {written} as {', '.join(word.reading for word in words)}"
        if words[0].kind == "key":
            return f"{reads}; a key needs text, so quote {them}: {quoted}"
        instead = ", ".join(dict.fromkeys(word.instead for word in words if word.instead))
        return f"{reads}; quote {them} ({quoted}) if {they_are} text" + (f", or write {instead}" if instead else "")


def in_quotes(text: str) -> str:
    """Return a text as YAML has it in quotes, shortened where it is long."""
    return "'" + shortened(text).replace("'", "''") + "'"


def text_problem(text: str) -> tuple[str, int] | None:
    """Return the first letter that cannot be printed, and where it is; None where all can."""
    found = _UNPRINTABLE.search(text)
    return (found.group(), found.start()) if found else None


def plain_value(text: str) -> Any:
    """Return the value of an unquoted word: a number, truth value, None or text; `Unclear` where it is refused."""
    if len(text) > _LONGEST_NUMBER:
        return _long(text)
    value = _value(text)
    if isinstance(value, Unclear):
        return value
    earlier = _value_in_yaml_1_1(text)
    is_equal = type(earlier) is type(value) and earlier == value
    is_real = isinstance(value, float) and isinstance(earlier, str)  # 1e-3, a number in YAML 1.2 alone, is meant as one
    has_zeros = isinstance(value, int | float) and _LEADING_ZERO.match(text) is not None
    return value if (is_equal or is_real) and not has_zeros else _unclear(text, earlier, value)


def _long(text: str) -> Any:
    """A long word is text, unless it is made of digits, which are either too many or not meant as a number."""
    if len(text) > MOST_LETTERS:
        digits = " digits" if _MADE_OF_DIGITS.fullmatch(text) else " letters"
        return Unclear("range", text, f"has {len(text):,}{digits}; write it shorter")
    if _MADE_OF_DIGITS.fullmatch(text) and any(letter.isdigit() for letter in text):
        return Unclear("range", text, f"a number of {len(text):,} digits; write it shorter, or quote it if it is text")
    return text


def _value(text: str) -> Any:
    """Value of a word in YAML 1.2's core schema."""
    if text in _NONE:
        return None
    if text in _TRUTH:
        return _TRUTH[text]
    whole = _value_of_whole(text)
    if whole is not None:
        return whole if abs(whole) <= MOST_WHOLE else Unclear("range", text, f"is too large; up to {MOST_WHOLE:,}")
    if _NOT_FINITE.fullmatch(text):
        return Unclear("range", text, "is no finite number; write one, or quote it if it is text")
    if not _REAL.fullmatch(text):
        return text
    value = float(text)
    if math.isinf(value):
        return Unclear("range", text, "is too large for a number; write a smaller one, or quote it if it is text")
    if value == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0]):
        return Unclear("range", text, "is too small for a number; write 0, or quote it if it is text")
    return value


def _value_of_whole(text: str) -> int | None:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    return int(text[2:], 8) if _OCTAL.fullmatch(text) else None


def _value_in_yaml_1_1(text: str) -> Any:
    """Value of a word as PyYAML has it, which follows YAML 1.1; a date that is none on the calendar is a date too."""
    patterns = yaml.SafeLoader.yaml_implicit_resolvers.get(text[:1], [])
    if not any(pattern.match(text) for _, pattern in patterns):
        return text
    if text in ("<<", "="):
        return None
    try:
        return yaml.safe_load(text)
    except ValueError:
        return datetime.date.min
    except yaml.YAMLError:  # a word that is none at the start of a text, such as `a: b` in a text over several lines
        return text


def _unclear(text: str, earlier: Any, value: Any) -> Unclear:
    if text == "<<":
        return Unclear("word", text, "a merge key", "the merged settings out")
    if earlier is None:
        return Unclear("word", text, "a mark of its own")
    if isinstance(earlier, bool):
        word = "true" if earlier else "false"
        return Unclear("word", text, word, word)
    if isinstance(earlier, int | float):
        return Unclear("word", text, f"{earlier:,}".replace(",", ""), _number_instead(earlier, value))
    if isinstance(earlier, datetime.date):
        return Unclear("word", text, "a date")
    return Unclear("word", text, "text", _number_instead(value, value))


def _number_instead(earlier: Any, value: Any) -> str:
    """What to write for a number: as YAML 1.2 has it where that is a number, else as YAML 1.1 has it."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else earlier
    return repr(number) if abs(number) <= MOST_WHOLE else ""
