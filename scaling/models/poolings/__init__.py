"""Poolings, a few to a file. Every file here is found by `scaling.models.POOLINGS`; see `scaling.models.pooling`.

In their docstrings N is images, P = H·W positions, C channels, K classes; MACs are of one image, without classifier.
"""
