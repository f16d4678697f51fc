"""Small random distortions of square images, for training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


def _square(images: torch.Tensor) -> torch.Tensor:
    """Flattened images (n, side * side) as (n, 1, side, side)."""
    n, pixels = images.shape
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise ValueError(f"{pixels} pixels do not make a square image")
    return images.view(n, 1, side, side)


@dataclass(frozen=True)
class Augmentation:
    """Half-widths of uniform distributions: rotation in degrees, shift in pixels, the rest
    relative. ``contrast`` multiplies the result (features are clipped at 1): bilinear resampling
    darkens strokes a pixel wide, and undistorted images must not look too bright to the network.
    """

    rotation_deg: float
    shift_px: float
    scale: float
    shear: float
    contrast: float = 1.0

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Distort square images, each by its own affine map, and keep their shape.

        Flattened (n, side * side), or with channels (n, channels, side, side), which all follow the
        same map. Raises ValueError for images that are not square.
        """
        n = len(images)
        planes = images if images.ndim == 4 else _square(images)
        side = planes.shape[2]
        if side != planes.shape[3]:
            raise ValueError(f"{side} x {planes.shape[3]} pixels do not make a square image")
        r = 2 * torch.rand(n, 5, generator=generator, dtype=images.dtype, device="cpu") - 1
        angle = r[:, 0] * math.radians(self.rotation_deg)
        scale = 1 + r[:, 1] * self.scale
        shear = r[:, 2] * self.shear
        # affine_grid's unit is half the image.
        tx, ty = (r[:, k] * self.shift_px / (side / 2) for k in (3, 4))
        cos, sin = angle.cos() * scale, angle.sin() * scale
        rows = (torch.stack([cos, shear - sin, tx], 1), torch.stack([sin, cos, ty], 1))
        grid = affine_grid(torch.stack(rows, 1), list(planes.shape), align_corners=False)
        distorted = grid_sample(planes, grid, align_corners=False).view(images.shape)
        return (self.contrast * distorted).clamp(max=1.0)
