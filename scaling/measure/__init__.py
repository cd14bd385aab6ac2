"""Costs without training; the package is also the function `scaling.measure(model, image_size=224)`."""

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from scaling.costs.counting.quick import ImageSize
    from scaling.measure.__main__ import main as main
    from scaling.study.records import CountedCost


class _Callable(types.ModuleType):
    """The package, which is also the function `scaling.measure`; both load torch at the first call only."""

    def __call__(self, model: "nn.Module", image_size: "ImageSize", in_chans: int = 3) -> "CountedCost":
        from scaling.costs.complexity import measure

        return measure(model, image_size, in_chans)

    def __getattr__(self, name: str) -> Any:
        if name == "main":
            from scaling.measure.__main__ import main

            return main
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


sys.modules[__name__].__class__ = _Callable
