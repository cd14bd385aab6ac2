"""The standard parametrisation with a learning rate for each layer."""

from scaling.training.optimisation import Scale
from scaling.training.width_rules import Factors, Growth, rule, scaled
from scaling.training.width_rules import mup as maximal_update

FACTORS: Factors = {
    "adamw": maximal_update.FACTORS["adamw"],
    "lamb": {**maximal_update.FACTORS["lamb"], "output": lambda g: g.fan_in**-0.5},
}


@rule
def per_layer(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """Use the rates of `mup`, but start with logits of the usual size.

    Everett et al., "Scaling exponents across parameterizations and optimizers", arXiv 2407.05872, table 1, for full
    alignment: rates of hidden and output weights fall with 1/fan_in under Adam.
    """
    start = None if growth.kind == "vector" else growth.fan_in**-0.5
    return scaled(FACTORS, "per_layer", growth, optimizer, start)
