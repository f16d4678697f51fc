"""Rows of options, and the small set of files on which the commands run for them.

A row runs one command twice, with two values of one option, and names the part of the output that
must differ: never a part that only repeats the option, such as a seed in a title. Figures are
written as text: what is drawn in each of their axes, without titles.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer
from matplotlib.figure import Figure

from ohmbench import cli
from ohmbench.benchmarks import records
from ohmbench.benchmarks.records import Band, Estimate, Machine, Measurement, Speed
from ohmbench.claims import running
from ohmbench.claims.ledger import ClaimMeasurement, read_ledger
from ohmbench.claims.outcomes import Outcome, write_outcomes
from ohmbench.constants import FANN_VARIABLE, KIRCHHOFF_VARIABLE
from ohmbench.data.parts import load_parts
from ohmbench.digital import Images, infer, save_int8
from ohmbench.digital.importing.importer import import_network
from ohmbench.digital.integer.store import save_integer
from ohmbench.digital.quantizing.calibration import Formats
from ohmbench.digital.quantizing.results import quantize_file
from ohmbench.digital.trace import dequantised
from ohmbench.eda.synthesis import ecp5, flows, sweep, vtr
from ohmbench.eda.synthesis import result as synthesis
from ohmbench.files import write_pth
from ohmbench.floatgate import SPECS, save_network
from ohmbench.kirchhoff.configuration import config_text
from ohmbench.kirchhoff.figures import Window
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.store import checkpoint_arrays, save_kirchhoff
from ohmbench.paper import FANN_INT8, FANN_V3
from ohmbench.weights import register
from tests.unit.circuits import classifier_config, config, regression_config
from tests.unit.int8_networks import random_int8, random_scaled
from tests.unit.integer_networks import random_integer
from tests.unit.networks import random_network
from tests.unit.onnx_files import model, node, qonnx_mlp, quant, save
from tests.unit.tflite_files import Dense, chain

MINE = b"mine"
"""Contents of an existing file, which must stay unchanged without ``--force``."""


# ------------------------------------------------------------------------------------------------
# Every existing option


def every_option() -> dict[str, Any]:
    """The options of all commands by "command --option", as the parser defines them."""
    found: dict[str, Any] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                name = next(word for word in parameter.opts if word.startswith("--"))
                found[" ".join((*path, name))] = parameter
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*path, name))

    walk(typer.main.get_command(cli.app), ())
    return found


# ------------------------------------------------------------------------------------------------
# The output of one run of a command


@dataclass(frozen=True)
class Seen:
    """What a user sees of one run: status, both streams, and the files in the current folder."""

    status: int
    out: str
    err: str
    files: dict[str, bytes]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def _described(figure: Figure) -> str:
    """The contents of a figure: lines, points, bars, pictures and texts inside its axes."""
    axes = [
        {
            "lines": [np.asarray(line.get_xydata()).tolist() for line in one.lines],
            "points": [np.asarray(c.get_offsets()).tolist() for c in one.collections],
            "bars": [[*p.get_xy(), p.get_height()] for p in one.patches if hasattr(p, "get_xy")],
            "images": [np.asarray(image.get_array()).tolist() for image in one.images],
            "texts": [text.get_text() for text in one.texts],
        }
        for one in figure.axes
    ]
    return json.dumps(axes, default=str)


@pytest.fixture
def drawn_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write figures as text files of their contents, which are quick to make and easy to compare.
    Densities are drawn at fewer points.
    """
    around = Window.around
    monkeypatch.setattr(Window, "around", staticmethod(lambda points: around(points, 12)))

    def save(figure: Figure, file: Any, **_: Any) -> None:
        file.write(_described(figure).encode())

    monkeypatch.setattr(Figure, "savefig", save)


# ------------------------------------------------------------------------------------------------
# The files


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


HISTORY = np.array([[25.0, 2.5, 0.1], [64.0, 1.4, 0.05]])

LEDGER = """
- {id: a.one, statement: One, source: "FANN, table 1", published: 1.0, tolerance: 0.1,
   expect: reproduced, why: one decimal, test: test_a.py::test_one,
   fault: {file: test_a.py, replace: "1", by: "2"}}
- {id: a.two, statement: Two, source: "Other, table 2", published: 1.0, ours: 2.0, tolerance: 0.1,
   expect: differs, why: another method, test: test_a.py::test_two,
   fault: {file: test_a.py, replace: "1", by: "3"}}
"""


GOLDENS = {
    "flow | device | tools | 64-100-10 lanes 13 requants 2": {
        "seeds": [1],
        "sources_sha256": "0" * 64,
        "figures": {"fmax_MHz": 160.0, "latency_clocks": 80.0, "interval_clocks": 64.0},
    }
}


def measurement(name: str, ratio: float) -> Measurement:
    return Measurement(
        name=name,
        seed=0,
        items=100,
        unit="points",
        speed=Speed(
            ratio=Estimate(value=ratio, low=ratio * 0.999, high=ratio * 1.001),
            same=Estimate(value=1.0, low=0.999, high=1.001),
            others=0.0,
            rounds=12,
            reference_s=ratio * 1e-3,
            ours_s=1e-3,
            bound_s=1e-4,
        ),
        counts={},
        bands={"ratio": Band(worse=0.06, why="as measured")},
    )


def benchmark_run(
    *found: Measurement,
    when: str = "2026-01-01T12:00:00+01:00",
    commit: str = "a" * 40,
    measured: str = "2026-02-02T08:00:00+00:00",
) -> str:
    """A file of benchmark results, as pytest-benchmark writes it."""
    at = records.Circumstances(
        machine=Machine(cpu="a processor", host="0" * 8, cores=2),
        threads=2,
        flops=1e11,
        versions={"torch": "2"},
    )
    value = {
        "machine_info": {records.KEY: at.model_dump(mode="json")},
        "commit_info": {"id": commit, "dirty": False, "time": when},
        "benchmarks": [{"extra_info": {records.KEY: m.model_dump(mode="json")}} for m in found],
        "datetime": measured,
    }
    return json.dumps(value)


def _fann(folder: Path, seed: int) -> None:
    """A checkout of the FANN paper with networks of this seed."""
    network = random_network(SPECS["floatgate-digits"], seed=seed)
    arrays: dict[str, Any] = {}
    for k, layer in enumerate(network.fg_layers):
        arrays[f"mlp_{k}_weights"] = layer.weight.detach().numpy()
        arrays[f"mlp_{k}_bias"] = layer.bias.detach().numpy()
    rng = np.random.default_rng(seed)
    arrays["test_data"] = rng.uniform(1.8, 2.5, (12, 64)).astype(np.float32)
    arrays["labels"] = np.arange(12) % 10
    (folder / FANN_V3).parent.mkdir(parents=True)
    np.savez(folder / FANN_V3, **arrays)
    int8, x = random_scaled(seed, (64, 100, 10), images=12)
    answers = infer(int8, x).classes
    (folder / FANN_INT8).parent.mkdir(parents=True)
    save_int8(
        folder / FANN_INT8, int8, images=Images(x, answers, "test"), predictions=answers
    )  # fmt: skip


