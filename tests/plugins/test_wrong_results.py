"""An addition that returns the wrong thing is refused in one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scaling.models.registry import build_model
from scaling.report.__main__ import main as report
from scaling.study import plugins
from scaling.study.errors import PluginError
from tests.support.plugins import write
from tests.support.studies import Truth, describe, simulated_records, write_simulation

TRUTH = Truth(depths=(2, 4), widths=(32,), seeds=1)
TABLE = "from scaling.report.tables.table import Column, Table\n"
ROW = "return Table('T', 'C.', [Column('a', 'A')], [[1, 2]])"
METRIC = '@metric("share", label="S", unit="%", direction="lower", role="cost", fields="macs")'
FAMILY = """
from scaling import family

@family
def mine(*, pooling=DEFAULT, num_classes=10, image_size=8, in_chans=3, seed=None):
    return 3
"""


@pytest.fixture(autouse=True)
def _without_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    plugins.load()


def refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line in which a report refuses a plugin."""
    records = simulated_records(TRUTH)
    write_simulation(tmp_path / "results" / "simulated", records, describe(records, TRUTH))
    plugin = write(tmp_path / "mine.py", text)
    assert report(["simulated", "--plugin", str(plugin)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("kind", "decorator", "body", "said"),
    [
        ("table", "@table", "return None", "returns None; it must return a Table, without rows"),
        ("table", "@table()", ROW, "it must return 1 entries in every row; one has 2"),
        ("figure", "@figure", "return 3", "returns a value of type int; it must return a Drawing, or None"),
        ("caveat", "@caveat", "return 3", "returns a value of type int; it must return text, or None"),
        ("metric", METRIC, "return 'much'", "returns a value of type str; it must return one number per trial"),
    ],
)
def test_a_wrong_result_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, decorator: str, body: str, said: str
) -> None:
    text = f"from scaling import {kind}\n{TABLE}\n\n{decorator}\ndef mine(given):\n    {body}\n"
    line = refused(tmp_path, text, capsys)
    assert line.startswith(f"error: {kind} 'mine' in ")
    assert "mine.py" in line
    assert said in line


def test_a_family_needs_a_pooling_choice_as_default(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", FAMILY.replace("DEFAULT", "None"))
    with pytest.raises(
        PluginError, match=r"mine\.py, line 4: family 'mine' in .*mine\.py: the default of pooling is None"
    ):
        plugins.load([path])


def test_a_family_that_returns_no_module_is_refused(tmp_path: Path) -> None:
    choice = "__import__('scaling.models.pooling').models.pooling.PoolingChoice('average')"
    plugins.load([write(tmp_path / "mine.py", FAMILY.replace("DEFAULT", choice))])
    with pytest.raises(PluginError, match=r"family 'mine' in .*mine\.py, line 4 returns a value of type int; it must"):
        build_model("mine")


@pytest.mark.parametrize("status", [0, 3])
def test_an_exit_in_a_plugin_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int) -> None:
    text = f"import sys\nfrom scaling import caveat\n\n@caveat\ndef mine(given):\n    sys.exit({status})\n"
    assert f"mine.py, line 6: SystemExit: {status}" in refused(tmp_path, text, capsys)


def test_an_exit_of_the_parser_stays() -> None:
    with pytest.raises(SystemExit) as ended:
        report(["--help"])
    assert ended.value.code == 0
