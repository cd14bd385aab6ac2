"""A convolutional trunk of any kind with a pooled head, shared by the families other than PatchConvNet."""

from typing import Any, Protocol, cast

import torch
from torch import nn

from scaling.models.head import HeadedNetwork
from scaling.models.pooling import PoolingChoice


class Trunk(Protocol):
    """timm's interface of a trunk, whose maps are (N, C, H, W)."""

    feature_info: Any  # the maps that timm's feature extraction may tap

    def forward_features(self, x: torch.Tensor) -> torch.Tensor: ...
    def forward_intermediates(self, x: torch.Tensor, **options: Any) -> Any: ...
    def prune_intermediate_layers(self, indices: Any, **options: Any) -> list[int]: ...
    def set_grad_checkpointing(self, enable: bool = True) -> None: ...


class PooledNetwork(HeadedNetwork):
    """Trunk and pooled head: images (N, in_chans, H, W) to logits (N, num_classes)."""

    trunk: nn.Module

    def __init__(  # one parameter per property of the network
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
        """Put a head on a `Trunk` whose maps have `channels` and, in training, `map_size` (height, width)."""
        super().__init__()
        self.num_classes = num_classes
        self.in_chans = in_chans
        self.num_features = channels
        self.map_size = map_size
        self.dropout = dropout
        self.trunk = trunk
        self.head = self.build_head(pooling, num_classes, seed)

    @property
    def feature_info(self) -> Any:
        """The maps of the trunk that timm's feature extraction may tap."""
        return self._as_trunk().feature_info

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last map (N, H', W', C), channels last."""
        return self._as_trunk().forward_features(x).permute(0, 2, 3, 1)

    def forward_intermediates(self, x: torch.Tensor, indices: int | list[int] | None = None, **options: Any) -> Any:
        """Return the trunk's last map and the maps at `indices`, as timm's networks do."""
        return self._as_trunk().forward_intermediates(x, indices=indices, **options)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the trunk's layers after the last of `indices`, and the head; return the indices from the front."""
        kept = self._as_trunk().prune_intermediate_layers(indices, prune_norm=prune_norm, prune_head=prune_head)
        if prune_head:
            self.reset_classifier(0, "")
        return kept

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Enable or disable activation checkpointing of the trunk: less memory, more time."""
        self._as_trunk().set_grad_checkpointing(enable)

    def _as_trunk(self) -> Trunk:
        return cast(Trunk, self.trunk)
