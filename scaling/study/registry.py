"""The one mechanism for additions: things of a kind by name, defined in the files of the kind's folder or in a plugin.

A kind (poolings, figures, designs, …) is one `Registry`. Its decorator calls `add`; its folder is scanned at the first
look-up, so that a file placed there is found without an edit elsewhere, and nothing is imported before it is needed.
"""

import contextlib
import importlib
import pkgutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from scaling.study.errors import PluginError

T = TypeVar("T")
KINDS: dict[str, "Registry[Any]"] = {}  # every registry that was made, by kind
PREFIX = "scaling_plugin_"  # of the module names of plugin files
HYPHENATED = {"data source", "tracker", "importer", "task"}  # kinds whose names are no names of functions
_LOADING: ContextVar[str | None] = ContextVar("plugin being imported", default=None)


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind by name, in the order of their files and of their definitions.

    Args:
        kind: what one of them is called in a message, such as `pooling`.
        folder: the package whose modules define them, such as `scaling.models.poolings`.
    """

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        self.folder = folder
        self._things: dict[str, T] = {}
        self._modules: dict[str, str] = {}  # name → module that defines it
        self._is_scanned = False
        self._lock = threading.RLock()  # a thread that looks up while another scans waits; the scan may look up too
        KINDS[kind] = self

    def add(self, name: str, thing: T, *, module: str) -> None:
        """Register `thing` under `name`; `module` is the `__module__` of what defines it.

        Raises:
            PluginError: the name is taken, with both places, or is no identifier.
        """
        module = _owner(module)
        plain: Any = name.replace("-", "_") if self.kind in HYPHENATED and isinstance(name, str) else name
        if not isinstance(plain, str) or not plain.isidentifier():
            raise PluginError(
                f"{self.kind} {name!r} in {_file(module)} has no usable name; use letters, digits and underscores"
            )
        if not is_built_in(module):
            self._scan()  # an addition that takes a built-in's name is refused, not the built-in
        if name in self._things:
            raise PluginError(
                f"{self.kind} '{name}' is defined twice, in {_file(self._modules[name], self._things[name])}"
                f" and in {_file(module, thing)}; rename one of them"
            )
        self._things[name] = thing
        self._modules[name] = module

    def module(self, name: str) -> str:
        """Name of the module that defines `name`."""
        self._scan()
        return self._modules[name]

    def owner(self, name: str) -> str | None:
        """Name of the module that has registered `name` so far; nothing is imported to find out."""
        return self._modules.get(name)

    def owners(self) -> set[str]:
        """Names of the modules that have registered something so far."""
        return set(self._modules.values())

    def added_by(self, module: str) -> list[str]:
        """Names that `module` or its submodules have registered so far."""
        return [name for name, owner in self._modules.items() if f"{owner}.".startswith(f"{module}.")]

    def forget(self, module: str) -> None:
        """Remove what `module` or its submodules have registered, where its import failed half-way."""
        for name in self.added_by(module):
            del self._things[name], self._modules[name]

    def refusal(self, name: str, returned: object, wanted: str) -> PluginError:
        """Error for an addition that returns something else than `wanted`."""
        place = _file(self._modules.get(name, "a file that is not known"), self._things.get(name))
        return PluginError(f"{self.kind} '{name}' in {place} returns {_described(returned)}; it must return {wanted}")

    def __getitem__(self, name: str) -> T:
        self._scan()
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(self._things)

    def __len__(self) -> int:
        self._scan()
        return len(self._things)

    def _scan(self) -> None:
        with self._lock:
            if self._is_scanned:
                return
            self._is_scanned = True
            token = _LOADING.set(None)  # what the folder defines is built-in, also where a plugin looks it up
            try:
                package = importlib.import_module(self.folder)
                for found in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"{self.folder}.{found.name}")
            except BaseException:
                self._is_scanned = False  # the next look-up fails too, instead of finding half of them
                raise
            finally:
                _LOADING.reset(token)


@contextlib.contextmanager
def importing(plugin: str) -> Iterator[None]:
    """Attribute to the module `plugin` what it registers, whichever module defines the function that it registers."""
    token = _LOADING.set(plugin)
    try:
        yield
    finally:
        _LOADING.reset(token)


def _owner(module: str) -> str:
    """Module that an addition belongs to: its own, or the plugin that brings it in from elsewhere.

    A function can carry another module's name, as `functools.wraps` copies it. So a built-in module owns an addition
    only while its own body runs, such as when a plugin is the first to import it.
    """
    plugin = _LOADING.get()
    if plugin is None or module.partition(".")[0] == plugin.partition(".")[0]:
        return module
    return module if is_built_in(module) and _is_running(module) else plugin


def _is_running(module: str) -> bool:
    """Whether a module is being imported."""
    return bool(getattr(getattr(sys.modules.get(module), "__spec__", None), "_initializing", False))


def is_built_in(module: str) -> bool:
    """Whether a module is one of this package's own."""
    return f"{module}.".startswith("scaling.")


def _described(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _file(module: str, thing: object = None) -> str:
    """File of a module as a reader knows it, and the line of `thing` in it where it has one."""
    file = getattr(sys.modules.get(module), "__file__", None) or module
    place = f"--plugin {file}" if module.startswith(PREFIX) else file
    for part in (thing, *getattr(thing, "__dict__", {}).values()):
        code = getattr(part, "__code__", None)
        if code is not None and code.co_filename == file:
            return f"{place}, line {code.co_firstlineno}"
    return place
