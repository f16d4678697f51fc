"""Int8 networks on an FPGA accelerator: exact integer models, files, training, proofs.

Reading order: ``network`` (the integers), ``golden`` (what they compute: the specification),
``quantization`` (where they come from), ``specs``, ``store`` (files).
"""

from ohmbench.digital.golden import Inference, PlainInference, infer, infer_plain
from ohmbench.digital.network import Int8Network, LayerScales, requantisation_multiplier
from ohmbench.digital.quantization import quantize_pixels
from ohmbench.digital.specs import INT8_SPECS, Int8Spec
from ohmbench.digital.store import Images, StoredInt8, load_int8, save_int8

__all__ = [
    "INT8_SPECS",
    "Images",
    "Inference",
    "Int8Network",
    "Int8Spec",
    "LayerScales",
    "PlainInference",
    "StoredInt8",
    "infer",
    "infer_plain",
    "load_int8",
    "quantize_pixels",
    "requantisation_multiplier",
    "save_int8",
]
