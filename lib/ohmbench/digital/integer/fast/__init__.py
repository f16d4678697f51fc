"""Outputs and classes of integer networks by one compiled loop over all layers.

``integer.golden`` is the reference, and every output and class is the same. Reading order:
``layer_pass`` (the loop), ``lowering`` (the arithmetic of a layer, by its ranges), ``running``
(what a user calls).
"""

from ohmbench.digital.integer.fast.running import (
    CompiledNetwork,
    Outputs,
    classify,
    compiled_network,
)

__all__ = ["CompiledNetwork", "Outputs", "classify", "compiled_network"]
