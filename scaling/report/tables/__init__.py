"""Tables: one decorated function a table; its name is the file it writes, as CSV (numbers) and Markdown (readable).

Every module beside this one is imported here, so that a table is one function.
"""

import importlib
import pkgutil

from scaling.report.tables.registry import TABLES as TABLES
from scaling.report.tables.registry import Column as Column
from scaling.report.tables.registry import Table as Table
from scaling.report.tables.registry import table as table

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
