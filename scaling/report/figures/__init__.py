"""Figures: one decorated function a figure; its name is the file it writes. Only this folder imports seaborn.

Each file holds the numbers of a figure (a dataclass, and a function from an analysis to it or to None) above the code
that draws them, so that what a figure shows can be tested without pixels.
"""

import importlib
import pkgutil

# The page shows figures in this order; those of other files follow by name.
from scaling.report.figures.paired_difference import paired_difference as paired_difference  # isort: skip
from scaling.report.figures import difference_at_equal_cost as difference_at_equal_cost  # isort: skip
from scaling.report.figures import accuracy_by_cost as accuracy_by_cost  # isort: skip
from scaling.report.figures.registry import PLOTS as PLOTS
from scaling.report.figures.registry import Drawing as Drawing
from scaling.report.figures.registry import plot as plot
from scaling.report.figures.text import Text as Text
from scaling.report.figures.theme import THEME as THEME

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
