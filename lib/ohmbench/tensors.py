"""Type and place of every new tensor: ``torch.zeros(3, **FLOAT32)``.

A program may have set another default (``torch.set_default_dtype``, ``torch.set_default_device``),
and the numbers here must not depend on it: generators are the CPU's, and seeds stand for bits.
Tensors that follow an operand take its ``dtype`` and ``device``.
"""

from __future__ import annotations

from typing import Any

import torch

FLOAT32: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
FLOAT64: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
INT64: dict[str, Any] = {"dtype": torch.int64, "device": "cpu"}
