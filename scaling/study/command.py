"""The frame of every command: errors become lines on stderr and an exit code."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from scaling.study.errors import ScalingError
from scaling.study.plugins import blame

Arguments = ParamSpec("Arguments")


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
