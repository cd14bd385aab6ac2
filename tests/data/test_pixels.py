"""An image becomes the pixels that a viewer shows, or is refused in one line; what is lost is said."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from scaling.data.crops import middle_crop, random_crop
from scaling.data.decoding import Form, fit_inside, to_form
from scaling.data.pixels import stored_box
from tests.support import ROOT
from tests.support.images import Write, all_pixels, load_folder, picture, problems, write_by, write_folder


@pytest.mark.parametrize("colour", [0, 255])
@pytest.mark.parametrize("memory", [4.0, 1e-9])
def test_a_set_of_one_colour_is_refused(tmp_path: Path, colour: int, memory: float) -> None:
    write_by(tmp_path, lambda path, seed: Image.new("RGB", (8, 8), (colour,) * 3).save(path))

    (problem,) = problems(f"folder:{tmp_path}", image_size=8, memory_gib=memory)

    assert f"training images are one colour ({colour}, {colour}, {colour})" in problem


def test_blank_images_among_others_are_counted(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(write_folder(tmp_path) / "cat" / "blank.png")

    assert load_folder(tmp_path).notes == (f"1 image of one colour all over ({tmp_path / 'cat' / 'blank.png'})",)


def png_of_sixteen_bit_colour(values: np.ndarray) -> bytes:
    """Return a PNG file of colour with 16 bits a channel (PNG 1.2, section 4); values (H, W, 3)."""
    height, width, _ = values.shape
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines))]
    chunks = [(kind, content) for kind, content in [*parts, (b"IEND", b"")]]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def test_sixteen_bit_colour_loses_its_lower_byte_aloud(tmp_path: Path) -> None:
    def write(path: Path, seed: int) -> None:
        noise = np.random.default_rng(seed).integers(0, 65536, (8, 8, 3))
        path.write_bytes(png_of_sixteen_bit_colour(noise))

    data = load_folder(write_by(tmp_path, write))

    assert "20 images in colour with 16 bits, of which the upper 8 are read" in data.notes[0]


def turned(image: Image.Image, orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_turns_images_upright(kind: str, orientation: int) -> None:
    buffer = io.BytesIO()
    stored = picture(3, (24, 16)).resize((48, 32))
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    stored.save(buffer, kind, exif=turned(stored, orientation), **lossless)
    shown = ImageOps.exif_transpose(Image.open(buffer))
    form = Form(shown.height, shown.width, "RGB", resize=False)

    same_size = to_form(Image.open(buffer), form)
    smaller = np.asarray(fit_inside(Image.open(buffer), 12, 10, "RGB"), int)

    assert (shown.width > shown.height) == (orientation < 5)
    assert np.array_equal(same_size, np.asarray(shown))
    assert np.abs(smaller - np.asarray(fit_inside(shown, 12, 10, "RGB"), int)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_jpeg_files_are_upright_too(orientation: int) -> None:
    buffer = io.BytesIO()
    stored = picture(5, (12, 8)).resize((960, 640), Image.Resampling.BICUBIC)
    stored.save(buffer, "JPEG", quality=95, exif=turned(stored, orientation))
    shown = ImageOps.exif_transpose(Image.open(buffer))

    def close(crop: Callable[[Image.Image], Image.Image]) -> bool:
        difference = np.asarray(crop(Image.open(buffer)), int) - np.asarray(crop(shown), int)
        return bool(np.abs(difference).mean() < 2)

    assert close(lambda image: middle_crop(image, 32, 32))
    assert all(close(lambda image, s=s: random_crop(image, 24, 32, np.random.default_rng(s))) for s in range(5))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_upright_image_are_found_in_the_stored(orientation: int) -> None:
    stored = picture(1, (12, 8))
    stored.getexif()[ExifTags.Base.Orientation] = orientation
    shown = ImageOps.exif_transpose(stored)
    box = (1, 2, 5, 7)

    cut = stored.crop(stored_box(box, stored.size, orientation))
    cut.getexif()[ExifTags.Base.Orientation] = orientation

    assert np.array_equal(np.asarray(ImageOps.exif_transpose(cut)), np.asarray(shown.crop(box)))


@pytest.mark.parametrize("broken", [b"Exif\0\0junk", b"Exif\0\0MM\0*\0\0\xff\xff", b""])
def test_broken_exif_turns_nothing_and_warns_of_nothing(tmp_path: Path, broken: bytes) -> None:
    write_by(tmp_path, lambda path, seed: picture(seed).save(path, "JPEG", exif=broken), ending="jpg")

    assert load_folder(tmp_path).notes == ()


def test_turned_images_have_one_size_and_are_counted(tmp_path: Path) -> None:
    def write(path: Path, seed: int) -> None:
        size, orientation = ((16, 8), 1) if seed % 2 else ((8, 16), 6)
        image = picture(seed, size)
        image.save(path, exif=turned(image, orientation))

    data = load_folder(write_by(tmp_path, write))

    assert data.image_size == (8, 16)
    assert data.notes[0].startswith("10 images turned upright as their EXIF data say (")


DROPPED = "with an alpha channel or a transparent colour, which is dropped"
FIRST = "with several frames or pages, of which the first is read"


def see_through(path: Path, seed: int) -> None:
    image = picture(seed)
    image.putalpha(picture(seed + 1, mode="L"))
    image.save(path, lossless=True, exact=True)


def palette_with_transparency(path: Path, seed: int) -> None:
    picture(seed).quantize(16).save(path, transparency=bytes(range(0, 256, 16)))


def animation(path: Path, seed: int) -> None:
    frames = [picture(seed + number) for number in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=10)


@pytest.mark.parametrize(
    ("write", "ending", "said"),
    [
        (palette_with_transparency, "png", DROPPED),
        (lambda path, seed: picture(seed, mode="LA").save(path), "png", DROPPED),
        (see_through, "webp", DROPPED),
        (animation, "gif", FIRST),
        (animation, "png", FIRST),
        (animation, "webp", FIRST),
        (animation, "tif", FIRST),
        (lambda path, seed: picture(seed, mode="CMYK").save(path), "jpg", None),
        (lambda path, seed: picture(seed, mode="1").save(path), "png", None),
        (lambda path, seed: picture(seed, mode="YCbCr").save(path), "jpg", None),
        (lambda path, seed: picture(seed, mode="LAB").save(path), "tif", None),
    ],
)
def test_every_mode_shows_the_first_picture(tmp_path: Path, write: Write, ending: str, said: str | None) -> None:
    data = load_folder(write_by(tmp_path, write, ending=ending))

    shown = {first_frame(path).tobytes() for path in tmp_path.glob("*/*")}
    assert {np.repeat(pixels, 3 // data.channels, 2).tobytes() for pixels in all_pixels(data)} == shown
    assert [note.partition(" (")[0] for note in data.notes] == ([f"20 images {said}"] if said else [])


def first_frame(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode == "LAB":
            return np.asarray(image.convert("RGB"))
        return np.asarray(image.convert("RGBA").convert("RGB"))


def test_the_limit_of_pixels_is_named(tmp_path: Path) -> None:
    picture(0, (2000, 1000)).save(write_folder(tmp_path, size=(20, 10)) / "cat" / "map.png")

    (problem,) = problems(f"folder:{tmp_path}", image_size=8, most_megapixels=1.9)

    assert "map.png: has 2000×1000 pixels, 2.0 megapixels, more than data.most_megapixels = 1.9; raise it" in problem
    assert load_folder(tmp_path, image_size=8, most_megapixels=2).num_classes == 2


def test_a_large_image_is_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("1", (10_000, 9_500)).save(write_folder(tmp_path) / "cat" / "large.png")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_folder(tmp_path, image_size=8).num_classes == 2


def test_nothing_reaches_the_terminal_raw(tmp_path: Path) -> None:
    write_by(tmp_path, palette_with_transparency)
    Image.new("1", (10_000, 9_500)).save(tmp_path / "a" / "large.png")
    picture(0).save(tmp_path / "a" / "x.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\xff\xff")
    code = (
        "import sys; from scaling.data import load_data; from scaling.study.config import DataConfig;"
        " load_data(DataConfig(source='folder:' + sys.argv[1], image_size=8))"
    )

    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_cut_files_are_named_in_one_line(tmp_path: Path, keep: int) -> None:
    victim = write_folder(tmp_path) / "dog" / "003.png"
    victim.write_bytes(victim.read_bytes()[:keep])

    (problem,) = problems(f"folder:{tmp_path}")

    assert problem.startswith(f"{victim}: cannot be read as an image (")
