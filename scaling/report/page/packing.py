"""Packing: a page's numbers as typed columns, compressed and encoded in base64.

Layout before compression: a 32-bit length (little-endian), JSON of that length, then the columns one after another. The
JSON's `arrays` gives type, offset and number of entries of each. A column is stored bytewise transposed (the first
bytes of all entries, then the second bytes, and so on), which compresses to two thirds.
Base64 cannot end a script element or begin a comment. Equal data pack equally.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

KINDS = {"float32": "f4", "float64": "f8", "uint8": "u1", "uint16": "u2", "uint32": "u4", "int32": "i4"}
WHOLE = 2**24  # the first whole number that float32 cannot distinguish from the next


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Pack `header` (JSON, without NaN) with its columns, each one-dimensional and of a type in `KINDS`."""
    places, parts, at = {}, [], 0
    for name, array in arrays.items():
        kind = KINDS[array.dtype.name]
        entries = np.ascontiguousarray(array, dtype=f"<{kind}").view(np.uint8).reshape(len(array), array.itemsize)
        places[name] = [kind, at, len(array)]
        parts.append(entries.T.tobytes())
        at += entries.size
    text = json.dumps({**header, "arrays": places}, allow_nan=False, separators=(",", ":")).encode()
    return compress(b"".join([len(text).to_bytes(4, "little"), text, *parts]))


def compress(content: bytes) -> str:
    """Compress (gzip, RFC 1952, without a date) and encode in base64."""
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def codes(values: np.ndarray) -> np.ndarray:
    """Whole numbers from 0 in the narrowest type that holds them."""
    largest = int(values.max(initial=0))
    return values.astype(np.uint8 if largest < 2**8 else np.uint16 if largest < 2**16 else np.uint32)


def numbers(values: np.ndarray) -> np.ndarray:
    """Numbers in float32 (seven digits); whole numbers that need more digits in float64."""
    known = values[np.isfinite(values)]
    exact = len(known) > 0 and bool((np.abs(known) >= WHOLE).any()) and bool((known == np.round(known)).all())
    return np.where(np.isfinite(values), values, np.nan).astype(np.float64 if exact else np.float32)


def fingerprint(script: str) -> str:
    """Hash of a script for the Content-Security-Policy; the page runs no other scripts."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@lru_cache(maxsize=1)
def plotly() -> tuple[str, str]:
    """plotly.js from its Python package, which ships the full bundle: packed, and its fingerprint."""
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs().replace("\r\n", "\n")
    return compress(script.encode()), fingerprint(script)
