"""YAML is read in one way only, or refused at once with a line that says where and what to write."""

import random
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scaling.study.plain_yaml import MOST_DEPTH, MOST_NODES, YamlError, read_yaml, read_yaml_text
from tests.support import ROOT

DEEP = MOST_DEPTH * 100
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)
SHIPPED = sorted([*ROOT.glob("search_spaces/**/*.yaml"), *ROOT.glob("scaling/report/references/*.yaml")])


def refused(text: str | bytes) -> str:
    """The one line with which a text is refused."""
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    (finding,) = caught.value.findings
    sentence = finding.sentence("file")
    assert sentence.isprintable()
    assert len(sentence) < 300
    return sentence


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *[("12", 12), ("-3", -3), ("+7", 7), ("0", 0), ("0x1F", 31), ("9223372036854775807", 2**63 - 1)],
        *[("1.5", 1.5), (".5", 0.5), ("-.5", -0.5), ("5.", 5.0), ("1e-3", 0.001), ("6.0e-3", 0.006), ("1E3", 1000.0)],
        *[("true", True), ("False", False), ("null", None), ("~", None), ("", None)],
        *[("a", "a"), ("n", "n"), ("1.2.3", "1.2.3"), ("e3", "e3"), ("folder:a/b", "folder:a/b"), ("1e", "1e")],
        *[("'0777'", "0777"), ('"off"', "off"), ("'1:30'", "1:30"), ("'2024-01-01'", "2024-01-01"), ("'<<'", "<<")],
        *[("is it on", "is it on"), ("1_x", "1_x"), ("on-off", "on-off"), ("Ω ≠ 日本", "Ω ≠ 日本")],
    ],
)
def test_plain_words_are_read_as_in_yaml_1_2(word: str, value: Any) -> None:
    read = read_yaml(f"a: {word}")["a"]

    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("word", "reading", "instead"),
    [
        *[("0777", "511", "777"), ("00012", "10", "12"), ("-010", "-8", "-10"), ("08", "text", "8")],
        *[("007.5", "7.5", "7.5"), ("1_000", "1000", "1000"), ("1_0.5", "10.5", "10.5"), ("0x_1F", "31", "31")],
        *[("1:30", "90", "90"), ("12:30:45", "45045", "45045"), ("1:30.5", "90.5", "90.5"), ("-1:30", "-90", "-90")],
        *[("0b11", "3", "3"), ("0o17", "text", "15")],
        *[("off", "false", "false"), ("On", "true", "true"), ("YES", "true", "true"), ("no", "false", "false")],
        *[("2024-01-01", "a date", ""), ("2024-13-45", "a date", ""), ("2024-01-01 10:00:00", "a date", "")],
        *[("=", "a mark of its own", ""), ("<<", "a merge key", "the merged settings out")],
    ],
)
def test_words_that_versions_read_differently_are_refused(word: str, reading: str, instead: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(f"x: 1\na: {word}")
    (finding,) = caught.value.findings

    advice = f", or write {instead}" if instead else ""
    expected = f"f:2: a: YAML 1.1 reads {word} as {reading}; quote it ('{word}') if it is text{advice}"
    assert finding.sentence("f") == expected
    assert read_yaml(f"a: '{word}'") == {"a": word}


@pytest.mark.parametrize("word", ["on", "off", "yes", "No", "0777", "1:30", "2024-01-01", "<<", "1_0"])
def test_a_key_that_versions_read_differently_is_refused(word: str) -> None:
    assert refused(f"a: 1\n{word}: 2").startswith(f"file:2: YAML 1.1 reads {word} as ")
    assert refused(f"a: 1\n{word}: 2").endswith(f"a key needs text, so quote it: '{word}'")


@pytest.mark.parametrize("word", ["~", "null", "1", "1.5", "true", "? ", "[a]", "{a: 1}", "? {a: 1}\n", "&b [1]"])
def test_a_key_that_is_no_text_is_refused(word: str) -> None:
    assert "needs text" in refused(f"{word}: 2" if word != "? " else "? \n: 2")


def test_unclear_words_of_a_line_share_a_message() -> None:
    assert refused("a: [off, on]") == (
        "file:1: a: YAML 1.1 reads off, on as false, true;"
        " quote them ('off', 'on') if they are text, or write false, true"
    )


def test_every_mistake_has_its_line_and_many_are_counted() -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml("".join(f"a{i}: 0{i}\n" for i in range(7, 99)))
    sentences = [finding.sentence("f") for finding in caught.value.findings]

    assert [sentence.partition(": ")[0] for sentence in sentences[:-1]] == [f"f:{i}" for i in range(1, 21)]
    assert sentences[-1] == "f: and 72 more mistakes of these kinds"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("a: .inf", "no finite number"), ("a: -.INF", "no finite number"), ("a: .nan", "no finite number")],
        *[("a: 1e400", "too large"), ("a: -1.0e+999", "too large"), ("a: 1e-400", "too small")],
        *[("a: 18446744073709551616", "too large"), ("a: -9223372036854775808", "too large")],
        *[("a: 0x" + "F" * 30, "too large"), ("a: " + "9" * 5000, "5,000 digits"), ("a: " + "9" * 50_000, "digits")],
        *[("a: 0." + "1" * 5000, "digits"), ("a: " + "1:" * 3000 + "1", "digits"), ("a: " + "1_" * 3000, "digits")],
        *[('a: "\a"', "U+0007"), ('a: "\\a"', "U+0007"), ("a: \0", "U+0000"), ('a: "\\0"', "U+0000")],
        *[("# \x1b[2J", "U+001B"), ("a: x\x85b: 2", "U+0085"), ("a: x\u2028b: 2", "U+2028"), ("a\ufeff: 1", "U+FEFF")],
        *[('a: "\\ud800"', "U+D800"), ("a: \udce4", "U+DCE4"), ("a: \ufffe", "U+FFFE"), ('a: "\\UFFFFFFFF"', "escape")],
        *[('a: "\\q"', "escape"), ("a:\n\tb: 1", "indent with blanks"), ("\ta: 1", "indent with blanks")],
        *[("a: 1\na: 2", "given twice"), ("a: {b: 1, 'b': 2}", "a.b: given twice"), ("a: 1\n---\nb: 1", "second doc")],
        *[("%YAML 1.1\n---\na: 1", "leave it out"), ("%YAML 99.1\n---\na: 1", "version"), ("%a", "not valid")],
        *[("a: !!str 1", "tag !!str"), ("a: !x 1", "tag !x"), ("!!omap [a: 1]", "tag"), ("a: !!binary eA==", "tag")],
        *[("[" * DEEP, "nested"), ("{a: " * DEEP, "nested"), ("- " * DEEP, "nested"), ("[{a: " * DEEP, "nested")],
        *[
            (BOMB, "values"),
            ("a: &a [*a]", "stands within"),
            ("a: &a {b: {c: *a}}", "stands within"),
            ("a: *b", "above"),
        ],
        *[
            ("-\n" * (MOST_NODES + 1), "values"),
            ("a: " + "x" * 500_000, "bytes"),
            ("a: '" + "x " * 9000 + "'", "letters"),
        ],
        *[
            ("k" * 300 + ": 1", "a key of 300 letters"),
            ('"a\\nb": 1', "in one"),
            ("a: [1, 2", "not valid"),
            ("a: '", "end"),
        ],
        *[
            ("a: b: c", "not allowed"),
            ("@", "not valid"),
            ("a: `", "not valid"),
            ("*a : 1", "above"),
            ("a: %", "not valid"),
        ],
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_odd_text_is_refused_at_once_in_one_line(text: str, expected: str) -> None:
    start = time.process_time()

    assert expected in refused(text)
    assert time.process_time() - start < 10  # seconds on a busy machine; without limits, minutes or no end


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        *[("a: 1".encode("utf-16"), "file:1: is written in UTF-16"), ("a: 1".encode("utf-32"), "UTF-16 or UTF-32")],
        *[("a: 1".encode("utf-16-be"), "U+0000"), ("a: 1\nb: ä".encode("latin-1"), "file:2: byte 0xe4 is not UTF-8")],
    ],
)
def test_other_encodings_are_named(data: bytes, expected: str) -> None:
    assert expected in refused(data)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_mark_of_utf_8_are_read(end: str) -> None:
    data = b"\xef\xbb\xbf" + f"a: 1{end}b:{end}  - x{end}  - 'y'{end}".encode()

    assert read_yaml_text(data).content == {"a": 1, "b": ["x", "y"]}
    assert read_yaml_text(data).lines == {("a",): 1, ("b",): 2, ("b", 0): 3, ("b", 1): 4}


