"""Imports: other people's results as a study. A function with `@importer` per format; `importer.py` describes it.

Importers read text only: they execute and unpickle nothing.
"""

from scaling.report.imports.importer import IMPORTERS as IMPORTERS
from scaling.report.imports.importer import ArmColumn as ArmColumn
from scaling.report.imports.importer import ImportRequest as ImportRequest
from scaling.report.imports.importer import importer as importer
from scaling.report.imports.importer import parse as parse
from scaling.report.imports.outcome import Imported as Imported
from scaling.report.imports.outcome import Row as Row
from scaling.report.imports.study import import_study as import_study
