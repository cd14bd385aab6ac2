"""Affine changes of whole batches: every image by a matrix of its own, all of them at once.

torchvision's `affine` takes one matrix for all images, and makes tensors from lists, for each of which a GPU stops.
Here the few matrices that a recipe can draw become grids once, and a batch picks from them. On a CPU the pixels are
those of torchvision, to the bit.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from scaling.devices import copied

FILL = 128.0  # grey, for pixels from beyond the edges


@dataclass(frozen=True)
class Motion:
    """A rotation, a shear and a shift, in this order."""

    angle: float = 0.0  # radians, clockwise
    shear: tuple[float, float] = (0.0, 0.0)  # radians, along rows and columns
    shift: tuple[float, float] = (0.0, 0.0)  # pixels, to the right and down
    at_corner: bool = False  # the point that stays where it is: the upper left corner, or else the middle

    def inverse(self, height: int, width: int) -> tuple[float, ...]:
        """Return the matrix [a b c; d e f] that leads from a place in the result to its source, about the middle.

        It inverts shift · centre · rotation · shear · centre⁻¹.
        """
        across, down = self.shear
        turned, slant = self.angle - down, math.cos(down)
        a, b = math.cos(turned) / slant, -math.cos(turned) * math.tan(across) / slant - math.sin(self.angle)
        c, d = math.sin(turned) / slant, -math.sin(turned) * math.tan(across) / slant + math.cos(self.angle)
        x, y = (-0.5 * width, -0.5 * height) if self.at_corner else (0.0, 0.0)
        left, up = -x - self.shift[0], -y - self.shift[1]
        return (d, -b, d * left - b * up + x, -c, a, -c * left + a * up + y)


Warp = Callable[[float, int, int], Motion]  # strength, height and width → motion


def grid(motions: Sequence[Motion], height: int, width: int) -> torch.Tensor:
    """Return the source of every pixel for each motion: (M, H, W, 2), from −1 to 1 across the image."""
    places = torch.ones(height, width, 3)
    places[..., 0] = torch.linspace((1.0 - width) * 0.5, (width - 1.0) * 0.5, width)
    places[..., 1] = torch.linspace((1.0 - height) * 0.5, (height - 1.0) * 0.5, height)[:, None]
    half = torch.tensor([0.5 * width, 0.5 * height])
    grids = []
    for motion in motions:
        matrix = torch.tensor(motion.inverse(height, width)).view(2, 3).T / half
        grids.append(places.view(1, -1, 3).bmm(matrix[None]).view(height, width, 2))
    return torch.stack(grids)


def warped(images: torch.Tensor, grids: torch.Tensor) -> torch.Tensor:
    """Move each of `images`, uint8 (B, C, H, W), by its grid of `grids`, (B, H, W, 2); between pixels is bilinear."""
    covered = torch.cat([images.float(), torch.ones_like(images[:, :1], dtype=torch.float32)], dim=1)
    moved = F.grid_sample(covered, grids, mode="bilinear", padding_mode="zeros", align_corners=False)
    pixels, cover = moved[:, :-1], moved[:, -1:]
    return pixels.sub_(FILL).mul_(cover).add_(FILL).round_().to(images.dtype)


@dataclass
class Grids:
    """The grids of the motions that a recipe draws from, made once for each size of image."""

    motions: Sequence[Warp]
    strengths: tuple[float, ...]
    _made: dict[tuple[int, int, torch.device], torch.Tensor] = field(default_factory=dict)

    def pick(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the grids (B, H, W, 2) for images (B, C, H, W).

        Args:
            numbers: int64 (B,), motion · number of strengths + strength.
        """
        height, width = images.shape[2:]
        size = height, width, images.device
        if size not in self._made:
            drawn = [motion(strength, height, width) for motion in self.motions for strength in self.strengths]
            self._made[size] = copied(grid(drawn, height, width), images.device)
        return self._made[size].index_select(0, numbers)
