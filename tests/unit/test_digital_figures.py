"""Figures of int8 networks show the numbers they are given."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from ohmbench.digital import evaluate_int8, infer
from ohmbench.digital.figures import prediction_figure, weights_figure
from ohmbench.report.figures import confusion_figure
from tests.unit.int8_networks import random_int8


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


def test_weights_are_counted_one_bar_an_integer():
    network, _ = random_int8(0, (6, 5, 4))
    figure = weights_figure(network, "small")
    for k, axes in enumerate(figure.axes):
        counts = dict(zip(range(-128, 128), heights(axes), strict=True))
        weights = network.weight[k].ravel().tolist()
        assert counts == {w: weights.count(w) for w in range(-128, 128)}
        assert f"{len(weights)} weights" in axes.get_title()


@pytest.mark.parametrize("inputs", [9, 7])
def test_a_prediction_shows_its_logits_and_whether_it_is_right(inputs):
    network, x = random_int8(1, (inputs, 5, 4))
    found = infer(network, x[:1])
    answer = int(found.classes[0])
    for label, colour in ((answer, "tab:green"), ((answer + 1) % 4, "tab:red")):
        figure = prediction_figure(x[0], found, label, "one")
        axes = next(a for a in figure.axes if a.get_ylabel() == "logit")
        assert heights(axes) == found.logits[0].tolist()
        assert f"answers {answer}, true {label}" in axes.get_title()
        assert axes.patches[answer].get_facecolor() == to_rgba(colour)


def test_the_confusion_figure_takes_this_family_too():
    network, x = random_int8(1, (6, 5, 3), images=30)
    labels = infer(network, x).classes
    found = evaluate_int8(network, x, labels)
    assert "30 of 30 correct" in confusion_figure(found, "small").axes[0].get_title()
    wrong = replace(found, confusion=np.roll(found.confusion, 1, axis=1))
    assert "30 of 30" not in confusion_figure(wrong, "small").axes[0].get_title()
