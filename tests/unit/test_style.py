"""Figures look the same whatever settings of matplotlib their user has."""

import builtins
import importlib
import inspect
import pkgutil

import matplotlib
import numpy as np
import pytest

from ohmbench import digital, floatgate, kirchhoff, report
from ohmbench.report.figures import history_figure, save_figure
from ohmbench.report.style import FigureError, in_own_style, own_style, plain_text
from ohmbench.report.synthesis_figures import Curve, sweep_figure

HOSTILE = {
    "axes.facecolor": "red",
    "axes.grid": True,
    "axes.prop_cycle": matplotlib.cycler(color=["k"]),
    "axes.titlesize": 40,
    "figure.facecolor": "green",
    "font.family": "no such font",
    "font.size": 30,
    "image.cmap": "jet",
    "lines.linewidth": 9,
    "savefig.bbox": "tight",
    "savefig.dpi": 30,
    "savefig.transparent": True,
    "text.usetex": True,
    "xtick.direction": "in",
}


@pytest.fixture
def hostile():
    with matplotlib.rc_context(HOSTILE):
        yield


def picture(draw, path, change=None):
    with matplotlib.rc_context(change or {}):
        save_figure(draw(), path)
    return path.read_bytes()


def sweep():
    curve = Curve("LUTs", [1.0, 2.0], [0.5, 1.5], [1.5, 2.5])
    return sweep_figure([1.0, 2.0], ["a", "b"], [curve], "sweep")


def training():
    return history_figure(np.array([[1.0, 2.0, 0.1], [2.0, 1.0, 0.1]]), "training")


@pytest.mark.parametrize("draw", [sweep, training])
def test_settings_of_the_user_change_no_figure(draw, tmp_path):
    expected = picture(draw, tmp_path / "default.png")
    assert picture(draw, tmp_path / "hostile.png", HOSTILE) == expected


def test_every_figure_is_drawn_so():
    found = set()
    for package in (report, digital, floatgate, kirchhoff):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("figures"):
                continue
            for name, function in vars(importlib.import_module(module.name)).items():
                if inspect.isfunction(function) and not name.startswith("_"):
                    returns = function.__annotations__.get("return")
                    if returns == "Figure" and function.__module__ == module.name:
                        found.add(f"{module.name}.{name}")
                        assert function.__wrapped__.__name__ == name, f"{name}: @in_own_style"
    assert len(found) >= 16


def test_settings_outside_are_the_users_again(hostile):
    def settings():
        return {name: matplotlib.rcParams[name] for name in HOSTILE}

    before = settings()
    history_figure(np.ones((2, 3)), "title")

    @in_own_style
    def broken():
        assert matplotlib.rcParams["font.size"] == 10
        raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert settings() == before


@pytest.mark.parametrize("name", ["a$b.npz", "$\\frac{$", "\\$5$", "中文 ß.npz"])
def test_names_are_titles_as_they_are(name, tmp_path):
    figure = history_figure(np.ones((2, 3)), plain_text(name))
    save_figure(figure, tmp_path / "a.svg")
    title = figure.axes[0].title
    text, formula = title._preprocess_math(title.get_text())
    assert formula is not True
    assert text == name


def broken_import(error):
    real = builtins.__import__

    def load(name, *rest):
        if name.partition(".")[0] == "matplotlib":
            raise error
        return real(name, *rest)

    return load


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Key backend: 'nonsense' is not a valid value for backend"),
        OSError("Matplotlib requires access to a writable cache directory"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ModuleNotFoundError("No module named 'matplotlib'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_matplotlib_that_does_not_start_is_one_line(error, monkeypatch):
    monkeypatch.setattr(builtins, "__import__", broken_import(error))
    with pytest.raises(FigureError) as refused, own_style():
        pass
    monkeypatch.undo()
    assert "\n" not in str(refused.value)
    assert str(error).split("\n")[0] in str(refused.value)
    assert "MPLCONFIGDIR" in str(refused.value)
