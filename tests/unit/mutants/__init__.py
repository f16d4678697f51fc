"""Mutants of the library: their list, who kills which, and why the rest may live.

``python -m tests.unit.mutants`` brings the list along after a change of the library or of its
tests; see ``__main__``. ``places`` says what is changed, ``hunting`` how tests are run against it,
``reach`` which tests, ``lists`` what is kept.
"""
