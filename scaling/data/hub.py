"""hf:NAME: a data set of the Hugging Face hub, through the `datasets` package."""

import importlib
from typing import Any

from scaling.config import DataConfig
from scaling.data.parquet import IMAGE_COLUMNS, found_in
from scaling.data.registry import Found, Spec, source
from scaling.data.splits import ALIASES
from scaling.errors import DataError


@source("hf", argument="NAME")
def hf(spec: Spec, config: DataConfig) -> Found:
    """Download a data set, or read it from the cache of `datasets`; what follows is the same as for parquet:PATH."""
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise DataError(f"data source '{spec}' needs the package datasets; run: pip install datasets") from None
    try:
        bundle = datasets.load_dataset(spec.argument)
    except Exception as error:  # of many kinds: network, names, permissions, formats
        raise DataError(f"{spec} cannot be loaded: {' '.join(str(error).split())}") from None
    tables = {}
    for name, dataset in bundle.items():
        if name not in ALIASES:
            continue  # "unsupervised" and the like
        for column in (config.image_column, *IMAGE_COLUMNS):
            if column in dataset.column_names:
                dataset = dataset.cast_column(column, datasets.Image(decode=False))
        tables[ALIASES[name]] = [(f"{spec} {name}", dataset.with_format("arrow")[:])]
    if not tables:
        raise DataError(f"{spec} has none of the sets train, validation and test, only {', '.join(bundle)}")
    return found_in(tables, config)
