"""What a data set looks like before anything trains: classes, sizes and modes of the stored images, equal images."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from scaling.data.dataset import Dataset
from scaling.data.duplicates import Repeats
from scaling.data.images import ArrayImages
from scaling.data.pixels import Reading, opened, upright_size
from scaling.data.registry import SourceContent
from scaling.data.sample_picture import pictured_classes
from scaling.data.splits import Chosen
from scaling.study.data_summary import DataSummary, SetSummary

ALL, SAMPLE = 2000, 512  # images of a source up to which all are looked at; of a larger one, how many


def summarise(
    data: Dataset,
    found: SourceContent,
    parts: Mapping[str, Chosen],
    repeats: Repeats | None,
    *,
    reading: Reading,
    unchecked: str | None = None,
) -> DataSummary:
    """Summarise a data set.

    Args:
        parts: the sets that trials use.
        repeats: equal images among them; None if they were not looked for, for the reason `unchecked`.
    """
    seen = list(headers(found, reading))
    areas = sorted({size for size, _ in seen}, key=lambda size: (size[0] * size[1], size))
    middle = sorted((size for size, _ in seen), key=lambda size: (size[0] * size[1], size))[len(seen) // 2 :][:1]
    sizes = [areas[0], *middle, areas[-1]] if len(areas) > 1 else areas
    modes = Counter(mode for _, mode in seen)
    height, width, channels = data.train.shape
    return DataSummary(
        classes=data.num_classes,
        sets={name: _of_set(name, parts[name], data.class_names, repeats) for name, _ in data.splits()},
        looked_at=len(seen),
        of=sum(len(examples.labels) for examples in found.sets.values()),
        sizes=[f"{width}×{height}" for width, height in sizes],
        modes=dict(modes.most_common()),
        input=f"{height}×{width}×{channels}",
        mean=[round(value, 1) for value in data.mean],
        shared={f"{a} and {b}": len(pairs) for (a, b), pairs in repeats.shared().items()} if repeats else {},
        unchecked=unchecked,
        pictured=[data.class_names[label] for label in pictured_classes(data)],
        notes=list(data.notes),
    )


def _of_set(name: str, part: Chosen, class_names: tuple[str, ...], repeats: Repeats | None) -> SetSummary:
    examples, rows = part
    counts = np.bincount(examples.labels[rows], minlength=len(class_names))
    least, most = int(counts.argmin()), int(counts.argmax())
    repeated, relabelled = repeats.within(name) if repeats else (0, 0)
    return SetSummary(
        images=len(rows),
        smallest=(class_names[least], int(counts[least])),
        largest=(class_names[most], int(counts[most])),
        repeated=repeated,
        relabelled=relabelled,
    )


def headers(found: SourceContent, reading: Reading) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield width and height, and mode, of the images, or of a seeded sample; those that cannot be read are skipped."""
    count = sum(len(examples.labels) for examples in found.sets.values())
    for examples in found.sets.values():
        total = len(examples.labels)
        some = total if count <= ALL else max(1, round(SAMPLE * total / count))
        images = examples.images
        if isinstance(images, ArrayImages):  # all alike
            with images.open(0) as image:
                yield from [(image.size, image.mode)] * total
            continue
        for index in np.sort(np.random.default_rng(0).permutation(total)[:some]).tolist():
            with contextlib.suppress(Exception), opened(images, index, reading) as image:
                mode = f"{image.mode} with transparency" if "transparency" in image.info else image.mode
                yield upright_size(image), mode
