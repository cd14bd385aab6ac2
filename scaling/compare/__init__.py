"""A verdict for rows from any program.

The package can be called as the function of the same name: `scaling.compare(frame, cell=["depth", "width"])`.
"""

import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from scaling.compare.__main__ import main as main
    from scaling.compare.frame import Comparisons


class _CallableModule(types.ModuleType):
    """The package, which is also the function `scaling.compare`. Both load pandas at the first call only."""

    def __call__(self, frame: "pd.DataFrame", **options: Any) -> "Comparisons":
        from scaling.compare.frame import compare

        return compare(frame, **options)

    def __getattr__(self, name: str) -> Any:
        if name == "main":
            from scaling.compare.__main__ import main

            return main
        if name == "__signature__":  # what `inspect` and editors show
            from scaling.compare.frame import compare

            return inspect.signature(compare)
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


sys.modules[__name__].__class__ = _CallableModule