def _kirchhoff(folder: Path, scale: float) -> None:
    """A checkout of the KirchhoffNet paper: a flow and a regression, parameters times ``scale``."""
    for made in (config("gauss"), regression_config("diabete")):
        inside = folder / "src" / "results" / made.test_bench
        inside.mkdir(parents=True)
        (inside / "config.yaml").write_text(config_text(made))
        arrays = checkpoint_arrays(build(made))
        write_pth(inside / "model.pth", {k: scale * v for k, v in arrays.items()})


def _float_model(folder: Path) -> None:
    """A float MLP of two features and classes, points to calibrate it, and others held out."""
    generator = torch.Generator().manual_seed(0)
    sizes = (2, 6, 2)
    layers = {
        f"{2 * k}.weight": torch.randn(sizes[k + 1], sizes[k], generator=generator)
        for k in range(2)
    }
    write_pth(folder / "mlp.pth", layers)
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 2)), np.arange(40) % 2
    np.savez(folder / "points.npz", x=x, y=y)
    samples = load_parts(str(folder / "points.npz"), 0)
    for name, bits in (("tuned", 8), ("coarse", 4)):
        made = quantize_file(str(folder / "mlp.pth"), samples, Formats(weight_bits=bits))
        save_integer(folder / f"{name}.npz", made.network, origin=made.origin)
    # Two columns with two values each: either can be the target.
    rows = [f"{a!r},{c},{9 - c}" for a, c in zip(x[:, 0].tolist(), y.tolist(), strict=True)]
    for name, some in (("table", rows), ("others", rows[10:])):
        (folder / f"{name}.csv").write_text("\n".join(["a,kind,other", *some]))


def _csv_samples(folder: Path, samples: Any) -> None:
    """Six features and a column of classes, ``kind``; five and two such columns, ``y, z``."""
    for name, features, header in (("kinds", 6, "kind"), ("targets", 5, "y,z")):
        rows = [
            ",".join(map(repr, [*samples[k, :features].tolist(), *(k % 4, k % 2)[: 7 - features]]))
            for k in range(12)
        ]
        columns = [*(f"x{k}" for k in range(features)), header]
        (folder / f"{name}.csv").write_text("\n".join([",".join(columns), *rows]))


def dense_model() -> Any:
    """An int8 TFLite network, 6-5-4."""
    rng = np.random.default_rng(0)
    layers = [
        Dense(
            rng.integers(-127, 128, (channels, inputs)).astype(np.int8),
            rng.integers(-2000, 2000, channels),
            [0.011],
            scale,
            zero,
        )
        for inputs, channels, scale, zero in ((6, 5, 0.4, -9), (5, 4, 2.7, 11))
    ]
    return chain(layers, 0.05, -3)


def real_input_model() -> Any:
    """A QONNX layer, 3-2, whose inputs are reals."""
    constants = {
        "zero": np.float32(0), "four": np.float32(4), "s": np.float32(0.25),
        "w": np.array([[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]], np.float32),
    }  # fmt: skip
    nodes = [
        quant("w s zero four", "q0"),
        node("MatMul", "x q0", "m0"),
        quant("m0 s zero four", "y"),
    ]
    return model(nodes, constants, (1, 3))


def make_world(folder: Path) -> None:
    """Make every file that a row names, in ``folder``."""
    _float_model(folder)
    circles = random_network(SPECS["floatgate-circles"], seed=0)
    save_network(folder / "circles.npz", circles, seed=3, recipe="{}", history=HISTORY)
    network, x = random_scaled(0)
    answers = infer(network, x).classes
    save_int8(folder / "int8.npz", network, images=Images(x, answers, "test"), predictions=answers)
    own = dequantised(network)
    weights = {f"mlp_{k}.weight": own.weight[k] for k in range(2)}
    weights |= {f"mlp_{k}.bias": -own.bias[k] for k in range(2)}
    np.savez(folder / "float.npz", **weights)
    wide, x = random_int8(0, images=80)
    images = Images(x, np.zeros(80, np.int64), "test")
    save_int8(folder / "wide.npz", wide, images=images)
    for name, made in (
        ("flow", config("gauss")),
        ("regression", regression_config("diabete")),
        ("classifier", classifier_config()),
    ):
        path = folder / f"{name}.npz"
        save_kirchhoff(path, build(made), seed=3, recipe="{}", history=HISTORY)
    short = config_text(regression_config("diabete", train__num_epoch=4))
    (folder / "short.yaml").write_text(short)
    rng = np.random.default_rng(0)
    (folder / "data" / "mnist").mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 30)):
        pictures, labels = rng.integers(0, 60, (n, 28, 28)), np.arange(n) % 10
        pictures[np.arange(n), labels, labels] = 255
        stem = folder / "data" / "mnist" / part
        Path(f"{stem}-images-idx3-ubyte").write_bytes(idx(pictures))
        Path(f"{stem}-labels-idx1-ubyte").write_bytes(idx(labels))
    for k, name in enumerate(("usual", "other")):
        _fann(folder / f"fann-{name}", k)
        _kirchhoff(folder / f"kirchhoff-{name}", 1.0 - 0.5 * k)
    (folder / "empty").mkdir()
    (folder / "ledger").mkdir()
    (folder / "ledger" / "claims.yaml").write_text(LEDGER)
    (folder / "ledger" / "test_a.py").write_text("A = 1\n")
    (folder / "dense.tflite").write_bytes(dense_model().data())
    save(folder / "reals.onnx", real_input_model())
    save(folder / "undecided.onnx", qonnx_mlp(1, (6, 5, 4), power_of_two=False))
    save_integer(folder / "affine.npz", random_integer(0, (6, 5, 4), kind="affine"))
    import_network(folder / "dense.tflite", run=False).save(folder / "layers.npz")
    samples = rng.uniform(-6, 6, (30, 6))
    for name, labels in (("labelled", np.arange(30) % 4), ("mislabelled", np.arange(10) % 2)):
        np.savez(folder / f"{name}.npz", x=samples[: len(labels)], y=labels)
    _csv_samples(folder, samples)
    flow, circuit = measurement("flow", 20.0), measurement("circuit", 10.0)
    (folder / "before.json").write_text(benchmark_run(flow, circuit))
    (folder / "goldens.json").write_text(json.dumps(GOLDENS))
    claim = next(iter(read_ledger(folder / "ledger" / "claims.yaml").values()))
    measured = Outcome.of(claim, ClaimMeasurement(id=claim.id, value=1.0), None)
    for name in ("judged", "earlier"):
        write_outcomes(folder / f"{name}.json", {"claims.yaml": [measured]})
    slower = benchmark_run(
        measurement("flow", 10.0), circuit, when="2026-01-02T12:00:00+01:00", commit="b" * 40
    )
    (folder / "after.json").write_text(slower)


