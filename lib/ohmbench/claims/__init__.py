"""The claims ledger: each published number is one row and one test that measures it.

``ledger`` has the rows and how they are judged, ``outcomes`` what a run established and its
printed and stored forms, ``plugin`` the pytest plugin that comes with the package, ``needs_marker``
the plugin behind ``@pytest.mark.needs``, ``running`` runs a ledger from outside pytest.
"""
