"""Imports of the package, read from its source: at the top, inside functions, for type checkers, by name."""

import ast
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

PACKAGE = "scaling"
PARTS = {"torch.distributed"}  # parts of libraries that are also used without an import of their own


@dataclass(frozen=True, order=True)
class Import:
    """One import statement, or call of `import_module`, and what it imports."""

    module: str
    target: str  # a module of the package, or the dotted name of something outside
    when: Literal["at import", "lazily", "for types"]
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target} {self.when}"


def module_names(root: Path) -> dict[str, Path]:
    """Return the file of each module of the package at `root`, by dotted name."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    names = [".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return dict(zip(names, files, strict=True))


def imports_of(root: Path) -> list[Import]:
    """Return all imports in the package at `root`."""
    modules = module_names(root)
    return [
        found
        for module, file in modules.items()
        for found in imports_in(file.read_text(), module, modules, is_package=file.name == "__init__.py")
    ]


def imports_in(text: str, module: str, modules: Iterable[str], *, is_package: bool = False) -> Iterator[Import]:
    """Yield the imports in the source text of one module."""
    known = set(modules)
    package = module if is_package else module.rpartition(".")[0]
    for node, when in _nodes(ast.parse(text)):
        for target in _targets(node, module, package, known):
            yield Import(module, target, when, getattr(node, "lineno", 0))


def circle(edges: Mapping[str, Set[str]]) -> list[str] | None:
    """Return names that import each other in a circle, first and last the same; None if there is no circle."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return None


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, Literal["at import", "lazily", "for types"]]]:
    """Yield every node with the time at which it runs."""
    waiting: list[tuple[ast.AST, Literal["at import", "lazily", "for types"]]] = [(tree, "at import")]
    while waiting:
        node, when = waiting.pop()
        yield node, when
        for child in ast.iter_child_nodes(node):
            inner = when
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and when == "at import":
                inner = "lazily"
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and child in node.body:
                inner = "for types"
            waiting.append((child, inner))


def _targets(node: ast.AST, module: str, package: str, known: Set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        names = [f"{base}.{alias.name}" for alias in node.names]
        is_own = base.split(".")[0] == PACKAGE
        return [name if not is_own or name in known else base for name in names]
    if isinstance(node, ast.Call) and node.args and _called(node.func) in {"import_module", "__import__"}:
        name = _text(node.args[0], module)
        return [_absolute(name, package)] if name else []
    if isinstance(node, ast.Attribute) and ast.unparse(node) in PARTS:
        return [ast.unparse(node)]
    return []


def _absolute(name: str, package: str) -> str:
    dots = len(name) - len(name.lstrip("."))
    if not dots:
        return name
    parent = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*parent, *filter(None, [name[dots:]])])


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(argument: ast.expr, module: str) -> str:
    """Return the module that an argument names; of an f-string, the part before its first unknown value."""
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    text = ""
    for part in argument.values if isinstance(argument, ast.JoinedStr) else []:
        if isinstance(part, ast.Constant):
            text += str(part.value)
        elif isinstance(part, ast.FormattedValue) and getattr(part.value, "id", "") in {"__name__", "__package__"}:
            text += module
        else:
            return text.rstrip(".")
    return text
