"""Figures: a function with `@figure` per figure; its name is the name of the file that it writes.

Each file holds the numbers of a figure (a dataclass, and a function from an analysis to it or to None) above the code
that draws them, so that a test can check what a figure shows without looking at pixels. Only this folder imports
seaborn. `figure.py` describes what a figure must do.
"""

from scaling.report.figures.figure import FIGURES as FIGURES
from scaling.report.figures.figure import ReportFigure as ReportFigure
from scaling.report.figures.figure import Section as Section
from scaling.report.figures.figure import figure as figure
from scaling.report.figures.figure import in_order as in_order
from scaling.report.figures.text import Text as Text
