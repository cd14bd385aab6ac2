"""A broken installed package stops no command that needs nothing of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scaling.models.pooling import POOLINGS
from scaling.study import plugins
from scaling.study.errors import PluginError, unknown
from tests.support.plugins import MEDIAN, install, write


@pytest.fixture(autouse=True)
def _without_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    monkeypatch.undo()
    plugins.unload("my_package")
    plugins.load()


def test_a_broken_package_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(tmp_path / "site", "import no_such_module\n")
    plugins.load()
    [line] = capsys.readouterr().err.splitlines()
    place = tmp_path / "site" / "my_package" / "models.py"
    assert line == (
        f"warning: installed plugin my-package 1.2.0 cannot be imported: {place}, line 1:"
        " ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert "my-package 1.2.0, which cannot be imported here, may define it" in unknown("pooling", "median", POOLINGS)
    with pytest.raises(PluginError, match=r"needs the installed package my-package .*, which is broken here: .*line 1"):
        plugins.require({"my-package:my_package.models": f"1.2.0 {'0' * 64}"})


def test_an_absent_module_of_a_package_has_no_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(tmp_path / "site", MEDIAN)
    (tmp_path / "site" / "my_package" / "models.py").unlink()
    plugins.load()
    assert "cannot be imported: ModuleNotFoundError: No module named" in capsys.readouterr().err


def test_a_function_that_an_entry_point_names_is_called(tmp_path: Path) -> None:
    text = MEDIAN.replace("@pooling\n", "") + "\ndef register():\n    pooling(median)\n"
    site = install(tmp_path / "site", text)
    write(
        site / "my_package-1.2.0.dist-info" / "entry_points.txt", "[scaling.plugins]\nm = my_package.models:register\n"
    )
    plugins.load()
    plugins.load()
    assert "median" in POOLINGS
    assert list(plugins.loaded()) == ["my-package:my_package.models"]


def test_output_at_import_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugins.load([write(tmp_path / "mine.py", f"print('hello')\n{MEDIAN}")])
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("name", ["'a b/c'", "'a-b'", "3"])
def test_a_name_that_is_no_identifier_is_refused(tmp_path: Path, name: str) -> None:
    plugin = write(tmp_path / "mine.py", MEDIAN.replace("@pooling", f"@pooling(name={name})"))
    with pytest.raises(PluginError, match="has no usable name"):
        plugins.load([plugin])


def test_file_names_are_quoted_in_options() -> None:
    assert plugins.flag("my models.py") == "--plugin 'my models.py'"
