"""Augmentation of whole batches on the device where the network is.

All random numbers come from a numpy generator that the caller seeds, so the same seed augments alike on every device.

An augmentation of one's own is a function registered by `@augmentation`: `function(images, rng) -> images`, with images
uint8 (B, H, W, C) on the network's device and a `numpy.random.Generator`. `recipe.augmentation` names those to apply.
"""

from scaling.data.augment.pipeline import Augmentation as Augmentation
from scaling.data.augment.pipeline import Normalisation as Normalisation
from scaling.data.augment.registered import augmentation as augmentation
