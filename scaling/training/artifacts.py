"""Artifacts of a trial besides its record: final weights, and a gallery of its pooling's attention."""

import io

import numpy as np
import torch
from torch import nn

from scaling.data import AnySplit, Dataset
from scaling.data.batches import BatchIndices, batches
from scaling.models import save_model
from scaling.models.pool import AttendingPool
from scaling.study.config import TrialConfig
from scaling.study.storage import Where, write_atomically
from scaling.training.explanations import explain, gallery

IMAGES = 8  # from the test set in a gallery, of as many classes as possible


def keep(model: nn.Module, config: TrialConfig, key: str, data: Dataset, folder: Where) -> None:
    """Write `weights/KEY.safetensors`, which holds its architecture, and `attention/KEY.png` if the pooling attends.

    Args:
        folder: of the study.
    """
    arch = {
        **config.arch,
        "num_classes": data.num_classes,
        "in_chans": data.channels,
        "image_size": list(data.image_size),
    }
    save_model(
        model,
        folder / "weights" / f"{key}.safetensors",
        family=config.family,
        arch=arch,
        class_names=data.class_names,
        mean=data.mean,
        std=data.std,
    )
    if any(isinstance(module, AttendingPool) for module in model.modules()):
        images = examples(data.test)
        explanations = explain(model, images, mean=data.mean, std=data.std, class_names=data.class_names)
        image = io.BytesIO()
        gallery(explanations).savefig(image, dpi=110, format="png")
        write_atomically(folder / "attention" / f"{key}.png", image.getvalue())


def examples(split: AnySplit, count: int = IMAGES) -> np.ndarray:
    """Return the first image of each class, then the second ones, up to `count`: uint8 (N, H, W, C)."""
    labels = np.asarray(split.labels)
    rank_in_class = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rank_in_class[labels == label] = np.arange(np.count_nonzero(labels == label))
    chosen = np.lexsort((labels, rank_in_class))[:count]
    found = [images for images, _ in batches(split, [BatchIndices(np.sort(chosen))], torch.device("cpu"))]
    return torch.cat(found).numpy()