def test_an_alias_repeats_what_it_names() -> None:
    assert read_yaml("a: &x {b: [1, 2]}\nc: *x\nd: &y text\ne: [*y, *y]") == {
        "a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": "text", "e": ["text", "text"],
    }  # fmt: skip


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_mean_the_same_in_both_versions(path: Path) -> None:
    assert read_yaml(path.read_bytes()) == yaml.safe_load(path.read_text(encoding="utf-8"))


PIECES = [
    *[
        "a",
        "b: ",
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "\n",
        "\n  ",
        "\n    ",
        "&x ",
        "*x",
        "!!int ",
        "!",
        "|\n ",
    ],
    *[
        ">\n ",
        "'",
        '"',
        "\\",
        "#",
        " #",
        "%",
        "---\n",
        "...\n",
        "<<: ",
        "~",
        "on",
        "0777",
        "1:30",
        "1e400",
        ".nan",
        "=",
        "\t",
    ],
    *["\0", "\x85", "\u2028", "\ud800", "9" * 30, "true", "1.5", "2024-01-01", '"\\x07"', "@", "`", "é", "\r"],
]


@pytest.mark.parametrize("seed", range(400))
def test_random_text_is_content_or_printable_lines(seed: int) -> None:
    rng = random.Random(seed)
    if seed % 4 == 0:
        text: str | bytes = rng.randbytes(rng.randrange(1, 60))
    else:
        text = "".join(rng.choices(PIECES, k=rng.randrange(1, 40)))
    sentences = lines_of(text)

    assert sentences is None or len(sentences) > 0
    assert all(sentence.isprintable() and len(sentence) < 500 for sentence in sentences or [])


def lines_of(text: str | bytes) -> list[str] | None:
    """The lines with which a text is refused; None where it is read."""
    try:
        read_yaml(text)
    except YamlError as error:
        return [finding.sentence("file") for finding in error.findings]
    return None
