"""Compiled rows of floating-gate cells; the formulas of ``synapse`` are the reference.

Reading order: ``fused_cells`` (the cells it takes, its error bound, its gradients), ``cell_pass``
(the loops). ``ohmbench.floatgate.rows`` chooses between the reference and these.
"""
