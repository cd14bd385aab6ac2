"""Plots: one decorated function a figure; its name is the file it writes. Only this folder knows seaborn.

A plot maps an analysis to a drawing of what `scaling.figures` computed. Every module beside this one is imported here,
in this order first, which is the order of the page.
"""

import importlib
import pkgutil

from scaling.plots.forests import paired_difference as paired_difference
from scaling.plots.registry import PLOTS as PLOTS
from scaling.plots.registry import Drawing as Drawing
from scaling.plots.registry import plot as plot
from scaling.plots.theme import THEME as THEME

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
