"""Plugins: a user's own Python files, and installed packages, that register additions without a fork.

A file is read once. Its bytes are what is imported, what the digest is of, and what travels to workers, so that nothing
depends on the path afterwards. It is imported under a private module name made from its name and digest; an import hook
(`PluginFinder`) finds that name, so that what the file defines can be pickled.
"""

import argparse
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from scaling.study.config import TrialConfig
from scaling.study.errors import PluginError, ScalingError
from scaling.study.registry import KINDS, importing, is_built_in

GROUP = "scaling.plugins"  # of entry points
PREFIX = "scaling_plugin_"  # of the module names of plugin files
SHOWN_DIGITS = 12  # of a digest in a message


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
        return f"{PREFIX}{re.sub(r'[^A-Za-z0-9]', '_', self.name.removesuffix('.py'))}_{self.digest[:16]}"


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

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        plugin = self.plugins.get(fullname)
        if plugin is None:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, PluginLoader(plugin), origin=plugin.path)
        spec.has_location = True  # so that the module has a __file__
        return spec


class Shipment:
    """The plugins of this process, for another one: they are loaded there when it is unpickled."""

    def __init__(self) -> None:
        self.files = files()

    def __reduce__(self) -> tuple[Callable[..., "Shipment"], tuple[Any, ...]]:
        return receive, (self.files,)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a command its `--plugin`."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a Python file of yours that adds poolings, metrics, figures, …; may be repeated; see docs/plugins.md",
    )


def load(paths: Iterable[Path] = ()) -> None:
    """Import the installed plugin packages and the files at `paths`, and forget files that were loaded before.

    Raises:
        PluginError: a file that cannot be read or imported, or registers nothing, or a name that is taken.
    """
    wanted = _read_all(paths)
    finder = _finder()
    for module in set(finder.plugins) - {plugin.module for plugin in wanted}:
        _forget(module)
        del finder.plugins[module]
    for entry in _entries():
        _import_entry(entry)
    for plugin in wanted:
        finder.plugins[plugin.module] = plugin
        try:
            _import_file(plugin)
        except BaseException:
            del finder.plugins[plugin.module]
            raise


def receive(plugins: Iterable[PluginFile]) -> Shipment:
    """Load another process's plugins here.

    One that cannot be imported here is left to `require`, which names it in the record of each trial that needs it: a
    worker that fails to start would name nothing.
    """
    for entry in _entries():
        _import_or_leave(lambda entry=entry: _import_entry(entry))
    for plugin in plugins:
        _finder().plugins.setdefault(plugin.module, plugin)
        _import_or_leave(lambda plugin=plugin: _import_file(plugin))
    return Shipment()


def loader() -> Callable[[], None]:
    """What a worker process calls before anything else, to have the plugins of this process."""
    shipped = files()

    def load_plugins() -> None:  # not at the top of a module, so that it is pickled whole, with the files
        receive(shipped)

    return load_plugins


def files() -> tuple[PluginFile, ...]:
    """The plugin files of this process."""
    return tuple(_finder().plugins.values())


def are_there() -> bool:
    """Whether workers need anything loaded."""
    return bool(files() or _entries())


def used_by(config: TrialConfig) -> dict[str, str]:
    """Name → digest of the plugins that define something the trial's result depends on."""
    return used(_named(config))


