"""Fast right-hand sides of circuits; ``circuit`` and ``simulation`` are their reference.

Reading order: ``dense_circuit`` (small circuits by matrix products), ``pairs`` and ``edge_plan``
(edges in the order of the loops), ``edge_pass`` (the loops), ``fused_slices`` (a whole slice in one
call), ``fused_circuit``. ``ohmbench.kirchhoff.execution`` chooses.
"""
