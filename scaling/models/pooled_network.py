"""A convolutional trunk of any make under a pooled head: what the families share whose trunk is not PatchConvNet's."""

from typing import Any, Protocol, cast

import torch
from torch import nn

from scaling.models.head import MapHead, PooledHead
from scaling.models.pooling import TIMM_POOLINGS, PoolingChoice
from scaling.models.registry import seeded


class Trunk(Protocol):
    """What a trunk offers, in timm's words; its maps are (N, C, H, W)."""

    feature_info: Any  # where timm's feature extraction may tap in

    def forward_features(self, x: torch.Tensor) -> torch.Tensor: ...
    def forward_intermediates(self, x: torch.Tensor, **options: Any) -> Any: ...
    def prune_intermediate_layers(self, indices: Any, **options: Any) -> list[int]: ...
    def set_grad_checkpointing(self, enable: bool = True) -> None: ...


class PooledNetwork(nn.Module):
    """Trunk and pooled head: images (N, in_chans, H, W) to logits (N, num_classes)."""

    output_fmt = "NHWC"  # of forward_features, in timm's words
    trunk: nn.Module

    def __init__(
        self,
        trunk: nn.Module,
        *,
        channels: int,
        map_size: tuple[int, int],
        pooling: PoolingChoice,
        num_classes: int,
        in_chans: int,
        dropout: float = 0.0,
        seed: int | None = None,
    ) -> None:
        """Put a head on a `Trunk` whose maps have so many channels, and `map_size` (height, width) in training."""
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.num_features = channels
        self.map_size = map_size
        self.dropout = dropout
        self.trunk = trunk
        self.head: PooledHead | MapHead = self.build_head(pooling, num_classes, seed)

    @property
    def head_hidden_size(self) -> int:
        """Length of the vector that the classifier reads."""
        return self.head.out_features

    @property
    def feature_info(self) -> Any:
        """Where timm's feature extraction may tap into the trunk."""
        return self._as_trunk().feature_info

    def build_head(self, pooling: PoolingChoice, num_classes: int, seed: int | None = None) -> PooledHead:
        """Build pooling, norm where the pooling wants one, and classifier for this network's maps."""
        with seeded(seed, "pooling"):
            pool = pooling.build(self.num_features, num_classes=num_classes or 1, map_size=self.map_size)
        return PooledHead(pool, num_classes=num_classes, norm=False, dropout=self.dropout, seed=seed)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last map (N, H', W', C), channels last."""
        return self._as_trunk().forward_features(x).permute(0, 2, 3, 1)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return logits (N, num_classes) of the last map, or with `pre_logits` what the classifier reads."""
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(self, x: torch.Tensor, indices: int | list[int] | None = None, **options: Any) -> Any:
        """Return the trunk's last map and the maps that `indices` name, as timm's networks do."""
        return self._as_trunk().forward_intermediates(x, indices=indices, **options)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop what the trunk does after the last of `indices`, and the head; return the indices from the front."""
        kept = self._as_trunk().prune_intermediate_layers(indices, prune_norm=prune_norm, prune_head=prune_head)
        if prune_head:
            self.reset_classifier(0, "")
        return kept

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay leaves alone, besides those of one dimension."""
        parts = [(prefix, part) for prefix, part in self.named_modules() if part is not self]
        return {
            f"{prefix}.{name}"
            for prefix, part in parts
            if callable(getattr(part, "no_weight_decay", None))
            for name in cast(Any, part).no_weight_decay()
        }

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Keep less of the trunk for the backward pass and compute it again: less memory, more time."""
        self._as_trunk().set_grad_checkpointing(enable)

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one; 0 classes leave the pooled vector as the output.

        Args:
            global_pool: another pooling than before: a name from `POOLINGS` (or timm's `avg`, `avgmax`), or an empty
                string for none, which makes the map (N, H, W, C) the output.
        """
        self.num_classes = num_classes
        if global_pool == "":
            self.head = MapHead(self.num_features)
        elif global_pool is None and isinstance(self.head, PooledHead):
            self.head.reset(num_classes)
        else:
            like = next(self.parameters())
            pooling = PoolingChoice(TIMM_POOLINGS.get(global_pool or "", global_pool or "average"))
            self.head = self.build_head(pooling, num_classes).to(like.device, like.dtype)

    def _as_trunk(self) -> Trunk:
        return cast(Trunk, self.trunk)
