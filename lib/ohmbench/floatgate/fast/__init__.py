"""Compiled rows of floating-gate cells, for which the formulas of ``synapse`` stay the reference.

Reading order: ``fused_cells`` (which cells it takes, its error bound, its gradients), ``cell_pass``
(the loops). ``ohmbench.floatgate.rows`` chooses between the two.
"""
