"""digits: 1,797 handwritten digits of 8×8 pixels that come with scikit-learn: real, small, offline."""

import importlib
from typing import Any

import numpy as np

from scaling.data.images import ArrayImages
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.study.config import DataConfig

BRIGHTEST = 16  # the data set counts inked cells of 4×4 pixels


@source("digits")
def digits(spec: Spec, config: DataConfig) -> SourceContent:
    """Read scikit-learn's copy of the UCI optical digits' test set; one set, ten classes, one channel."""
    # Importing scikit-learn takes a second, so it is done here and not at the top.
    bundle: Any = importlib.import_module("sklearn.datasets").load_digits()
    images = np.round(bundle.images * (255 / BRIGHTEST)).astype(np.uint8)
    examples = Examples("digits", ArrayImages(images, "digits"), bundle.target.astype(np.int64))
    return SourceContent({"train": examples}, tuple(map(str, bundle.target_names)), flip=False, shift=0)
