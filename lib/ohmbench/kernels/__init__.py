"""Shared parts of the families' fast paths: vector lanes, threads, compiling, choice of path.

The fast paths themselves are in ``floatgate.fast``, ``kirchhoff.fast``, ``digital.integer_product``
and ``digital.integer.fast``. The plain formulas are the reference, and tests compare the two.
Nothing here depends on a family. Reading order: ``choice`` (how a user selects the reference
everywhere), ``parallel``, ``compiling``, ``vectors``, ``lanes`` and ``lane_rows`` (float32),
``word_builders``, ``word_lanes`` and ``word_packing`` (int32 and bytes).
"""
