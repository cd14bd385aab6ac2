"""The report: the records of a study as a page, figures, tables and `verdict.json`.

Nothing here imports torch or Ray. The names below load on first use, so that importing this package is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.report.__main__ import main as main
    from scaling.report.write import compare_studies as compare_studies
    from scaling.report.write import find_studies as find_studies
    from scaling.report.write import write_report as write_report

_MODULES = {"main": "__main__", "compare_studies": "write", "find_studies": "write", "write_report": "write"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
