"""Int8 networks on an FPGA accelerator: exact integer models, files, training, proofs.

Reading order: ``network`` (the integers), ``golden`` (what they compute: the specification),
``published`` (what the paper's accelerator computes instead), ``evaluation``, ``quantization`` (how
real numbers become integers), ``specs``, ``store`` (files), ``training``; then ``widths`` and
``prove`` (can a register overflow?), ``clocks`` (how long does an image take?) and ``trace`` (which
stage differs from the one before?).
"""

from ohmbench.digital.evaluation import Int8Evaluation, evaluate_int8, infer_all
from ohmbench.digital.golden import Inference, PlainInference, infer, infer_plain
from ohmbench.digital.network import (
    FloatNetwork,
    Int8Network,
    LayerScales,
    requantisation_multiplier,
)
from ohmbench.digital.prove import Certificate, check_fits
from ohmbench.digital.quantization import quantize_pixels
from ohmbench.digital.specs import INT8_SPECS, Int8Spec
from ohmbench.digital.store import Images, StoredInt8, load_float, load_int8, save_int8
from ohmbench.digital.widths import PUBLISHED_HARDWARE, Hardware, Register

__all__ = [
    "INT8_SPECS",
    "PUBLISHED_HARDWARE",
    "Certificate",
    "FloatNetwork",
    "Hardware",
    "Images",
    "Inference",
    "Int8Evaluation",
    "Int8Network",
    "Int8Spec",
    "LayerScales",
    "PlainInference",
    "Register",
    "StoredInt8",
    "check_fits",
    "evaluate_int8",
    "infer",
    "infer_all",
    "infer_plain",
    "load_float",
    "load_int8",
    "quantize_pixels",
    "requantisation_multiplier",
    "save_int8",
]
