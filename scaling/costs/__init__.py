"""Costs of a model: counted, predicted, measured and matched."""
