"""Divergence: numbers that are finite no more, which is an outcome of training and not an error."""


class Diverged(Exception):  # noqa: N818 # an outcome of training, not an error
    """A loss is no number any more.

    Args:
        step: counted from 1 over the whole run.
        epoch: counted from 1.
        what: which number it is.
    """

    def __init__(self, step: int, epoch: int, what: str = "the loss") -> None:
        super().__init__(step, epoch, what)
        self.step = step
        self.epoch = epoch
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} is not a finite number at step {self.step} (epoch {self.epoch})"
