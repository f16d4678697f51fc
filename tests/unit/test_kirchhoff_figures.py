"""Figures of KirchhoffNets: the data that was given is the data that is drawn, and labelled."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection

from ohmbench.family import DrawOptions
from ohmbench.kirchhoff import drawing
from ohmbench.kirchhoff.evaluation import judge_classification
from ohmbench.kirchhoff.figures import (
    Map,
    Traces,
    Window,
    density_figure,
    images_figure,
    potential_figure,
    predictions_figure,
    sample_figure,
    samples_figure,
    voltages_figure,
)
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.samples import PaperSource
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.report.figures import confusion_figure, history_figure
from tests.unit.circuits import baseline_config, config, fully, regression_config

WINDOW = Window((-1.0, -2.0), (3.0, 1.0), side=5)

FEW = DrawOptions(samples=20, images=2)


def points(seed, n=200):
    return np.random.default_rng(seed).uniform((-1, -2), (3, 1), (n, 2))


def drawn_points(axes):
    (collection,) = (c for c in axes.collections if isinstance(c, PathCollection))
    return np.asarray(collection.get_offsets())


def boxes(figure):
    """Every text of a figure that has one, with its rectangle in pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [axes.title, axes.xaxis.label, axes.yaxis.label]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]


def all_figures():
    heights = WINDOW.points()[:, 0] ** 2
    lines = np.linspace(0, 1, 7)[:, None] * np.arange(1.0, 4.0)
    ends = np.array([0.0, 0.5, 1.0])
    return {
        "samples": samples_figure(points(0), points(1), WINDOW, "title"),
        "density": density_figure([Map("q", heights), Map("p", heights)], WINDOW, "title"),
        "potential": potential_figure(heights, points(0), WINDOW, "title"),
        "sample": sample_figure(points(0), Map("q", heights), WINDOW, "title"),
        "images": images_figure([("samples", np.full((7, 9), 0.5))], "title"),
        "voltages": voltages_figure(
            np.linspace(0, 1, 7),
            [Traces("node 1", lines, ["a", "b", "c"]), Traces("node 2", lines, (), 9 * lines)],
            ends,
            "title",
        ),
        "predictions": predictions_figure(points(0)[:, 0], points(1)[:, 0], "V", "title"),
        "history": history_figure(np.array([[1.0, -2.0, 0.1]]), "title", "nats", scale="linear"),
    }


def assert_readable(figure):
    found = boxes(figure)
    page = figure.bbox
    for text, box in found:
        assert page.x0 - 1 <= box.x0 < box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0 < box.y1 <= page.y1 + 1, text
    for i, (text, box) in enumerate(found):
        for other, other_box in found[:i]:
            assert not box.overlaps(other_box), (text, other)


@pytest.mark.parametrize("name", all_figures())
def test_texts_are_inside_and_apart(name):
    assert_readable(all_figures()[name])


@pytest.mark.parametrize("place", [(0.5, 0.97), (0.99, 0.5)], ids=["overlapping", "cut"])
def test_a_misplaced_text_is_noticed(place):
    figure = all_figures()["samples"]
    figure.text(*place, "a text that is in the way", ha="center" if place[0] < 0.9 else "left")
    with pytest.raises(AssertionError):
        assert_readable(figure)


@pytest.mark.parametrize("name", [n for n in all_figures() if n != "images"])
def test_axes_are_labelled(name):
    for axes in all_figures()[name].axes:
        assert axes.get_ylabel()
        if axes.get_label() != "<colorbar>" and axes.get_subplotspec() is not None:
            last_row = axes.get_subplotspec().is_last_row()
            assert axes.get_xlabel() or not last_row or axes.get_shared_x_axes().get_siblings(axes)


def test_window_holds_nearly_all_points_and_runs_row_by_row():
    cloud = np.random.default_rng(0).standard_normal((5000, 2)) * (1, 3) + (5, 0)
    window = Window.around(np.vstack([cloud, [[1e6, 1e6]]]), side=4)
    inside = np.all((cloud >= window.low) & (cloud <= window.high), axis=1)
    assert inside.mean() > 0.98
    assert window.high[0] < 20, "one point far away must not shrink all the others"
    grid = window.points().reshape(4, 4, 2)
    assert np.ptp(grid[:, :, 0], axis=0).max() == 0
    assert np.ptp(grid[:, :, 1], axis=1).max() == 0
    assert tuple(grid[0, 0]) == window.low
    assert tuple(grid[3, 3]) == pytest.approx(window.high)


def test_a_figure_is_as_high_as_its_window_asks():
    """Inches: the window's shape, but neither flat nor endless, and 1.4 for titles."""
    for low, high, height in (
        ((-1.0, -1.0), (3.0, 1.0), 3.4),
        ((1.0, 0.0), (3.0, 1.0), 3.4),
        ((0.0, 0.0), (100.0, 1.0), 2.9),
        ((0.0, 0.0), (1.0, 100.0), 9.4),
    ):
        assert Window(low, high).height(4.0) == pytest.approx(height)


def test_a_density_has_its_scale_beside_it():
    density = Map("density", WINDOW.points()[:, 0] ** 2)
    figure = sample_figure(points(0), density, WINDOW, "title")
    assert [axes.get_ylabel() for axes in figure.axes][2:] == ["density in 1/V²"]
    right = figure.axes[1]
    assert right.get_ylim() == (WINDOW.low[1], WINDOW.high[1])
    assert right.images[0].get_clim() == (0.0, density.values.max())
    nothing = sample_figure(points(0), Map("density", 0 * density.values), WINDOW, "title")
    assert nothing.axes[1].images[0].get_clim() == (0.0, 1.0)


