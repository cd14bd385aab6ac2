"""The overview shows the progress of each study from its folder alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from scaling.space.design import Design, cells
from scaling.study.command import command
from scaling.study.records import Record, write_record, write_study
from scaling.sweep import main
from scaling.sweep.heartbeat import beat, read_heartbeat
from scaling.sweep.lease import locked
from scaling.sweep.study_folder import describe
from tests.support.queues import finished, space


@pytest.fixture
def results(tmp_path: Path) -> Path:
    asked = space(repetitions=2, question="Does it help?")
    design = Design(asked)
    trials = [design.trial("s", c, arm, seed) for seed in (0, 1) for c in cells(asked) for arm in asked.arm_values]
    for name, ended in (("whole", 24), ("half", 12)):
        write_study(tmp_path / name, describe(name, design, trials, None))
        for number, trial in enumerate(trials[:ended]):
            write_record(tmp_path / name, finished(trial, 50 + number))
    failed = trials[12]
    write_record(tmp_path / "half", Record.of(failed, status="failed", reason="the roof leaks"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{")
    return tmp_path


def line(text: str, name: str) -> list[str]:
    return next(row.split() for row in text.splitlines() if row.split()[:1] == [name])


def test_the_list_shows_every_study_with_its_state(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--results", str(results)]) == 0

    shown = capsys.readouterr().out
    assert line(shown, "whole") == ["whole", "complete", "24", "0", "0", "0", "24"]
    assert line(shown, "half") == ["half", "interrupted", "12", "0", "0", "1", "24"]
    assert "broken" in shown


def test_a_running_study_shows_its_time_left(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beat(results / "half", ["depth=2"], 7500.0, None)
    with locked(results / "half"):
        main(["--list", "--results", str(results)])
    running = line(capsys.readouterr().out, "half")
    assert running[1] == "running"
    assert running[-4:] in (["2", "h", "05", "min"], ["2", "h", "04", "min"])

    beat(results / "half", [], None, "its budget of 12 trials")
    main(["--list", "--results", str(results)])
    assert line(capsys.readouterr().out, "half")[1] == "spent"


def test_heartbeats_of_earlier_versions_are_read(tmp_path: Path) -> None:
    beat(tmp_path, ["depth=2"], 60.0, None)
    written = tmp_path / "heartbeat.json"
    now = read_heartbeat(tmp_path)

    written.rename(tmp_path / "pulse.json")
    earlier = read_heartbeat(tmp_path)
    beat(tmp_path, ["depth=4"], 30.0, None)

    assert now is not None
    assert earlier == now
    assert read_heartbeat(tmp_path) != earlier


def test_the_status_shows_arms_and_failures(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--status", "half", "--results", str(results)]) == 0

    shown = capsys.readouterr().out
    assert "Does it help?" in shown
    assert line(shown, "average")[1:3] == ["6", "60.00"]
    assert line(shown, "attention")[1:3] == ["6", "61.00"]
    assert "the roof leaks" in shown


def test_brackets_in_text_are_shown_unchanged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    asked = space(repetitions=1, question="does [bold]x[/nope] help :smile:?")
    design = Design(asked)
    trials = [design.trial("s", c, arm, 0) for c in cells(asked) for arm in asked.arm_values]
    folder = tmp_path / "r[b] ü" / "odd"
    write_study(folder, describe("odd", design, trials, None))
    write_record(folder, Record.of(trials[0], status="failed", reason="KeyError: [/red] :boom:"))

    assert main(["--status", "odd", "--results", str(folder.parent)]) == 0

    shown = capsys.readouterr().out
    assert "does [bold]x[/nope] help :smile:?" in shown
    assert "r[b] ü/odd" in shown
    assert "KeyError: [/red] :boom:" in shown


def test_long_names_are_shortened_on_a_terminal_only(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "a_study_with_a_name_that_says_all_that_there_is_to_say_of_it"
    (results / "whole").rename(results / long)
    monkeypatch.delenv("COLUMNS", raising=False)
    main(["--list", "--results", str(results)])
    assert line(capsys.readouterr().out, long)[1:] == ["complete", "24", "0", "0", "0", "24"]

    for name, value in {"COLUMNS": "80", "FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)  # a terminal, to rich
    main(["--list", "--results", str(results)])
    shown = capsys.readouterr().out
    assert "stopped" in shown
    assert line(shown, "half") == ["half", "interrupted", "12", "0", "0", "1", "24"]


def test_a_folder_without_studies_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--results", str(tmp_path)]) == 2
    assert "there is no study in" in capsys.readouterr().err
    assert main(["--status", "x", "--results", str(tmp_path)]) == 2


def test_a_closed_pipe_does_not_end_a_command() -> None:
    program = """
from scaling.console import Terminal
console = Terminal()
for line in range(20_000):
    console.print(f"line {line} of many that nobody reads any more", highlight=False)
raise SystemExit(7)
"""
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout
    assert writer.stdout.readline().startswith(b"line 0")
    writer.stdout.close()

    assert writer.wait(60) == 7
    assert writer.stderr
    assert writer.stderr.read() == b""
    writer.stderr.close()


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    @command
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert interrupted() == 130
    assert capsys.readouterr().err == "interrupted\n"
