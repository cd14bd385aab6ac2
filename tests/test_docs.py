"""Every code block and command of the documents is right: Python runs, YAML is valid, commands parse."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scaling.study.errors import SpaceError
from tests.support import ROOT
from tests.support.documents import (
    LANGUAGES,
    PYTHON,
    SHELL,
    TEXT,
    TOML,
    YAML,
    Block,
    blocks_of,
    check_command,
    check_python,
    check_yaml,
    commands_in,
    inline_commands,
)

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "deploy").glob("*.md")),
]
BLOCKS = [block for path in DOCUMENTS for block in blocks_of(path)]
SCRIPTS = [*sorted((ROOT / "deploy").glob("*.sh")), *sorted((ROOT / "deploy").glob("*.yaml"))]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
WITH_PYTHON = [path for path in DOCUMENTS if any(b.language == PYTHON and not b.parse_only for b in blocks_of(path))]


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_block_is_in_a_known_language() -> None:
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES.values()] == []
    assert {PYTHON, YAML, SHELL} <= {block.language for block in BLOCKS}


@pytest.mark.parametrize("block", of(PYTHON), ids=str)
def test_python_blocks_compile_and_import_what_exists(block: Block) -> None:
    check_python(block)


@pytest.mark.parametrize("block", of(YAML), ids=str)
def test_yaml_blocks_are_valid(block: Block, tmp_path: Path) -> None:
    check_yaml(block, tmp_path)


@pytest.mark.parametrize("block", of(TOML), ids=str)
def test_toml_blocks_are_valid(block: Block) -> None:
    tomllib.loads(block.source)


@pytest.mark.parametrize("block", of(SHELL), ids=str)
def test_commands_in_blocks_parse(block: Block) -> None:
    commands = list(commands_in(block.source, block.line))

    assert commands
    for line, words in commands:
        try:
            check_command(words)
        except (AssertionError, SpaceError) as error:
            raise AssertionError(f"{block.path.name}:{line}: {error}") from error


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_in_sentences_parse(path: Path) -> None:
    for line, words in inline_commands(path):
        try:
            check_command(words)
        except (AssertionError, SpaceError) as error:
            raise AssertionError(f"{path.name}:{line}: {error}") from error


@pytest.mark.parametrize("path", SPACES, ids=name_of)
def test_commands_in_comments_of_spaces_parse(path: Path) -> None:
    comments = [
        line.removeprefix("#").strip() for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    ]
    joined = "\n".join(comments).replace("\\\n", " ")

    for line in joined.splitlines():
        if line.startswith("python -m"):
            check_command(next(commands_in(line))[1])


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_sweeps_in_deploy_scripts_parse(path: Path) -> None:
    text = re.sub(r"\\\n#?\s*", " ", path.read_text(encoding="utf-8"))  # one line a command
    study = re.search(r'^STUDY=\$\{STUDY:-"([^"]+)', text, re.MULTILINE)
    commands = re.findall(r"python -m scaling\.\w+[^'&\n]*(?:\n +--[^\n]*)*", text)

    assert commands
    for command in commands:
        check_command(shlex.split(command.replace("$STUDY", study[1] if study else "")))


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_PYTHON, ids=name_of)
def test_python_blocks_run(path: Path, tmp_path: Path) -> None:
    """All blocks of a file run in one process and one namespace, beside the results of a small study."""
    shutil.copytree(ROOT / "tests" / "support" / "records_v1" / "example", tmp_path / "results" / "depth_width")
    lines = [""] * (path.read_text(encoding="utf-8").count("\n") + 1)  # code keeps the line numbers of the document
    for block in blocks_of(path):
        if block.language == PYTHON and not block.parse_only:
            code = block.source.splitlines()
            lines[block.line - 1 : block.line - 1 + len(code)] = code
    script = tmp_path / f"{path.stem}.py"
    script.write_text("\n".join(lines), encoding="utf-8")

    ran = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_rehearsal_in_the_docs_prints_what_they_show(tmp_path: Path) -> None:
    (block,) = [block for block in of(SHELL) if "$ python -m scaling.rehearse" in block.source]
    command, *shown = block.source.strip().splitlines()
    words = next(commands_in(command))[1]

    ran = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == " ".join(shown).split()


@pytest.mark.slow
def test_the_gate_in_the_docs_lets_a_better_arm_pass(tmp_path: Path) -> None:
    blocks = blocks_of(ROOT / "docs" / "compare.md")
    code = "\n".join(block.source for block in blocks if block.language == PYTHON)
    (step,) = [block.source for block in blocks if block.language == TEXT and "run: |" in block.source]
    gate = step.partition("run: |\n")[2]
    worse = gate.replace("--baseline average", "--baseline attention").replace(
        "--compared attention", "--compared average"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def ran(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert ran(sys.executable, "-c", code).returncode == 0
    passed, stopped = ran("bash", "-e", "-c", gate), ran("bash", "-e", "-c", worse)

    assert (passed.returncode, passed.stderr) == (0, "")
    assert "attention beats average" in passed.stdout
    assert "average loses to attention" in stopped.stdout
    assert stopped.returncode == 1


BROKEN = [
    ("python", "def broken(:"),
    ("python", "from scaling import nothing_of_this_name"),
    ("yaml", "search: {design: grid}\nsearch: {design: tpe}"),
    ("yaml", "recipe: {epoch: 3}"),
    ("yaml", "recipe: {loss: bec}"),
    ("yaml", "rezept: {epochs: 3}"),
    ("yaml", "series: x"),
    ("", "python -m scaling.sweep --spaec depth_width"),
    ("", "python -m scaling.sweep --space depth_widht"),
    ("", "python -m scaling.sweep --space depth_width --set recipe.epoch=3"),
    ("", "python -m scaling.sweep --space my.yaml --set rezept.epochs=3"),
    ("", "python -m scaling.swep --space depth_width"),
    ("", "python -m scaling.report --no-such-option"),
    ("", "make studdy"),
    ("", "ray up deploy/azure.yaml"),
    ("", "make study\nfrobnicate"),
]


def check(block: Block, folder: Path) -> None:
    if block.language == PYTHON:
        check_python(block)
    elif block.language == YAML:
        check_yaml(block, folder)
    else:
        for _, words in commands_in(block.source):
            check_command(words)


@pytest.mark.parametrize(("language", "source"), BROKEN)
def test_a_broken_block_is_found(language: str, source: str, tmp_path: Path) -> None:
    (block,) = blocks_of(tmp_path / "broken.md", f"Text.\n\n```{language}\n{source}\n```\n")

    with pytest.raises((AssertionError, SpaceError, SyntaxError, ValueError)):
        check(block, tmp_path)


def test_blocks_have_their_language_line_and_reason(tmp_path: Path) -> None:
    text = (
        "# A\n\n```python\na = 1\n```\n\n<!-- parse only: downloads -->\n```python\nb = 2\n```\n\n"
        "<!-- invisible-code-block: python\nc = 3\n-->\n\n```\nmake study\n```\n\n```\nerror: text\n```\n"
    )

    blocks = blocks_of(tmp_path / "a.md", text)

    assert [(b.language, b.line, b.source.strip(), b.parse_only) for b in blocks] == [
        (PYTHON, 4, "a = 1", None),
        (PYTHON, 9, "b = 2", "downloads"),
        (PYTHON, 13, "c = 3", None),
        (SHELL, 17, "make study", None),
        (TEXT, 21, "error: text", None),
    ]
