"""Data sets: `load_data` turns any data source into training, validation and test images."""

from scaling.data.dataset import AnySplit as AnySplit
from scaling.data.dataset import Dataset as Dataset
from scaling.data.dataset import Split as Split
from scaling.data.dataset import StreamSplit as StreamSplit
from scaling.data.load import load_data as load_data
from scaling.data.redraw import for_repetition as for_repetition
from scaling.data.registry import SOURCES as SOURCES
