"""The layers of the package: its halves stay apart, libraries have one place each, and imports have no circles."""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import PACKAGE, Import, circle, imports_in, imports_of, module_names

ASKING = [
    *("space", "sweep", "trial", "models", "data", "tasks", "training", "costs", "measure", "explain", "rehearse"),
    "devices",
]
ANSWERING = ["report", "compare"]
SHARED = ["study", "statistics", "wording", "console"]  # used by both halves
FACADES = {PACKAGE, f"{PACKAGE}.api"}  # export names of both halves, imported at first use
TO_COME = ["export", "api", "__main__", "py.typed"]  # planned entries at the top
MOST_ENTRIES = 24

LIBRARIES = {
    "ray": ["sweep.executor"],
    "fvcore": ["costs.complexity"],
    "seaborn": ["report.figures"],
    "optuna": ["sweep.search", "sweep.trackers"],
    "mlflow": ["sweep.trackers"],
    "wandb": ["sweep.trackers"],
    "torch.distributed": ["training.parallel"],
}
HEAVY = ["torch", "torchvision", "timm", "ray"]  # libraries that take seconds to import
WITHOUT_TORCH = ["report", "compare", "statistics", "study", "wording", "console", "space.schema", "space.load"]

IMPORTS = imports_of(ROOT)
MODULES = module_names(ROOT)


def first(module: str) -> str:
    """Return the top entry of a module: `report` for `scaling.report.tables`."""
    return [*module.split("."), ""][1]


def is_below(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def is_in(module: str, places: Iterable[str]) -> bool:
    return is_below(module, [f"{PACKAGE}.{place}" for place in places])


def lines(found: Iterable[Import]) -> list[str]:
    return sorted(set(map(str, found)))


def test_every_module_belongs_to_one_layer() -> None:
    entries = {first(module) for module in MODULES if module not in FACADES}

    assert entries <= {*ASKING, *ANSWERING, *SHARED, *TO_COME}
    assert entries >= {*ASKING, *ANSWERING, *SHARED}


def test_the_halves_never_import_each_other() -> None:
    crossing = [
        found
        for found in IMPORTS
        if found.module not in FACADES
        and (
            (is_in(found.module, ASKING) and is_in(found.target, ANSWERING))
            or (is_in(found.module, ANSWERING) and is_in(found.target, ASKING))
        )
    ]

    assert lines(crossing) == []


def test_what_both_halves_share_imports_neither() -> None:
    upwards = [f for f in IMPORTS if is_in(f.module, SHARED) and is_in(f.target, [*ASKING, *ANSWERING])]

    assert lines(upwards) == []


def test_statistics_need_only_words_and_the_study() -> None:
    others = [
        found
        for found in IMPORTS
        if is_in(found.module, ["statistics"])
        and is_below(found.target, [PACKAGE])
        and not is_in(found.target, ["statistics", "study", "wording"])
    ]

    assert lines(others) == []


def test_results_are_read_without_torch() -> None:
    users = [found for found in IMPORTS if is_in(found.module, [*ANSWERING, *SHARED]) and is_below(found.target, HEAVY)]

    assert lines(users) == []


def test_facades_import_the_halves_late() -> None:
    early = [
        found
        for found in IMPORTS
        if found.module in FACADES and found.when == "at import" and is_in(found.target, [*ASKING, *ANSWERING])
    ]

    assert lines(early) == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_has_one_place(library: str) -> None:
    users = [found for found in IMPORTS if is_below(found.target, [library])]

    assert lines(found for found in users if not is_in(found.module, LIBRARIES[library])) == []
    assert users, f"nothing imports {library}; take it out of the dependencies and of this table"


def room_of(module: str) -> str:
    """Return the room of a module: its top entry, or a package inside `sweep` or `report`."""
    parts = module.split(".")[1:]
    is_inner = len(parts) > 1 and parts[0] in {"sweep", "report"} and (ROOT / PACKAGE / parts[0] / parts[1]).is_dir()
    return ".".join(parts[: 2 if is_inner else 1])


@pytest.mark.parametrize("name_of", [str, room_of], ids=["modules", "rooms"])
def test_imports_have_no_circles(name_of: Callable[[str], str]) -> None:
    edges: dict[str, set[str]] = defaultdict(set)
    for found in IMPORTS:
        here, there = name_of(found.module), name_of(found.target)
        if found.target in MODULES and here != there and not {found.module, found.target} & FACADES:
            edges[here].add(there)

    assert circle(edges) is None


def loaded_at_import(module: str) -> set[str]:
    """Return everything that importing a module loads, according to the source."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        parents = [name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)]
        for one in {name, *parents} - loaded:
            loaded.add(one)
            waiting += [f.target for f in IMPORTS if f.module == one and f.when == "at import"]
    return loaded


def without_torch() -> list[str]:
    return sorted(module for module in MODULES if is_in(module, WITHOUT_TORCH))


@pytest.mark.parametrize("module", without_torch())
def test_no_torch_at_import(module: str) -> None:
    assert {name for name in loaded_at_import(module) if is_below(name, HEAVY)} == set()


@pytest.mark.parametrize("modules", [["scaling"], ["scaling.report"], ["scaling.report.__main__"], without_torch()])
def test_a_fresh_interpreter_loads_neither_torch_nor_ray(modules: list[str], tmp_path: Path) -> None:
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print([name for name in ('torch', 'ray') if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code, *modules], cwd=tmp_path, text=True, capture_output=True)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_class_name_stands_for_one_class() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for module, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module)

    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


def test_the_top_of_the_package_stays_small() -> None:
    entries = {path.name.removesuffix(".py") for path in (ROOT / PACKAGE).iterdir() if path.name != "__pycache__"}
    entries -= {"search_spaces"}  # a link that packaging makes

    assert len(entries | set(TO_COME)) <= MOST_ENTRIES


EXAMPLE = """
import a.b
from scaling.study import records, load_study
from . import near
from ..far import thing
from torch import distributed
if TYPE_CHECKING:
    import typed
else:
    import untyped
class Some:
    import inner
    def method(self):
        import late
def function():
    importlib.import_module("by_name")
    import_module(f"{__name__}.child")
    import_module(f"scaling.report.{name}")
    import_module(".beside", __package__)
"""


def test_every_way_of_importing_is_seen() -> None:
    known = ["scaling.study", "scaling.study.records", "scaling.sweep.far"]

    found = {(i.target, i.when) for i in imports_in(EXAMPLE, "scaling.sweep.search.x", known)}

    assert found == {
        ("a.b", "at import"), ("scaling.study.records", "at import"), ("scaling.study", "at import"),
        ("scaling.sweep.search", "at import"), ("scaling.sweep.far", "at import"),
        ("torch.distributed", "at import"), ("typed", "for types"), ("untyped", "at import"), ("inner", "at import"),
        ("late", "lazily"), ("by_name", "lazily"), ("scaling.sweep.search.x.child", "lazily"),
        ("scaling.report", "lazily"), ("scaling.sweep.search.beside", "lazily"),
    }  # fmt: skip


def test_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"b", "c"}, "b": {"c"}}) is None
