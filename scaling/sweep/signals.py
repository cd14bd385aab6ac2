"""Signals that stop a sweep as Ctrl-C does."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


@contextlib.contextmanager
def interrupted_by(number: signal.Signals) -> Iterator[None]:
    """Let a signal interrupt the main thread as Ctrl-C does.

    Does nothing in another thread, because only the main one may install a handler.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


def interrupted_by_sigterm() -> contextlib.AbstractContextManager[None]:
    """Let SIGTERM, which batch systems send before they kill, stop the sweep as cleanly as Ctrl-C."""
    return interrupted_by(signal.SIGTERM)
