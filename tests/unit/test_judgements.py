"""Figures of evaluations, by hand: confusions that are not symmetric, extremes anywhere in a batch,
every class asked for and answered, and samples beyond the first part of those run at once.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ohmbench.digital import Int8Network, evaluate_int8, infer_plain
from ohmbench.floatgate import (
    SPECS,
    evaluate,
    mean_power_per_class,
    power_of_first_image_per_class,
)
from ohmbench.floatgate import evaluation as floatgate_evaluation
from ohmbench.kirchhoff.evaluation import judge_classification, judge_regression, log_density
from ohmbench.kirchhoff.simulation import Solver
from tests.unit.circuits import TIGHT, random_flow
from tests.unit.int8_networks import random_int8
from tests.unit.networks import random_network

IMAGES = 1203
"""Of an int8 evaluation: two whole parts of those run at once, and some."""


def picky(seed: int) -> tuple[Int8Network, np.ndarray]:
    """Small, with hidden values that are mostly clamped in some images and never in others."""
    network, _ = random_int8(seed, (3, 5, 4), bias=300, M=40, S=10)
    images = np.random.default_rng(seed).integers(0, 200, (IMAGES, 3)).astype(np.uint8)
    return network, images


@pytest.mark.parametrize("place", [0, 499, 500, 731, 1000, IMAGES - 1])
def test_the_largest_product_and_the_clamped_values_of_all_images(place: int) -> None:
    """Wherever the image stands that reaches it."""
    network, images = picky(11)
    row = network.weight[0][np.argmax(np.maximum(network.weight[0], 0).sum(1))]
    images[place] = np.where(row > 0, 255, 0)
    labels = np.arange(IMAGES) * 7 % 4
    found = evaluate_int8(network, images, labels)
    plain = [infer_plain(network, image) for image in images]
    assert found.largest_product == max(max(one.product) for one in plain)
    assert found.largest_product == max(plain[place].product)
    clamped = sum(product // 2**network.S > 255 for one in plain for product in one.product)
    assert found.saturated == clamped > 0
    confusion = np.zeros((4, 4), int)
    for label, one in zip(labels, plain, strict=True):
        confusion[label, one.class_] += 1
    assert np.array_equal(found.confusion, confusion)
    assert not np.array_equal(confusion, confusion.T)
    assert found.total == IMAGES
    assert found.correct == sum(one.class_ == y for one, y in zip(plain, labels, strict=True))


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_confusions_of_a_floatgate_network(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """True classes are rows; however many images are run together."""
    monkeypatch.setattr(floatgate_evaluation, "_CHUNK_ELEMENTS", 15 * at_once)
    network = random_network(SPECS["floatgate-circles"], seed=6)
    v = 1.8 + 0.7 * torch.rand(61, 2, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        answers = [int(np.argmax(network(one[None])[0].numpy())) for one in v]
    assert len(set(answers)) == 2
    labels = torch.tensor([0] * 50 + [1] * 11)
    found = evaluate(network, v, labels)
    expected = [[answers[:50].count(k) for k in (0, 1)], [answers[50:].count(k) for k in (0, 1)]]
    assert found.confusion.tolist() == expected
    assert expected[0][1] != expected[1][0]
    assert found.predictions.tolist() == answers
    assert found.correct == expected[0][0] + expected[1][1]


def test_power_of_each_class_by_hand() -> None:
    """Classes in no order, one without an image, the last with a single one at the end."""
    labels = torch.tensor([3, 1, 1, 0, 3, 1, 5])
    power = torch.tensor([7.0, 2.0, 5.0, 11.0, 4.0, 8.0, 3.0], dtype=torch.float64)
    nan = math.nan
    first = power_of_first_image_per_class(power, labels, 6).tolist()
    mean = mean_power_per_class(power, labels, 6).tolist()
    assert first == pytest.approx([11.0, 2.0, nan, 7.0, nan, 3.0], nan_ok=True)
    assert mean == pytest.approx([11.0, 5.0, nan, 5.5, nan, 3.0], nan_ok=True)


def test_classes_of_a_kirchhoffnet_by_hand() -> None:
    """Seven classes and places from the first to the last, in plain floats."""
    rng = np.random.default_rng(9)
    logits, labels = rng.normal(0, 2, (83, 7)), rng.integers(0, 7, 83)
    found = judge_classification(torch.from_numpy(logits), torch.from_numpy(labels))
    confusion = np.zeros((7, 7), int)
    places, losses = [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        confusion[label, row.index(max(row))] += 1
        places.append(sorted(row, reverse=True).index(row[label]))
        losses.append(math.log(math.fsum(map(math.exp, row))) - row[label])
    assert np.array_equal(found.confusion, confusion)
    assert not np.array_equal(confusion, confusion.T)
    assert {0, 4, 5, 6} <= set(places)
    assert found.correct == places.count(0)
    assert found.top5.value == sum(place < 5 for place in places) / 83
    assert found.loss.value == pytest.approx(math.fsum(losses) / 83, rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 40])
def test_the_share_of_variance_explained_by_hand(n: int) -> None:
    """One less the squared errors over the squared deviations from the mean, few samples or many:
    0 for the mean itself."""
    rng = np.random.default_rng(n)
    y = rng.random(n)
    predicted = y + 0.3 * rng.normal(0, 1, n)
    found = judge_regression(torch.from_numpy(predicted)[:, None], torch.from_numpy(y))
    mean = math.fsum(y) / n
    residual = math.fsum((a - b) ** 2 for a, b in zip(predicted, y, strict=True))
    spread = math.fsum((b - mean) ** 2 for b in y)
    assert found.r2 == pytest.approx(1 - residual / spread, rel=1e-9)
    constant = judge_regression(torch.full((n, 1), mean, dtype=torch.float64), torch.from_numpy(y))
    assert constant.r2 == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_figures_of_a_density_are_right_to_a_tenth_of_a_millinat(seed: int) -> None:
    """Against an integration that is exact: figures are shown with four places at most."""
    flow = random_flow(seed, solver=Solver("rk4", step_size=0.5))
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    judged = log_density(flow, x)
    exact = log_density(flow, x, solver=TIGHT)
    off = (judged.log_density - exact.log_density).numpy()
    assert abs(off.mean()) < 1e-4
    assert np.abs(off).max() < 1e-3
    coarse = (log_density(flow, x, solver=flow.solver).log_density - exact.log_density).numpy()
    assert np.abs(coarse).max() > 1e-3