# ------------------------------------------------------------------------------------------------
# Replacements for tools that take minutes


def _measured_at_once(
    ledger: Path, tests: list[str], environment: Any, *, show: bool = True
) -> list[Outcome]:
    """Replaces pytest: each row is measured as 1.0 in ``environment``."""
    detail = json.dumps(dict(environment))
    return [
        Outcome.of(row, ClaimMeasurement(id=row.id, value=1.0, detail=detail), None)
        for row in read_ledger(ledger).values()
    ]


def _power(activity: Any) -> synthesis.Power:
    return synthesis.Power(
        activity=activity,
        temperature_C=85.0,
        voltage_V=1.3,
        total_W=1.0,
        dynamic_W=0.4,
        static_W=0.6,
        routing_W=0.31,
        clock_W=0.11,
        logic_W=0.21,
        memory_W=0.16,
        multipliers_W=0.13,
        other_W=0.08,
        table=(),
        table_by_block=(),
    )


CLOCKS = synthesis.Clocks(load=8, latency=93, interval=64, mean_interval=60.0, simulator="v 5")
PATH_ns = (3.0, 1.0, 9.0, 4.0, 1.5, 2.0, 5.0, 0.5, 6.0, 2.5, 3.5, 7.0, 0.25, 8.0)
"""Delays along a critical path: alternately of a wire and of a cell."""


DESIGN = synthesis.Design(
    inputs=64, hidden=100, classes=10, lanes=13, requants=2, sources_sha256="0" * 64
)


def synthesised(flow: str, design: synthesis.Design, seed: int) -> synthesis.Synthesis:
    fmax_Hz = 60e6 + 1e6 * seed
    return synthesis.Synthesis(
        flow=flow,  # type: ignore[arg-type]
        device=flow,
        design=design,
        seed=seed,
        options=(threading.current_thread().name,),
        versions=synthesis.Versions(tools={flow: "1"}, files={}),
        fmax_Hz=fmax_Hz,
        critical_path=synthesis.CriticalPath(
            start="a.Q",
            end="b.D",
            delay_s=1 / fmax_Hz,
            elements=tuple(
                synthesis.PathElement(
                    at=f"pin {k}", kind="cell" if k % 2 else "routing", delay_s=delay * 1e-9
                )
                for k, delay in enumerate(PATH_ns)
            ),
        ),
        area=synthesis.Area(
            logic_blocks=601,
            luts=100 * design.lanes,
            flip_flops=3003,
            multiplier_blocks=14,
            multipliers={"mult_9x9": 20},
            memory_blocks=25,
            memories={"mem_1": 3},
            grid=(36, 37),
            grid_limited_by="memory",
            wire_length=1e5 + seed,
            wire_unit="tiles",
        ),
        power=_power("vectorless") if flow == "vtr" else None,
        cost=synthesis.Cost(wall_s=10.0 * seed, peak_memory_MiB=100.0 + seed),
    )


def _simulated(
    run: synthesis.Synthesis, folder: Path, stimulus: Any, clocks: Any
) -> tuple[synthesis.Synthesis, Path]:
    found = synthesis.Activity(
        network=stimulus.name,
        images=stimulus.images,
        warm_up=4,
        clocks=640,
        seed=stimulus.seed,
        checked=stimulus.images,
        nets=10,
        collisions=0,
        mean_density=0.1,
        mean_density_vectorless=0.2,
    )
    return run.model_copy(
        update={"power_simulated": _power("simulated"), "activity": found}
    ), folder


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Flows and a ledger that end at once, and the golden model in place of hardware."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "log").write_text("log")

    def run(flow: str) -> Callable[..., tuple[synthesis.Synthesis, Path]]:
        return lambda made, seed: (synthesised(flow, made.design, seed), kept)

    monkeypatch.setattr(flows, "FLOWS", {name: run(name) for name in ("ecp5", "vtr")})
    for module in (flows, sweep):
        monkeypatch.setattr(module, "check_tools", lambda flow: None)
    monkeypatch.setattr(flows, "count_clocks", lambda *_: CLOCKS)
    monkeypatch.setattr(ecp5, "netlist", lambda made: None)
    monkeypatch.setattr(vtr, "calibrate", lambda: None)
    monkeypatch.setattr(flows, "with_simulated_power", _simulated)
    monkeypatch.setattr(running, "_pytest", _measured_at_once)
    # Tests must not touch a shell's files in the user's home; 'test_command_weight' installs in
    # another home.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    installed = "bash", "for _OHMBENCH_COMPLETE"
    monkeypatch.setattr("typer.completion.install", lambda **_: installed)
    monkeypatch.setattr("ohmbench.pages.networks.SOME", ("int8-digits",))

    def simulate(network: Any, images: Any, **_: Any) -> Any:
        return infer(network, images)

    stand_in = SimpleNamespace(simulate=simulate)
    monkeypatch.setitem(sys.modules, "ohmbench.eda.simulation", stand_in)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture
def see(
    world: Path,
    run: Callable[..., tuple[int, str, str]],
    stand_ins: None,
    drawn_as_text: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Seen]:
    """Run a command in a new current folder: ``see("evaluate {flow} --json")`` returns its output.
    Environment variables name the usual checkouts of the papers. The files ``before`` are in the
    folder at the start.
    """
    monkeypatch.setenv(FANN_VARIABLE, str(world / "fann-usual"))
    monkeypatch.setenv(KIRCHHOFF_VARIABLE, str(world / "kirchhoff-usual"))
    monkeypatch.setenv("OHMBENCH_DATA", str(world / "data"))
    places = {p.stem: str(p) for p in world.iterdir()}
    here = tmp_path / "here"

    def call(words: str, before: dict[str, bytes] | None = None) -> Seen:
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        monkeypatch.chdir(here)
        for name, content in (before or {}).items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(content)
        store = here / "store"
        store.mkdir(exist_ok=True)
        monkeypatch.setattr("ohmbench.cli.storing.WEIGHTS_FOLDER", store)
        entry = partial(register, manifest=here / "manifest.json")
        monkeypatch.setattr("ohmbench.weights.register", entry)
        status, out, err = run(*(word.format_map(places) for word in words.split()))
        files = {
            str(p.relative_to(here)): p.read_bytes() for p in here.rglob("*") if p.is_file()
        }  # fmt: skip
        return Seen(status, out, err, files)

    return call


