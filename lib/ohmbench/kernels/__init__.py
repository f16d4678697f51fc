"""Fast paths of models that stay the reference; tests hold the two against each other.

``circuits`` chooses for KirchhoffNet, ``floatgate.rows`` for floating-gate rows, ``digital.golden``
for integers; ``choice`` is how a user makes all of them take the reference.
"""
