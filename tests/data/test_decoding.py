"""Images of any size and mode are decoded to one form, with their aspect ratio kept."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scaling.data import decoding, load_data
from scaling.data.decoding import cut, fit_inside
from scaling.study.config import DataConfig
from tests.support.images import check, images, picture, write_folder


def test_resizing_covers_the_square_and_cuts_the_middle_out() -> None:
    wide = Image.fromarray(np.repeat(np.array([[0, 100, 100, 200]], np.uint8), 2, axis=0).repeat(8, 0).repeat(8, 1))

    square = np.asarray(fit_inside(wide, 16, 16, "L"))

    assert (wide.width, wide.height) == (32, 16)
    assert (square == 100).all()


def jpeg(height: int, width: int) -> bytes:
    """Return smooth shapes as a JPEG file."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(("side", "decoded"), [(32, (96, 128)), (48, (192, 256)), (64, (192, 256)), (100, (384, 512))])
def test_a_large_jpeg_file_is_decoded_no_larger_than_needed(
    side: int, decoded: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    content, sizes = jpeg(384, 512), []
    convert = decoding.to_mode
    monkeypatch.setattr(decoding, "to_mode", lambda image, *how: sizes.append(image.size[::-1]) or convert(image, *how))
    box = (40, 20, 500, 380)

    reduced = cut(Image.open(io.BytesIO(content)), box, side, side, "RGB")
    whole = Image.open(io.BytesIO(content))
    whole.load()
    full = cut(whole, box, side, side, "RGB")

    assert sizes == [decoded, (384, 512)]
    assert np.abs(np.asarray(reduced, int) - np.asarray(full, int)).mean() < 1


@given(st.tuples(*[st.integers(1, 90)] * 2), st.tuples(*[st.integers(1, 40)] * 2))
def test_any_image_can_be_brought_to_any_size(before: tuple[int, int], after: tuple[int, int]) -> None:
    flat = Image.new("L", before, 77)

    resized = fit_inside(flat, *after, "L")

    assert (resized.height, resized.width) == after
    assert (np.asarray(resized) == 77).all()


def test_digits_can_be_resized() -> None:
    data = load_data(DataConfig(image_size=16, train_limit=50))

    check(data)
    assert data.image_size == (16, 16)


def test_grey_stays_grey_unless_one_image_has_colour(tmp_path: Path) -> None:
    grey = write_folder(tmp_path / "grey", mode="L")
    mixed = write_folder(tmp_path / "mixed", mode="L")
    picture(0, mode="RGBA").save(mixed / "dog" / "zzz.png")
    deep = write_folder(tmp_path / "deep", mode="L")
    Image.fromarray(np.full((8, 8), 255 * 256, np.uint16)).save(deep / "cat" / "000.png")

    assert load_data(DataConfig(source=f"folder:{grey}")).channels == 1
    assert load_data(DataConfig(source=f"folder:{mixed}")).channels == 3
    assert max(images(split).max() for _, split in load_data(DataConfig(source=f"folder:{deep}")).splits()) == 255
