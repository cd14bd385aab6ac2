"""The checksum at the end of a record's file, by which a flipped bit is noticed.

It covers the bytes before it, in Unix line ends, so that a checkout with other line ends still reads.
"""

import hashlib
import re

SEAL = re.compile(rb',\s*"checksum":\s*"([0-9a-f]{16})"\s*\}\s*\Z')
LONGEST = 100  # bytes of the seal and of what follows


def sealed(content: bytes) -> bytes:
    """Return a JSON object with its checksum as the last entry."""
    body = content.rstrip()[:-1].rstrip()
    return body + b',\n "checksum": "' + _digest(body) + b'"\n}'


def is_intact(content: bytes) -> bool:
    """Whether the content fits its checksum; that of earlier versions has none, and counts as intact."""
    found = SEAL.search(content, max(0, len(content) - LONGEST))
    return found is None or _digest(content[: found.start()]) == found[1]


def fits(content: bytes, same: bytes) -> bool:
    """Whether the checksum in `content`, which a program has laid out anew, is that of the `same` object as it was."""
    found = SEAL.search(content, max(0, len(content) - LONGEST))
    return found is None or _digest(same.rstrip()[:-1].rstrip()) == found[1]


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body.replace(b"\r\n", b"\n")).hexdigest()[:16].encode()
