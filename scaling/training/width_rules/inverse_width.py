"""One learning rate for all parameters, proportional to 1/width."""

from scaling.training.optimisation import Scale
from scaling.training.width_rules import Growth, rule


@rule
def inverse_width(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """Divide all rates by the ratio of widths, as `mup` does for hidden weights under Adam."""
    return Scale(rate=1 / ratio)
