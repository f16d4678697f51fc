"""What commands print and store is what was found: every number in the place that names it.

No two numbers of a table are alike here, and nothing is symmetric, so that one in another's place
shows.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.claims.ledger import ClaimStatus as Status
from ohmbench.claims.outcomes import COLUMNS
from ohmbench.data.energies import ENERGIES
from ohmbench.digital import Images, infer, load_int8, save_int8
from ohmbench.family import DrawOptions, JudgeOptions
from ohmbench.floatgate import SPECS, load_network, power_per_image
from ohmbench.floatgate.programming import Violations
from ohmbench.floatgate.ranges import FittedRange, RangeCount
from ohmbench.kirchhoff import drawing, judging
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.store import StoredKirchhoff, load_kirchhoff, save_kirchhoff
from ohmbench.needs import NEEDS, Availability, Need
from ohmbench.paper import read_fann_v3
from ohmbench.stats import proportion_interval
from tests.unit.circuits import config
from tests.unit.int8_networks import random_int8
from tests.unit.networks import random_network
from tests.unit.option_rows import (
    HISTORY,
    PATH_ns,
    Seen,
    benchmark_run,
    drawn_as_text,
    measurement,
    see,
    stand_ins,
    world,
)
from tests.unit.printed import by_name, column, tables

__all__ = ["drawn_as_text", "see", "stand_ins", "world"]

See = Callable[..., Seen]


# ------------------------------------------------------------------------------------------------
# Floating-gate networks


class Counts(list[RangeCount]):
    by_plain_path = 19


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation in which no two counts are alike."""
    fits = [FittedRange(f"curve{k}", "v", "V", 0.5 + k, 2.25 + k, "-") for k in range(2)]
    found = SimpleNamespace(
        correct=7,
        total=12,
        accuracy=proportion_interval(7, 12),
        confusion=torch.tensor([[3, 1], [4, 4]]),
        ranges=Counts([RangeCount(fits[0], 170, 3, 5), RangeCount(fits[1], 180, 13, 11)]),
        violations={
            "layer 0 weight": Violations(101, 2, 3, 4, 5),
            "layer 1 bias": Violations(102, 16, 17, 18, 15),
        },
    )
    monkeypatch.setattr("ohmbench.floatgate.family.evaluate", lambda *_: found)


@pytest.mark.usefixtures("judged")
def test_an_evaluation_of_currents_as_tables(see: See) -> None:
    out = see("evaluate {circles}").out
    fits, held = tables(out)
    assert column(fits, "curve") == ["curve0(v)", "curve1(v)"]
    assert column(fits, "fitted range") == ["0.5 to 2.25 V", "1.5 to 3.25 V"]
    assert column(fits, "evaluations") == ["170", "180"]
    assert column(fits, "below") == ["3", "13"]
    assert column(fits, "above") == ["5", "11"]
    assert column(held, "array") == ["layer 0 weight", "layer 1 bias"]
    for header, values in (
        ("currents", [101, 102]),
        ("too small", [2, 16]),
        ("too large", [3, 17]),
        ("wrong sign", [4, 18]),
        ("between levels", [5, 15]),
    ):
        assert column(held, header) == [*map(str, values)]
    assert "7 of 12 correct" in out
    assert "19 cell evaluations by the plain formulas" in out


