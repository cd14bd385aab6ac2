"""Seeing what attention looks at: the maps, the drawings, and what cannot be drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from scaling.explain import main
from scaling.models import POOLINGS, build_model, save_model
from scaling.models.pool import AttendingPool
from scaling.study.errors import ModelError
from scaling.training.explanations import attention_maps, drawing, explain, gallery

ARCH: dict[str, Any] = {
    "width": 16,
    "depth": 1,
    "patch_size": 4,
    "num_classes": 3,
    "image_size": (16, 24),
    "in_chans": 3,
}
STATISTICS: dict[str, Any] = {"mean": [127.5] * 3, "std": [64.0] * 3}


def network(pooling: str, **options: Any) -> Any:
    return build_model("patchconvnet", **{**ARCH, "pooling": pooling, "seed": 0, **options})


ATTENDING = [name for name in POOLINGS if isinstance(network(name).head.pool, AttendingPool)]


def saved(folder: Path, pooling: str, **options: Any) -> Path:
    path = folder / "weights.safetensors"
    arch = {**ARCH, "pooling": pooling, **options}
    save_model(network(pooling, **options), path, family="patchconvnet", arch=arch, class_names=["ant", "bee", "cat"])
    return path


def photo(path: Path, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)
    return path


@pytest.mark.parametrize("pooling", ATTENDING)
def test_maps_are_the_poolings_and_change_nothing(pooling: str) -> None:
    model = network(pooling, drop_path=0.5).train()
    x = torch.randn(2, 3, 16, 24)

    maps = attention_maps(model, x)

    assert model.training
    assert maps.shape == (2, 3 if pooling == "attention_multiclass" else 1, 4, 6)
    torch.testing.assert_close(maps, model.head.pool.maps(model.eval().forward_features(x)))
    assert not model.head.pool._forward_pre_hooks


def test_an_image_is_explained_as_it_is_seen() -> None:
    model = network("attention_multiclass").eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    x = (torch.from_numpy(images).permute(0, 3, 1, 2).float() - 127.5) / 64

    explanations = explain(model, images, **STATISTICS, class_names=["ant", "bee", "cat"], top=2)

    shares = model(x).softmax(-1)[1]
    first, second = shares.argsort(descending=True)[:2].tolist()
    assert explanations[1].prediction.startswith(["ant", "bee", "cat"][first])
    assert [title.split()[0] for title in explanations[1].titles] == [["ant", "bee", "cat"][k] for k in (first, second)]
    np.testing.assert_allclose(explanations[1].maps, attention_maps(model, x)[1][[first, second]], rtol=1e-5)


@pytest.mark.parametrize("pooling", ["attention", "attention_multiclass"])
def test_every_image_gets_a_drawing(pooling: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(folder / "a.png")
    photo(folder / "b.jpg")
    (folder / "notes.txt").write_text("no image")
    alone = photo(tmp_path / "a.png", "L")
    checkpoint = saved(tmp_path, pooling)

    code = main(["--checkpoint", str(checkpoint), "--images", str(folder), str(alone), "--out", str(tmp_path / "out")])

    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "a_2.png", "b.png"]
    with Image.open(tmp_path / "out" / "a.png") as drawn:
        assert drawn.width > drawn.height
    assert capsys.readouterr().out.count(" %") == 3


def test_explanations_fill_a_gallery_page_two_panels_each() -> None:
    images = np.zeros((5, 16, 24, 3), np.uint8)
    explanations = explain(network("attention"), images, **STATISTICS)

    page = gallery(explanations, columns=3)

    assert len([ax for ax in page.axes if ax.images]) == 10
    assert len(drawing(explanations[0]).axes) == 2


def test_a_network_of_grey_images_explains_grey_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "grey.safetensors"
    arch = {**ARCH, "in_chans": 1}
    model = build_model("patchconvnet", **arch)
    save_model(model, path, family="patchconvnet", arch=arch, mean=[100.0], std=[50.0])
    photos = [photo(tmp_path / "grey.png", "L"), photo(tmp_path / "colour.png")]
    common = ["--checkpoint", str(path), "--out", str(tmp_path / "out"), "--images"]

    assert main([*common, str(photos[0])]) == 0
    assert main([*common, str(photos[1])]) == 2
    assert "colour.png is in colour" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pooling", "images", "said"),
    [
        ("average", "a.png", "does not attend"),
        ("attention", "missing.png", "no image or folder at"),
        ("attention", "empty", "holds no images"),
        ("attention", "text.png", "cannot be read as an image"),
    ],
)
def test_undrawable_images_are_one_line(
    pooling: str, images: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("text")
    out = tmp_path / "out"

    code = main(["--checkpoint", str(saved(tmp_path, pooling)), "--images", str(tmp_path / images), "--out", str(out)])

    assert code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists() or not list(out.iterdir())


def test_a_network_without_attention_is_refused() -> None:
    with pytest.raises(ModelError, match="does not attend"):
        attention_maps(network("gem"), torch.zeros(1, 3, 16, 24))


def test_deep_images_need_the_range_of_the_study(tmp_path: Path) -> None:
    weights = saved(tmp_path, "attention")
    deep = np.random.default_rng(0).integers(0, 4096, (30, 40), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    asked = ["--checkpoint", str(weights), "--images", str(tmp_path / "deep.png"), "--out", str(tmp_path / "out")]

    assert main(asked) == 2
    assert main([*asked, "--pixel-range", "0", "4095"]) == 0
