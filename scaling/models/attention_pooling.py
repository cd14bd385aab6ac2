"""Attention pooling of Touvron et al., "Augmenting Convolutional networks with attention-based aggregation".

Shapes: N images, H × W positions (P = H·W in a row), C channels, T tokens, h heads of d = C/h channels.
"""

import torch
import torch.nn.functional as F
from torch import nn

from scaling.study.errors import ModelError

NORM_EPS = 1e-6


class Pool(nn.Module):
    """Base of all poolings: a map (N, H, W, C), channels last, to a vector (N, C'), or (N, K, C') if `per_class`."""

    per_class = False  # one vector a class; the classifier reads each with its own weights
    wants_norm = False  # the result is the end of a residual branch and is normalised before the classifier

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features

    def reset_classes(self, num_classes: int) -> None:
        """Prepare for another set of classes; only poolings that know the classes have something to do."""

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that weight decay leaves alone, besides those of one dimension."""
        return set()


class AttendingPool(Pool):
    """Base of the poolings that weigh positions by attention."""

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the weight of each position for each token, the mean over heads: (N, H, W, C) to (N, T, H, W)."""
        raise NotImplementedError


def scaled(linear: nn.Linear, gamma: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return gamma · linear(x), LayerScale applied to the weights rather than to the result.

    The same function, but no product over the whole map and nothing of it kept for the backward pass.
    """
    return F.linear(x, *scaled_weights(linear, gamma))


def scaled_weights(linear: nn.Linear, gamma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weight (out, in) and bias (out,) of gamma · linear(x)."""
    return linear.weight * gamma[:, None], linear.bias * gamma


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Rearrange (…, L, C) to (…, h, L, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def init_linears(module: nn.Module) -> None:
    """Initialise linear layers as the paper does: truncated normal of deviation 0.02, biases zero."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def check_heads(width: int, heads: int) -> None:
    """Raise `ModelError` where `heads` do not divide `width`."""
    if width % heads:
        raise ModelError(f"pooling_heads {heads} does not divide the pooling's width {width}")


class AttentionPool(AttendingPool):
    """The paper's aggregation block: learned tokens attend to the map, then pass through an MLP.

    With one token, keys and values come from the token and the positions (P + 1 keys); with one token a class, from the
    positions alone, as in the authors' code. The result is not yet normalised (`wants_norm`).
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
        """Build it for `channels`; see `pooling.attention` for the options.

        Args:
            mlp_ratio: none leaves the MLP out.
            classes: none for one token, whose result is (N, C); else one a class, whose result is (N, classes, C).
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

    def no_weight_decay(self) -> set[str]:
        return {"token"}

    def weights(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attention (N, h, T, keys): with one token its own key comes first, then the positions by rows."""
        return self._attend(x)[0]

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        positions = x.shape[1] * x.shape[2]
        return self.weights(x)[..., -positions:].mean(dim=1).unflatten(-1, x.shape[1:3])

    def _attend(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the attention (N, h, T, keys) and the attended values (N, T, C).

        The token is a parameter: its query, key and value are the same for every image and computed once a batch.
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
