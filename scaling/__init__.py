"""Scaling studies of image models: from a question in a file to a verdict with its uncertainty.

The public names load on first use (PEP 562), so that reading results needs neither torch nor ray.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.costs.complexity import measure as measure
    from scaling.models import build_model as build_model
    from scaling.models import load_pretrained as load_pretrained
    from scaling.study.records import load_study as load_study

__version__ = "0.1.0"
__all__ = ["__version__", "build_model", "load_pretrained", "load_study", "measure"]

_HOMES = {
    "build_model": "scaling.models",
    "load_pretrained": "scaling.models",
    "load_study": "scaling.study.records",
    "measure": "scaling.costs.complexity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scaling' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