def test_samples_are_drawn_and_counted():
    far = np.vstack([points(0), [[50.0, 0.0]]])
    left, right = samples_figure(far, points(1), WINDOW, "title").axes
    assert np.array_equal(drawn_points(left), far)
    assert np.array_equal(drawn_points(right), points(1))
    assert "201 points, 1 of them outside" in left.get_title()
    assert "200 points, 0 of them outside" in right.get_title()
    assert left.get_xlim() == right.get_xlim() == (-1.0, 3.0)


def test_densities_share_the_true_ones_scale_and_lie_the_right_way_up():
    p = np.zeros((5, 5))
    p[0, 4] = 2.0  # lowest x2, highest x1
    figure = density_figure([Map("q", 100 * p.ravel()), Map("p", p.ravel())], WINDOW, "title")
    images = [axes.images[0] for axes in figure.axes if axes.images and axes.get_title()]
    assert [i.get_clim() for i in images] == [(0.0, 2.0)] * 2
    assert images[1].origin == "lower"
    assert list(images[1].get_extent()) == [-1.0, 3.0, -2.0, 1.0]
    assert np.array_equal(images[1].get_array(), p)


def test_potential_lies_below_its_samples():
    axes = potential_figure(WINDOW.points()[:, 0] ** 2, points(0), WINDOW, "title").axes[0]
    assert np.array_equal(drawn_points(axes), points(0))
    assert len(axes.collections) == 2


def test_images_are_tiled_in_order():
    images = np.repeat(np.arange(5.0) / 10, 4).reshape(5, 4)
    picture = np.asarray(images_figure([("samples", images)], "t").axes[0].images[0].get_array())
    assert picture.shape == (2 * 4 - 2, 3 * 4 - 2)
    for k in range(5):
        row, column = divmod(k, 3)
        tile = picture[4 * row : 4 * row + 2, 4 * column : 4 * column + 2]
        assert np.array_equal(tile, np.full((2, 2), k / 10))


def test_most_images_are_said_to_be_left_out():
    figure = images_figure([("samples", np.zeros((150, 4)))], "title")
    assert "100 of 150" in figure.axes[0].get_title()


def test_predictions_and_their_errors():
    true = np.linspace(0, 1, 50)
    left, right = predictions_figure(true, true + 0.25, "dollars", "title").axes
    assert np.array_equal(drawn_points(left), np.stack([true, true + 0.25], 1))
    assert "mean 0.25, standard deviation" in right.get_title()
    assert left.get_xlabel() == "true in dollars"
    assert left.lines[0].get_xydata().tolist() == [[0.0, 0.0], [1.25, 1.25]]
    left = predictions_figure(true, true - 0.25, "", "title").axes[0]
    assert left.lines[0].get_xydata().tolist() == [[-0.25, -0.25], [1.0, 1.0]]


def test_a_runaway_node_does_not_flatten_the_others():
    times = np.linspace(0, 1, 7)
    faint = np.outer(times, np.append(np.ones(30), 1e6))
    traces = Traces("one", times[:, None], ["node 1"], faint)
    (axes,) = voltages_figure(times, [traces], np.array([0.0, 1.0]), "title").axes
    assert axes.get_ylim()[1] < 2
    assert len(axes.lines) == 32
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["node 1"]


def test_many_classes_are_colours_and_few_are_numbers():
    for classes, numbers in ((10, 10), (100, 0)):
        labels = torch.arange(classes)
        found = judge_classification(torch.eye(classes), labels)
        axes = confusion_figure(found, "title").axes[0]
        assert len(axes.texts) == numbers


def stored(made):
    history = np.array([[1.0, 2.0, 0.1], [2.0, -1.0, 0.1]])
    return StoredKirchhoff(
        "net.npz", made, build(made), PaperSource(made.test_bench), 0, "{}", history
    )


def test_history_of_a_flow_may_be_negative():
    axes = drawing.drawn(stored(config("gauss")), "name", FEW)["history.png"]().axes
    assert axes[0].get_yscale() == "linear"
    assert axes[0].get_ylabel() == "negative log-likelihood in nats"


@pytest.mark.parametrize(
    ("made", "panels", "labels"),
    [
        (config("gauss"), 2, ["sample 1", "sample 2", "sample 3", "sample 4", "sample 5"]),
        (baseline_config("gauss"), 2, [f"sample {k}" for k in range(1, 6)]),
        (regression_config("toyregress"), 1, [f"node {k}" for k in range(1, 8)]),
        (
            regression_config(
                "toyregress",
                network__net_struct=[fully(14, (1, 1)), fully(14, (1, 1))],
                simulation__t_end=[0.0, 0.5, 1.0],
                network__residual=True,
            ),
            1,
            ["node 13"],
        ),
    ],
    ids=["flow", "baseline", "regression", "residual"],
)
def test_voltages_begin_and_end_where_the_network_does(made, panels, labels):
    figure = drawing.drawn(stored(made), "name", FEW)["voltages.png"]()
    assert len(figure.axes) == panels
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}
    assert list(lines) == labels
    for line in lines.values():
        x = np.asarray(line.get_xdata())
        assert (x[0], x[-1]) == (0.0, made.simulation.t_end[-1])
        assert np.all(np.diff(x) >= 0)
    slices = len(made.network.net_struct) or 1
    assert f"{slices} slice" in axes.get_xlabel() or panels > 1
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert len(dotted) == slices - 1