@pytest.mark.usefixtures("judged")
def test_an_evaluation_of_currents_as_json(see: See) -> None:
    found = see("evaluate {circles} --json").json
    assert found["confusion"] == [[3, 1], [4, 4]]
    assert (found["correct"], found["total"], found["by_plain_path"]) == (7, 12, 19)
    low, high = found["accuracy_95"]
    assert 0 < low < found["accuracy"] < high < 1
    assert found["out_of_range"] == {
        "curve0(v)": {"evaluations": 170, "below": 3, "above": 5},
        "curve1(v)": {"evaluations": 180, "below": 13, "above": 11},
    }
    names = ("total", "too_small", "too_large", "negative", "off_level")
    assert found["not_programmable"] == {
        "layer 0 weight": dict(zip(names, (101, 2, 3, 4, 5), strict=True)),
        "layer 1 bias": dict(zip(names, (102, 16, 17, 18, 15), strict=True)),
    }


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """Seven images of which the first of each class is not its mean, and no class has three."""
    network = random_network(SPECS["floatgate-circles"], seed=0)
    arrays = {
        f"mlp_{k}_{name}": getattr(layer, one).detach().numpy()
        for k, layer in enumerate(network.fg_layers)
        for name, one in (("weights", "weight"), ("bias", "bias"))
    }
    v = 1.8 + 0.6 * np.random.default_rng(0).random((7, 2), np.float32)
    path = tmp_path / "seven.npz"
    np.savez(path, **arrays, test_data=v, labels=np.array([1, 1, 0, 1, 0, 1, 1]))
    return path


def test_power(see: See, seven: Path) -> None:
    data = load_network(seven)
    watts, labels = power_per_image(data.network, data.v).tolist(), data.labels.tolist()
    assert len(set(watts)) == 7
    of_class = [[w for w, label in zip(watts, labels, strict=True) if label == c] for c in (0, 1)]
    first, means = [x[0] for x in of_class], [math.fsum(x) / len(x) for x in of_class]
    found = see(f"power {seven} --json --per-class --all").json
    assert found["per_image_W"] == watts
    assert (found["min_W"], found["max_W"]) == (min(watts), max(watts))
    assert found["mean_W"] == pytest.approx(math.fsum(watts) / 7)
    assert found["first_of_class_mean_W"] == pytest.approx(sum(first) / 2)
    assert found["per_class_W"]["first_image"] == pytest.approx(first)
    assert found["per_class_W"]["mean"] == pytest.approx(means)
    assert found["images"] == data.images
    summary, classes, images = tables(see(f"power {seven} --per-class --all").out)
    mW = lambda values: [f"{1e3 * w:.4f}" for w in values]  # noqa: E731
    assert by_name(summary) == dict(
        zip(
            (
                "mean over all images",
                "smallest image",
                "largest image",
                "mean of each class's first image (the paper's figure)",
            ),
            mW((sum(watts) / 7, min(watts), max(watts), sum(first) / 2)),
            strict=True,
        )
    )
    assert column(classes, "class") == ["0", "1"]
    assert column(classes, "first image, mW") == mW(first)
    assert column(classes, "mean, mW") == mW(means)
    assert column(images, "image") == [*map(str, range(7))]
    assert column(images, "class") == [*map(str, labels)]
    assert column(images, "mW") == mW(watts)


def test_a_prediction_of_voltages(see: See, seven: Path) -> None:
    """The answer is the first of the largest, and its probabilities are the softmax of what the
    loss was taken of."""
    data = load_network(seven)
    for index in (2, 3):
        found = see(f"predict {seven} --image {index} --json").json
        with torch.no_grad():
            outputs = data.network(data.v[index])
            logits = data.network.logits(outputs).double()
        assert found["outputs"] == outputs.tolist()
        assert found["softmax"] == pytest.approx(
            [math.exp(x) / sum(map(math.exp, logits)) for x in logits.tolist()], rel=1e-5
        )
        assert found["answer"] == int(np.argmax(outputs.numpy()))
        assert (found["index"], found["label"]) == (index, int(data.labels[index]))
        (rows,) = tables(see(f"predict {seven} --image {index}").out)
        assert column(rows, "class") == ["0", "1"]
        assert column(rows, "output") == [f"{x:.4f}" for x in found["outputs"]]
        assert column(rows, "softmax") == [f"{x:.4f}" for x in found["softmax"]]


# ------------------------------------------------------------------------------------------------
# Int8 networks


