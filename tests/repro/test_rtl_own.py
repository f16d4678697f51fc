"""What this project says of its own accelerator: exact on every image, and how many clocks."""

import numpy as np
import pytest

from ohmbench.digital import infer, load_int8
from ohmbench.digital.widths import Hardware
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.verilator import Build
from ohmbench.paper import read_fann_int8
from ohmbench.weights import stored

pytestmark = pytest.mark.needs("verilator", "compiler")

VALUES = ("hidden", "logits", "classes", "values")


def run(data):
    """The hardware's answer for all images of a file, and the golden model's."""
    images = data.images()
    with Simulation(Build(Hardware(*data.network.sizes))) as simulation:
        simulation.load(data.network)
        return simulation.infer(images.x), infer(data.network, images.x), images


def images_that_differ(found, golden):
    wrong = np.zeros(len(found.classes), bool)
    for name in VALUES:
        differs = getattr(found, name) != getattr(golden, name)
        wrong |= differs.reshape(len(wrong), -1).any(axis=1)
    return int(wrong.sum())


@pytest.mark.needs("paper-fann-int8")
def test_exact_on_the_papers_network(claim):
    found, golden, images = run(read_fann_int8())
    correct = int((found.classes == images.labels).sum())
    claim(
        "ohmbench.rtl-exact-paper",
        images_that_differ(found, golden),
        f"{len(images.x)} images, every hidden byte, logit, class and value; {correct} correct, "
        "where the published RTL gets 345",
    )
    assert correct == 351


def test_exact_on_the_stored_network(claim):
    found, golden, images = run(load_int8(stored("int8-digits")))
    claim(
        "ohmbench.rtl-exact",
        images_that_differ(found, golden),
        f"{len(images.x)} images, every hidden byte, logit, class and value",
    )


def test_clocks(claim):
    found, _, images = run(load_int8(stored("int8-digits")))
    n = len(images.x)
    # The first image finds the pipeline empty; later ones wait for their turn in its stream.
    claim("ohmbench.rtl-latency", int(found.latency[0]), "from the last word of an image")
    intervals = np.diff(found.valid)
    claim("ohmbench.rtl-interval", int(intervals.max()), f"every one of {n - 1}, images streaming")
    assert intervals.min() == intervals.max()
