"""Spaces: a question as a file, read and checked, with every mistake reported at once."""

from scaling.space.load import find_space as find_space
from scaling.space.load import load_space as load_space
from scaling.space.load import schema as schema
from scaling.space.load import search_path as search_path
from scaling.space.schema import Range as Range
from scaling.space.schema import Space as Space
