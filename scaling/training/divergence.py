"""Divergence: a loss or score that is not a finite number. It is an outcome of training, not an error."""

import math

from scaling.study.records import Scores


class Diverged(Exception):  # noqa: N818 # an outcome of training, not an error
    """A loss or score is not a finite number.

    Args:
        step: counted from 1 over the whole run.
        epoch: counted from 1.
        what: name of the number.
    """

    def __init__(self, step: int, epoch: int, what: str = "the loss") -> None:
        super().__init__(step, epoch, what)
        self.step = step
        self.epoch = epoch
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is not a finite number at step {self.step} (epoch {self.epoch})"


def not_finite(scores: Scores) -> str | None:
    """Return the name of the first score that is not a finite number."""
    numbers = {name: value for name, value in scores.model_dump().items() if isinstance(value, float)}
    return next((name for name, value in numbers.items() if not math.isfinite(value)), None)
