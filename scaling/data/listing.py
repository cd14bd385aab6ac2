"""What counts as an image in folders and archives, and what is passed over there, by reason."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from scaling.wording import first_few

# What Pillow reads of the names that cameras, browsers and Windows write
IMAGE_ENDINGS = {
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip

# Names in lower case, as written by Synology, QNAP, macOS, Windows, NetApp and Python
TOOL_FOLDERS = {
    "#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "@tmp", "__macosx",
    "__pycache__", "found.000", "lost+found", "recycler", "system volume information", "~snapshot",
}  # fmt: skip
TOOL_FILES = {"desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "icon\r", "thumbs.db"}

# Reasons for passing over
HIDDEN = "hidden"  # its name begins with a dot
TOOL = "made by a tool"  # thumbnails, waste bins and other folders that file systems and archivers add
ENDING = "not an image by its ending"
LOOSE = "beside the class folders"  # an image that no class folder holds
BESIDE = "beside the sets"  # a folder that is none of the sets
SHOWN = 3  # names in a line

_SENTENCES = {
    HIDDEN: "hidden files and folders, whose names begin with a dot",
    TOOL: "files and folders of the system, such as thumbnails and waste bins",
    ENDING: "files that do not end as images do",
    LOOSE: "images beside the class folders, which have no class",
    BESIDE: "folders beside the sets",
}


def reason_to_skip(name: str) -> str | None:
    """Return `HIDDEN` or `TOOL` if no user put this file or folder there as data; else None."""
    if name.startswith("."):
        return HIDDEN
    return TOOL if name.lower() in TOOL_FOLDERS | TOOL_FILES else None


def reason_to_skip_path(path: PurePath | str) -> str | None:
    """Return why a relative path is no data: the first reason of the folders on the way and of the file."""
    return next((reason for part in PurePath(path).parts if (reason := reason_to_skip(part))), None)


def is_image(name: str) -> bool:
    """Return whether a file's name ends as an image's does."""
    return os.path.splitext(name)[1].lower() in IMAGE_ENDINGS


class PassedOver:
    """Files and folders that a source leaves out: names relative to its place, by reason. A folder counts as one."""

    def __init__(self) -> None:
        self.by_reason: dict[str, list[str]] = {}
        self._known: set[str] = set()

    def add(self, reason: str, name: str) -> None:
        """Note a name, once."""
        if name not in self._known:
            self._known.add(name)
            self.by_reason.setdefault(reason, []).append(name)

    def lines(self) -> list[str]:
        """Say in one line for each reason how many were left out, and the first of them."""
        return [
            f"left out: {_SENTENCES.get(reason, reason)}: {_endings(names) if reason == ENDING else len(names)}"
            f" ({first_few(sorted(names), SHOWN)})"
            for reason, names in sorted(self.by_reason.items())
        ]


def _endings(names: Iterable[str]) -> str:
    """Return the endings of names with their counts, most common first: `3 .txt, 1 without any`."""
    found = Counter(os.path.splitext(name)[1].lower() or "without any" for name in names)
    counts = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f", {len(counts) - 5} other endings" if len(counts) > 5 else ""
    return ", ".join(f"{count} {ending}" for ending, count in counts[:5]) + more


def entries(folder: Path, passed: PassedOver | None = None, root: Path | None = None) -> list[Path]:
    """Return what a folder holds, sorted, without hidden files and what tools make; note these in `passed`.

    Args:
        root: to which noted names are relative.
    """
    kept = []
    for path in sorted(folder.iterdir()):
        reason = reason_to_skip(path.name)
        if reason is None:
            kept.append(path)
        elif passed is not None:
            passed.add(reason, os.path.relpath(path, root or folder))
    return kept


def without_skipped(files: Sequence[Path], root: Path, passed: PassedOver) -> list[Path]:
    """Return the files below `root` whose path there is neither hidden nor a tool's; note the others."""
    kept = []
    for file in files:
        name = file.relative_to(root)
        reason = reason_to_skip_path(name)
        if reason is None:
            kept.append(file)
        else:
            passed.add(reason, str(name))
    return kept
