"""Augmentation of whole batches on the device where the network is.

All random numbers come from a numpy generator that the caller seeds, so the same seed augments alike on every device.
"""

from scaling.data.augment.pipeline import Augmentation as Augmentation
from scaling.data.augment.pipeline import Normalisation as Normalisation
