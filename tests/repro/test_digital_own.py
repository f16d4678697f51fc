"""What this project says of the int8 networks it trained itself, by their integers."""

import pytest

from ohmbench.digital import Hardware, evaluate_int8, load_int8
from ohmbench.digital.prove import prove
from ohmbench.digital.trace import trace
from ohmbench.stats import Interval, mean_interval
from ohmbench.weights import read_manifest, stored

DIGITS_SEEDS = ("int8-digits", *(f"int8-digits-seed{k}" for k in range(1, 10)))
NAMES = (*DIGITS_SEEDS, "int8-mnist28")


def evaluated(name):
    data = load_int8(stored(name))
    images = data.images()
    return data, evaluate_int8(data.network, images.x, images.labels)


def check_manifest(correct):
    """The manifest's figures are those of the files on every machine: integers have no rounding."""
    manifest = read_manifest()
    assert correct == {name: manifest[name].metrics["correct"] for name in correct}


def test_digits_mean_accuracy(claim):
    values, correct = [], {}
    for seed, name in enumerate(DIGITS_SEEDS):
        data, found = evaluated(name)
        assert data.seed == seed, f"{name} was trained from seed {data.seed}"
        values.append(100 * found.accuracy.value)
        correct[name] = found.correct
    ci = mean_interval(values)
    ci = Interval(ci.value, ci.low, min(ci.high, 100.0))
    claim(
        "ohmbench.int8-digits-accuracy-mean",
        ci.value,
        f"integers; seeds 0 to 9 on the same 360 images, 95 % t interval over seeds {ci.low:.2f} "
        f"to {ci.high:.2f}; {min(correct.values())} to {max(correct.values())} correct",
    )
    check_manifest(correct)


def test_digits_accuracy(claim):
    _, found = evaluated("int8-digits")
    ci = found.accuracy
    claim(
        "ohmbench.int8-digits-accuracy",
        100 * ci.value,
        f"seed 0, {found.correct}/{found.total}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}",
    )
    check_manifest({"int8-digits": found.correct})


@pytest.mark.needs("mnist")
def test_mnist_accuracy(claim):
    _, found = evaluated("int8-mnist28")
    ci = found.accuracy
    claim(
        "ohmbench.int8-mnist28-accuracy",
        100 * ci.value,
        f"seed 0, {found.correct}/{found.total}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}",
    )
    check_manifest({"int8-mnist28": found.correct})


def test_hardware_holds_every_stored_network(claim):
    failing, widest = 0, 0
    for name in NAMES:
        network = load_int8(stored(name)).network
        certificate = prove(network, Hardware(*network.sizes))
        failing += not certificate.proven
        (product,) = (b for b in certificate.bounds if b.register.name == "product")
        widest = max(widest, product.needs)
    claim(
        "ohmbench.int8-proven",
        failing,
        f"of {len(NAMES)}; the widest product needs {widest} bits of 48",
    )


def test_every_stage_is_within_its_tolerance(claim):
    departing, largest = 0, 0.0
    for name in DIGITS_SEEDS:
        data = load_int8(stored(name))
        stages = trace(data.network, data.images().x)
        departing += sum(stage.departure is not None for stage in stages)
        largest = max(largest, stages[1].parts[0].largest)
    claim(
        "ohmbench.int8-stages",
        departing,
        f"ten networks, 360 images each; integers and fake-quantised hidden values differ by "
        f"{largest:g} LSB at most",
    )
