"""Data: `load_data` for every source, as three sets of images.

Every module beside this one is imported here, so that a source is one file.
"""

import importlib
import pkgutil

from scaling.data.dataset import AnySplit as AnySplit
from scaling.data.dataset import Dataset as Dataset
from scaling.data.dataset import Split as Split
from scaling.data.dataset import StreamSplit as StreamSplit
from scaling.data.load import load_data as load_data
from scaling.data.registry import SOURCES as SOURCES

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
