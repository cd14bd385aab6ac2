"""Images of any size and kind become bytes of one form, and nothing is stretched."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from make_images import check, images, picture, write_folder
from PIL import Image

from scaling.config import DataConfig
from scaling.data import load_data
from scaling.data.decoding import fit_inside


def test_resizing_covers_the_square_and_cuts_the_middle_out() -> None:
    wide = Image.fromarray(np.repeat(np.array([[0, 100, 100, 200]], np.uint8), 2, axis=0).repeat(8, 0).repeat(8, 1))

    square = np.asarray(fit_inside(wide, 16, 16, "L"))

    assert (wide.width, wide.height) == (32, 16)
    assert (square == 100).all()


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