@pytest.fixture
def int8(tmp_path: Path) -> Path:
    """Twenty images; of the stored answers three are others, of the labels one is wrong."""
    network, x = random_int8(0, (16, 12, 4), images=20)
    network = replace(network, M=2 * network.M)  # so that some hidden values are clamped
    answers = infer(network, x).classes
    labels, told = answers.copy(), answers.copy()
    labels[5] = (labels[5] + 1) % 4
    told[[2, 7, 11]] = (told[[2, 7, 11]] + 1) % 4
    path = tmp_path / "net.npz"
    save_int8(path, network, images=Images(x, labels, "test"), predictions=told)
    return path


def test_an_evaluation_of_integers(see: See, int8: Path) -> None:
    data = load_int8(int8)
    found = infer(data.network, data.images().x)
    clamped = int(((found.product >> data.network.S) > 255).sum())
    json_of = see(f"evaluate {int8} --json").json
    assert 0 < clamped != 20 * 12
    assert json_of["answers_as_stored"] == 17
    assert json_of["correct"] == 19
    assert (json_of["clamped_hidden_values"], json_of["hidden_values"]) == (clamped, 20 * 12)
    confusion = np.array(json_of["confusion"])
    wrong = int(data.images().labels[5]), int(found.classes[5])
    assert [tuple(map(int, p)) for p in np.argwhere(confusion - np.diag(np.diag(confusion)))] == [
        wrong
    ]
    (rows,) = tables(see(f"evaluate {int8}").out)
    assert by_name(rows) == {
        "requantisation": f"M = {data.network.M}, S = {data.network.S}",
        "hidden values clamped at 255": f"{clamped} of {20 * 12}",
        "largest product r * M reached": str(found.product.max()),
        "logits": f"{found.logits.min()} to {found.logits.max()}",
        "answers equal to those in the file": "17 of 20",
    }


def test_a_prediction_of_integers(see: See, int8: Path) -> None:
    data = load_int8(int8)
    found = infer(data.network, data.images().x)
    for index, verdict in ((4, "right"), (5, "wrong")):
        out = see(f"predict {int8} --image {index}").out
        assert out.splitlines()[0].endswith(verdict)
        (rows,) = tables(out)
        logits = found.logits[index].tolist()
        assert column(rows, "class") == [*map(str, range(4))]
        assert column(rows, "logit") == [*map(str, logits)]
        assert column(rows, "behind the answer") == [str(max(logits) - x) for x in logits]


def test_the_neurons_of_a_proof(see: See, int8: Path) -> None:
    """Sums without bias are least and most where negative and positive weights are."""
    w = 255 * load_int8(int8).network.weight[0].astype(np.int64)
    low, high = np.minimum(w, 0).sum(1), np.maximum(w, 0).sum(1)
    assert np.argmin(low) != np.argmax(high)
    found = see(f"prove {int8} --hardware published --json").json["registers"]["acc0"]
    assert (found["low"], found["low_neuron"]) == (low.min(), np.argmin(low))
    assert (found["high"], found["high_neuron"]) == (high.max(), np.argmax(high))
    assert (found["bits"], found["signed"]) == (32, True)


def test_a_trace_says_the_first_departure_and_no_other(see: See, world: Path) -> None:
    """Of two stages that depart, each is in the table, and the first alone is named."""
    words = "trace {int8} --no-rtl --float {float} --tolerance 1e-9"
    seen = see(words)
    stages = see(f"{words} --json").json["stages"]
    departed = [s["name"] for s in stages if s["departure"] is not None]
    said = [line for line in seen.out.splitlines() if line.startswith(str(world))]
    assert seen.status == 1
    assert len(said) == 1
    assert f": {departed[0]}: " in said[0]
    (rows,) = tables(seen.out)
    parts = [(stage["name"], part) for stage in stages for part in stage["parts"]]
    for header, of in (
        ("stage", lambda name, part: name),
        ("layer", lambda name, part: str(part["layer"])),
        ("quantity", lambda name, part: part["quantity"]),
        ("values", lambda name, part: str(part["compared"])),
        ("largest difference", lambda name, part: f"{part['largest']:.6g} LSB"),
    ):
        assert column(rows, header) == [of(*one) for one in parts]


