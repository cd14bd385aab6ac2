"""Temporary files go to a short folder where the usual one is too long for sockets."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from scaling.study.errors import ScalingError
from scaling.sweep.executor import short_folder as module
from scaling.sweep.executor.short_folder import BELOW, LONGEST_SOCKET, short_folder
from tests.support.sweeps import end, start, tiny_space


def long_folder(root: Path) -> Path:
    made = root / ("job_1355700_" + "x" * 60) / ("scratch_" + "y" * 20)
    made.mkdir(parents=True)
    return made


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_is_replaced_and_comes_back(variable: str, tmp_path: Path) -> None:
    environ, usual = {variable: str(long_folder(tmp_path))}, tempfile.gettempdir()
    before = dict(environ)

    with short_folder(environ) as short:
        assert short is not None
        assert environ == {"TMPDIR": str(short), "RAY_TMPDIR": str(short)}
        assert tempfile.gettempdir() == str(short)
        assert len(os.fsencode(short)) + BELOW <= LONGEST_SOCKET
        assert short.stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(short / "socket"))

    assert environ == before
    assert tempfile.gettempdir() == usual
    assert not short.exists()


def test_a_short_folder_is_left_alone() -> None:
    for environ in ({}, {"TMPDIR": "/tmp"}, {"TMPDIR": "/x" * 60, "RAY_TMPDIR": "/tmp"}):  # Ray reads its own first
        before = dict(environ)
        with short_folder(environ) as short:
            assert short is None
            assert environ == before


def test_bytes_count_and_not_letters(tmp_path: Path) -> None:
    with short_folder({"TMPDIR": "/" + "ü" * (LONGEST_SOCKET - BELOW - 2)}) as short:
        assert short is not None


def test_without_a_short_folder_the_variable_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "SHORT", ("/proc/none",))

    with pytest.raises(ScalingError, match=r"^TMPDIR is too long for sockets: /\S+ has \d+ bytes, of which \d\d are"):
        short_folder({"TMPDIR": str(long_folder(tmp_path))}).__enter__()


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
def test_a_sweep_runs_despite_a_long_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(long_folder(tmp_path)))
    (tmp_path / "tiny.yaml").write_text(tiny_space(repetitions=1, train_limit=100, epochs=1, batch_size=20))

    code, output = end(start(tmp_path, "--track", ""))

    assert code == 0, output
    assert "4 of 4 trials finished" in output
