"""Poolings by attention of a single query: SigLIP's, CLIP's and SimPool.

Only that query is computed, where timm's version of CLIP's pooling computes one per position, and the attention can be
drawn.
"""

import functools

import torch
from timm.layers.attention_pool import AttentionPoolLatent
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn

from scaling.models.layers import NORM_EPS, check_heads, init_linears, split_heads
from scaling.models.pooling import AttendingPool, Exponent, Heads, Ratio, pooling


def attend(query: torch.Tensor, key: torch.Tensor, heads: int) -> torch.Tensor:
    """Return softmax(Q Kᵀ / √d) (N, h, T, keys) of queries (N, T, C) and keys (N, keys, C)."""
    query = split_heads(query, heads) * (query.shape[-1] // heads) ** -0.5
    return (query @ split_heads(key, heads).transpose(-2, -1)).softmax(dim=-1)


def attended(weights: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the values (N, keys, C) weighted by the attention (N, h, 1, keys) of one query: (N, C)."""
    return (weights @ split_heads(value, weights.shape[1])).flatten(1)


class QueryPool(AttendingPool):
    """Base of the poolings in this file: `weights` are (N, h, 1, keys), and the last keys are the positions by rows."""

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attention of a map (N, H, W, C)."""
        raise NotImplementedError

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        positions = x.shape[1] * x.shape[2]
        return self.weights(x)[..., -positions:].mean(dim=1).unflatten(-1, x.shape[1:3])


class LatentPool(QueryPool):
    """A learned latent queries the positions, then passes through an MLP: timm's `AttentionPoolLatent`."""

    def __init__(self, channels: int, *, heads: int, mlp_ratio: float) -> None:
        check_heads(channels, heads)
        super().__init__(channels)
        norm = functools.partial(nn.LayerNorm, eps=NORM_EPS)
        self.pool = AttentionPoolLatent(channels, num_heads=heads, mlp_ratio=mlp_ratio, norm_layer=norm)  # pyright: ignore[reportArgumentType]
        init_linears(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights, value = self._attend(x)
        x = self.pool.proj(attended(weights, value))
        return x + self.pool.mlp(self.pool.norm(x)) if self.pool.mlp is not None else x

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return self._attend(x)[0]

    def no_weight_decay(self) -> set[str]:
        return {"pool.latent"}

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        key, value = self.pool.kv(x.flatten(1, 2)).chunk(2, dim=-1)
        return attend(self.pool.q(self.pool.latent), key, self.pool.num_heads), value


class ClipPool(QueryPool):
    """The mean position queries itself and the positions, all with position embeddings."""

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
        return self.out(attended(weights, value))

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
    """The mean position queries; the result is the attention-weighted generalized mean of normalised positions."""

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
        # powers need values above zero: the smallest of the image becomes ε, as in the authors' code
        value = value - value.amin(dim=(1, 2), keepdim=True) + 1e-6
        return attended(weights, value.pow(self.exponent)).pow(1 / self.exponent)

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        return self._attend(x)[0]

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = x.flatten(1, 2)
        value = self.norm(x)
        return attend(self.q(x.mean(dim=1, keepdim=True)), self.k(value), self.heads), value


@pooling(name="map")
def latent_pool(
    channels: int,
    *,
    heads: Heads = 8,
    mlp_ratio: Ratio = 4.0,
) -> nn.Module:
    """timm's latent attention pool, the multi-head attention pooling of SigLIP: (N, H, W, C) to (N, C).

    Adds (4 + 2 r) C² + (8 + r) C params and (2 P + 2 + 2 r) C² + 2 P C MACs for an MLP ratio r. Zhai et al., "Scaling
    Vision Transformers", arXiv 2106.04560; after Lee et al., "Set Transformer", arXiv 1810.00825.
    """
    return LatentPool(channels, heads=heads, mlp_ratio=mlp_ratio)


@pooling
def attention_pool2d(channels: int, *, map_size: tuple[int, int], heads: Heads | None = None) -> nn.Module:
    """CLIP's attention pool: the average, with position embeddings, queries the positions: (N, H, W, C) to (N, C).

    Adds 4 C² + (P + 5) C params and (2 P + 4) C² + 2 (P + 1) C MACs. For maps of another size the position embeddings
    are interpolated. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
    arXiv 2103.00020, section 2.4.

    Args:
        heads: None makes heads of 64 channels, as in the paper (one head for fewer channels).
    """
    return ClipPool(channels, map_size=map_size, heads=heads)


@pooling
def simpool(
    channels: int,
    *,
    heads: Heads = 1,
    exponent: Exponent = 2.0,
) -> nn.Module:
    """SimPool: the average queries a generalized mean of the positions: (N, H, W, C) to (N, C).

    Adds 2 C² + 2 C params and (P + 1) C² + 2 P C MACs. Psomas et al., "Keep It SimPool", arXiv 2309.06891, ICCV 2023.
    The smallest value, which the exponent needs, is taken per image, not over the batch as in the authors' code.

    Args:
        exponent: γ of the paper, 2 for convolutional networks and 1.25 for transformers; not learned.
    """
    return SimPool(channels, heads=heads, exponent=exponent)