@pytest.mark.parametrize(("option", "image"), [("", 0), ("--image 3", 3), ("--all", None)])
def test_text_and_json_of_a_trace_name_the_same_image(
    see: See, world: Path, option: str, image: int | None
) -> None:
    words = f"trace {{int8}} --no-rtl --float {{float}} --tolerance 1e-9 {option}"
    found = next(s["departure"] for s in see(f"{words} --json").json["stages"] if s["departure"])
    assert image is None or found["image"] == image
    (said,) = (line for line in see(words).out.splitlines() if line.startswith(str(world)))
    assert f"image {found['image']}, layer {found['layer']}: " in said
    assert f"[{found['neuron']}] = " in said


# ------------------------------------------------------------------------------------------------
# KirchhoffNets


def test_samples(see: See) -> None:
    """The mean of -log q is an entropy, and a row has the density of its own sample."""
    found = see("sample {flow} -n 12 --seed 1 --json").json
    assert len({*found["log_density"]}) == 12
    out = see("sample {flow} -n 12 --seed 1").out
    entropy = -math.fsum(found["log_density"]) / 12
    assert f"12 samples of 2 numbers; mean of -log q {entropy:.4f} nats" in out
    (rows,) = tables(out)
    assert column(rows, "x1") == [f"{x[0]:.4f}" for x in found["x"][:10]]
    assert column(rows, "x2") == [f"{x[1]:.4f}" for x in found["x"][:10]]
    assert column(rows, "log-density") == [f"{x:.4f}" for x in found["log_density"][:10]]
    stored = see("sample {flow} -n 12 --seed 1 --out x.npz").files["x.npz"]
    with np.load(io.BytesIO(stored)) as arrays:
        assert arrays["x"].tolist() == found["x"]
        assert arrays["log_density"].tolist() == found["log_density"]


INTERVALS = {
    "flow": {
        "mean negative log-likelihood, nats": ("nll", 1, 4),
        "gap to the true density, KL(p||q), nats": ("gap", 1, 4),
    },
    "regression": {"mean squared error, targets scaled to [0, 1]": ("mse", 1, 6)},
    "classifier": {
        "top-1, %": ("accuracy", 100, 2),
        "top-5, %": ("top5", 100, 2),
        "mean cross entropy, nats": ("loss", 1, 4),
    },
    "potential": {
        "KL(q||p), nats": ("kl", 1, 5),
        "effective sample size, %": ("ess", 100, 2),
        "objective E[ln q + U] = KL - ln Z, nats": ("objective", 1, 4),
    },
}


