"""From the last map to logits: pooling, final norm, classifier; the same for every family."""

from typing import Any, cast

import torch
from torch import nn

from scaling.models.attention_pooling import NORM_EPS, Pool, init_linears
from scaling.models.pooling import TIMM_POOLINGS, PoolingChoice
from scaling.models.registry import seeded


class ClassTokenLinear(nn.Module):
    """One linear score for each class, read from that class's own token: (N, K, C) to (N, K)."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        # one batched product; written as one so that counters see it
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
            norm: normalise the pooled vector (or class tokens); a pooling that wants it is normalised anyway.
            num_classes: 0 leaves the classifier out.
            dropout: probability with which the classifier misses a feature in training.
            features: length of the vector that the classifier reads, where the network puts layers of its own between
                the norm and the classifier; it then calls the head for what comes before them, and the classifier.
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
        x = self.norm(self.pool(x))
        return x if pre_logits else self.classifier(self.dropout(x))

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay leaves alone, besides those of one dimension."""
        return {f"pool.{name}" for name in self.pool.no_weight_decay()}

    def reset(self, num_classes: int) -> None:
        """Replace the classifier by a new one for `num_classes`; class tokens are new too, where there are some."""
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
    """No head: the map (N, H, W, C) as it is. What timm calls no classifier and no pooling."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_features = channels
        self.classifier = nn.Identity()

    def forward(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return x

    def no_weight_decay(self) -> set[str]:
        return set()


def pooled_head(
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

    `norm` says whether the trunk ends un-normalised; `layer_scale` is the trunk's, kept unless the pooling's is set.
    Without classes there is no classifier, and a pooling with a token a class has one token.
    """
    defaults = {} if layer_scale is None else {"layer_scale": layer_scale}
    with seeded(seed, "pooling"):
        pool = pooling.build(channels, num_classes=num_classes or 1, map_size=map_size, **defaults)
    return PooledHead(pool, num_classes=num_classes, norm=norm, dropout=dropout, seed=seed)


class HeadedNetwork(nn.Module):
    """A trunk under a `head`, with timm's words for both; networks derive from it.

    They set `num_classes`, `num_features` (channels of the last map), `map_size` (its height and width in training),
    `dropout` and `head`.
    """

    output_fmt = "NHWC"  # of forward_features, in timm's words
    usual_pooling = "average"  # where a new one is asked for without a name
    is_unnormalised = False  # whether the trunk leaves the last norm to the head
    layer_scale: float | None = None  # of the trunk; the pooling takes it over, unless its own is set
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
        """Build pooling, norm where one is wanted, and classifier for this network's maps."""
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
        """Return logits (N, num_classes) of the last map, or with `pre_logits` what the classifier reads."""
        return self.head(x, pre_logits=pre_logits)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay leaves alone, besides those of one dimension."""
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
            pooling = PoolingChoice(TIMM_POOLINGS.get(global_pool or "", global_pool or self.usual_pooling))
            self.head = self.build_head(pooling, num_classes).to(like.device, like.dtype)
