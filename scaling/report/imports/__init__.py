"""Imports: other people's results as a study. One file a kind; each registers a function with `@importer`.

An importer reads text only: nothing of what it is given is executed or unpickled. Every module beside this one is
imported here, so that a kind is one file.
"""

import importlib
import pkgutil

from scaling.report.imports.outcome import Imported as Imported
from scaling.report.imports.outcome import Row as Row
from scaling.report.imports.registry import IMPORTERS as IMPORTERS
from scaling.report.imports.registry import Arms as Arms
from scaling.report.imports.registry import Request as Request
from scaling.report.imports.registry import importer as importer
from scaling.report.imports.registry import parse as parse
from scaling.report.imports.study import import_study as import_study

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