@pytest.mark.parametrize("name", INTERVALS)
def test_a_judgement_of_circuits(see: See, world: Path, tmp_path: Path, name: str) -> None:
    """Each figure of the table is the one of that name in the JSON, with its interval about it."""
    if name == "potential":
        path = tmp_path / "potential.npz"
        save_kirchhoff(path, build(config("potential1")), seed=0, recipe="{}", history=HISTORY)
    words = f"evaluate {tmp_path}/potential.npz" if name == "potential" else f"evaluate {{{name}}}"
    words += " --samples 40" if name in ("flow", "potential") else ""
    found, out = see(f"{words} --json").json, see(words).out
    rows = by_name(tables(out)[0])
    values = []
    for label, (key, scale, digits) in INTERVALS[name].items():
        low, high = found[f"{key}_95"]
        assert low <= found[key] <= high
        assert low < high or found[key] in (0, 1)
        expected = [f"{scale * x:.{digits}f}" for x in (found[key], low, high)]
        assert rows[label] == f"{expected[0]} [{expected[1]}, {expected[2]}]"
        values.append(rows[label])
    assert len(set(values)) == len(values)
    if name == "regression":
        assert rows["R2"] == f"{found['r2']:.4f}"
        (own,) = (v for k, v in rows.items() if k.startswith("root of it in the data's own unit"))
        assert own == f"{found['rmse_own_unit']:.4f}"
    assert rows["parameters"].startswith(f"{found['parameters']}: ")
    options = JudgeOptions(samples=40 if "--samples" in words else None)
    file = words.split()[1].format(**{name: world / f"{name}.npz"})
    metrics = judging.judge(load_kirchhoff(file), options).metrics
    count, value = {"flow": ("points", 40), "potential": ("samples", 40)}.get(
        name, ("total", 30) if name == "classifier" else ("samples", 177)
    )
    assert metrics[count] == value
    of_json = {key: found[key] for key in metrics if key in found}
    assert len(of_json) >= 2
    assert {key: metrics[key] for key in of_json} == of_json


@pytest.mark.parametrize(("asked", "drawn"), [(4, 4), (64, 64), (5000, 64)])
def test_no_more_images_are_drawn_than_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: int, drawn: int
) -> None:
    """... nor than can be seen; as many held-out ones stand beside them."""
    calls: list[Any] = []

    def sampled(data: Any, n: int, seed: int) -> Any:
        calls.append((n, seed))
        return SimpleNamespace(x=torch.zeros(n, 4))

    monkeypatch.setattr(drawing, "sampled", sampled)
    monkeypatch.setattr(drawing, "held_out_digits", lambda: np.ones((100, 4)))
    monkeypatch.setattr(drawing.draw, "images_figure", lambda groups, _: groups)
    data: Any = SimpleNamespace(
        source=SimpleNamespace(pixels=True), config=SimpleNamespace(is_flow=True, inputs=4)
    )
    files = drawing._generation("x", data, DrawOptions(samples=asked, seed=7))
    found: Any = files["samples.png"]()
    assert calls == [(drawn, 7)]
    assert [(name, len(x)) for name, x in found] == [
        ("samples of the network", drawn), ("held-out images", drawn),
    ]  # fmt: skip


def test_a_drawn_density_of_a_potential_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """exp(-U)/Z over a window that holds nearly all of it adds up to nearly 1."""
    maps: list[Any] = []
    monkeypatch.setattr(drawing.draw, "density_figure", lambda m, *_: maps.extend(m))
    window = drawing.Window((-7.0, -7.0), (7.0, 7.0), 140)
    monkeypatch.setattr(drawing.Window, "around", staticmethod(lambda points: window))
    monkeypatch.setattr(drawing, "_density_map", lambda *_: None)
    made = config("potential1")
    save_kirchhoff(tmp_path / "p.npz", build(made), seed=0, recipe="{}", history=HISTORY)
    data = load_kirchhoff(tmp_path / "p.npz")
    drawing.drawn(data, "p", DrawOptions(samples=10))["density.png"]()
    cell = (14.0 / 139) ** 2
    assert maps[1].values.sum() * cell == pytest.approx(1.0, abs=0.02)
    assert made.test_bench in ENERGIES


def test_predictions_are_drawn_in_the_data_s_own_unit(see: See, world: Path) -> None:
    """Disease progression is from 25 to 346 in this data set."""
    axes = json.loads(see("plot {regression} --out x").files["x/predictions.png"])[0]
    true, predicted = np.array(axes["points"][0]).T
    data: StoredKirchhoff = load_kirchhoff(world / "regression.npz")
    split = data.source.labelled(3)
    assert true.tolist() == pytest.approx(
        (split.y_shift + split.y_span * split.test_y.double().numpy()).tolist()
    )
    assert np.abs(true - np.round(true)).max() < 1e-4
    assert 25 <= true.min() < 100 < 250 < true.max() <= 346
    mse = float(((true - predicted) ** 2).mean())
    assert math.sqrt(mse) == pytest.approx(see("evaluate {regression} --json").json[
        "rmse_own_unit"], rel=1e-5)  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Synthesis: seeds 1 to 3 reach 61, 62 and 63 MHz; clocks are 93, and 64 at most, 60 on average


