"""Benchmarks of the fast paths beside their references: measuring, keeping, judging.

``timing`` runs both sides in turns, ``memory`` and ``counting`` find what does not depend on the
clock, ``records`` is what of it is kept, ``judging`` holds it against what was kept before. What is
measured, the baseline and its bands are in ``tests/bench``.
"""
