"""Small random distortions of square images, for training."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import affine_grid, grid_sample


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
        """Distort flattened square images (n, side * side), each by its own affine map."""
        n, pixels = images.shape
        side = math.isqrt(pixels)
        if side * side != pixels:
            raise ValueError(f"{pixels} pixels are no square image")
        r = 2 * torch.rand(n, 5, generator=generator, dtype=images.dtype) - 1
        angle = r[:, 0] * math.radians(self.rotation_deg)
        scale = 1 + r[:, 1] * self.scale
        shear = r[:, 2] * self.shear
        # affine_grid's unit is half the image.
        tx, ty = (r[:, k] * self.shift_px / (side / 2) for k in (3, 4))
        cos, sin = angle.cos() * scale, angle.sin() * scale
        rows = (torch.stack([cos, shear - sin, tx], 1), torch.stack([sin, cos, ty], 1))
        grid = affine_grid(torch.stack(rows, 1), [n, 1, side, side], align_corners=False)
        square = images.view(n, 1, side, side)
        distorted = grid_sample(square, grid, align_corners=False).view(n, pixels)
        return (self.contrast * distorted).clamp(max=1.0)
