"""The frame of every command: errors become lines on stderr and an exit code."""

import argparse
import functools
import math
import re
import sys
from collections.abc import Callable
from typing import ParamSpec

from scaling.study.errors import ScalingError
from scaling.study.plugins import blame
from scaling.wording import shown

Arguments = ParamSpec("Arguments")
_DIGITS = re.compile(r"[-+]?[0-9]{1,12}")


def whole_number(text: str) -> int:
    """Read a whole number of at most twelve digits, for argparse."""
    if not _DIGITS.fullmatch(text.strip()):
        raise argparse.ArgumentTypeError(f"{shown(text)} is no whole number of at most twelve digits")
    return int(text)


def finite_number(text: str) -> float:
    """Read a number that is neither infinite nor undefined, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{shown(text)} is no finite number")
    return value


def command(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Wrap a command's `main(argv)`.

    A `ScalingError`, or an error or `sys.exit` in a plugin's own code, prints its lines to stderr and exits with 2,
    Ctrl-C with 130.
    """

    @functools.wraps(main)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ScalingError as mistake:
            for problem in mistake.problems:
                print(f"error: {problem}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except (Exception, SystemExit) as error:  # argparse's own exit has no frame of a plugin
            if (line := blame(error)) is None:
                raise
            print(f"error: {line}", file=sys.stderr)
            return 2

    return wrapped
