"""Further poolings by attention of one query: each maps (N, H, W, C), channels last, to (N, C').

Only that query is computed, which timm's pool after CLIP does for every position; and the attention can be read.
"""

import functools

import torch
from timm.layers.attention_pool import AttentionPoolLatent
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn

from scaling.models.attention_pooling import (
    NORM_EPS,
    AttendingPool,
    AttentionPool,
    check_heads,
    init_linears,
    split_heads,
)


def attend(query: torch.Tensor, key: torch.Tensor, heads: int) -> torch.Tensor:
    """Return softmax(Q Kᵀ / √d) (N, h, T, keys) of queries (N, T, C) and keys (N, keys, C)."""
    query = split_heads(query, heads) * (query.shape[-1] // heads) ** -0.5
    return (query @ split_heads(key, heads).transpose(-2, -1)).softmax(dim=-1)


def answer(weights: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the values (N, keys, C) weighted by the attention (N, h, 1, keys) of one query: (N, C)."""
    return (weights @ split_heads(value, weights.shape[1])).flatten(1)


class QueryPool(AttendingPool):
    """Base of the pools of this module: `weights` (N, h, 1, keys), the last keys being the positions by rows."""

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attention of a map (N, H, W, C)."""
        raise NotImplementedError

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        positions = x.shape[1] * x.shape[2]
        return self.weights(x)[..., -positions:].mean(dim=1).unflatten(-1, x.shape[1:3])


class LatentPool(QueryPool):
    """A learned latent asks, positions answer, an MLP follows: timm's `AttentionPoolLatent`."""

    def __init__(self, channels: int, *, heads: int, mlp_ratio: float) -> None:
        check_heads(channels, heads)
        super().__init__(channels)
        norm = functools.partial(nn.LayerNorm, eps=NORM_EPS)
        self.pool = AttentionPoolLatent(channels, num_heads=heads, mlp_ratio=mlp_ratio, norm_layer=norm)  # pyright: ignore[reportArgumentType]
        init_linears(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, value = self._attend(x)
        x = self.pool.proj(answer(weights, value))
        return x + self.pool.mlp(self.pool.norm(x)) if self.pool.mlp is not None else x

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return self._attend(x)[0]

    def no_weight_decay(self) -> set[str]:
        return {"pool.latent"}

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        key, value = self.pool.kv(x.flatten(1, 2)).chunk(2, dim=-1)
        return attend(self.pool.q(self.pool.latent), key, self.pool.num_heads), value


class ClipPool(QueryPool):
    """The mean position asks, itself and the positions answer, all with position embeddings."""

    def __init__(self, channels: int, *, map_size: tuple[int, int], heads: int | None) -> None:
        heads = heads or max(1, channels // 64)
        check_heads(channels, heads)
        super().__init__(channels)
        self.heads = heads
        self.map_size = map_size
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.position = nn.Parameter(torch.empty(1 + map_size[0] * map_size[1], channels))
        init_linears(self)
        nn.init.trunc_normal_(self.position, std=channels**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, value = self._attend(x)
        return self.out(answer(weights, value))

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return self._attend(x)[0]

    def no_weight_decay(self) -> set[str]:
        return {"position"}

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        size, old_size = [x.shape[1], x.shape[2]], list(self.map_size)
        x = x.flatten(1, 2)
        x = torch.cat([x.mean(dim=1, keepdim=True), x], dim=1)
        x = x + resample_abs_pos_embed(self.position.unsqueeze(0), size, old_size, num_prefix_tokens=1)
        return attend(self.q(x[:, :1]), self.k(x), self.heads), self.v(x)


class SimPool(QueryPool):
    """The mean position asks; the answer is the attention-weighted generalized mean of normalised positions."""

    def __init__(self, channels: int, *, heads: int, exponent: float) -> None:
        check_heads(channels, heads)
        super().__init__(channels)
        self.heads = heads
        self.exponent = exponent
        self.norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.q = nn.Linear(channels, channels, bias=False)
        self.k = nn.Linear(channels, channels, bias=False)
        init_linears(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, value = self._attend(x)
        # Powers need values above zero: the smallest of the image becomes ε, as in the authors' code.
        value = value - value.amin(dim=(1, 2), keepdim=True) + 1e-6
        return answer(weights, value.pow(self.exponent)).pow(1 / self.exponent)

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return self._attend(x)[0]

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x.flatten(1, 2)
        value = self.norm(x)
        return attend(self.q(x.mean(dim=1, keepdim=True)), self.k(value), self.heads), value


class AttentionAveragePool(AttendingPool):
    """The result of `AttentionPool` and the mean, each normalised, one after the other: (N, w + C)."""

    def __init__(self, channels: int, attention: AttentionPool) -> None:
        super().__init__(attention.out_features + channels)
        self.attention = attention
        self.attention_norm = nn.LayerNorm(attention.out_features, eps=NORM_EPS)
        self.average_norm = nn.LayerNorm(channels, eps=NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended = self.attention_norm(self.attention(x))
        return torch.cat([attended, self.average_norm(x.mean(dim=(1, 2)))], dim=-1)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention.maps(x)

    def no_weight_decay(self) -> set[str]:
        return {f"attention.{name}" for name in self.attention.no_weight_decay()}
