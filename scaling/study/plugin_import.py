"""How plugins are imported: files from the bytes that were read, packages by their entry points, all or nothing.

A file is imported under a private module name made from its name and bytes. An import hook (`PluginFinder`) finds that
name, so that what the file defines can be pickled.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from scaling.study.errors import BROKEN_PLUGINS, PluginError, ScalingError
from scaling.study.registry import KINDS, importing
from scaling.study.registry import PREFIX as PREFIX

GROUP = "scaling.plugins"  # of entry points
MACHINERY = ("<frozen ", str(Path(importlib.__file__).parent), __file__)  # files of frames that only import


@dataclass(frozen=True)
class PluginFile:
    """A plugin as it was read."""

    name: str  # of the file, which identifies the plugin in a study
    path: str  # as the user gave it, for messages
    source: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the source, hexadecimal."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def module(self) -> str:
        """Its private module name; files of other names or other bytes have others."""
        digits = hashlib.sha256(os.fsencode(self.name) + b"\0" + self.source).hexdigest()[:16]
        return f"{PREFIX}{re.sub(r'[^A-Za-z0-9]', '_', self.name.removesuffix('.py'))}_{digits}"


class PluginLoader(InspectLoader):
    """Import a plugin from the bytes that were read."""

    def __init__(self, plugin: PluginFile) -> None:
        self.plugin = plugin

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.plugin.source)

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.plugin.source, self.plugin.path, "exec", dont_inherit=True)


class PluginFinder(MetaPathFinder):
    """The import hook that knows this process's plugin files, by module name."""

    def __init__(self) -> None:
        self.plugins: dict[str, PluginFile] = {}
        self.entries: set[str] = set()  # entry points of packages that have been imported

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        plugin = self.plugins.get(fullname)
        if plugin is None:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, PluginLoader(plugin), origin=plugin.path)
        spec.has_location = True  # so that the module has a __file__
        return spec


def finder() -> PluginFinder:
    """This process's import hook; it is put in its place at the first call."""
    for found in sys.meta_path:
        if isinstance(found, PluginFinder):
            return found
    sys.meta_path.append(made := PluginFinder())
    return made


def read_all(paths: Iterable[Path]) -> list[PluginFile]:
    """Read plugin files, each once."""
    found: dict[str, PluginFile] = {}
    for path in paths:
        plugin = _read(path)
        other = found.setdefault(plugin.name, plugin)
        if other.source != plugin.source:
            raise PluginError(
                f"--plugin {other.path} and --plugin {plugin.path} have the same file name, by which studies know a"
                " plugin; rename one of them"
            )
    return list(found.values())


def _read(path: Path) -> PluginFile:
    if not path.exists():
        raise PluginError(f"--plugin {path}: there is no such file")
    if path.suffix != ".py" or not path.is_file():
        raise PluginError(f"--plugin {path} is not a Python file; its name must end in .py")
    try:
        return PluginFile(path.name, str(path), path.read_bytes())
    except OSError as error:
        raise PluginError(f"--plugin {path} cannot be read: {error.strerror}") from None


@functools.cache
def installed() -> tuple[EntryPoint, ...]:
    """Entry points of installed plugins, in the order of their packages."""
    found = entry_points(group=GROUP)
    return tuple(sorted(found, key=lambda entry: (entry.dist.name if entry.dist else "", entry.name)))


def import_file(plugin: PluginFile) -> None:
    """Import a plugin file, unless it is imported already."""
    if plugin.module in sys.modules:
        return
    _import(plugin.module, f"--plugin {plugin.path}", lambda: importlib.import_module(plugin.module), plugin.path)


def import_entry(entry: EntryPoint) -> None:
    """Import what an entry point of an installed package names."""
    if entry.value in finder().entries and entry.module in sys.modules:
        return
    _import(top_level(entry.module), title_of(entry), lambda: _call(entry.load()), attributed=entry.module)
    finder().entries.add(entry.value)


def import_installed() -> None:
    """Import the installed plugin packages. One that is broken is noted in `BROKEN_PLUGINS` and left out."""
    BROKEN_PLUGINS.clear()
    for entry in installed():
        try:
            import_entry(entry)
        except PluginError as error:
            BROKEN_PLUGINS[title_of(entry)] = in_one_line(error)


def title_of(entry: EntryPoint) -> str:
    """An installed plugin for a reader."""
    return (
        f"installed plugin {entry.dist.name} {entry.dist.version}" if entry.dist else f"installed plugin {entry.value}"
    )


def _call(named: object) -> None:
    """Call what an entry point names, such as `package.models:register`, if it is a function without parameters."""
    if inspect.isroutine(named) and not inspect.signature(named).parameters:
        named()


def unload(owner: str, before: set[str] | None = None) -> None:
    """Remove what a plugin has registered, and its modules except those that were there `before`."""
    for registry in KINDS.values():
        registry.forget(owner)
    entries = finder().entries
    entries -= {value for value in entries if top_level(value.partition(":")[0]) == owner}
    for name in set(sys.modules) - (before or set()):
        if f"{name}.".startswith(f"{owner}."):
            del sys.modules[name]


def _import(
    owner: str, title: str, do: Callable[[], Any], path: str | None = None, attributed: str | None = None
) -> None:
    """Run an import that is to register something for `owner`; if it fails, nothing of it stays.

    Args:
        title: what is imported, for messages.
        path: of the plugin's file: the line that is named lies there, not in what it calls.
        attributed: module that owns what it registers from elsewhere; `owner` by default.
    """
    before = set(sys.modules)
    try:
        # a command's stdout may be JSON
        with importing(attributed or owner), contextlib.redirect_stdout(sys.stderr):
            do()
        if not _has_registered(owner):
            raise PluginError(f"{title} registers nothing; decorate a function in it, such as with @scaling.pooling")
    except BaseException as error:
        unload(owner, before)
        if isinstance(error, PluginError):
            raise
        if isinstance(error, Exception | SystemExit):
            said = f"{_where(error, path)}{in_one_line(error)}".replace(
                owner, path or owner
            )  # nobody knows a private name
            raise PluginError(f"{title} cannot be imported: {said}") from error
        raise


def _has_registered(owner: str) -> bool:
    return any(registry.added_by(owner) for registry in KINDS.values())


def _where(error: BaseException, path: str | None) -> str:
    """File and line of an error: the last in the plugin's own file, or the last there is."""
    if isinstance(error, SyntaxError) and error.filename and (path is None or error.filename == path):
        return f"{error.filename}, line {error.lineno or 1}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(MACHINERY)]
    if not frames and not path:
        return ""
    own = [frame for frame in frames if frame.filename == path]
    if path and not own:
        return f"{path}, line 1: "
    last = (own or frames)[-1]
    return f"{last.filename}, line {last.lineno}: "


def in_one_line(error: BaseException) -> str:
    """An error's kind and message in one line."""
    if isinstance(error, ScalingError):
        return "; ".join(error.problems)
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def top_level(module: str) -> str:
    return module.partition(".")[0]