# ------------------------------------------------------------------------------------------------
# Rows


@dataclass(frozen=True)
class Row:
    """Run ``command`` with the options ``first`` and then with ``second``.

    ``look`` takes from each run the part that must differ; ``right(first, second)`` says whether
    the second is what the option asks for.
    """

    option: str
    command: str
    first: str
    second: str
    look: Callable[[Seen], Any]
    right: Callable[[Any, Any], bool] = lambda first, second: True
    before: dict[str, bytes] = field(default_factory=dict)


def at(*keys: Any) -> Callable[[Seen], Any]:
    """The value at ``keys`` in the JSON that a command prints."""

    def look(seen: Seen) -> Any:
        value = seen.json
        for key in keys:
            value = value[key]
        return value

    return look


def file(name: str) -> Callable[[Seen], bytes | None]:
    return lambda seen: seen.files.get(name)


def figure(name: str, axes: int, *what: str) -> Callable[[Seen], Any]:
    """The contents of one of the axes of a figure."""
    return lambda seen: [json.loads(seen.files[name])[axes][key] for key in what]


def kept(name: str) -> Callable[[Seen], tuple[int, bool]]:
    """The status, and whether a file is unchanged."""
    return lambda seen: (seen.status, seen.files[name] == MINE)


def forced(first: tuple[int, bool], second: tuple[int, bool]) -> bool:
    """Refused without the option, and replaced with it."""
    return first == (2, True) and second == (0, False)


def is_json(seen: Seen) -> bool:
    try:
        json.loads(seen.out)
    except ValueError:
        return False
    return True


def only_second(first: bool, second: bool) -> bool:
    return second and not first


def more(first: Any, second: Any) -> bool:
    return bool(np.sum(second) > np.sum(first))


def sizes(first: int, second: int) -> Callable[[Any, Any], bool]:
    return lambda a, b: (a, b) == (first, second)


def bits(*registers: str) -> dict[str, Any]:
    """Compare the widths of these registers; the second value makes each 40 bits wide."""
    return {
        "look": lambda seen: {seen.json["registers"][name]["bits"] for name in registers},
        "right": lambda first, second: second == {40},
    }


def words(seen: Seen) -> dict[str, int]:
    """The widths of all registers."""
    return {name: found["bits"] for name, found in seen.json["registers"].items()}


def wider(*registers: str) -> Callable[[Any, Any], bool]:
    """Exactly these registers are wider in the second run."""
    return lambda a, b: {k for k in a if b[k] > a[k]} == set(registers) and a.keys() == b.keys()


_TUNE = "train --from {tuned} --out net.npz"
_QUANTIZE, _FROM_TABLE = (
    "quantize {mlp} --json --data {points}",
    "quantize {mlp} --json --data {table}",
)
_TRAIN = "train {short} --samples 32 --out net.npz"
_SYNTH, _SWEEP = "synth 64-100-10 --json", "synth sweep 64-100-10 --json --lanes 13"
_SIMULATED = "synth {wide} --flow vtr --seed 1 --json"
_PROVE = "prove {int8} --json"
_PROVE_LAYERS = "prove {affine} --json"
_RUNS = "bench plot {before} {after}"


def _tuned(seen: Seen) -> Any:
    """The origin of a network that was fine-tuned."""
    return json.loads(str(np.load(io.BytesIO(seen.files["net.npz"]))["origin"]))


def _last_step(seen: Seen) -> int:
    return int(_tuned(seen)["history"][-1][0])


def _history(seen: Seen) -> Any:
    return np.load(io.BytesIO(seen.files["net.npz"]))["history"].tolist()


def _designs(seen: Seen) -> list[tuple[int, int]]:
    return [(run["design"]["lanes"], run["design"]["requants"]) for run in seen.json["runs"]]


def _seeds(seen: Seen) -> list[int]:
    return [run["seed"] for run in seen.json["runs"]]


def _point_seeds(seen: Seen) -> list[int]:
    return [run["seed"] for run in seen.json["points"][0]["runs"]]


def _threads(runs: list[dict[str, Any]]) -> bool:
    """Whether seeds were run in parallel."""
    return any(run["options"] != [threading.main_thread().name] for run in runs)


def _statuses(seen: Seen) -> list[str]:
    (rows,) = json.loads(seen.files["x.json"])["ledgers"].values()
    return [row["status"] for row in rows]


def _in_report(text: str) -> Callable[[Seen], bool]:
    return lambda seen: text in seen.files["x.html"].decode()


def _environment(seen: Seen) -> Any:
    (rows,) = json.loads(seen.files["x.json"])["ledgers"].values()
    return json.loads(rows[0]["detail"])


def _variables(variable: str, folder: str) -> Callable[[Any, Any], bool]:
    """Only the second run gets a variable, and it is this one."""
    return lambda a, b: a == {} and [*b] == [variable] and b[variable].endswith(folder)


def _tolerances(seen: Seen) -> list[float]:
    return [part["tolerance"] for part in seen.json["stages"][0]["parts"]]


def _bits_of_layers(seen: Seen) -> list[dict[str, int]]:
    """The widths given, by quantity, of each layer."""
    return [
        {name: bound["bits"] for name, bound in layer.items() if bound["bits"] is not None}
        for layer in seen.json["layers"]
    ]


def _names(seen: Seen) -> list[str]:
    return [stage["name"] for stage in seen.json["stages"]]


