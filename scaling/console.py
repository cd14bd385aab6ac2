"""The console of all commands."""

import os
import sys

from rich.console import Console

PIPED_WIDTH = 400  # columns


class Terminal(Console):
    """A console for text from elsewhere, in which brackets and colons have no special meaning.

    In a file or a pipe nothing is shortened. If the reader of a pipe closes it (`| head`), the sweep runs on without
    output.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False)
        if not self.is_terminal:
            self.width = PIPED_WIDTH

    def on_broken_pipe(self) -> None:
        """Write nothing more."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python's flush at exit fails


def duration(seconds: float) -> str:
    """Format seconds as `8 s`, `3 min 20 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
