"""Figures show their numbers where they belong: nothing here is symmetric, or the same twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.contour import ContourSet

from ohmbench.benchmarks.records import Estimate
from ohmbench.digital import infer
from ohmbench.digital.figures import prediction_figure as int8_prediction
from ohmbench.floatgate import SPECS
from ohmbench.floatgate.figures import currents_figure, prediction_figure
from ohmbench.kirchhoff.figures import (
    Map,
    Window,
    density_figure,
    images_figure,
    potential_figure,
    predictions_figure,
)
from ohmbench.report.benchmark_figures import History, history_figure
from ohmbench.report.synthesis_figures import Curve, sweep_figure
from tests.unit.int8_networks import random_int8
from tests.unit.networks import random_network


def bars_of_errors(axes: Axes) -> list[list[float]]:
    """From where to where each error bar goes, in the order of the points."""
    (collection,) = axes.containers[0][2]
    return [[float(y) for y in segment[:, 1]] for segment in collection.get_segments()]


def test_seeds_spread_from_the_least_to_the_most() -> None:
    curves = [
        Curve("a", [5.0, 8.0], [4.0, 7.5], [7.0, 8.25]),
        Curve("b", [50.0, 20.0], [49.0, 15.0], [54.0, 21.0]),
    ]
    figure = sweep_figure([1.5, 6.0], ["25", "4"], curves, "title")
    for axes, curve in zip(figure.axes, curves, strict=True):
        assert axes.lines[0].get_xdata().tolist() == [1.5, 6.0]
        assert axes.lines[0].get_ydata().tolist() == curve.values
        assert bars_of_errors(axes) == [[*pair] for pair in zip(curve.low, curve.high, strict=True)]
        assert [(t.get_text(), t.xy) for t in axes.texts] == [
            (name, (x, y)) for name, x, y in zip(("25", "4"), (1.5, 6.0), curve.values, strict=True)
        ]
        assert (axes.get_ylabel(), axes.get_xscale()) == (curve.label, "log")
        assert axes.get_ylim()[0] == 0


def test_a_history_has_its_intervals_and_the_latest_runs_band() -> None:
    ratios = [Estimate(value=v, low=v - 1, high=v + 3) for v in (10.0, 30.0, 20.0)]
    both = [
        History("one", [0, 2, 5], ratios, 0.25, 24.0),
        History("two", [1, 3, 4], ratios[::-1], None, None),
        History("three", [1, 3, 4], ratios, 0.1, None),
    ]
    figure = history_figure([f"c{k}" for k in range(6)], both)
    one, two, three, empty = figure.axes
    assert [a.get_title() for a in (one, two, three)] == ["one", "two", "three"]
    assert not empty.axison
    assert one.lines[0].get_xydata().tolist() == [[0, 10], [2, 30], [5, 20]]
    assert bars_of_errors(one) == [[9, 13], [29, 33], [19, 23]]
    assert bars_of_errors(two) == [[19, 23], [29, 33], [9, 13]]
    (band,) = one.patches
    ends = band.get_extents().transformed(one.transData.inverted())
    assert (ends.y0, ends.y1) == pytest.approx((15.0, 20.0))
    (goal,) = [line for line in one.lines if line.get_linestyle() == "--"]
    assert set(goal.get_ydata()) == {24.0}
    said = [[text.get_text() for text in a.get_legend().get_texts()] for a in (one, three)]
    assert said == [["25 % of the latest", "goal 24"], ["10 % of the latest"]]
    assert two.get_legend() is None
    assert [t.get_text() for t in one.get_xticklabels()] == [f"c{k}" for k in range(6)]
    assert one.get_xlim() == (-0.5, 5.5)
    many = history_figure([f"c{k}" for k in range(41)], both[:1]).axes[0]
    assert [t.get_text() for t in many.get_xticklabels()] == [f"c{k}" for k in range(0, 41, 3)]


@pytest.mark.parametrize("right", [True, False])
def test_an_image_of_bytes_lies_as_it_is_and_its_answer_has_a_colour(right: bool) -> None:
    network, x = random_int8(2, (9, 5, 4))
    found = infer(network, x[:1])
    answer = int(found.classes[0])
    label = answer if right else (answer + 1) % 4
    pixels, hidden, logits = int8_prediction(x[0], found, label, "one").axes[:3]
    assert pixels.images[0].get_array().tolist() == x[0].reshape(3, 3).tolist()
    assert pixels.images[0].get_clim() == (0, 255)
    assert hidden.containers[0].markerline.get_ydata().tolist() == found.hidden[0].tolist()
    colours = [bar.get_facecolor() for bar in logits.patches]
    assert colours[answer] == to_rgba("tab:green" if right else "tab:red")
    assert {*colours[:answer], *colours[answer + 1 :]} == {to_rgba("tab:blue")}


@pytest.mark.parametrize("right", [True, False])
def test_an_image_of_voltages_lies_as_it_is_and_its_answer_has_a_colour(right: bool) -> None:
    network = random_network(SPECS["floatgate-digits"], seed=3)
    v = 1.8 + 0.7 * torch.rand(64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trace = network.trace(v)
    answer = int(trace[-1].out.argmax())
    figure = prediction_figure(v, trace, answer if right else (answer + 1) % 10, "one")
    assert figure.axes[0].images[0].get_array().tolist() == v.reshape(8, 8).tolist()
    colours = [bar.get_facecolor() for bar in figure.axes[2].patches]
    assert colours[answer] == to_rgba("tab:green" if right else "tab:red")
    assert {*colours[:answer], *colours[answer + 1 :]} == {to_rgba("tab:blue")}


def test_currents_are_held_against_their_own_arrays_range() -> None:
    """The last layer's cells are others, which hold other currents; signs have places of their
    own."""
    network = random_network(SPECS["floatgate-circles"], seed=3)
    with torch.no_grad():
        network.fg_layers[0].weight[:] = network.fg_layers[0].weight.abs()
        network.fg_layers[0].weight[:3, 0] *= -1
    for k, (axes, layer) in enumerate(
        zip(currents_figure(network, "x").axes, network.fg_layers, strict=True)
    ):
        array, w = network.spec.programmable(k), layer.weight.detach().double().numpy()
        (shade,) = [p for p in axes.patches if p.get_alpha() == 0.15]
        ends = shade.get_extents().transformed(axes.transData.inverted())
        assert (ends.x0, ends.x1) == pytest.approx((array.w_min_A, array.w_max_A), rel=1e-6)
        counts = [sum(bar.get_height() for bar in bars) for bars in axes.containers]
        assert counts == [int((w >= 0).sum()), int((w < 0).sum())]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert set(labels[-3:]) == {"positive", "negative line", "programmable"}
    assert network.spec.programmable(0) != network.spec.programmable(1)


WINDOW = Window((-1.0, -2.0), (3.0, 1.0), 5)


def test_a_potential_has_its_bottom_where_it_is() -> None:
    """Its lowest point is at the right below, and heights count from there."""
    x, y = WINDOW.points().T
    energy = 7.0 + (x - 3.0) ** 2 + 3 * (y + 2.0) ** 2
    axes = potential_figure(energy, np.array([[0.0, 0.0], [1.0, 0.5]]), WINDOW, "x").axes[0]
    (contours,) = [c for c in axes.collections if isinstance(c, ContourSet)]
    lowest = contours.get_paths()[0].vertices
    assert contours.levels[0] == 0.0
    assert lowest[:, 0].max() == 3.0
    assert lowest[:, 1].min() == -2.0
    assert lowest[:, 0].min() > 2.0
    assert lowest[:, 1].max() < -1.0


def test_a_map_of_a_plane_is_of_its_points() -> None:
    """A value at (x1, x2) is drawn there: the first number to the right, the second up."""
    x, y = WINDOW.points().T
    values = 2.0 + x + 10 * y
    top = float(values.max())
    figure = density_figure([Map("a", values / 2), Map("b", values)], WINDOW, "x")
    for axes, scale in zip(figure.axes[:2], (0.5, 1.0), strict=True):
        (image,) = axes.images
        shown = np.asarray(image.get_array())
        left, right, bottom, up = image.get_extent()
        assert image.origin == "lower"
        assert shown[0, 0] == pytest.approx(scale * (2 + left + 10 * bottom))
        assert shown[0, -1] == pytest.approx(scale * (2 + right + 10 * bottom))
        assert shown[-1, 0] == pytest.approx(scale * (2 + left + 10 * up))
        assert image.get_clim() == (0.0, top)
        assert (axes.get_xlim(), axes.get_ylim()) == ((left, right), (bottom, up))


def test_errors_are_what_is_predicted_minus_what_is_true() -> None:
    true = np.array([0.0, 1.0, 2.0, 3.0])
    predicted = true + np.array([0.5, 0.5, 0.5, -4.0])
    left, right = predictions_figure(true, predicted, "m", "x").axes
    counts = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in
              right.patches}  # fmt: skip
    assert sum(n for x, n in counts.items() if x > 0) == 3
    assert sum(n for x, n in counts.items() if x < 0) == 1
    assert right.get_title() == "mean -0.625, standard deviation 1.95"
    assert left.get_title() == "4 held-out samples"
    assert (left.get_xlabel(), left.get_ylabel()) == ("true in m", "predicted in m")
    assert right.get_xlabel() == "predicted minus true in m"


def test_images_stand_row_by_row_each_upright() -> None:
    images = np.arange(5 * 9).reshape(5, 9) / 45
    shown = np.asarray(images_figure([("a", images)], "x").axes[0].images[0].get_array())
    for k, (row, column) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))):
        tile = shown[5 * row : 5 * row + 3, 5 * column : 5 * column + 3]
        assert tile.tolist() == images[k].reshape(3, 3).tolist()
