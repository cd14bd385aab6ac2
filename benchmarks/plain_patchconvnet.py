"""PatchConvNet written the obvious way: tokens (B, N, C), a transpose into and out of the convolutions of each block.

A second implementation, independent of `scaling.models` and under the parameter names of the published checkpoints: the
tests compare the two, and `model_speed.py` measures what the layout of the first one gains. Architecture:
Touvron et al., arXiv 2112.13692. Nothing here is clever on purpose; it computes what it does not need, too.
"""

import torch
from torch import nn


class Residual(nn.Module):
    """Stochastic depth: the branch is left out for a sample with probability `rate`."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0:
            return branch
        keep = torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.rate
        return branch * keep / (1 - self.rate)


class SqueezeExcite(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(width, width // 4, 1)
        self.conv_expand = nn.Conv2d(width // 4, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.conv_reduce(x.mean((2, 3), keepdim=True))
        return x * torch.sigmoid(self.conv_expand(torch.relu(gate)))


class ConvBranch(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv_pos = nn.Sequential(
            nn.Conv2d(width, width, 1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.GELU(),
            SqueezeExcite(width),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        batch, count, width = tokens.shape
        x = tokens.transpose(1, 2).reshape(batch, width, *size)
        return self.qkv_pos(x).reshape(batch, width, count).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, width: int, drop_path: float, layer_scale: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = ConvBranch(width)
        self.gamma_1 = nn.Parameter(torch.full((width,), layer_scale))
        self.drop_path = Residual(drop_path)

    def forward(self, tokens: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        return tokens + self.drop_path(self.gamma_1 * self.attn(self.norm1(tokens), size))


class Aggregation(nn.Module):
    """Class tokens ask, class token and patches answer; with several class tokens the patches alone answer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.attention = torch.empty(0)  # of the last call: (B, class tokens, keys)

    def forward(self, tokens: torch.Tensor, classes: int) -> torch.Tensor:
        source = tokens if classes == 1 else tokens[:, classes:]
        query, key, value = self.q(tokens[:, :classes]), self.k(source), self.v(source)
        self.attention = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(dim=-1)
        return self.proj(self.attention @ value)


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 3 * width)
        self.fc2 = nn.Linear(3 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class AggregationBlock(nn.Module):
    def __init__(self, width: int, layer_scale: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Aggregation(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)
        self.gamma_1 = nn.Parameter(torch.full((width,), layer_scale))
        self.gamma_2 = nn.Parameter(torch.full((width,), layer_scale))

    def forward(self, patches: torch.Tensor, cls: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([cls, patches], dim=1)
        cls = cls + self.gamma_1 * self.attn(self.norm1(tokens), cls.shape[1])
        return cls + self.gamma_2 * self.mlp(self.norm2(cls))


class PatchEmbed(nn.Module):
    def __init__(self, width: int, patch_size: int, in_chans: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_chans
        halvings = {2: 1, 4: 2, 8: 3, 16: 4}[patch_size]
        for step in range(halvings):
            out = width // 2 ** (halvings - 1 - step)
            if step > 0:
                layers.append(nn.GELU())
            layers.append(nn.Sequential(nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False)))
            channels = out
        self.proj = nn.Sequential(*layers)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.proj(images)


class PlainPatchConvNet(nn.Module):
    """Images (B, in_chans, H, W) to logits (B, num_classes)."""

    def __init__(
        self,
        width: int,
        depth: int,
        *,
        num_classes: int = 1000,
        patch_size: int = 16,
        in_chans: int = 3,
        multiclass: bool = False,
        drop_path: float = 0.0,
        layer_scale: float = 1e-4,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(width, patch_size, in_chans)
        self.blocks = nn.ModuleList([Block(width, drop_path, layer_scale) for _ in range(depth)])
        self.cls_token = nn.Parameter(torch.zeros(1, num_classes if multiclass else 1, width))
        self.blocks_token_only = nn.ModuleList([AggregationBlock(width, layer_scale)])
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = (
            nn.ModuleList([nn.Linear(width, 1) for _ in range(num_classes)])
            if multiclass
            else nn.Linear(width, num_classes)
        )
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(images)
        batch, _, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens, (height, width))
        cls = self.cls_token.expand(batch, -1, -1)
        cls = self.blocks_token_only[0](tokens, cls)
        tokens = self.norm(torch.cat([cls, tokens], dim=1))
        if isinstance(self.head, nn.ModuleList):
            return torch.cat([head(tokens[:, number]) for number, head in enumerate(self.head)], dim=1)
        return self.head(tokens[:, 0])
