"""Binary cross-entropy, one sigmoid for each class."""

import torch
import torch.nn.functional as F

from scaling.training.losses import loss


@loss
def bce(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over images and classes, as in Wightman et al., "ResNet strikes back", arXiv 2110.00476."""
    return F.binary_cross_entropy_with_logits(logits, targets)