ROWS = [
    *(
        Row(option, "", "", option, lambda seen: "_OHMBENCH_COMPLETE" in seen.out, only_second)
        for option in ("--install-completion", "--show-completion")
    ),
    Row("--version", "", "", "--version", lambda seen: (seen.out.count("\n"), seen.status),
        lambda a, b: b == (1, 0)),
    # train
    Row("train --seed", _TRAIN, "--seed 1", "--seed 2", _history),
    Row("train --out", "train {short} --samples 32", "", "--out x.npz",
        lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == (["short-seed0.npz"], ["x.npz"])),
    Row("train --force", _TRAIN, "", "--force", kept("net.npz"), forced,
        before={"net.npz": MINE}),
    Row("train --max-minutes", "train {short} --out net.npz", "", "--max-minutes 1e-9",
        lambda seen: ("net.npz.checkpoint.npz" in seen.files, seen.status),
        lambda a, b: (a, b) == ((False, 0), (True, 0))),
    Row("train --samples", "train {short} --out net.npz", "--samples 32", "--samples 64",
        _history),
    Row("train --resume", _TRAIN, "", "--resume", lambda seen: seen.err,
        lambda a, b: "resume" not in a and "nothing to resume" in b),
    # evaluate
    Row("list --all", "list", "", "--all", lambda seen: "int8-digits-seed9" in seen.out,
        only_second),
    Row("list --json", "list", "", "--json", is_json, only_second),
    Row("evaluate --samples", "evaluate {flow} --json", "--samples 20", "--samples 30",
        at("points"), sizes(20, 30)),
    Row("evaluate --seed", "evaluate {flow} --samples 20 --json", "--seed 1", "--seed 2",
        at("nll")),
    Row("evaluate --seed", "evaluate paper-diabete --json", "--seed 1", "--seed 2", at("mse")),
    Row("evaluate --tol", "evaluate {flow} --samples 20 --json", "--tol 1e-2", "--tol 1e-7",
        at("nfe"), more),
    Row("evaluate --tol", "evaluate {regression} --json", "", "--tol 1e-7", at("nfe"), more),
    Row("evaluate --tol", "evaluate {classifier} --json", "", "--tol 1e-7", at("nfe"), more),
    Row("evaluate --images", "evaluate {classifier} --json", "--images 10", "--images 20",
        at("total"), sizes(10, 20)),
    Row("evaluate --json", "evaluate {circles}", "", "--json", is_json, only_second),
    Row("evaluate --json", "evaluate {int8}", "", "--json", is_json, only_second),
    Row("evaluate --json", "evaluate {regression}", "", "--json", is_json, only_second),
    Row("evaluate --paper-fann", "evaluate paper-v3 --json", "", "--paper-fann {fann-other}",
        at("confusion")),
    Row("evaluate --paper-fann", "evaluate paper-int8 --json", "", "--paper-fann {fann-other}",
        at("largest_product")),
    Row("evaluate --paper-kirchhoffnet", "evaluate paper-gauss --samples 20 --json", "",
        "--paper-kirchhoffnet {kirchhoff-other}", at("nll")),
    # claims
    Row("claims --status", "claims {ledger} --json x.json", "--status FAILED",
        "--status reproduced", _statuses, lambda a, b: (a, b) == (["FAILED"], ["reproduced"])),
    Row("claims --status", "claims {ledger} --json x.json", "--status FAILED",
        "--status reproduced --status FAILED", _statuses,
        lambda a, b: b == ["reproduced", "FAILED"]),
    Row("claims --source", "claims {ledger} --json x.json", "", "--source fann", _statuses,
        lambda a, b: (a, b) == (["reproduced", "FAILED"], ["reproduced"])),
    Row("claims --plant", "claims {ledger}", "--plant a.two", "--plant a.one --plant a.two",
        lambda seen: [line.split(":")[:2] for line in seen.out.splitlines()],
        lambda a, b: (a, b) == ([["a.two", " red"]], [["a.one", " NOT RED"], ["a.two", " red"]])),
    Row("claims --verbose", "claims {ledger}", "", "--verbose",
        lambda seen: "reason: " in seen.out, only_second),
    Row("claims --json", "claims {ledger}", "", "--json y.json",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["y.json"])),
    Row("claims --csv", "claims {ledger}", "", "--csv y.csv",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["y.csv"])),
    *(
        Row("claims --force", f"claims {{ledger}} --source fann --{kind} there", "", "--force",
            kept("there"), forced, before={"there": MINE})
        for kind in ("json", "csv")
    ),
    Row("claims --paper-fann", "claims {ledger} --json x.json", "", "--paper-fann {fann-other}",
        _environment, _variables(FANN_VARIABLE, "fann-other")),
    Row("claims --paper-kirchhoffnet", "claims {ledger} --json x.json", "",
        "--paper-kirchhoffnet {kirchhoff-other}", _environment,
        _variables(KIRCHHOFF_VARIABLE, "kirchhoff-other")),
    # report
    Row("report --out", "report --claims-json {judged}", "", "--out y.html",
        lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == (["ohmbench-report.html"], ["y.html"])),
    Row("report --claims-json", "report --out x.html", "{ledger}", "--claims-json {judged}",
        _in_report('id="a.two"'), lambda a, b: (a, b) == (True, False)),
    Row("report --history", "report --claims-json {judged} --out x.html", "",
        "--history {earlier}", _in_report("<h3>Earlier runs"), only_second),
    Row("report --bench", "report --claims-json {judged} --out x.html", "--bench {before}",
        "--bench {after}", _in_report("b" * 40), only_second),
    Row("report --synth", "report --claims-json {judged} --out x.html", "",
        "--synth {goldens}", _in_report("<td class=\"number\">0.500</td>"), only_second),
    Row("report --networks", "report --claims-json {judged} --out x.html", "--networks none",
        "--networks some", _in_report('<figure class="drawing">'), only_second),
    Row("report --force", "report --claims-json {judged} --out there", "", "--force",
        kept("there"), forced, before={"there": MINE}),
    Row("report --paper-fann", "report {ledger} --out x.html", "", "--paper-fann {fann-other}",
        _in_report("fann-other"), only_second),
    Row("report --paper-kirchhoffnet", "report {ledger} --out x.html", "",
        "--paper-kirchhoffnet {kirchhoff-other}", _in_report("kirchhoff-other"), only_second),
    # power
    Row("power --per-class", "power {circles} --json", "", "--per-class",
        lambda seen: "per_class_W" in seen.json, only_second),
    Row("power --max", "power {circles} --json", "", "--max",
        lambda seen: "all_cells_on_W" in seen.json, only_second),
    Row("power --all", "power {circles} --json", "", "--all",
        lambda seen: "per_image_W" in seen.json, only_second),
    Row("power --settling-time", "power {circles} --json", "--settling-time 1e-6",
        "--settling-time 3e-6", at("mean_energy_J"),
        lambda a, b: b == pytest.approx(3 * a, rel=1e-12)),
    Row("power --json", "power {circles}", "", "--json", is_json, only_second),
    Row("power --paper-fann", "power paper-v3 --json", "", "--paper-fann {fann-other}",
        at("mean_W")),
    # export
    Row("export --paper-fann", "export paper-int8 x.onnx", "", "--paper-fann {fann-other}",
        file("x.onnx")),
    Row("export --force", "export {int8} x.onnx", "", "--force", kept("x.onnx"), forced,
        {"x.onnx": MINE}),
    Row("export --json", "export {int8} x.onnx", "", "--json", is_json, only_second),
    # N-layer integer networks, whose data the user names
    Row("evaluate --data", "evaluate {layers} --json", "--data {labelled}", "--data {mislabelled}",
        at("total"), sizes(30, 10)),
    # Two columns of class numbers: either can be the target, and the other is then a feature.
    Row("evaluate --target", "evaluate {layers} --json --data {targets}", "", "--target z",
        lambda seen: np.sum(seen.json["confusion"], 1).tolist(),
        lambda a, b: (a, b) == ([3, 3, 3, 3], [6, 6, 0, 0])),
    Row("predict --target", "predict {layers} --image 3 --json --data {targets}", "", "--target z",
        at("label"), sizes(3, 1)),
    Row("plot --target", "plot {layers} --out x --data {targets}", "", "--target z",
        file("x/confusion.png")),
    Row("import --target", "import {dense} --no-run --json --check {kinds}", "", "--target kind",
        lambda seen: seen.status, sizes(2, 0)),
    Row("trace --target", "trace {layers} --no-rtl --data {kinds}", "", "--target kind",
        lambda seen: seen.status, sizes(2, 0)),
    Row("predict --data", "predict {layers} --image 3 --json", "--data {labelled}",
        "--data {mislabelled}", at("label"), sizes(3, 1)),
    Row("plot --data", "plot {layers} --out x", "", "--data {labelled}",
        lambda seen: "x/confusion.png" in seen.files, only_second),
    Row("trace --data", "trace {layers} --all --json", "", "--data {labelled}", at("images"),
        sizes(100, 30)),
    Row("trace --source", "trace {layers} --json", "", "--source {dense}", _names,
        lambda a, b: [name for name in b if name not in a] ==
        ["source -> reference", "source -> integers"]),
    *(
        Row(f"prove --{option}-bits", _PROVE_LAYERS, "", f"--{option}-bits 40,41",
            _bits_of_layers, lambda a, b, q=quantity: b == [{q: 40}, {q: 41}])
        for option, quantity in (
            ("acc", "acc"), ("product", "product"), ("bias", "R"), ("scale", "M"), ("shift", "S"),
            ("weight", "weight"), ("mac", "mac"), ("shifted", "shifted"), ("value", "value"),
        )
    ),
    Row("prove --json", "prove {layers}", "", "--json", is_json, only_second),
    # predict
    Row("predict --image", "predict {circles} --json", "--image 3", "--image 4", at("outputs")),
    Row("predict --image", "predict {int8} --json", "--image 3", "--image 4", at("logits")),
    Row("predict --plot", "predict {int8} --image 3", "", "--plot x.svg",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["x.svg"])),
    *(
        Row("predict --force", f"predict {{{net}}} --image 3 --plot x.png", "", "--force",
            kept("x.png"), forced, before={"x.png": MINE})
        for net in ("circles", "int8")
    ),
    Row("predict --json", "predict {circles} --image 3", "", "--json", is_json, only_second),
    Row("predict --json", "predict {int8} --image 3", "", "--json", is_json, only_second),
    Row("predict --paper-fann", "predict paper-v3 --image 1 --json", "",
        "--paper-fann {fann-other}", at("outputs")),
    # plot
    Row("plot --out", "plot {int8}", "", "--out x", lambda seen: {Path(f).parent.name for f in
        seen.files}, lambda a, b: (a, b) == ({"int8-plots"}, {"x"})),
    Row("plot --samples", "plot {flow} --out x", "--samples 20", "--samples 30",
        lambda seen: [len(axes["points"][0]) for axes in
                      json.loads(seen.files["x/samples.png"])],
        lambda a, b: (a, b) == ([20, 20], [30, 30])),
    Row("plot --images", "plot {classifier} --out x", "--images 10", "--images 20",
        lambda seen: sum(map(int, json.loads(seen.files["x/confusion.png"])[0]["texts"])),
        sizes(10, 20)),
    *(
        Row("plot --seed", "plot {flow} --out x --samples 20", "--seed 1", "--seed 2",
            figure(f"x/{name}.png", axes, what))
        for name, axes, what in (
            ("samples", 0, "points"), ("samples", 1, "points"), ("voltages", 0, "lines"),
        )
    ),
    *(
        Row("plot --force", "plot {int8} --out x", "", "--force", kept(f"x/{name}.png"), forced,
            before={f"x/{name}.png": MINE})
        for name in ("confusion", "weights")
    ),
    Row("plot --force", "plot {regression} --out x", "", "--force", kept("x/voltages.png"), forced,
        before={"x/voltages.png": MINE}),
    Row("plot --paper-fann", "plot paper-int8 --out x", "", "--paper-fann {fann-other}",
        figure("x/weights.png", 0, "bars")),
    Row("plot --paper-kirchhoffnet", "plot paper-diabete --out x", "",
        "--paper-kirchhoffnet {kirchhoff-other}", figure("x/predictions.png", 0, "points")),
    # sample
    Row("sample --samples", "sample {flow} --json", "-n 3", "--samples 4",
        lambda seen: len(seen.json["x"]), sizes(3, 4)),
    Row("sample --seed", "sample {flow} -n 3 --json", "--seed 1", "--seed 2", at("x")),
    Row("sample --tol", "sample {flow} -n 3 --json", "--tol 1e-2", "--tol 1e-7", at("nfe"), more),
    Row("sample --plot", "sample {flow} -n 3", "", "--plot x.pdf",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["x.pdf"])),
    Row("sample --out", "sample {flow} -n 3", "", "--out x.npz",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["x.npz"])),
    *(
        Row("sample --force", f"sample {{flow}} -n 3 --{option} {name}", "", "--force", kept(name),
            forced, before={name: MINE})
        for option, name in (("plot", "x.png"), ("out", "x.npz"))
    ),
    Row("sample --json", "sample {flow} -n 3", "", "--json", is_json, only_second),
    Row("sample --paper-kirchhoffnet", "sample paper-gauss -n 3 --json", "",
        "--paper-kirchhoffnet {kirchhoff-other}", at("log_density")),
    Row("train --from", "train --out net.npz --steps 3", "--from {tuned}", "--from {coarse}",
        lambda seen: np.load(io.BytesIO(seen.files["net.npz"]))["layer_0.bits"].item(),
        lambda a, b: (a, b) == (8, 4)),
    Row("train --data", "train --from {mlp} --steps 3 --out net.npz", "--data {points}",
        "--data circles", lambda seen: _tuned(seen)["data"]["samples"]),
    Row("train --target", "train --from {mlp} --steps 3 --out net.npz --data {table}",
        "--target kind", "--target other", lambda seen: _tuned(seen)["data"]["classes"],
        lambda a, b: (a, b) == (["0", "1"], ["8", "9"])),
    Row("train --steps", _TUNE, "--steps 3", "--steps 4", _last_step, sizes(3, 4)),
    Row("train --learning-rate", f"{_TUNE} --steps 3", "--learning-rate 0.1",
        "--learning-rate 0.2", lambda seen: _tuned(seen)["history"][-1][2],
        lambda a, b: b == pytest.approx(2 * a, rel=1e-12)),
    Row("train --seed", f"{_TUNE} --steps 3", "--seed 1", "--seed 2",
        lambda seen: _tuned(seen)["history"]),
    # quantize
    Row("quantize --data", "quantize {mlp} --json", "--data {points}", "--data circles",
        at("data", "samples")),
    Row("quantize --out", "quantize {mlp} --data {points}", "", "-o x.npz",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == (["mlp-w8a8.npz"], ["x.npz"])),
    Row("quantize --target", _FROM_TABLE, "--target kind", "--target other",
        at("data", "classes"), lambda a, b: (a, b) == (["0", "1"], ["8", "9"])),
    Row("quantize --scale", f"{_QUANTIZE}", "", "--scale standard", at("input", "lo"),
        sizes(0, -128)),
    Row("quantize --held-out", f"{_FROM_TABLE} --target kind", "--held-out 0.5",
        "--held-out {others}", at("held_out", "samples"), sizes(20, 30)),
    Row("quantize --weight-bits", _QUANTIZE, "--weight-bits 4", "--weight-bits 8",
        lambda seen: -seen.json["layers"][0]["weight_error"], more),
    Row("quantize --activation-bits", _QUANTIZE, "--activation-bits 2", "--activation-bits 8",
        at("layers", 0, "sqnr_dB"), more),
    Row("quantize --per", _QUANTIZE, "", "--per channel",
        lambda seen: -seen.json["layers"][0]["weight_error"], more),
    Row("quantize --percentile", _QUANTIZE, "", "--percentile 90", at("layers", 0, "clamped"),
        more),
    Row("quantize --seed", _QUANTIZE, "--seed 1", "--seed 2", at("layers", 0, "sqnr_dB")),
    Row("quantize --json", "quantize {mlp} --data {points}", "", "--json", is_json, only_second),
    Row("quantize --force", "quantize {mlp} --data {points} -o there", "", "--force",
        kept("there"), forced, before={"there": MINE}),
    # import
    Row("import --out", "import {dense} --no-run", "", "--out x.npz",
        lambda seen: sorted(seen.files), lambda a, b: (a, b) == ([], ["x.npz"])),
    Row("import --check", "import {dense} --no-run --json", "--check {labelled}",
        "--check {mislabelled}", at("check", "total"), sizes(30, 10)),
    Row("import --rounding", "import {dense} --random 5 --json", "--rounding float",
        "--rounding single", lambda seen: seen.json["run"] is None, only_second),
    Row("import --input-bits", "import {reals} --no-run --json", "--input-bits 5",
        "--input-bits 7", at("input", "hi"), sizes(15, 63)),
    Row("import --input-step", "import {reals} --no-run --json", "--input-step 0.5",
        "--input-step 0.25", at("input", "scale"), lambda a, b: a == 2 * b),
    Row("import --run", "import {dense} --random 5 --json", "--run", "--no-run",
        lambda seen: seen.json["run"] is None, only_second),
    Row("import --random", "import {dense} --json", "--random 5", "--random 7",
        lambda seen: seen.json["run"]["layers"][0]["compared"], lambda a, b: b - a == 2 * 5),
    Row("import --seed", "import {undecided} --random 200 --json", "--seed 1", "--seed 2",
        at("run", "layers")),
    Row("import --json", "import {dense} --random 5", "", "--json", is_json, only_second),
    Row("import --force", "import {dense} --no-run --out there.npz", "", "--force",
        kept("there.npz"), forced, before={"there.npz": MINE}),
    # prove: what is wider follows from Hardware's formulas
    Row("prove --hardware", "prove {int8} --json", "", "--hardware published",
        at("registers", "acc0", "signed"), lambda a, b: (a, b) == (False, True)),
    Row("prove --inputs", _PROVE, "", "--inputs 32", words,
        wider("acc0")),
    Row("prove --hidden", _PROVE, "", "--hidden 24", words, wider("acc1")),
    Row("prove --classes", "prove {int8}", "", "--classes 8",
        lambda seen: "on hardware for 16-12-8" in seen.out, only_second),
    Row("prove --lanes", _PROVE, "--lanes 4", "--lanes 12", lambda seen: seen.status, sizes(0, 2)),
    Row("prove --acc-bits", _PROVE, "", "--acc-bits 40", **bits("acc0", "acc1")),
    Row("prove --sum-bits", _PROVE, "", "--sum-bits 40", **bits("sum0", "logit")),
    Row("prove --r-bits", _PROVE, "", "--r-bits 40", **bits("r")),
    Row("prove --product-bits", _PROVE, "", "--product-bits 40", **bits("product")),
    Row("prove --bias-bits", _PROVE, "", "--bias-bits 40", **bits("bias0", "bias1")),
    Row("prove --scale-bits", _PROVE, "", "--scale-bits 40", **bits("M")),
    Row("prove --shift-bits", _PROVE, "", "--shift-bits 40", **bits("S")),
    Row("prove --json", "prove {int8}", "", "--json", is_json, only_second),
    Row("prove --paper-fann", "prove paper-int8 --json", "", "--paper-fann {fann-other}",
        at("registers", "logit", "high")),
    # trace
    Row("trace --image", "trace {int8} --json --no-rtl", "--image 3", "--image 4",
        at("stages", 0, "parts", 0, "largest")),
    Row("trace --all", "trace {int8} --json --no-rtl", "", "--all", at("images"), sizes(1, 20)),
    Row("trace --float", "trace {int8} --json --no-rtl", "", "--float {float}",
        lambda seen: (seen.status, seen.json["stages"][0]["departure"] is None),
        lambda a, b: (a, b) == ((0, True), (1, False))),
    Row("trace --rtl", "trace {int8} --json", "--rtl", "--no-rtl", _names,
        lambda a, b: len(a) == 3 and b == a[:2]),
    Row("trace --tolerance", "trace {int8} --json --no-rtl", "", "--tolerance 3", _tolerances,
        lambda a, b: min(a) > 0 and b == pytest.approx([3 * x for x in a])),
    Row("trace --json", "trace {int8} --no-rtl", "", "--json", is_json, only_second),
    Row("trace --paper-fann", "trace paper-int8 --json --no-rtl", "",
        "--paper-fann {fann-other}", at("stages", 0, "parts", 0, "largest")),
    # synth
    Row("synth run --flow", _SYNTH, "", "--flow vtr",
        lambda seen: {run["flow"] for run in seen.json["runs"]},
        lambda a, b: (a, b) == ({"ecp5"}, {"vtr"})),
    Row("synth run --seed", _SYNTH, "--seed 4", "--seed 7 --seed 5", _seeds,
        lambda a, b: (a, b) == ([4], [7, 5])),
    Row("synth run --seeds", _SYNTH, "--seeds 1", "--seeds 2", _seeds,
        lambda a, b: (a, b) == ([1], [1, 2])),
    Row("synth run --jobs", _SYNTH, "", "--jobs 2", lambda seen: _threads(seen.json["runs"]),
        only_second),
    Row("synth run --lanes", f"{_SYNTH} --seed 1", "", "--lanes 25", _designs,
        lambda a, b: b == [(25, 4)]),
    Row("synth run --requants", f"{_SYNTH} --seed 1", "", "--requants 4", _designs,
        lambda a, b: b == [(13, 4)]),
    Row("synth run --out", f"{_SYNTH} --seed 1", "", "--out x", lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == ([], ["x/result.json", "x/seed-1/log"])),
    Row("synth run --clock", f"{_SYNTH} --seed 1", "--clock 10", "--clock 20",
        lambda seen: seen.json["at_clock"][0]["latency_s"],
        lambda a, b: (a, b) == pytest.approx((9.3e-6, 4.65e-6))),
    Row("synth run --activity", _SIMULATED, "", "--activity simulated",
        lambda seen: seen.json["runs"][0]["activity"] is not None, only_second),
    Row("synth run --images", f"{_SIMULATED} --activity simulated", "--images 10",
        "--images 11", at("runs", 0, "activity", "images"), sizes(10, 11)),
    Row("synth run --force", f"{_SYNTH} --seed 1 --out x", "", "--force", kept("x/result.json"),
        forced, before={"x/result.json": MINE}),
    Row("synth run --json", "synth 64-100-10", "", "--json",
        is_json, only_second),
    Row("synth run --paper-fann", "synth paper-int8 --flow vtr --seed 1 --images 2 "
        "--activity simulated --json", "", "--paper-fann {empty}", lambda seen: seen.status,
        sizes(0, 2)),
    # synth sweep
    Row("synth sweep --flow", _SWEEP, "", "--flow vtr",
        lambda seen: seen.json["points"][0]["runs"][0]["flow"],
        lambda a, b: (a, b) == ("ecp5", "vtr")),
    Row("synth sweep --lanes", "synth sweep 64-100-10 --json", "--lanes 13",
        "--lanes 25 --lanes 4", lambda seen: [p["lanes"] for p in seen.json["points"]],
        lambda a, b: (a, b) == ([13], [25, 4])),
    Row("synth sweep --seed", _SWEEP, "--seed 4", "--seed 7 --seed 5", _point_seeds,
        lambda a, b: (a, b) == ([4], [7, 5])),
    Row("synth sweep --seeds", _SWEEP, "--seeds 1", "--seeds 2", _point_seeds,
        lambda a, b: (a, b) == ([1], [1, 2])),
    Row("synth sweep --jobs", _SWEEP, "", "--jobs 2",
        lambda seen: _threads(seen.json["points"][0]["runs"]), only_second),
    Row("synth sweep --plot", _SWEEP, "", "--plot x.png", lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == ([], ["x.png"])),
    Row("synth sweep --force", f"{_SWEEP} --plot x.png", "", "--force", kept("x.png"), forced,
        before={"x.png": MINE}),
    Row("synth sweep --json", "synth sweep 64-100-10 --lanes 13", "", "--json",
        is_json, only_second),
    Row("synth sweep --paper-fann", "synth sweep paper-int8 --lanes 13", "",
        "--paper-fann {empty}", lambda seen: seen.status, sizes(0, 2)),
    # bench
    Row("bench show --markdown", "bench show {before}", "", "--markdown",
        lambda seen: seen.out.startswith("| benchmark |"), only_second),
    Row("bench compare --json", "bench compare {before} {after}", "", "--json",
        is_json, only_second),
    Row("bench compare --markdown", "bench compare {before} {after}", "", "--markdown",
        lambda seen: seen.out.startswith("**Benchmarks:**"), only_second),
    Row("bench plot --out", _RUNS, "", "--out x.svg", lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == (["history.png"], ["x.svg"])),
    Row("bench plot --only", f"{_RUNS} --out x.png", "--only flow", "--only circuit",
        figure("x.png", 0, "lines")),
    Row("bench plot --only", f"{_RUNS} --out x.png", "--only flow", "--only flow --only circuit",
        lambda seen: len(json.loads(seen.files["x.png"])), sizes(1, 2)),
    Row("bench plot --force", f"{_RUNS} --out x.png", "", "--force", kept("x.png"), forced,
        before={"x.png": MINE}),
    # fetch
    Row("fetch --from", "fetch mnist --list", "--from http://a.org/x", "--from http://b.org/y",
        lambda seen: seen.out, lambda a, b: ("http://a.org/x/\n" in a, "http://b.org/y/\n" in b)
        == (True, True)),
    Row("fetch --from", "fetch papers --list", "--from fann=/x",
        "--from fann=/x --from kirchhoffnet=/y", lambda seen: seen.out,
        lambda a, b: ("git /y\n" in a, "git /x\n" in b, "git /y\n" in b) == (False, True, True)),
    # Nothing listens at port 1 of this machine.
    Row("fetch --list", "fetch mnist --from http://127.0.0.1:1", "", "--list",
        lambda seen: seen.status, lambda a, b: (a, b) == (2, 0)),
    Row("fetch --if-possible", "fetch mnist --from http://127.0.0.1:1", "", "--if-possible",
        lambda seen: seen.status, lambda a, b: (a, b) == (2, 0)),
    # store
    Row("store --name", "store {circles}", "--name one", "--name two",
        lambda seen: sorted(seen.files),
        lambda a, b: (a, b) == (["manifest.json", "store/one.npz"],
                                ["manifest.json", "store/two.npz"])),
    Row("store --force", "store {circles} --name one", "", "--force", kept("store/one.npz"),
        forced, before={"store/one.npz": MINE}),
]  # fmt: skip
