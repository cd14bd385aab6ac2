"""Code blocks and commands of documents: found by Sybil's lexers, checked by the parsers that users meet.

A comment `<!-- parse only: reason -->` on the line before a block keeps it from being run; it is still parsed. An HTML
comment that begins with `invisible-code-block: python` holds Python that runs with the file's blocks but is not shown.
"""

import argparse
import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sybil import Document
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, RawFencedCodeBlockLexer

from scaling.report.references import Series
from scaling.space import load_space
from scaling.space.overrides import parse_overrides
from scaling.space.schema import Space
from scaling.space.yaml_source import SHORT_FORMS, SpaceFile
from tests.support import ROOT

PYTHON, YAML, TOML, SHELL, TEXT = "python", "yaml", "toml", "shell", "text"
LANGUAGES = {"python": PYTHON, "yaml": YAML, "toml": TOML, "sh": SHELL, "bash": SHELL, "console": SHELL, "text": TEXT}
PROGRAMS = {
    "python",
    "make",
    "ray",
    "optuna-dashboard",
    "tensorboard",
    "pip",
    "docker",
    "kubectl",
    "sbatch",
    "git",
    "$",
}
COMMANDS = {"sweep", "report", "measure", "compare", "explain", "rehearse", "space"}  # python -m scaling.…
BASE = {
    "family": "patchconvnet",
    "axes": {"depth": [2], "width": [32]},
    "arms": {"pooling": ["average", "attention"]},
    "recipe": {"epochs": 10},
}
Command = tuple[int, list[str]]  # line in the document, words


@dataclass(frozen=True)
class Block:
    """A code block of a document."""

    path: Path
    line: int  # of its first line of code
    language: str
    source: str
    parse_only: str | None  # the reason why it is not run

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def blocks_of(path: Path, text: str | None = None) -> list[Block]:
    """Find the blocks of a Markdown document, the invisible ones too, in their order."""
    document = Document(path.read_text(encoding="utf-8") if text is None else text, str(path))
    shown = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)$\n", re.MULTILINE))(document)
    hidden = DirectiveInHTMLCommentLexer("invisible-code-block", "python")(document)
    found = []
    for region in sorted([*shown, *hidden], key=lambda region: region.start):
        before = document.text[: region.start]
        reason = re.search(r"<!--\s*parse only:\s*(\S.*?)\s*-->\s*\Z", before)
        source = str(region.lexemes["source"])
        language = region.lexemes.get("language", PYTHON).strip()
        known = LANGUAGES.get(language, language) or (SHELL if is_shell(source) else TEXT)
        found.append(Block(path, before.count("\n") + 2, known, source, reason and reason[1]))
    return found


def is_shell(source: str) -> bool:
    """Whether a block without a language holds commands."""
    return any(line.split()[0] in PROGRAMS for line in source.splitlines() if line.strip())


def commands_in(source: str, line: int = 1) -> Iterator[Command]:
    """Yield the commands of a shell block: every line, or only those behind `$` where there are any."""
    lines = source.splitlines()
    has_prompts = any(text.startswith("$ ") for text in lines)
    number = 0
    while number < len(lines):
        start, text = number, lines[number]
        while text.endswith("\\") and number + 1 < len(lines):
            number += 1
            text = text[:-1] + lines[number]
        number += 1
        if has_prompts and not text.startswith("$ "):
            continue  # output
        words = shlex.split(text.removeprefix("$ "), comments=True)
        if words:
            yield line + start, words


def inline_commands(path: Path) -> Iterator[Command]:
    """Yield the commands within sentences, `python -m scaling.…` and `make …` in backticks, without placeholders.

    A command without arguments is a name in a sentence, and is checked as such.
    """
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for command in re.findall(r"`((?:python -m scaling\.|make )[^`]+)`", text):
            words = shlex.split(command)
            if not re.search(r"…|\b[A-Z]+\b", command):
                yield number, words if len(words) > 3 or words[0] == "make" else [*words, "--help"]


def check_python(block: Block) -> None:
    """Compile a block; import what it imports from this package."""
    tree = ast.parse("\n" * (block.line - 1) + block.source, filename=str(block.path))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scaling":
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{block}: {node.module} has no {alias.name}"


def check_yaml(block: Block, folder: Path) -> None:
    """Read a block as space files are read, and check it: as part of a space, or as a file of references."""
    path = folder / "block.yaml"
    path.write_text(block.source, encoding="utf-8")
    content = SpaceFile.read(path).content
    if "series" in content:
        Series.model_validate(content)
        return
    assert set(content) <= set(Space.model_fields), f"{block}: neither part of a space nor a file of references"
    # the fragment's own sections stay as they are written, so that messages have its lines
    missing = {key: value for key, value in BASE.items() if key not in content}
    if "axes" in missing:
        missing["axes"] = {name: value for name, value in BASE["axes"].items() if name not in content.get("arms", {})}
    path.write_text(f"{block.source}\n{_as_yaml(missing)}", encoding="utf-8")
    load_space(str(path))


def _as_yaml(content: dict[str, Any]) -> str:
    return "\n".join(f"{key}: {value!s}" for key, value in content.items())


def check_command(words: list[str]) -> None:
    """Check one command: options by the real parser, settings by the space, targets and files by their existence."""
    program, *rest = words
    if words[:2] == ["python", "-m"] and words[2].startswith("scaling."):
        name = words[2].removeprefix("scaling.")
        assert name in COMMANDS, f"there is no command {words[2]}"
        options = parsed(name, words[3:])
        if name == "sweep" and options.space:
            check_space_of(options)
    elif words[:2] == ["python", "-c"]:
        ast.parse(words[2])
    elif program == "make":
        known = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(rest) <= set(known), f"make has no target {set(rest) - set(known)}"
    else:
        assert program in PROGRAMS, f"nobody knows the program {program}"
        for word in rest:
            if word.startswith(("deploy/", "search_spaces/", "scaling/", "tests/", "benchmarks/")):
                assert (ROOT / word).exists(), f"there is no {word}"


class _Parsed(Exception):  # noqa: N818 # carries a result out of a command
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options


def parsed(command: str, arguments: list[str]) -> argparse.Namespace:
    """Parse arguments with the parser of a command, and stop it there.

    Raises:
        AssertionError: the parser refuses them.
    """
    if command == "space":
        assert arguments in ([], ["--help"]), "scaling.space takes no arguments"
        return argparse.Namespace()
    name = f"scaling.{command}"
    module = importlib.import_module(name if command in {"explain", "rehearse"} else f"{name}.__main__")
    parse = argparse.ArgumentParser.parse_args

    def stop(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> Any:
        raise _Parsed(parse(parser, args, namespace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        try:
            module.main(arguments)
        except _Parsed as found:
            return found.options
        except SystemExit as error:
            if error.code == 0:  # --help
                return argparse.Namespace(space=None)
            raise AssertionError(f"scaling.{command} refuses {' '.join(arguments)}") from error
    raise AssertionError(f"scaling.{command} parses no arguments")


def check_space_of(options: argparse.Namespace) -> None:
    """Check the settings that a sweep overrides, in the space that it names or, where that is an example, in BASE."""
    overrides = parse_overrides(options.set, options.data)
    for key in overrides:
        section = key.partition(".")[0]
        assert section in Space.model_fields or section in SHORT_FORMS, f"--set {key}: a space has no {section}"
    if not options.space.endswith(".yaml") or Path(options.space).exists():
        samples = {} if options.samples is None else {"search.cells": options.samples}
        load_space(options.space, {**overrides, **samples})
