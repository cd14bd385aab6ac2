"""The report: what the records of a study say, as a page, figures, tables and `verdict.json`.

Nothing here imports torch or Ray. The names below load at first use, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.report.__main__ import main as main
    from scaling.report.write import compare_studies as compare_studies
    from scaling.report.write import find_studies as find_studies
    from scaling.report.write import write_report as write_report

_HOMES = {"main": "__main__", "compare_studies": "write", "find_studies": "write", "write_report": "write"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