def test_a_synthesis(see: See) -> None:
    out = see("synth 64-100-10 --flow vtr --seeds 3").out
    figures, power, path = tables(out)
    mean_clocks = [60 / f for f in (61, 62, 63)]
    found = by_name(figures)
    energy = sorted(mean_clocks)
    assert found == {
        "Fmax, MHz": "62.00 [61.00, 63.00]",
        "latency at Fmax, us": f"{93 / 62:.3f} [{93 / 63:.3f}, {93 / 61:.3f}]",
        "inferences per second at Fmax": f"{62e6 / 60:.0f} [{61e6 / 60:.0f}, {63e6 / 60:.0f}]",
        "power at Fmax, mW": "1000.0",
        "energy per inference at Fmax, uJ": (f"{energy[1]:.4f} [{energy[0]:.4f}, {energy[2]:.4f}]"),
        "logic blocks": "601",
        "LUTs": "1300",
        "flip-flops": "3003",
        "multipliers": "14 blocks (20 mult_9x9)",
        "memories": "25 blocks (3 mem_1)",
        "grid": "36 x 37",
        "grid limited by": "memory",
        "wire length, tiles": "100002 [100001, 100003]",
        "run time, s": "20 [10, 30]",
        "peak memory, MiB": "102 [101, 103]",
        "clocks": "93 latency, 60 (at most 64) between images",
    }
    parts = {row["part"]: [*row.values()][1:] for row in power}
    assert parts == {
        "total": ["1000.0", "100"],
        "dynamic": ["400.0", "40"],
        "static": ["600.0", "60"],
        "routing": ["310.0", "31"],
        "clock": ["110.0", "11"],
        "logic": ["210.0", "21"],
        "memory": ["160.0", "16"],
        "multipliers": ["130.0", "13"],
        "other": ["80.0", "8"],
    }
    assert "Power at Fmax, seed 2, 85 degrees C, 1.3 V" in out
    # The twelve slowest of fourteen, in the path's order.
    longest = sorted(PATH_ns)[-12:]
    shown = [(k, d) for k, d in enumerate(PATH_ns) if d in longest]
    assert column(path, "ns") == [f"{d:.3f}" for _, d in shown]
    assert column(path, "at") == [f"pin {k}" for k, _ in shown]
    assert column(path, "what") == [("routing", "cell")[k % 2] for k, _ in shown]
    sums = f"routing {sum(PATH_ns[::2]):.2f}, cell {sum(PATH_ns[1::2]):.2f}"
    assert f"from a.Q to b.D; by kind, ns: {sums}" in out
    assert "results come unevenly" in out


def test_a_synthesis_at_a_clock(see: See) -> None:
    """Dynamic power goes with the clock, 400 mW at Fmax; the latency is of that clock alone."""
    found = by_name(tables(see("synth 64-100-10 --flow vtr --seed 1 --clock 30.5").out)[0])
    assert found["latency at 30.5 MHz, us"] == f"{93 / 30.5:.3f}"
    assert found["inferences per second at 30.5 MHz"] == f"{30.5e6 / 60:.0f}"
    assert found["power at 30.5 MHz, mW"] == "800.0"
    assert found["energy per inference at 30.5 MHz, uJ"] == f"{0.8 * 60 / 30.5:.4f}"
    refused = see("synth 64-100-10 --flow vtr --seed 1 --clock 61.5")
    assert (refused.status, refused.out) == (2, "")
    assert "61.5 MHz, but seed 1 runs at" in refused.err
    assert see("synth 64-100-10 --flow vtr --seed 1 --clock 61").status == 0
    for wrong in ("0", "-1", "1000000", "nan"):
        refused = see(f"synth 64-100-10 --seed 1 --clock {wrong}")
        assert (refused.status, refused.out) == (2, "")
        assert refused.err.splitlines()[-1].startswith("ohmbench: --clock")


