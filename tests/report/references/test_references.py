"""Files of published numbers are read in one way only, or refused in a line with its place."""

from pathlib import Path

import pytest

from scaling.report.references import known_references, read_references
from scaling.study.errors import RecordError

GOOD = """\
series: Nets
citation: Somebody 2020
counts: MACs
data: ImageNet
source: table 1
points:
  - {model: a, accuracy: 71.5, params_m: 5, gflops: 1e0}
"""


def refusal(folder: Path, text: str | bytes) -> str:
    path = folder / "series.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordError) as caught:
        read_references(str(path))
    (line,) = caught.value.problems
    assert line.isprintable()
    return line.replace(str(path), "FILE")


def test_a_file_of_numbers_is_read(tmp_path: Path) -> None:
    path = tmp_path / "series.yaml"
    path.write_text(GOOD)

    (point,) = read_references(str(path)).points

    assert (point.accuracy, point.params, point.macs) == (71.5, 5e6, 1e9)


@pytest.mark.parametrize("name", known_references())
def test_shipped_series_are_read(name: str) -> None:
    assert read_references(name).points


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            GOOD.replace("Somebody 2020", "2020-01-01"),
            "FILE:2: citation: YAML 1.1 reads 2020-01-01 as a date; quote it",
        ),
        (GOOD.replace("71.5", "1:11"), "FILE:7: points.0.accuracy: YAML 1.1 reads 1:11 as 71"),
        (GOOD.replace("71.5", "0_71.5"), "FILE:7: points.0.accuracy: YAML 1.1 reads 0_71.5 as 71.5"),
        (GOOD.replace("71.5", ".nan"), "FILE:7: points.0.accuracy: .nan: is no finite number"),
        (GOOD.replace("1e0", "1e999"), "FILE:7: points.0.gflops: 1e999: is too large"),
        (GOOD.replace("71.5", "171.5"), "FILE:7: points.0.accuracy: "),
        (GOOD + "on: 3", "FILE:8: YAML 1.1 reads on as true; a key needs text"),
        (GOOD + "data: x", "FILE:8: data: given twice; keep one"),
        (GOOD + "more: x", "FILE:8: more: "),
        (GOOD + "points: [", "FILE:8: not valid YAML"),
        ("[" * 3000, "FILE:1: not valid YAML here: nested"),
        ("a: " + "9" * 5000, "a number of 5,000 digits"),
        ("series: \0", "U+0000"),
        (b"series: \xe4", "FILE:1: byte 0xe4 is not UTF-8"),
        ("", "FILE: file: "),
        ("- 1", "FILE: file: "),
    ],
    ids=lambda value: ascii(value)[-40:],
)
def test_an_odd_file_is_refused_in_one_line(tmp_path: Path, text: str | bytes, expected: str) -> None:
    assert expected in refusal(tmp_path, text)
