"""Tables: a function with `@table` per table; its name is the name of its files: CSV, Markdown and LaTeX.

`table.py` describes what a table must do.
"""

from scaling.report.tables.table import TABLES as TABLES
from scaling.report.tables.table import Column as Column
from scaling.report.tables.table import Table as Table
from scaling.report.tables.table import table as table
