"""What the fast paths of the families share: vector lanes, threads, compiling, choice of path.

The fast paths themselves are in ``floatgate.fast``, ``kirchhoff.fast`` and
``digital.integer_product``. The formulas stay the reference; tests hold the two against each other.
Nothing here knows a family. Reading order: ``choice`` (how a user makes every path the reference),
``parallel``, ``compiling``, ``vectors``, ``lanes``, ``lane_rows``.
"""
