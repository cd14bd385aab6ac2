"""Maximal update parametrisation."""

from scaling.training.optimisation import Scale
from scaling.training.width_rules import Factors, Growth, rule, scaled

FACTORS: Factors = {
    "adamw": {"vector": lambda g: 1.0, "hidden": lambda g: 1 / g.fan_in, "output": lambda g: 1 / g.fan_in},
    "sgd": {"vector": lambda g: g.of_vector, "hidden": lambda g: 1.0, "output": lambda g: 1 / g.fan_in},
    "lamb": {"vector": lambda g: 1.0, "hidden": lambda g: g.fan_in**-0.5, "output": lambda g: 1.0},
}


@rule
def mup(growth: Growth, optimizer: str, ratio: float) -> Scale:
    """Change the activations of every layer by the same amount at any width.

    Yang et al., "Tensor Programs V", arXiv 2203.03466, table 3. LAMB's updates have a norm proportional to the
    weights'; its exponents follow from the spectral condition of Yang, Simon and Bernstein, arXiv 2310.17813,
    equation 5.
    """
    start = {"hidden": growth.fan_in**-0.5, "output": 1 / growth.fan_in}.get(growth.kind)
    return scaled(FACTORS, "mup", growth, optimizer, start)
