"""Figures: what each one shows, in numbers, with its caption and its description; `scaling.plots` draws them.

Computing and drawing are apart, so that what a figure says can be tested without pixels. One concept a file; each has a
dataclass of numbers and a function from an analysis to it, or to None where there is nothing to show.
"""

from scaling.figures.clouds import SHARED as SHARED
from scaling.figures.clouds import Accuracy as Accuracy
from scaling.figures.clouds import Cloud as Cloud
from scaling.figures.clouds import accuracy as accuracy
from scaling.figures.forests import Differences as Differences
from scaling.figures.forests import Forest as Forest
from scaling.figures.forests import differences as differences
from scaling.figures.learning import Curve as Curve
from scaling.figures.learning import Curves as Curves
from scaling.figures.learning import curves as curves
from scaling.figures.memory_check import Memory as Memory
from scaling.figures.memory_check import MemoryCloud as MemoryCloud
from scaling.figures.memory_check import memory as memory
from scaling.figures.text import Text as Text
from scaling.figures.trend_lines import TrendLine as TrendLine
from scaling.figures.trend_lines import Trends as Trends
from scaling.figures.trend_lines import trends as trends
