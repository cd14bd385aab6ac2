"""Images that stay in their files: every one once an epoch, in an order that nothing but the seed decides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from scaling.config import DataConfig, Recipe
from scaling.data import Dataset, StreamSplit, load_data
from scaling.data.batches import Step, UnreadableImageWarning, batches
from scaling.errors import DataError
from scaling.evaluate import evaluate
from scaling.models import build_model
from scaling.train import fit

CPU = torch.device("cpu")


def model(pooling: str = "attention") -> nn.Module:
    arch = {"width": 16, "depth": 2, "patch_size": 2, "layer_scale": 0.1}
    return build_model("patchconvnet", **arch, pooling=pooling, num_classes=3, image_size=(8, 8), seed=0)


class Watched(nn.Module):
    """A network that keeps what it was trained on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(x.clone())
        return self.inner(x)


def photographs(root: Path, *, broken: int = 0) -> Dataset:
    """Larger images of different sizes, read from their files."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate([(200, 40, 40), (40, 200, 40), (40, 40, 200)]):
        (root / f"{label}").mkdir()
        for i in range(20):
            noise = rng.integers(0, 40, (*rng.integers(20, 40, 2), 3)) + np.array(colour)
            Image.fromarray(noise.astype(np.uint8)).save(root / f"{label}" / f"{i:02}.jpg", quality=95)
    data = load_data(DataConfig(source=f"folder:{root}", image_size=8, memory_gib=1e-9))
    assert isinstance(data.train, StreamSplit)
    for index in range(broken):
        Path(data.train.images.place(index)).write_bytes(b"no image")
    return data


def test_large_folders_are_trained_from_their_files_as_repeatably(tmp_path: Path) -> None:
    data = photographs(tmp_path)
    recipe = Recipe(epochs=3, batch_size=8, learning_rate=5e-3)
    nets = [Watched(model()), Watched(model("average"))]

    for net in nets:
        list(fit(net, data, recipe, seed=0, device=CPU))

    assert all(torch.equal(a, b) for a, b in zip(nets[0].seen, nets[1].seen, strict=True))
    assert evaluate(nets[0], data.test, data, CPU).accuracy > 90


def test_unreadable_files_are_left_out_with_a_warning_up_to_a_limit(tmp_path: Path) -> None:
    data = photographs(tmp_path, broken=11)

    with pytest.warns(UnreadableImageWarning, match=r"left out: .*\.jpg: cannot be read as an image"):
        ((images, labels),) = batches(data.train, [Step(np.arange(9, 14), seed=(0,))], CPU)
    assert len(images) == len(labels) == 3
    with pytest.warns(UnreadableImageWarning), pytest.raises(DataError, match=r"11 images cannot be read, more than data\.most_unreadable = 10"):
        list(batches(data.train, [Step(np.arange(12), seed=(0,))], CPU))
    with pytest.warns(UnreadableImageWarning):
        ((images, labels),) = batches(data.train, [Step(np.arange(2, 12))], CPU)
    assert len(labels) == 10  # at evaluation every image has its place
    assert [bool(image.any()) for image in images] == [False] * 9 + [True]
