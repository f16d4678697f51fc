"""Which reader a file of a float MLP has."""

from __future__ import annotations

import os

from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.onnx_mlp import read_onnx_mlp
from ohmbench.digital.quantizing.state_dict import read_state_dict
from ohmbench.errors import FileError

READERS = {".onnx": read_onnx_mlp, ".pth": read_state_dict, ".pt": read_state_dict}


def read_float_model(path: str | os.PathLike[str]) -> FloatMLP:
    """Read a float MLP from ONNX or a PyTorch state dict, by the ending of its name.

    Nothing in the file is executed. Raises FileError for another ending, and as the readers do.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in READERS:
        raise FileError(
            path,
            f"{ending or 'no ending'} is not a format of float models",
            remedy="give an ONNX file (.onnx) or a PyTorch state dict (.pth, .pt)",
        )
    return READERS[ending](path)
