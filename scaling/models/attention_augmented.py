"""Convolution augmented with self-attention: some output channels come from a convolution, the rest from attention.

Bello et al., "Attention Augmented Convolutional Networks", arXiv 1904.09925.
Shapes: N images, C channels, h heads, d key channels and e value channels of a head, an H × W map of P = H·W positions.
"""

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from scaling.study.errors import ModelError

Kappa = Annotated[float, Field(ge=0, le=1, description="share of key channels: dk over the layer's output channels")]
Upsilon = Annotated[float, Field(ge=0, le=1, description="share of output channels that come from attention")]
AttentionHeads = Annotated[int, Field(gt=0, description="attention heads; key and value channels are multiples of it")]
KeyChannels = Annotated[int, Field(gt=0, description="at least so many key channels for each head")]


def attention_channels(
    out_channels: int, *, kappa: float, upsilon: float, heads: int, min_key_channels: int
) -> tuple[int, int]:
    """Return the key channels dk and value channels dv of all heads together, each a multiple of `heads`.

    dk is κ · out, but at least `min_key_channels` per head, and may exceed the layer's width; dv is υ · out. Both are
    rounded down. The paper's "κ = 2υ = 0.2" is one chain of equations: κ = 0.2 and υ = 0.1.

    Raises:
        ModelError: υ is above zero and yet leaves less than one value channel per head.
    """
    dk = max(min_key_channels * heads, _share(kappa, out_channels, heads))
    dv = _share(upsilon, out_channels, heads)
    if upsilon > 0 and dv == 0:
        raise ModelError(
            f"upsilon {upsilon} of {out_channels} channels is less than one for each of {heads} heads;"
            " use a larger upsilon or width, fewer heads, or upsilon 0 for no attention"
        )
    return dk, dv


def _share(part: float, channels: int, heads: int) -> int:
    return int(part * channels / heads + 1e-9) * heads  # 0.29 × 100 is 28.999… in binary and 29 here


