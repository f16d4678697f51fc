"""Dtype and device of every new tensor: ``torch.zeros(3, **FLOAT32)``.

A program may have set other defaults (``torch.set_default_dtype``, ``torch.set_default_device``),
and results must not depend on them: random generators live on the CPU, and a seed stands for
certain bits. Tensors derived from an operand take its dtype and device.
"""

from __future__ import annotations

from typing import Any

import torch

FLOAT32: dict[str, Any] = {"dtype": torch.float32, "device": "cpu"}
FLOAT64: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
INT64: dict[str, Any] = {"dtype": torch.int64, "device": "cpu"}
