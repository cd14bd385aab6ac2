"""`python -m scaling.explain`: draws the attention of a trained network's pooling beside each image."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from scaling.data.decoding import Form, decode
from scaling.data.images import FileImages
from scaling.data.pixels import DeepImageError, NotGreyError, Reading
from scaling.models import SavedModel, load_model
from scaling.study import plugins
from scaling.study.command import command
from scaling.study.errors import DataError
from scaling.study.records import Record, parsed
from scaling.training.explanations import attending_pooling, drawing, explain

_SUFFIXES = set(Image.registered_extensions())
_MODES = {1: "L", 3: "RGB"}

_EXAMPLE = """example:
  python -m scaling.explain --checkpoint results/depth_width/weights/KEY.safetensors --images photos/ --out attention
"""


@command
def main(argv: list[str] | None = None) -> int:
    """Draw the attention of a trained network over images."""
    parser = argparse.ArgumentParser(
        prog="python -m scaling.explain",
        description="Draw the attention of a trained network's pooling beside each image.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights kept by a study (.safetensors)")
    parser.add_argument(
        "--images", type=Path, nargs="+", required=True, metavar="PATH", help="images, or folders of them"
    )
    parser.add_argument("--out", type=Path, default=Path("attention"), help="folder for the drawings [attention]")
    parser.add_argument("--top", type=int, default=12, help="classes to draw, if each has its own map [12]")
    parser.add_argument(
        "--pixel-range",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="of images of more than 8 bits a pixel: the values that the study noted",
    )
    plugins.add_option(parser)
    options = parser.parse_args(argv)
    plugins.load(options.plugin)

    _require_plugins(options.checkpoint)
    saved = load_model(options.checkpoint)
    attending_pooling(saved.model)
    paths = _image_paths(options.images)
    options.out.mkdir(parents=True, exist_ok=True)
    for path, name in zip(paths, _names(paths), strict=True):
        [explanation] = explain(
            saved.model,
            _decoded(path, saved, tuple(options.pixel_range) if options.pixel_range else None),
            mean=saved.mean,
            std=saved.std,
            class_names=saved.class_names,
            top=max(1, options.top),
        )
        drawing(explanation).savefig(options.out / name, dpi=120)
        print(f"{options.out / name}  {explanation.prediction}")
    return 0


def _require_plugins(checkpoint: Path) -> None:
    """Check that the plugins of the trial are loaded, if its record lies where a study keeps it."""
    path = checkpoint.parent.parent / "records" / f"{checkpoint.stem}.json"
    if path.is_file():
        plugins.require(parsed(path, path.read_bytes(), Record).config.get("plugins", {}))


def _decoded(path: Path, saved: SavedModel, span: tuple[float, float] | None) -> np.ndarray:
    """Decode one image to the form on which the network was trained, uint8 (1, H, W, C)."""
    size, channels = saved.arch["image_size"], saved.arch["in_chans"]
    height, width = (size, size) if isinstance(size, int) else size
    if channels not in _MODES:
        raise DataError(f"the network reads images of {channels} channels; only grey and colour images can be drawn")
    try:
        form = Form(height, width, _MODES[channels], resize=True, reading=Reading(span=span))
        return decode(FileImages(path.parent, [path.name]), np.arange(1), form).reshape(1, height, width, channels)
    except NotGreyError:
        raise DataError(f"{path} is in colour, the network was trained on grey images; convert it first") from None
    except DeepImageError:
        raise DataError(f"{path} has more than 8 bits a pixel; give --pixel-range, as the study noted it") from None


def _image_paths(given: Sequence[Path]) -> list[Path]:
    """Return the files among `given` and the images in its folders; report everything that is neither."""
    problems = [f"no image or folder at {path}" for path in given if not path.exists()]
    paths = [path for place in given for path in _inside(place)]
    problems += [f"{place} holds no images" for place in given if place.is_dir() and not _inside(place)]
    if problems:
        raise DataError(problems)
    return paths


def _inside(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    return sorted(path for path in place.iterdir() if path.suffix.lower() in _SUFFIXES)


def _names(paths: Sequence[Path]) -> Iterator[str]:
    """Name each drawing after its image; a number distinguishes images of one name."""
    taken: dict[str, int] = {}
    for path in paths:
        taken[path.stem] = taken.get(path.stem, 0) + 1
        yield f"{path.stem}.png" if taken[path.stem] == 1 else f"{path.stem}_{taken[path.stem]}.png"


if __name__ == "__main__":
    sys.exit(main())
