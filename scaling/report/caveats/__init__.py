"""Caveats: a function with `@caveat` per reason to doubt the verdict; `caveat.py` describes what it must do."""

from scaling.report.caveats.caveat import CAVEATS as CAVEATS
from scaling.report.caveats.caveat import caveat as caveat
from scaling.report.caveats.caveat import caveats as caveats
from scaling.report.caveats.caveat import headed_caveats as headed_caveats
