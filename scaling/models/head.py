"""Heads: pooling, final norm and classifier, from the last map to logits; the same for every family."""

from typing import Any, cast

import torch
from torch import nn

from scaling.models.layers import NORM_EPS, init_linears, is_autocasting
from scaling.models.pool import Pool
from scaling.models.pooling import TIMM_POOLINGS, PoolingChoice
from scaling.models.registry import seeded


class ClassTokenLinear(nn.Module):
    """One linear score per class, read from that class's own token: (N, K, C) to (N, K)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        # written as one batched product, which counters see
        return (tokens.unsqueeze(-2) @ self.weight.unsqueeze(-1)).flatten(1) + self.bias


class PooledHead(nn.Module):
    """Pooling, norm and classifier: a map (N, H, W, C), channels last, to logits (N, K)."""

    def __init__(
        self,
        pool: Pool,
        *,
        num_classes: int,
        norm: bool,
        dropout: float = 0.0,
        features: int | None = None,
        seed: int | None = None,
    ) -> None:
        """Put a norm and a classifier behind `pool`.

        Args:
            norm: normalise the pooled vector (or class tokens); a pooling with `wants_norm` is normalised anyway.
            num_classes: 0 leaves the classifier out.
            dropout: probability that the classifier misses a feature in training.
            features: length of the vector that the classifier reads, for networks with layers of their own between norm
                and classifier. They call the head with `pre_logits`, then their layers, then the classifier.
            seed: of the classifier's initial weights.
        """
        super().__init__()
        self.out_features = features or pool.out_features
        self.pool = pool
        self.norm: nn.Module = (
            nn.LayerNorm(pool.out_features, eps=NORM_EPS) if norm or pool.wants_norm else nn.Identity()
        )
        self.dropout = nn.Dropout(dropout)
        with seeded(seed, "head"):
            self.classifier = self._classifier(num_classes)

    def forward(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return logits (N, K), or with `pre_logits` the vector (N, C') or class tokens (N, K, C') before them."""
        pooled = self.pool(x)
        if pooled.dtype != x.dtype and not is_autocasting(x):
            pooled = pooled.to(x.dtype)  # in half precision a pooling may compute in float32
        x = self.norm(pooled)
        return x if pre_logits else self.classifier(self.dropout(x))

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters without weight decay, besides those of one dimension."""
        return {f"pool.{name}" for name in self.pool.no_weight_decay()}

    def reset(self, num_classes: int) -> None:
        """Replace the classifier, and class tokens where there are some, by new ones for `num_classes`."""
        like = next(self.norm.parameters(), next(self.classifier.parameters(), torch.empty(0)))
        if num_classes > 0:
            self.pool.reset_classes(num_classes)
        self.classifier = self._classifier(num_classes).to(device=like.device, dtype=like.dtype)

    def _classifier(self, num_classes: int) -> nn.Module:
        if num_classes == 0:
            return nn.Identity()
        if self.pool.per_class:
            return ClassTokenLinear(self.out_features, num_classes)
        linear = nn.Linear(self.out_features, num_classes)
        init_linears(linear)
        return linear


class MapHead(nn.Module):
    """No head: returns the map (N, H, W, C) as it is; timm's "no classifier and no pooling"."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_features = channels
        self.classifier = nn.Identity()

    def forward(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return x

    def no_weight_decay(self) -> set[str]:
        return set()


def pooled_head(  # one parameter per property of the network
    channels: int,
    *,
    pooling: PoolingChoice,
    num_classes: int,
    map_size: tuple[int, int],
    norm: bool,
    dropout: float = 0.0,
    seed: int | None = None,
    layer_scale: float | None = None,
) -> PooledHead:
    """Build a head for maps (N, H, W, `channels`) of `map_size` (height, width).

    Args:
        num_classes: 0 leaves the classifier out, and a pooling with a token per class then has one token.
        norm: normalise the pooled vector, for trunks that do not end in a norm.
        layer_scale: the trunk's, which the pooling uses unless its own is set.
    """
    defaults = {} if layer_scale is None else {"layer_scale": layer_scale}
    with seeded(seed, "pooling"):
        pool = pooling.build(channels, num_classes=num_classes or 1, map_size=map_size, **defaults)
    return PooledHead(pool, num_classes=num_classes, norm=norm, dropout=dropout, seed=seed)


class HeadedNetwork(nn.Module):
    """Base of networks: a trunk and a `head`, with timm's interface to both.

    Networks set `num_classes`, `num_features` (channels of the last map), `map_size` (its height and width in
    training), `dropout` and `head`.
    """

    output_fmt = "NHWC"  # layout of forward_features, in timm's terms
    usual_pooling = "average"  # for `reset_classifier` without a name
    is_unnormalised = False  # whether the trunk leaves the last norm to the head
    layer_scale: float | None = None  # of the trunk; the pooling uses it unless its own is set
    num_classes: int
    num_features: int
    map_size: tuple[int, int]
    dropout: float
    head: PooledHead | MapHead

    @property
    def head_hidden_size(self) -> int:
        """Length of the vector that the classifier reads."""
        return self.head.out_features

    def build_head(self, pooling: PoolingChoice, num_classes: int, seed: int | None = None) -> PooledHead:
        """Build pooling, norm (where needed) and classifier for this network's maps."""
        return pooled_head(
            self.num_features,
            pooling=pooling,
            num_classes=num_classes,
            map_size=self.map_size,
            norm=self.is_unnormalised,
            dropout=self.dropout,
            seed=seed,
            layer_scale=self.layer_scale,
        )

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last map (N, H', W', C), channels last."""
        raise NotImplementedError

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """Return logits (N, num_classes) of the last map, or with `pre_logits` the classifier's input."""
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))

    def no_weight_decay(self) -> set[str]:
        """Return the names of parameters without weight decay, besides those of one dimension."""
        parts = [(prefix, part) for prefix, part in self.named_modules() if part is not self]
        return {
            f"{prefix}.{name}"
            for prefix, part in parts
            if callable(getattr(part, "no_weight_decay", None))
            for name in cast(Any, part).no_weight_decay()
        }

    def get_classifier(self) -> nn.Module:
        """Return the last layer."""
        return self.head.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier by a new one; with 0 classes the pooled vector is the output.

        Args:
            global_pool: new pooling: a name from `POOLINGS`, timm's `avg` or `avgmax`, or an empty string for none,
                which makes the map (N, H, W, C) the output. None keeps the pooling.
        """
        self.num_classes = num_classes
        if global_pool == "":
            self.head = MapHead(self.num_features)
        elif global_pool is None and isinstance(self.head, PooledHead):
            self.head.reset(num_classes)
        else:
            like = next(self.parameters())
            pooling = PoolingChoice(TIMM_POOLINGS.get(global_pool or "", global_pool or self.usual_pooling))
            self.head = self.build_head(pooling, num_classes).to(like.device, like.dtype)
