"""Every mutant of the golden models is caught by two checks, or argued to change nothing."""

import sys

import numpy as np
import pytest

from ohmbench.digital import infer, infer_plain
from tests.unit.golden_checks import CHECKS, rows_of
from tests.unit.mutants.places import loaded_mutants

GOLDEN = sys.modules[infer.__module__]

# Mutant -> why no input can tell it from the original, or which other test can.
NO_IMAGE = "test_what_is_no_image"
WAIVED = {
    "_plain_product": {},
    "infer": {
        "remove: check_images(network, images) -> pass": NO_IMAGE,
        "keyword: np.take_along_axis(logits, classes[:, None], axis=1) -> "
        "np.take_along_axis(logits, classes[:, None])": "the last axis is what numpy takes",
        "constant: 0 -> -1 #1": "the first and the last column of one column are the same",
    },
    "infer_plain": {
        "remove: raise ShapeError(message) -> pass": NO_IMAGE,
        "drop: pixel < 0 or pixel > 255 -> pixel > 255": NO_IMAGE,
        "drop: pixel < 0 or pixel > 255 -> pixel < 0": NO_IMAGE,
        "constant: 0 -> -1": NO_IMAGE,
        "constant: 255 -> 256": NO_IMAGE,
        "remove: raise RangeError(message) -> pass": NO_IMAGE,
        "compare: total > 0 -> total >= 0": "max(0, 0) is 0",
        "constant: 0 -> -1 #3": "for a sum, > -1 is >= 0, and max(0, 0) is 0",
        "compare: shifted > 255 -> shifted >= 255": "min(255, 255) is 255",
        "constant: 255 -> 254 #1": "what is over 254 and no more than 255 is 255",
        "constant: 1 -> 0 #2": "class 0 is compared with itself once, and not larger",
    },
}


MUTANTS = {"infer": 30, "infer_plain": 60, "_plain_product": 1}
"""How many there are at least."""


def model_of(name, module):
    if name == "_plain_product":
        return lambda network, images: module.infer(network, images, path="plain")
    if name == "infer":
        return module.infer
    return lambda network, images: rows_of(module.infer_plain, network, images)


def catchers(model):
    failed = []
    for name, check in CHECKS.items():
        try:
            with np.errstate(all="ignore"):
                check(model)
        except Exception:
            failed.append(name)
    return failed


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_is_caught_or_waived(name):
    made, alive = 0, []
    for description, module in loaded_mutants(GOLDEN, {name}):
        made += 1
        caught = catchers(model_of(name, module))
        if len(caught) < 2:
            alive.append((description, caught))
    assert made >= MUTANTS[name]
    unexpected = [a for a in alive if a[0] not in WAIVED[name]]
    assert unexpected == [], "caught by fewer than two checks"
    # A waiver that nothing needs hides the next mutant of the same name.
    assert {a[0] for a in alive} == set(WAIVED[name])


def test_the_models_themselves_pass():
    for name in MUTANTS:
        assert catchers(model_of(name, GOLDEN)) == [], name
    assert infer_plain is GOLDEN.infer_plain
