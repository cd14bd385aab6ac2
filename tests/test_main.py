"""One name for all commands: `scaling COMMAND …`."""

import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path

import pytest

import scaling
from scaling.__main__ import COMMANDS, main


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_has_its_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage:")


def test_without_a_command_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in (*COMMANDS, "list", "status", "open", "completion"))


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"scaling {scaling.__version__}\n"


def test_a_misspelt_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reprot", "example"]) == 2
    assert capsys.readouterr().err == (
        "error: unknown command 'reprot'; did you mean 'report'? (known: compare, completion, explain, list, measure,"
        " open, rehearse, report, status, sweep)\n"
    )


def test_list_and_status_are_the_sweep_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--results", str(tmp_path)]) == 2
    assert "there is no study in" in capsys.readouterr().err
    assert main(["status", "absent", "--results", str(tmp_path)]) == 2
    assert "absent" in capsys.readouterr().err


def test_open_shows_a_page_or_says_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["open", "mine", "--reports", str(tmp_path)]) == 2
    assert "write it with: scaling report mine" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("")

    assert main(["open", "mine", "--reports", str(tmp_path)]) == 0
    assert opened == [(tmp_path / "mine" / "index.html").as_uri()]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_studies_and_spaces(tmp_path: Path) -> None:
    for name in ("results/depth_width", "results/other", "search_spaces"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "search_spaces" / "mine.yaml").write_text("")
    script = subprocess.run([sys.executable, "-m", "scaling", "completion", "bash"], capture_output=True, text=True)

    def completed(*words: str) -> list[str]:
        ask = f'''
COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}; _scaling; echo "${{COMPREPLY[@]}}"'''
        done = subprocess.run(["bash", "-c", script.stdout + ask], cwd=tmp_path, capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout.split()

    assert completed("scaling", "re") == ["report", "rehearse"]
    assert completed("scaling", "report", "de") == ["depth_width"]
    assert completed("scaling", "sweep", "--space", "") == ["mine"]
