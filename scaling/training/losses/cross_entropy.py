"""Cross-entropy over the classes."""

import torch
import torch.nn.functional as F

from scaling.training.losses import loss


@loss
def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets)
