"""Conversion of batches of samples to rows of ``LANES``, as in the compiled loops, and back."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.kernels.lanes import LANES
from ohmbench.transforms import array

Floats: TypeAlias = NDArray[np.float32]


def rows_of(v: torch.Tensor, *, spare: bool = False) -> Floats:
    """``v`` (n_free, batch) as (rows, n_free + 1, LANES) with ground at 0 V.

    Lanes past the end are 0, or with ``spare`` copies of the last sample, so that padding cannot
    cause an overflow.
    """
    n, batch = v.shape
    rows = -(-batch // LANES)
    whole = np.zeros((n + 1, rows * LANES), np.float32)
    whole[1:, :batch] = array(v)
    if spare and batch:
        whole[1:, batch:] = whole[1:, batch - 1 : batch]
    return np.ascontiguousarray(whole.reshape(n + 1, rows, LANES).transpose(1, 0, 2))


def samples_of(rows: Floats, batch: int) -> torch.Tensor:
    """The inverse of ``rows_of``: (n_free, batch)."""
    whole = rows.transpose(1, 0, 2).reshape(rows.shape[1], -1)
    return torch.from_numpy(np.ascontiguousarray(whole[1:, :batch]))


def lanes_of(x: torch.Tensor, rows: int) -> Floats:
    """One number per sample (batch,), or no numbers, as (rows, LANES)."""
    lanes = np.zeros((rows, LANES), np.float32)
    lanes.reshape(-1)[: len(x)] = array(x)
    return lanes


def numbers_of(lanes: Floats, batch: int) -> torch.Tensor:
    """The inverse of ``lanes_of``: (batch,)."""
    return torch.from_numpy(lanes.reshape(-1)[:batch].copy())
