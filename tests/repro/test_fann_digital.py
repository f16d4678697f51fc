"""What the paper says of its int8 network and its accelerator, on its own file."""

import numpy as np
import pytest

from ohmbench.data import split
from ohmbench.digital import (
    PUBLISHED_HARDWARE,
    Hardware,
    evaluate_int8,
    infer,
    infer_plain,
    quantize_pixels,
)
from ohmbench.digital.network import M_MAX, S_MAX, Int8Network
from ohmbench.digital.prove import RegisterVerdict, prove
from ohmbench.digital.published import PUBLISHED_REFERENCE, PUBLISHED_RTL, infer_published
from ohmbench.paper import read_fann_int8
from ohmbench.stats import proportion_interval

needs_paper = pytest.mark.needs("paper-fann-int8")


@pytest.fixture(scope="module")
def paper():
    return read_fann_int8()


@pytest.fixture(scope="module")
def exact(paper):
    return infer(paper.network, paper.images().x)


def percent(paper, classes):
    """Accuracy in percent, with its counts and interval in words."""
    labels = paper.images().labels
    correct = int((classes == labels).sum())
    ci = proportion_interval(correct, len(labels))
    detail = f"{correct}/{len(labels)}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}"
    return correct, 100 * ci.value, detail


@needs_paper
def test_accuracy(claim, paper, exact):
    correct, value, detail = percent(paper, exact.classes)
    claim("fann.int8-accuracy", value, f"{detail}; all 360 stored answers")
    assert correct == 351
    assert np.array_equal(exact.classes, paper.predictions), "answers, not only their number"
    found = evaluate_int8(paper.network, paper.images().x, paper.images().labels)
    assert (found.correct, found.saturated) == (351, 0)
    assert np.array_equal(found.inference.logits, exact.logits)


@needs_paper
def test_both_golden_models_agree_on_every_image(claim, paper, exact):
    differing = 0
    for k, image in enumerate(paper.images().x):
        plain = infer_plain(paper.network, image)
        same = (
            plain.acc0 == exact.acc0[k].tolist()
            and plain.hidden == exact.hidden[k].tolist()
            and plain.logits == exact.logits[k].tolist()
            and (plain.class_, plain.value) == (exact.classes[k], exact.values[k])
        )
        differing += not same
    claim("fann.int8-golden-models-agree", differing, "360 images, every sum, hidden value, logit")


@needs_paper
def test_test_images(claim, paper):
    parts = split("digits-fann", 0)
    images = paper.images()
    same = (quantize_pixels(parts.test_x) == images.x).all(axis=1) & (parts.test_y == images.labels)
    claim("fann.int8-test-data", int(same.sum()))


@needs_paper
def test_reference_with_32_bit_product(claim, paper, exact):
    found = infer_published(paper.network, paper.images().x, PUBLISHED_REFERENCE)
    correct, value, detail = percent(paper, found.classes)
    claim("fann.int8-accuracy-32-bit", value, detail)
    assert correct == 346
    assert np.array_equal(found.acc0, exact.acc0), "only the product wraps on this file"


@needs_paper
def test_published_rtl(claim, paper, exact):
    found = infer_published(paper.network, paper.images().x, PUBLISHED_RTL)
    _, value, detail = percent(paper, found.classes)
    wrong = int((found.classes != exact.classes).sum())
    logits = int((found.logits != exact.logits).any(axis=1).sum())
    claim(
        "fann.int8-accuracy-rtl",
        value,
        f"{detail}; emulated; {logits} images with wrong logits, {wrong} with a wrong class",
    )


@needs_paper
def test_published_rtl_differs_from_its_reference(claim, paper):
    x = paper.images().x
    rtl = infer_published(paper.network, x, PUBLISHED_RTL)
    reference = infer_published(paper.network, x, PUBLISHED_REFERENCE)
    claim("fann.int8-rtl-reference", int((rtl.classes != reference.classes).sum()), "emulated")


@needs_paper
def test_stale_values(claim, paper):
    x = paper.images().x
    found = infer_published(paper.network, x, PUBLISHED_RTL)
    largest = found.logits.max(axis=1)
    claim("fann.int8-stale-values", int((found.values != largest).sum()), "emulated")


@needs_paper
def test_wrapped_products(claim, paper, exact):
    wrapped = exact.product > 2**31 - 1
    images = int(wrapped.any(axis=1).sum())
    claim("fann.int8-wrapped-images", images, f"{int(wrapped.sum())} products")
    found = infer_published(paper.network, paper.images().x, PUBLISHED_REFERENCE)
    assert np.array_equal(found.product != exact.product, wrapped)


@needs_paper
def test_largest_product(claim, exact):
    claim("fann.int8-largest-product", float(exact.product.max()), "360 images")


@needs_paper
def test_product_width_for_its_weights(claim, paper):
    """Two sides: the published hardware is broken by an image, ours is proven."""
    published = prove(paper.network, PUBLISHED_HARDWARE)
    broken = published.first_failure
    assert (broken.register.name, broken.verdict) == ("product", RegisterVerdict.BROKEN)
    example = broken.counterexample
    claim(
        "fann.int8-product-bits",
        broken.needs,
        f"any image: up to {broken.high}; neuron {example.neuron} reaches {example.value}",
    )
    shown = infer(paper.network, example.image[None]).product[0, example.neuron]
    assert shown == example.value > broken.register.high
    assert prove(paper.network, Hardware(*paper.network.sizes)).proven


def test_product_width_of_the_format(claim):
    """The largest r times the largest M that 64 int8 weights, a bias and a 16-bit M can give."""
    worst = Int8Network(
        (np.full((1, 64), 127, np.int8), np.zeros((1, 1), np.int8)),
        (np.full(1, 2**31 - 1, np.int32), np.zeros(1, np.int32)),
        M_MAX,
        S_MAX,
    )
    hardware = Hardware(64, 1, 1, product_signed=True)
    (bound,) = (b for b in prove(worst, hardware).bounds if b.register.name == "product")
    product = int(infer(worst, np.full((1, 64), 255, np.uint8)).product[0, 0])
    claim("fann.int8-worst-case-bits", bound.needs, f"{product}, signed")
    assert product == bound.high
