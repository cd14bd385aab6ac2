"""The sweep: runs the trials of a study and writes one record per trial."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.sweep.__main__ import main as main


def __getattr__(name: str) -> Any:
    if name == "main":
        from scaling.sweep.__main__ import main

        return main
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