def test_a_sweep(see: See) -> None:
    (rows,) = tables(see("synth sweep 64-100-10 --flow vtr --seed 2 --lanes 13 --lanes 25").out)
    for row, lanes, requants in zip(rows, (13, 25), (2, 4), strict=True):
        assert row == {
            "lanes": str(lanes),
            "requants": str(requants),
            "clocks": "93",
            "interval": "60 (at most 64)",
            "Fmax, MHz": "62.0",
            "latency, us": f"{93 / 62:.3f}",
            "1000/s": f"{62e3 / 60:.0f}",
            "power, mW": "1000",
            "energy, uJ": f"{60 / 62:.3f}",
            "logic blocks": "601",
            "LUTs": str(100 * lanes),
            "flip-flops": "3003",
            "multipliers": "14",
            "memories": "25",
            "grid": "36 x 37",
        }


# ------------------------------------------------------------------------------------------------
# Benchmarks, claims, weights and tools


def test_a_comparison(see: See) -> None:
    """Half as fast, and one that is as it was: in the order of their names."""
    seen = see("bench compare {before} {after}")
    (rows,) = tables(seen.out)
    assert column(rows, "benchmark") == ["circuit", "flow"]
    assert column(rows, "a" * 10) == ["10", "20"]
    assert column(rows, "b" * 10) == ["10", "10"]
    assert column(rows, "change") == ["+0.0 %", "-50.0 %"]
    assert column(rows, "verdict") == ["not judged", "WORSE"]
    assert seen.out.splitlines()[-1] == "1 not judged, 1 WORSE"
    found = see("bench compare {before} {after} --json").json["verdicts"]
    assert [(v["benchmark"], v["before"], v["now"]) for v in found] == [
        ("circuit", 10.0, 10.0),
        ("flow", 20.0, 10.0),
    ]


def test_runs_lie_in_folders_at_any_depth(see: See, world: Path) -> None:
    """... and are drawn in the order of their commits, each with its own ratio."""
    inside = {
        f"runs/{folder}/{k}.json": benchmark_run(
            measurement("flow", ratio), when=f"2026-01-0{day}T00:00:00Z"
        ).encode()
        for k, (folder, day, ratio) in enumerate((("a/b", 3, 7.0), (".", 1, 9.0), ("c", 2, 8.0)))
    }
    seen = see("bench plot runs --out x.png", inside)
    assert (seen.status, seen.err) == (0, "")
    line = json.loads(seen.files["x.png"])[0]["lines"][0]
    assert line == [[0.0, pytest.approx(9.0)], [1.0, pytest.approx(8.0)], [2.0, pytest.approx(7.0)]]


def test_runs_of_one_commit_are_in_the_order_in_which_they_were_measured(see: See) -> None:
    """... whatever their files are called."""
    files = {
        f"runs/{name}.json": benchmark_run(
            measurement("flow", ratio), measured=f"2026-02-0{day}T08:00:00+00:00"
        ).encode()
        for name, day, ratio in (("a", 3, 7.0), ("b", 1, 9.0), ("c", 2, 8.0))
    }
    line = json.loads(see("bench plot runs --out x.png", files).files["x.png"])[0]["lines"][0]
    assert [ratio for _, ratio in line] == pytest.approx([9.0, 8.0, 7.0])


