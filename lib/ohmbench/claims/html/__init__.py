"""The report: one HTML file that needs no network, no server and no other file.

``rows`` turns outcomes into what a row of the claims page shows, with the help of ``number_line``,
``history`` and ``sources``. ``pages`` is the plain data of all other pages, which whoever knows
networks, benchmarks or synthesis fills in. ``render`` makes the file.
"""
