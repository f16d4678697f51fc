"""Shared parts of the families' fast paths: vector lanes, threads, compiling, choice of path.

The fast paths themselves are in ``floatgate.fast``, ``kirchhoff.fast`` and
``digital.integer_product``. The plain formulas are the reference, and tests compare the two.
Nothing here depends on a family. Reading order: ``choice`` (how a user selects the reference
everywhere), ``parallel``, ``compiling``, ``vectors``, ``lanes``, ``lane_rows``.
"""
