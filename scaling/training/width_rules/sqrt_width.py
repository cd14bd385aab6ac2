"""One learning rate for all parameters, proportional to 1/√width."""

from scaling.training.optimisation import Scale
from scaling.training.width_rules import Growth, rule


@rule
def sqrt_width(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """Divide all rates by the root of the ratio of widths: a rule of thumb between none and `inverse_width`."""
    return Scale(rate=ratio**-0.5)
