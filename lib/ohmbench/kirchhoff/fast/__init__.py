"""Fast right-hand sides of circuits, for which ``circuit`` and ``simulation`` stay the reference.

Reading order: ``dense_circuit`` (small circuits by matrix products), ``pairs`` and ``edge_plan``
(edges in the order in which the loops take them), ``edge_pass`` (the loops), ``fused_slices``
(a whole slice in one call), ``fused_circuit``. ``ohmbench.kirchhoff.execution`` chooses.
"""