class RelativePositions(nn.Module):
    """The part of a query's logit that depends on how many rows and columns away the key is.

    There is one vector per vertical and one per horizontal distance, shared by all heads of a layer. On a map larger
    than the tables, larger distances use the vector of the largest; on a smaller map the outer vectors are unused.
    """

    def __init__(self, map_size: tuple[int, int], channels: int) -> None:
        """Make tables (2H − 1, d) and (2W − 1, d) for maps of `map_size` (H, W)."""
        super().__init__()
        height, width = map_size
        self.height = nn.Parameter(torch.empty(2 * height - 1, channels))
        self.width = nn.Parameter(torch.empty(2 * width - 1, channels))
        for table in (self.height, self.width):
            nn.init.normal_(table, std=channels**-0.5)

    def no_weight_decay(self) -> set[str]:
        """Return the names of the tables, which have no weight decay."""
        return {"height", "width"}

    def forward(self, query: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vertical (N, h, H, W, H') and horizontal (N, h, H, W, W') part for queries (N, h, d, H, W).

        Every query is multiplied with every row and every column once, not with every position: (H + W) · d products.
        """
        vertical = query.permute(3, 0, 1, 4, 2).flatten(1, 3) @ _by_distance(self.height, query.shape[3])
        horizontal = query.permute(4, 0, 1, 3, 2).flatten(1, 3) @ _by_distance(self.width, query.shape[4])
        images, heads, _, height, width = query.shape
        vertical = vertical.view(height, images, heads, width, height).permute(1, 2, 0, 3, 4)
        horizontal = horizontal.view(width, images, heads, height, width).permute(1, 2, 3, 0, 4)
        return vertical, horizontal


def _by_distance(table: torch.Tensor, length: int) -> torch.Tensor:
    """Lay a table (2L − 1, d) out by query and key along one side: (length, d, length)."""
    farthest = len(table) // 2
    places = torch.arange(length, device=table.device)
    distance = (places[None, :] - places[:, None]).clamp(-farthest, farthest) + farthest
    return table[distance].transpose(1, 2)


class SelfAttention2d(nn.Module):
    """Multi-head self-attention over the positions of a map: (N, C, H, W) to (N, dv, H, W)."""

    def __init__(
        self, in_channels: int, *, key_channels: int, value_channels: int, heads: int, map_size: tuple[int, int] | None
    ) -> None:
        """Build it; `map_size` (H, W) sizes the relative position tables, and None leaves positions out."""
        super().__init__()
        self.heads = heads
        self.key_channels = key_channels
        self.value_channels = value_channels
        self.qkv = nn.Conv2d(in_channels, 2 * key_channels + value_channels, kernel_size=1, bias=False)
        self.out = nn.Conv2d(value_channels, value_channels, kernel_size=1, bias=False)
        self.positions = None if map_size is None else RelativePositions(map_size, key_channels // heads)
        self.init_weights()

    def init_weights(self) -> None:
        """Draw the projections with unit gain, so that initial logits have one size whatever the share of attention.

        The paper does not define it; the position tables keep their own initialisation.
        """
        for projection in (self.qkv, self.out):
            nn.init.normal_(projection.weight, std=projection.in_channels**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self._project(x)
        weights = self._weights(query, key)
        # value (N, h, e, P') times weights (N, h, P, P') transposed: channels before positions, as in the map
        attended = value @ weights.transpose(-2, -1)
        return self.out(attended.flatten(1, 2).unflatten(-1, x.shape[2:]))

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attention (N, h, P, P') of each position, by rows, to every position of a map (N, C, H, W)."""
        query, key, _ = self._project(x)
        return self._weights(query, key)

    def logits(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """Return (content + vertical + horizontal part) / √d for queries and keys (N, h, d, H, W): (N, h, P, P')."""
        query = query * query.shape[2] ** -0.5  # before both parts, so that positions are scaled as content is
        logits = query.flatten(3).transpose(-2, -1) @ key.flatten(3)
        if self.positions is not None:
            vertical, horizontal = self.positions(query)
            # in place: the sum is as large as the attention itself, and an addition keeps no operand for backward
            by_row_and_column = logits.view(*vertical.shape, horizontal.shape[-1])
            by_row_and_column += vertical.unsqueeze(-1)
            by_row_and_column += horizontal.unsqueeze(-2)
        return logits

    def _project(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries and keys (N, h, d, H, W) and values (N, h, e, P)."""
        sizes = [self.key_channels, self.key_channels, self.value_channels]
        query, key, value = (part.unflatten(1, (self.heads, -1)) for part in self.qkv(x).split(sizes, dim=1))
        return query, key, value.flatten(3)

    def _weights(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return self.logits(query, key).softmax(dim=-1)


class AttentionAugmentedConv2d(nn.Module):
    """Concat[convolution, self-attention]: (N, C, H, W) to (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).

    The convolution has out − dv channels, attention dv; with υ = 1 there is no convolution, with υ = 0 no attention.
    The batch norm behind it in the paper belongs to the network. Params: k² C (out − dv) + C (2 dk + dv) + dv²
    + (2H + 2W − 2) d.
    """

    def __init__(  # the paper's parameters beside those of a convolution
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        map_size: tuple[int, int],
        stride: int = 1,
        bias: bool = False,
        kappa: float = 0.2,
        upsilon: float = 0.1,
        heads: int = 8,
        min_key_channels: int = 20,
        relative: bool = True,
        pooled: bool = False,
    ) -> None:
        """Build the layer; padding keeps the map's size, as the concatenation needs.

        Args:
            kernel_size: of the convolution, odd; queries, keys and values always come from 1×1 convolutions.
            map_size: height and width of the output map that sizes the position tables. Other maps work.
            stride: of both branches; attention reads every stride-th position.
            bias: of the convolution; attention's projections have none.
            relative: add relative position logits.
            pooled: attend to the 3×3, stride-2 averages of the map and enlarge the result bilinearly, for maps whose
                (H·W)² weights per head are too many.

        Raises:
            ModelError: υ leaves less than one channel per head, or the kernel is even.
        """
        super().__init__()
        if kernel_size % 2 == 0:
            raise ModelError(f"kernel_size {kernel_size} is even; an attention augmented convolution needs an odd one")
        dk, dv = attention_channels(
            out_channels, kappa=kappa, upsilon=upsilon, heads=heads, min_key_channels=min_key_channels
        )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.stride = stride
        self.pooled = pooled
        self.conv = self.attention = None
        if dv < out_channels:
            self.conv = nn.Conv2d(
                in_channels, out_channels - dv, kernel_size, stride=stride, padding=kernel_size // 2, bias=bias
            )
            nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        if dv > 0:
            self.attention = SelfAttention2d(
                in_channels,
                key_channels=dk,
                value_channels=dv,
                heads=heads,
                map_size=(_halved(map_size) if pooled else map_size) if relative else None,
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = []
        if self.conv is not None:
            branches.append(self.conv(x))
        if self.attention is not None:
            branches.append(self._attend(self.attention, x[:, :, :: self.stride, :: self.stride]))
        return torch.cat(branches, dim=1)

    def _attend(self, attention: SelfAttention2d, x: torch.Tensor) -> torch.Tensor:
        if not self.pooled:
            return attention(x)
        small = F.avg_pool2d(x, kernel_size=3, stride=2, padding=1, count_include_pad=False)
        return F.interpolate(attention(small), size=x.shape[2:], mode="bilinear", align_corners=False)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // 2), -(-size[1] // 2)
