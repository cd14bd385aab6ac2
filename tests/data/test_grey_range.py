"""Grey of more than 8 bits is brought to 8 by one range for the whole set, which is said."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scaling.data import StreamSplit
from scaling.data.batches import BatchIndices, batches
from scaling.study.config import DataConfig
from tests.support.images import all_pixels, images, load_folder, problems, write_by, write_folder


def grey(seed: int, low: float, high: float, kind: type = np.uint16) -> np.ndarray:
    """Return noise (8, 8) between two values, both of which occur."""
    values = np.random.default_rng(seed).uniform(low, high, (8, 8)).astype(kind)
    values[0, :2] = low, high
    return values


@pytest.mark.parametrize("high", [255, 4095, 65535])
def test_deep_grey_uses_the_bits_that_the_set_uses(tmp_path: Path, high: int) -> None:
    write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, 0, high)).save(path))
    bits = high.bit_length()

    data = load_folder(tmp_path)

    stored = {(grey(seed, 0, high) >> (bits - 8)).tobytes() for seed in (*range(10), *range(100, 110))}
    assert {pixels.astype(np.uint16).tobytes() for pixels in all_pixels(data)[..., 0]} == stored
    (note,) = data.notes
    assert f"20 images of more than 8 bits a pixel: values 0 (black) to {high} (white)" in note


@pytest.mark.parametrize(
    ("kind", "low", "high", "ending"),
    [(np.uint16, 20_000, 23_000, "png"), (np.uint16, 20_000, 23_000, "tif"), (np.float32, -1.5, 2.5, "tif"),
     (np.int32, -1000, 3000, "tif"), (np.float32, 0, 1, "tif"), (np.int32, 0, 100_000, "tif")],
)  # fmt: skip
def test_any_range_fills_the_scale(tmp_path: Path, kind: type, low: float, high: float, ending: str) -> None:
    write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, low, high, kind)).save(path), ending=ending)

    data = load_folder(tmp_path)

    stored = np.stack([grey(seed, low, high, kind) for seed in (*range(10), *range(100, 110))]).astype(float)
    expected = np.sort((stored - low) / (high - low) * 255, axis=None)
    assert np.abs(np.sort(all_pixels(data), axis=None) - expected).max() <= 1
    assert (data.channels, all_pixels(data).min(), all_pixels(data).max()) == (1, 0, 255)


def test_big_endian_and_twelve_bit_tiff_files_are_read(tmp_path: Path) -> None:
    def write(path: Path, seed: int) -> None:
        values = grey(seed, 0, 4095)
        if seed % 2:
            Image.frombytes("I;16B", (8, 8), values.astype(">u2").tobytes()).save(path)
        else:
            path.write_bytes(twelve_bit_tiff(values))

    write_by(tmp_path, write, ending="tif")

    found = all_pixels(load_folder(tmp_path))[..., 0]

    expected = [grey(seed, 0, 4095) >> 4 for seed in (*range(10), *range(100, 110))]
    assert np.array_equal(np.sort(found, axis=None), np.sort(expected, axis=None))


def twelve_bit_tiff(values: np.ndarray) -> bytes:
    """Return an uncompressed little-endian TIFF file of 12-bit grey (TIFF 6.0, sections 2 and 3)."""
    pairs = values.reshape(-1, 2).astype(int)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], 1)
    strip = packed.astype(np.uint8).tobytes()
    height, width = values.shape
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    start = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    return start + strip + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_the_range_does_not_depend_on_the_limit(tmp_path: Path) -> None:
    write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, 0, 500 + 10 * seed)).save(path))

    whole, few = load_folder(tmp_path), load_folder(tmp_path, train_limit=4)

    assert np.array_equal(images(whole.test), images(few.test))
    assert few.notes[0] == whole.notes[0]


def test_a_range_can_be_set(tmp_path: Path) -> None:
    write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, 0, 2000)).save(path))

    data = load_folder(tmp_path, pixel_range=(0, 1023))

    assert (all_pixels(data) == 255).mean() > 0.4
    with pytest.raises(ValueError, match="black, 9, must be below that of white, 3"):
        DataConfig(pixel_range=(9, 3))


def test_eight_and_sixteen_bits_are_brought_to_one_scale(tmp_path: Path) -> None:
    root = write_folder(tmp_path, mode="L")
    Image.fromarray(np.full((8, 8), 200, np.uint16)).save(root / "cat" / "000.png")

    assert 200 in images(load_folder(root).train)[:, 0, 0] or 200 in all_pixels(load_folder(root))[:, 0, 0]
    assert "values 0 (black) to 255 (white)" in load_folder(root).notes[0]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([np.full((8, 8), 7, np.uint16)], "have the value 7 everywhere"),
        ([grey(0, 0, 1, np.float32), np.full((8, 8), np.nan, np.float32)], "pixels that are no numbers"),
    ],
)
def test_values_without_a_range_are_refused(tmp_path: Path, values: list[np.ndarray], said: str) -> None:
    def write(path: Path, seed: int) -> None:
        Image.fromarray(values[seed % len(values)]).save(path)

    found = problems(f"folder:{write_by(tmp_path, write, ending='tif')}")

    assert said in found[0]
    assert len(found) <= 11


def test_floats_beside_bytes_need_a_range(tmp_path: Path) -> None:
    root = write_folder(tmp_path, mode="L")
    Image.fromarray(grey(0, 0, 1, np.float32)).save(root / "cat" / "x.tif")

    (problem,) = problems(f"folder:{root}")

    assert "values 0 to 1 and 20 of 8 bits cannot be brought to one scale; set data.pixel_range" in problem


def test_one_hot_pixel_that_blanks_the_set_is_refused(tmp_path: Path) -> None:
    write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, 0, 200)).save(path))
    values = grey(0, 0, 200)
    values[3, 3] = 65535
    Image.fromarray(values).save(tmp_path / "a" / "00.png")

    (problem,) = problems(f"folder:{tmp_path}")

    assert "one colour" in problem
    assert "values 0 to 65535 became 8 bits, set data.pixel_range to others" in problem


def test_streams_use_the_same_range_and_limit(tmp_path: Path) -> None:
    root = write_by(tmp_path, lambda path, seed: Image.fromarray(grey(seed, 0, 255)).resize((16, 16)).save(path))
    data = load_folder(root, image_size=8, memory_gib=1e-9)
    assert isinstance(data.train, StreamSplit)

    ((pixels, _),) = batches(data.train, [BatchIndices(np.arange(len(data.train)))], torch.device("cpu"))

    assert pixels.float().mean() == pytest.approx(data.mean[0], rel=0.1)
    assert pixels.max() > 200
    assert "(found in a sample; values beyond become black or white)" in data.notes[0]