def used(named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name → digest of the plugins that define these things, each given by its kind and name.

    Nothing is imported: a plugin that adds to a kind has imported its registry.
    """
    modules = {KINDS[kind].owner(name) for kind, name in named if kind in KINDS}
    return _origins(module for module in modules if module is not None)


def origin(module: str) -> tuple[str, str] | None:
    """Name and digest of the plugin whose module this is: a file and its SHA-256, or, of an installed package,
    `package:module` and `version SHA-256`. None for what is no plugin.
    """
    if is_built_in(module):
        return None
    loader = getattr(sys.modules.get(module), "__loader__", None)
    if isinstance(loader, PluginLoader):
        return loader.plugin.name, loader.plugin.digest
    return _package_origin(module)


def loaded() -> dict[str, str]:
    """Name → digest of every plugin of this process."""
    return _origins({module for registry in KINDS.values() for module in registry.owners()})


def require(plugins: Mapping[str, str]) -> None:
    """Check that this process has the plugins that a trial's settings name.

    Raises:
        PluginError: one is missing, or another version of it is here, or it cannot be imported here.
    """
    if not plugins:
        return
    for plugin in files():
        if plugin.name in plugins:
            _import_file(plugin)  # again, where it failed on arrival: that says why
    here = loaded()
    problems = [difference(name, digest, here) for name, digest in plugins.items() if here.get(name) != digest]
    if problems:
        raise PluginError([f"this trial needs {problem}" for problem in problems])


def blame(error: BaseException) -> str | None:
    """One line on an error that was raised in or below the code of a plugin file; None for any other error."""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in frames if str(frame.f_globals.get("__name__")).startswith(PREFIX)]
    if not own:
        return None
    frame, line = own[-1]
    return f"--plugin {frame.f_code.co_filename} failed: {frame.f_code.co_filename}, line {line}: {_said(error)}"


def difference(name: str, digest: str, here: Mapping[str, str]) -> str:
    """What keeps something that was made with a plugin from being continued here, to follow `needs`."""
    if name not in here:
        return f"{flag(name)} (SHA-256 {short(digest)}), which is not loaded here"
    return f"{name} with SHA-256 {short(digest)}, but it is {short(here[name])} here"


def flag(name: str) -> str:
    """How a user gives the plugin to a command."""
    return f"--plugin {name}" if name.endswith(".py") else f"the installed package {name.partition(':')[0]}"


def short(digest: str) -> str:
    """A digest for a message; a package's has its version before it."""
    *version, digits = digest.split()
    return " ".join([*version, f"{digits[:SHOWN_DIGITS]}…"])


def _named(config: TrialConfig) -> Iterator[tuple[str, str]]:
    """Kind and name of all that the trial's settings name and a plugin could define."""
    yield "family", config.family
    yield "pooling", str(config.arch.get("pooling"))
    yield "data source", config.data.source.partition(":")[0]
    yield "loss", config.recipe.loss
    yield from (("augmentation", name) for name in config.recipe.augmentation)
    if config.recipe.learning_rate_rule:
        yield "learning-rate rule", config.recipe.learning_rate_rule.name


def _origins(modules: Iterable[str]) -> dict[str, str]:
    return dict(sorted(found for module in modules if (found := origin(module)) is not None))


def _finder() -> PluginFinder:
    """This process's import hook; it is put in its place at the first call."""
    for found in sys.meta_path:
        if isinstance(found, PluginFinder):
            return found
    sys.meta_path.append(made := PluginFinder())
    return made


def _read_all(paths: Iterable[Path]) -> list[PluginFile]:
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


def _import_file(plugin: PluginFile) -> None:
    """Import a plugin file, unless it is imported already."""
    if plugin.module in sys.modules:
        return
    _import(plugin.module, f"--plugin {plugin.path}", lambda: importlib.import_module(plugin.module), plugin.path)


def _import_entry(entry: EntryPoint) -> None:
    """Import what an entry point of an installed package names."""
    if entry.module in sys.modules and _has_registered(_top(entry.module)):
        return
    dist = entry.dist
    package = f"{dist.name} {dist.version}" if dist else entry.value
    _import(_top(entry.module), f"installed plugin {package}", entry.load)


def _import(owner: str, title: str, do: Callable[[], Any], path: str | None = None) -> None:
    """Run an import that is to register something for `owner`; if it fails, nothing of it stays.

    Args:
        title: what is imported, for messages.
        path: of the plugin's file: the line that is named lies there, not in what it calls.
    """
    before = set(sys.modules)
    try:
        with importing(owner):
            do()
        if not _has_registered(owner):
            raise PluginError(f"{title} registers nothing; decorate a function in it, such as with @scaling.pooling")
    except BaseException as error:
        _forget(owner, before)
        if isinstance(error, PluginError):
            raise
        if isinstance(error, Exception | SystemExit):
            said = f"{_where(error, path)}{_said(error)}".replace(owner, path or owner)  # nobody knows a private name
            raise PluginError(f"{title} cannot be imported: {said}") from error
        raise


def _import_or_leave(do: Callable[[], None]) -> None:
    try:
        do()
    except PluginError:
        return


def _forget(owner: str, before: set[str] | None = None) -> None:
    """Remove what a plugin has registered, and its modules except those that were there `before`."""
    for registry in KINDS.values():
        registry.forget(owner)
    for name in set(sys.modules) - (before or set()):
        if f"{name}.".startswith(f"{owner}."):
            del sys.modules[name]


def _has_registered(owner: str) -> bool:
    return any(registry.added_by(owner) for registry in KINDS.values())


def _where(error: BaseException, path: str | None) -> str:
    """File and line of an error: the last in the plugin's own file, or the last there is."""
    if isinstance(error, SyntaxError) and error.filename and (path is None or error.filename == path):
        return f"{error.filename}, line {error.lineno or 1}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == path]
    last = (own or frames)[-1]
    return f"{path}, line 1: " if path and not own else f"{last.filename}, line {last.lineno}: "


def _said(error: BaseException) -> str:
    """An error's kind and message in one line."""
    if isinstance(error, ScalingError):
        return "; ".join(error.problems)
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _top(module: str) -> str:
    return module.partition(".")[0]


@functools.cache
def _entries() -> tuple[EntryPoint, ...]:
    """Entry points of installed plugins, in the order of their packages."""
    found = entry_points(group=GROUP)
    return tuple(sorted(found, key=lambda entry: (entry.dist.name if entry.dist else "", entry.name)))


@functools.cache
def _package_origin(module: str) -> tuple[str, str] | None:
    """As `origin`, of an installed package; its file is read once, as it is imported once."""
    for entry in _entries():
        file = getattr(sys.modules.get(module), "__file__", None)
        if entry.dist and file and _top(entry.module) == _top(module):
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            return f"{entry.dist.name}:{module}", f"{entry.dist.version} {digest}"
    return None
