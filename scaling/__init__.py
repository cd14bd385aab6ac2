"""Scaling studies of image models: from a question in a file to a verdict with its uncertainty.

The public names load on first use (PEP 562), so that reading results needs neither torch nor ray. Among them are the
decorators that register additions, for plugins and for files of the package alike; see docs/plugins.md.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.compare.frame import compare as compare
    from scaling.costs.complexity import measure as measure
    from scaling.data.augment import augmentation as augmentation
    from scaling.data.registry import source as source
    from scaling.models import build_model as build_model
    from scaling.models import load_pretrained as load_pretrained
    from scaling.models.pooling import pooling as pooling
    from scaling.models.registry import family as family
    from scaling.report.caveats.caveat import caveat as caveat
    from scaling.report.figures.figure import figure as figure
    from scaling.report.imports.importer import importer as importer
    from scaling.report.tables.table import table as table
    from scaling.study.metrics import metric as metric
    from scaling.study.trial_frame import load_study as load_study
    from scaling.sweep.search.decisions import stopping as stopping
    from scaling.sweep.search.proposals import design as design
    from scaling.sweep.tracking import tracker as tracker
    from scaling.tasks import task as task
    from scaling.training.losses import loss as loss
    from scaling.training.width_rules import rule as rule

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "augmentation",
    "build_model",
    "caveat",
    "compare",
    "design",
    "family",
    "figure",
    "importer",
    "load_pretrained",
    "load_study",
    "loss",
    "measure",
    "metric",
    "pooling",
    "rule",
    "source",
    "stopping",
    "table",
    "task",
    "tracker",
]

_HOMES = {  # name → module that defines it
    "augmentation": "scaling.data.augment",
    "build_model": "scaling.models",
    "caveat": "scaling.report.caveats.caveat",
    "compare": "scaling.compare.frame",
    "design": "scaling.sweep.search.proposals",
    "family": "scaling.models.registry",
    "figure": "scaling.report.figures.figure",
    "importer": "scaling.report.imports.importer",
    "load_pretrained": "scaling.models",
    "load_study": "scaling.study.trial_frame",
    "loss": "scaling.training.losses",
    "measure": "scaling.costs.complexity",
    "metric": "scaling.study.metrics",
    "pooling": "scaling.models.pooling",
    "rule": "scaling.training.width_rules",
    "source": "scaling.data.registry",
    "stopping": "scaling.sweep.search.decisions",
    "table": "scaling.report.tables.table",
    "task": "scaling.tasks",
    "tracker": "scaling.sweep.tracking",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'scaling' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
