"""Attention pooling of Touvron et al., arXiv 2112.13692, its combination with the average, and controls for capacity.

Shapes: N images, H × W positions (P = H·W by rows), C channels, T tokens, h heads of d = C/h channels.
"""

import torch
import torch.nn.functional as F
from torch import nn

from scaling.models.layers import NORM_EPS, check_heads, init_linears, scaled, split_heads
from scaling.models.pooling import AttendingPool, Heads, Pool, Ratio, Scale, Width, pooling


class AttentionPool(AttendingPool):
    """The paper's aggregation block: learned tokens attend to the map, then pass through an MLP.

    With a single token, keys and values come from the token and the positions (P + 1 keys); with a token per class,
    from the positions alone, as in the authors' code. The result is not yet normalised (`wants_norm`).
    """

    wants_norm = True

    def __init__(
        self,
        channels: int,
        *,
        heads: int,
        width: int | None,
        mlp_ratio: float | None,
        layer_scale: float,
        classes: int | None = None,
    ) -> None:
        """Build it for `channels`; see `attention` for the options.

        Args:
            mlp_ratio: None leaves the MLP out.
            classes: None for a single token, whose result is (N, C); otherwise a token per class, whose result is
                (N, classes, C).
        """
        width = width or channels
        check_heads(width, heads)
        super().__init__(width)
        self.heads = heads
        self.per_class = classes is not None
        self.token = nn.Parameter(torch.empty(classes or 1, width))
        self.project = nn.Identity() if width == channels else nn.Linear(channels, width)
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.gamma1 = nn.Parameter(torch.full((width,), layer_scale))
        if mlp_ratio is not None:
            hidden = max(1, round(width * mlp_ratio))
            self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
            self.fc1 = nn.Linear(width, hidden)
            self.fc2 = nn.Linear(hidden, width)
            self.gamma2 = nn.Parameter(torch.full((width,), layer_scale))
        self.has_mlp = mlp_ratio is not None
        init_linears(self)
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, attended = self._attend(x)
        token = self.token + scaled(self.out, self.gamma1, attended)
        if self.has_mlp:
            token = token + scaled(self.fc2, self.gamma2, F.gelu(self.fc1(self.norm2(token))))
        return token if self.per_class else token.squeeze(1)

    def reset_classes(self, num_classes: int) -> None:
        if self.per_class:
            self.token = nn.Parameter(self.token.new_empty(num_classes, self.out_features))
            nn.init.trunc_normal_(self.token, std=0.02)

    def class_parameters(self) -> set[str]:
        return {"token"} if self.per_class else set()

    def no_weight_decay(self) -> set[str]:
        return {"token"}

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attention (N, h, T, keys): a single token's own key comes first, then the positions by rows."""
        return self._attend(x)[0]

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        positions = x.shape[1] * x.shape[2]
        return self.weights(x)[..., -positions:].mean(dim=1).unflatten(-1, x.shape[1:3])

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the attention (N, h, T, keys) and the attended values (N, T, C).

        The token is a parameter: its query, key and value are the same for every image and computed once per batch.
        """
        x = self.norm1(self.project(x.flatten(1, 2)))
        token = self.norm1(self.token)
        query = split_heads(self.q(token), self.heads) * (self.out_features // self.heads) ** -0.5
        key, value = split_heads(self.k(x), self.heads), split_heads(self.v(x), self.heads)
        logits = query @ key.transpose(-2, -1)
        if self.per_class:
            weights = logits.softmax(dim=-1)
            attended = weights @ value
        else:
            own_key, own_value = split_heads(self.k(token), self.heads), split_heads(self.v(token), self.heads)
            own_logit = (query @ own_key.transpose(-2, -1)).expand(len(x), -1, -1, -1)
            weights = torch.cat([own_logit, logits], dim=-1).softmax(dim=-1)
            attended = weights[..., 1:] @ value + weights[..., :1] @ own_value
        return weights, attended.transpose(1, 2).flatten(2)


class AverageMlpPool(Pool):
    """The mean, then x + γ · MLP(LN(x)), with an MLP so wide that the params are those of `AttentionPool`."""

    wants_norm = True  # like `AttentionPool`, so that attention is the only difference

    def __init__(self, channels: int, *, width: int | None, mlp_ratio: float, layer_scale: float) -> None:
        width = width or channels
        super().__init__(width)
        with torch.device("meta"):
            twin = AttentionPool(channels, heads=1, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
        self.project = nn.Identity() if width == channels else nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.gamma = nn.Parameter(torch.full((width,), layer_scale))
        budget = _params(twin) - _params(self) - width
        hidden = max(1, round(budget / (2 * width + 1)))
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        init_linears(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.project(x.mean(dim=(1, 2)))
        return x + scaled(self.fc2, self.gamma, F.gelu(self.fc1(self.norm(x))))


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


class AttentionAveragePool(AttendingPool):
    """The result of `AttentionPool` and the mean, each normalised, concatenated: (N, w + C)."""

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


@pooling
def attention(
    channels: int,
    *,
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> nn.Module:
    """One learned token attends to all positions, then passes through an MLP: (N, H, W, C) to (N, C).

    Adds 10 C² + 15 C params and (2 P + 10) C² + 2 (P + 1) C MACs at the paper's settings; a width w ≠ C adds
    w C + w params and P w C MACs and replaces C by w. Touvron et al., "Augmenting Convolutional networks with
    attention-based aggregation", arXiv 2112.13692.

    Args:
        heads: attention heads, which divide the width; the paper has one.
        width: channels inside and of the result; where it differs from C, the map is projected to it first.
        mlp_ratio: hidden width of the MLP over the width.
        layer_scale: initial scale of both residual branches.
    """
    return AttentionPool(channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)


@pooling
def attention_multiclass(
    channels: int,
    *,
    num_classes: int,
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> nn.Module:
    """One learned token per class attends to all positions, then passes through an MLP: (N, H, W, C) to (N, K, C).

    Adds 10 C² + (K + 14) C params and (2 P + 8 K) C² + 2 K P C MACs at the paper's settings. The classifier reads
    each class's score from that class's token. Touvron et al., arXiv 2112.13692; the options are those of `attention`.
    """
    return AttentionPool(
        channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale, classes=num_classes
    )


@pooling
def attention_no_mlp(
    channels: int,
    *,
    heads: Heads = 1,
    width: Width | None = None,
    layer_scale: Scale = 1e-4,
) -> nn.Module:
    """`attention` without its MLP, a control for capacity: (N, H, W, C) to (N, C).

    Adds 4 C² + 8 C params and (2 P + 4) C² + 2 (P + 1) C MACs. After Touvron et al., arXiv 2112.13692.
    """
    return AttentionPool(channels, heads=heads, width=width, mlp_ratio=None, layer_scale=layer_scale)


@pooling
def average_mlp(
    channels: int,
    *,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> nn.Module:
    """Average, then a residual MLP as large as `attention`, a control for capacity: (N, H, W, C) to (N, C).

    Adds as many params as `attention` with the same options, to 1 % (about 10 C², all in the MLP), and as many MACs as
    params. No paper: it shows what attention adds beyond its parameters.
    """
    return AverageMlpPool(channels, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)


@pooling
def attention_average(
    channels: int,
    *,
    heads: Heads = 1,
    width: Width | None = None,
    mlp_ratio: Ratio = 3.0,
    layer_scale: Scale = 1e-4,
) -> nn.Module:
    """`attention` and the average side by side, each normalised: (N, H, W, C) to (N, 2 C), or (N, w + C).

    Adds the params and MACs of `attention`, 4 C params for the norms, and C columns to the classifier. The hybrid that
    did best on little data in B. Warner, "Tinkering with attention pooling".
    """
    block = AttentionPool(channels, heads=heads, width=width, mlp_ratio=mlp_ratio, layer_scale=layer_scale)
    return AttentionAveragePool(channels, block)