def test_claims_are_stored_in_the_order_of_their_ledger(see: See, world: Path) -> None:
    """... whatever their names, with each value under its column."""
    rows = (world / "ledger" / "claims.yaml").read_text().replace("a.one", "z.one")
    before = {"ledger/claims.yaml": rows.encode(), "ledger/test_a.py": b""}
    seen = see("claims ledger --json x.json --csv x.csv", before)
    assert seen.status == 1
    (stored,) = json.loads(seen.files["x.json"])["ledgers"].values()
    lines = list(csv.DictReader(io.StringIO(seen.files["x.csv"].decode(), newline="")))
    assert [*lines[0]] == list(COLUMNS)
    assert [row["id"] for row in stored] == [row["id"] for row in lines] == ["z.one", "a.two"]
    one, two = lines
    assert (one["status"], one["value"], one["ours"], one["source"]) == (
        "reproduced", "1.0", "", "FANN, table 1",
    )  # fmt: skip
    assert (two["status"], two["published"], two["ours"], two["expect"]) == (
        "FAILED", "1.0", "2.0", "differs",
    )  # fmt: skip
    assert json.loads(one["detail"]) == {}


def test_a_failed_claim_is_a_failed_run_whatever_is_printed(see: See) -> None:
    for status, shown in ((Status.REPRODUCED, 1), (Status.FAILED, 1), (Status.MET, 0)):
        seen = see(f"claims {{ledger}} --status {status.value} --csv x.csv --json x.json")
        assert seen.status == 1
        assert len(seen.files["x.csv"].decode().splitlines()) == 1 + shown
        (rows,) = json.loads(seen.files["x.json"])["ledgers"].values()
        assert len(rows) == shown
    assert see("claims {ledger} --source fann").status == 0


def test_both_outputs_of_claims_are_checked_before_anything_is_run(see: See) -> None:
    for kind, other in (("json", "csv"), ("csv", "json")):
        seen = see(f"claims {{ledger}} --{kind} there --{other} new", {"there": b"mine"})
        assert (seen.status, seen.files) == (2, {"there": b"mine"})


def test_the_doctor_says_what_is_skipped_where_something_is_missing(
    see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*NEEDS]:
        monkeypatch.delitem(NEEDS, name)
    for name, found in (
        ("here", Availability("/a/place")),
        ("gone", Availability(None, "not built")),
    ):
        need = Need(name, f"what {name} is", f"uses of {name}", f"get {name}", lambda f=found: f)
        monkeypatch.setitem(NEEDS, name, need)
    (rows,) = [t for t in tables(see("doctor").out) if t and "need" in t[0]]
    assert rows == [
        {"need": "here", "what": "what here is", "found": "/a/place", "without it, skipped": "-"},
        {
            "need": "gone",
            "what": "what gone is",
            "found": "no: not built; get gone",
            "without it, skipped": "uses of gone",
        },
    ]


def test_stored_power_is_the_mean_of_all_images(see: See, world: Path) -> None:
    entry = json.loads(see("store {circles} --name new").files["manifest.json"])["new"]
    data = load_network(world / "circles.npz")
    watts = power_per_image(data.network, data.v)
    metrics = entry["metrics"]
    assert metrics["mean_power_W"] == pytest.approx(float(watts.mean()))
    found = see("evaluate {circles} --json").json
    for name in ("accuracy", "correct", "total"):
        assert metrics[name] == found[name]
    assert (entry["seed"], entry["file"]) == (3, "new.npz")


def test_probabilities_are_those_of_the_logits_of_a_sigmoid_network(see: See, world: Path) -> None:
    """Whose outputs are voltages, of which the loss was not taken as they are."""
    data = read_fann_v3(world / "fann-usual")
    found = see("predict paper-v3 --image 1 --json").json
    with torch.no_grad():
        outputs = data.network(data.v[1])
        expected = data.network.logits(outputs).softmax(-1)
    assert found["softmax"] == pytest.approx(expected.tolist(), rel=1e-5)
    assert found["softmax"] != pytest.approx(outputs.softmax(-1).tolist(), rel=1e-3)
