"""What each stored network answers, as a hash of its classes on its held-out images.

``python -m tests.unit.predictions`` writes the file anew, on purpose: when weights change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from ohmbench.digital import StoredInt8, infer
from ohmbench.families import load_file
from ohmbench.floatgate import StoredNetwork, evaluate
from ohmbench.weights import read_manifest, stored

PREDICTIONS = Path(__file__).with_suffix(".json")
CLASSIFIERS = tuple(n for n in read_manifest() if n.startswith(("floatgate", "int8")))


def needs_mnist(name: str) -> bool:
    return "mnist" in name


def answers(name: str) -> str:
    """SHA-256 of the classes, as bytes.

    Classes and not outputs: the last bits of a sum depend on the processor.
    """
    path = stored(name)
    assert path is not None
    data = load_file(path).network
    if isinstance(data, StoredInt8):
        classes = infer(data.network, data.images().x).classes
    else:
        assert isinstance(data, StoredNetwork)
        classes = evaluate(data.network, data.v, data.labels).predictions.numpy()
    return hashlib.sha256(np.asarray(classes, np.uint8).tobytes()).hexdigest()


if __name__ == "__main__":
    found = {name: answers(name) for name in CLASSIFIERS}
    PREDICTIONS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
