"""The tests and the functions of the package keep the limits that make them easy to read."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "scaling"
TESTS = ROOT / "tests"
MOST_WORDS = 10  # of a test's name
MOST_LINES, MOST_PARAMETERS = 60, 8  # of a function without a reason in a comment
FOR_TOOLS = ("pyright:", "type:", "noqa", "fmt:", "pragma:")  # comments that give no reason
OF_ALL_PACKAGES = {Path("plugins"), Path("faults")}  # plugins add to every package

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(text: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))


def long_names(text: str) -> list[str]:
    """Return the names of tests that have too many words."""
    tests = (function.name for function in functions(text) if function.name.startswith("test_"))
    return [name for name in tests if len(name.removeprefix("test_").split("_")) > MOST_WORDS]


def is_large(function: Function) -> bool:
    """Whether a function is too long or has too many parameters, `self` and `cls` not counted."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one]
    return lines > MOST_LINES or len([name for name in names if name not in ("self", "cls")]) > MOST_PARAMETERS


def has_reason(function: Function, text: str) -> bool:
    """Whether a comment for readers is above a function and its decorators, or on the line of its `def`."""
    lines = text.splitlines()
    top = min(node.lineno for node in (function, *function.decorator_list))
    above = lines[top - 2].lstrip() if top > 1 else ""
    beside = lines[function.lineno - 1].partition("  #")[2]
    comments = [above[1:] if above.startswith("#") else "", beside]
    return any(comment.strip() and not comment.lstrip().startswith(FOR_TOOLS) for comment in comments)


def large_functions(text: str) -> list[str]:
    """Return the names of functions that are too large and give no reason."""
    return [one.name for one in functions(text) if is_large(one) and not has_reason(one, text)]


def found_in(folder: Path, names: Callable[[str], list[str]]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(folder.rglob("*.py"))
        for name in names(path.read_text(encoding="utf-8"))
    ]


def test_test_names_have_ten_words_at_most() -> None:
    assert found_in(TESTS, long_names) == []


def test_large_functions_give_their_reason() -> None:
    assert found_in(PACKAGE, large_functions) == []


def test_test_files_are_in_folders_of_packages_or_modules() -> None:
    folders = sorted({path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - OF_ALL_PACKAGES)

    places = [(PACKAGE / folder / "__init__.py", PACKAGE / f"{folder}.py") for folder in folders]

    assert [
        str(folder) for folder, files in zip(folders, places, strict=True) if not any(map(Path.is_file, files))
    ] == []


def test_a_name_of_eleven_words_is_found() -> None:
    ten, eleven = "test_" + "_".join("abcdefghij"), "test_" + "_".join("abcdefghijk")

    assert long_names(f"def {ten}(): ...\nclass A:\n    async def {eleven}(self): ...\n") == [eleven]


@pytest.mark.parametrize("reason", ["", "  # one parameter per setting", "  # noqa: N802"])
@pytest.mark.parametrize("parameters", ["a, b, c, d, e, f, g, h", "a, b, c, d, e, f, g, *, h, **i"])
def test_nine_parameters_need_a_reason(parameters: str, reason: str) -> None:
    text = f"@property\ndef wide({reason}\n    {parameters}\n): ...\n"

    assert large_functions(text) == (["wide"] if "**i" in parameters and "one" not in reason else [])


@pytest.mark.parametrize(("lines", "above"), [(60, ""), (61, ""), (61, "# one step after another")])
def test_sixty_one_lines_need_a_reason(lines: int, above: str) -> None:
    text = f"{above}\ndef long():\n" + "    pass\n" * (lines - 1)

    assert large_functions(text) == (["long"] if lines > 60 and not above else [])
