"""Benchmarks of the fast paths against their references: measurement, records, verdicts.

``timing`` runs both sides in turns, ``memory`` and ``counting`` measure what does not depend on
time, ``records`` defines the stored files, ``judging`` compares them with earlier ones. The cases,
the baseline and its bands are in ``tests/bench``.
"""
