"""cifar10, cifar100 and others: small data sets of torchvision, downloaded once."""

import importlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scaling.data.images import Images
from scaling.data.registry import Examples, SourceContent, Spec, source
from scaling.study.config import DataConfig
from scaling.study.errors import DataError

TIMEOUT_SECONDS = 20.0  # of a server that does not answer


@dataclass(frozen=True)
class TorchvisionSet:
    """How torchvision names and loads a data set, and whether mirror images belong to the same class."""

    name: str  # of the class in torchvision.datasets
    flip: bool
    train: Mapping[str, Any] = field(default_factory=lambda: {"train": True})
    test: Mapping[str, Any] = field(default_factory=lambda: {"train": False})
    labels: str = "targets"


_TRAIN = {"split": "train"}
_TEST = {"split": "test"}
DATA_SETS = {
    "cifar10": TorchvisionSet("CIFAR10", flip=True),
    "cifar100": TorchvisionSet("CIFAR100", flip=True),
    "fashion_mnist": TorchvisionSet("FashionMNIST", flip=True),
    "kmnist": TorchvisionSet("KMNIST", flip=False),
    "mnist": TorchvisionSet("MNIST", flip=False),
    "stl10": TorchvisionSet("STL10", flip=True, train=_TRAIN, test=_TEST, labels="labels"),
    "svhn": TorchvisionSet("SVHN", flip=False, train=_TRAIN, test=_TEST, labels="labels"),
}


@dataclass(frozen=True)
class TorchvisionImages(Images):
    """Images of a torchvision data set, opened by torchvision."""

    dataset: Any
    name: str

    def __len__(self) -> int:
        return len(self.dataset)

    def open(self, index: int) -> Image.Image:
        return self.dataset[index][0]

    def place(self, index: int) -> str:
        return f"{self.name} image {index}"


def data_root() -> Path:
    """Return the folder of downloads and caches: $SCALING_DATA, default ~/.cache/scaling/data."""
    return Path(os.environ.get("SCALING_DATA", "~/.cache/scaling/data")).expanduser()


@source(*DATA_SETS)
def torchvision(spec: Spec, config: DataConfig) -> SourceContent:
    """Read a data set from `data_root()`; download it there first if it is missing."""
    kind = DATA_SETS[spec.name]
    root = data_root()
    sets = {"train": _load(kind, kind.train, spec.name, root), "test": _load(kind, kind.test, spec.name, root)}
    examples = {
        name: Examples(
            f"{spec.name} {name}",
            TorchvisionImages(dataset, f"{spec.name} {name}"),
            np.asarray(getattr(dataset, kind.labels), np.int64),
        )
        for name, dataset in sets.items()
    }
    known = getattr(sets["train"], "classes", None)
    names = known or range(int(examples["train"].labels.max()) + 1)
    return SourceContent(examples, tuple(map(str, names)), flip=kind.flip)


def _load(kind: TorchvisionSet, which: Mapping[str, Any], name: str, root: Path) -> Any:
    # torchvision takes seconds to import, so it is imported here and not at the top.
    build = getattr(importlib.import_module("torchvision.datasets"), kind.name)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)  # torchvision has no timeout of its own
    try:
        root.mkdir(parents=True, exist_ok=True)
        return build(root=str(root), download=True, **which)
    except (OSError, RuntimeError) as error:
        url = getattr(build, "url", None)
        origin = f" ({url})" if url else ""
        raise DataError(
            f"{name} is not in {root} and cannot be downloaded ({' '.join(str(error).split())});"
            f" put torchvision's files{origin} there, or set SCALING_DATA to the folder that holds them"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
