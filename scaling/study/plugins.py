"""Plugins: a user's own Python files, and installed packages, that register additions without a fork.

A file is read once. Its bytes are what is imported, what the digest is of, and what travels to workers, so that nothing
depends on the path afterwards. `scaling.study.plugin_import` imports them.
"""

import argparse
import contextlib
import functools
import hashlib
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scaling.study.config import TrialConfig
from scaling.study.errors import BROKEN_PLUGINS, PluginError
from scaling.study.plugin_import import PREFIX as PREFIX
from scaling.study.plugin_import import PluginFile as PluginFile
from scaling.study.plugin_import import (
    PluginLoader,
    finder,
    import_file,
    import_installed,
    in_one_line,
    read_all,
    title_of,
    top_level,
)
from scaling.study.plugin_import import installed as installed
from scaling.study.plugin_import import unload as unload
from scaling.study.registry import KINDS, is_built_in

SHOWN_DIGITS = 12  # of a digest in a message


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

    An installed package that is broken is a warning on stderr, since the command may need nothing of it.

    Raises:
        PluginError: a file that cannot be read or imported, or registers nothing, or a name that is taken.
    """
    wanted = read_all(paths)
    installed.cache_clear()
    _package_origin.cache_clear()
    known = finder().plugins
    for module in set(known) - {plugin.module for plugin in wanted}:
        unload(module)
        del known[module]
    import_installed()
    for title, reason in BROKEN_PLUGINS.items():
        print(f"warning: {reason if reason.startswith(title) else f'{title}: {reason}'}", file=sys.stderr)
    for plugin in wanted:
        known[plugin.module] = plugin
        try:
            import_file(plugin)
        except BaseException:
            del known[plugin.module]
            raise


def receive(plugins: Iterable[PluginFile]) -> Shipment:
    """Load another process's plugins here.

    One that cannot be imported here is left to `require`, which names it in the record of each trial that needs it: a
    worker that fails to start would name nothing.
    """
    import_installed()
    for plugin in plugins:
        finder().plugins.setdefault(plugin.module, plugin)
        with contextlib.suppress(PluginError):
            import_file(plugin)
    return Shipment()


def loader() -> Callable[[], None]:
    """What a worker process calls before anything else, to have the plugins of this process."""
    shipped = files()

    def load_plugins() -> None:  # not at the top of a module, so that it is pickled whole, with the files
        receive(shipped)

    return load_plugins


def files() -> tuple[PluginFile, ...]:
    """The plugin files of this process."""
    return tuple(finder().plugins.values())


def are_there() -> bool:
    """Whether workers need anything loaded."""
    return bool(files() or installed())


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
    """Name and digest of the plugin that a module belongs to, or None if it belongs to none.

    They are file name and SHA-256, or for an installed package `package:module` and `version SHA-256`.
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
            import_file(plugin)  # again, where it failed on arrival: that says why
    here = loaded()
    problems = [difference(name, digest, here) for name, digest in plugins.items() if here.get(name) != digest]
    if problems:
        raise PluginError([f"this trial needs {problem}" for problem in problems])


def blame(error: BaseException) -> str | None:
    """One line on an error that was raised in or below the code of a plugin; None for any other error."""
    frames = list(traceback.walk_tb(error.__traceback__))
    packages = {top_level(entry.module): title_of(entry) for entry in installed()}
    for frame, line in reversed(frames):
        file, module = frame.f_code.co_filename, str(frame.f_globals.get("__name__"))
        title = f"--plugin {file}" if module.startswith(PREFIX) else packages.get(top_level(module))
        if title:
            return f"{title} failed: {file}, line {line}: {in_one_line(error)}"
    return None


def difference(name: str, digest: str, here: Mapping[str, str]) -> str:
    """What is missing or different here, as the object of a sentence with `needs`."""
    if name not in here:
        package = name.partition(":")[0]
        for title, reason in BROKEN_PLUGINS.items():
            if title.startswith(f"installed plugin {package} "):
                return f"{flag(name)} ({short(digest)}), which is broken here: {reason}"
        return f"{flag(name)} ({short(digest)}), which is not loaded here"
    return f"{name} with {short(digest)}, but it has {short(here[name])} here"


def flag(name: str) -> str:
    """How a user gives the plugin to a command."""
    return (
        f"--plugin {shlex.quote(name)}" if name.endswith(".py") else f"the installed package {name.partition(':')[0]}"
    )


def short(digest: str) -> str:
    """A digest for a message; a package's has its version before it."""
    *version, digits = digest.split()
    return ", ".join([*(f"version {number}" for number in version), f"SHA-256 {digits[:SHOWN_DIGITS]}…"])


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


@functools.cache
def _package_origin(module: str) -> tuple[str, str] | None:
    """As `origin`, of an installed package; its file is read once, as it is imported once."""
    for entry in installed():
        file = getattr(sys.modules.get(module), "__file__", None)
        if entry.dist and file and top_level(entry.module) == top_level(module):
            digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
            return f"{entry.dist.name}:{module}", f"{entry.dist.version} {digest}"
    return None
