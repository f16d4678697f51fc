"""Where two sources say the same thing, which of them counts: each pair tried both ways round.

An option counts before the environment, that before what is built in; what a file says of itself
before what is known of its kind; a name that the project gives before a file that bears it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench import families
from ohmbench.benchmarks.records import read_run
from ohmbench.constants import FANN_VARIABLE, KIRCHHOFF_VARIABLE
from ohmbench.data.folders import DATA_VARIABLE, DataSet, Wanted
from ohmbench.data.images import _CIFAR10
from ohmbench.digital import Hardware, Images, load_int8, save_int8
from ohmbench.digital import store as int8_store
from ohmbench.digital.specs import Int8Spec
from ohmbench.digital.widths import _WIDTHS
from ohmbench.eda import hdl, tools
from ohmbench.eda.cache import CACHE_VARIABLE, cache_folder
from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
from ohmbench.eda.synthesis.runs import keep, kept_run, take
from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError, OperandError
from ohmbench.families import Papers, find_training, load
from ohmbench.family import JudgeOptions
from ohmbench.files import write_npz
from ohmbench.floatgate import EKV, SPECS, Activation, FGLayer, load_network, save_network
from ohmbench.floatgate.synapse import SUBTHRESHOLD
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kirchhoff import evaluation, judging
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.flows import pull_back, push_forward
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.samples import FRESH_SEED, PaperSource
from ohmbench.kirchhoff.simulation import Solver
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.paper import fann_folder, kirchhoff_folder, kirchhoff_results
from ohmbench.report.benchmark_figures import histories_of
from ohmbench.training import _at_most
from ohmbench.weights import stored
from tests.unit.circuits import MadeFlow, config, random_circuit, regression_config
from tests.unit.int8_networks import random_int8, random_scaled
from tests.unit.networks import random_network
from tests.unit.test_benchmarks import BANDS, content, measured
from tests.unit.test_synthesis import CLOCKS


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """``folder("a", "b/file")``: the folder a, with what is named in it."""

    def make(name: str, *files: str) -> Path:
        for file in files:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        return tmp_path / name

    return make


# ------------------------------------------------------------------------------------------------
# Folders: an option, a variable, a place of its own


@pytest.mark.parametrize(
    ("cache", "xdg", "expected"),
    [
        ("mine", "xdg", "mine"),
        ("mine", None, "mine"),
        (None, "xdg", "xdg/ohmbench"),
        ("", "xdg", "xdg/ohmbench"),
        (None, None, "home/.cache/ohmbench"),
        (None, "", "home/.cache/ohmbench"),
    ],
)
def test_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Any, xdg: Any, expected: str
) -> None:
    for variable, value in ((CACHE_VARIABLE, cache), ("XDG_CACHE_HOME", xdg)):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, str(tmp_path / value) if value else "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / expected


@pytest.mark.parametrize(
    ("find", "variable"),
    [(fann_folder, FANN_VARIABLE), (kirchhoff_folder, KIRCHHOFF_VARIABLE)],
    ids=["fann", "kirchhoffnet"],
)
def test_a_papers_folder(
    monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path], find: Any, variable: str
) -> None:
    named, of_variable = folder("named"), folder("variable")
    monkeypatch.setenv(variable, str(of_variable))
    assert find(named) == named
    assert find(None) == of_variable
    # What is named and wrong is an error, and not the variable's folder instead.
    for wrong in ("", folder("x") / "none"):
        with pytest.raises(FileError):
            find(wrong)


def test_the_results_of_a_checkout(folder: Callable[..., Path]) -> None:
    """In src/results, else in results, else in the folder itself."""
    files = (
        "src/results/twomoon/config.yaml",
        "results/twomoon/config.yaml",
        "twomoon/config.yaml",
    )
    assert kirchhoff_results(folder("all", *files)) == folder("all") / "src/results"
    assert kirchhoff_results(folder("two", *files[1:])) == folder("two") / "results"
    assert kirchhoff_results(folder("one", files[2])) == folder("one")


def test_the_verilog(monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path]) -> None:
    """That of the variable, else the package's own, else that of the checkout around it."""
    named = folder("named", "accelerator.v")
    checkout = folder("checkout", "lib/ohmbench/__init__.py", "hdl/accelerator.v")
    package = checkout / "lib" / "ohmbench"
    monkeypatch.setattr(hdl, "ohmbench", SimpleNamespace(__file__=str(package / "__init__.py")))
    monkeypatch.delenv(HDL_VARIABLE, raising=False)
    assert hdl_folder() == checkout / "hdl"
    folder("checkout", "lib/ohmbench/hdl/accelerator.v")
    assert hdl_folder() == package / "hdl"
    monkeypatch.setenv(HDL_VARIABLE, str(named))
    assert hdl_folder() == named
    monkeypatch.setenv(HDL_VARIABLE, str(folder("empty")))
    with pytest.raises(ToolError, match="empty"):
        hdl_folder()


def text_file(*names: str) -> Wanted:
    return Wanted(names, Path.read_text)


def test_a_data_set(monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path]) -> None:
    """The folder of its name before the one around it, and all files from one of them."""
    digits = DataSet("mnist", "MNIST")
    monkeypatch.setenv(DATA_VARIABLE, str(folder("data", "a", "b")))
    assert digits.places(text_file("a")) == [folder("data")]
    folder("data", "mnist/a")
    inner = folder("data") / "mnist"
    assert digits.places(text_file("a")) == [inner, folder("data")]
    assert digits.read(text_file("a"))[0].path == inner / "a"
    a, b = digits.read(text_file("a"), text_file("b"))
    assert (a.path, b.path) == (folder("data") / "a", folder("data") / "b")


def test_the_folders_below_a_data_set_in_their_order(
    monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path]
) -> None:
    files = ("set/one/a", "set/two/a", "one/a")
    data = folder("data", *files)
    monkeypatch.setenv(DATA_VARIABLE, str(data))
    for below, first in ((("two", "one"), "set/two"), (("one", "two"), "set/one")):
        kept = DataSet("set", "Set", below)
        assert kept.read(text_file("a"))[0].path == data / first / "a"


def test_the_authors_own_layout_before_a_loose_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def asked(self: DataSet, *wanted: Wanted) -> Any:
        raise Asked([file.names for file in wanted])

    monkeypatch.setattr(DataSet, "read", asked)
    with pytest.raises(Asked) as found:
        _CIFAR10()
    assert found.value.args[0][-1] == ("cifar-10-batches-bin/test_batch.bin", "test_batch.bin")


def test_of_several_names_the_first_that_is_there(
    monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path]
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(folder("data", "one", "two")))
    data = DataSet("set", "Set")
    for names, first in ((("one", "two"), "one"), (("two", "one"), "two"), (("no", "two"), "two")):
        assert data.read(text_file(*names))[0].path.name == first


def test_a_script_beside_the_interpreter_before_one_on_the_path(
    monkeypatch: pytest.MonkeyPatch, folder: Callable[..., Path]
) -> None:
    """An environment's own tools: another version of them may well be on PATH."""
    beside, on_path = folder("beside", "python", "tool"), folder("path", "tool", "other")
    for path in (beside / "tool", on_path / "tool", on_path / "other"):
        path.chmod(0o755)
    monkeypatch.setattr(tools.sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", str(on_path))
    assert tools._script("tool")() == str(beside / "tool")
    assert tools._script("other")() == str(on_path / "other")
    (beside / "tool").chmod(0o644)
    assert tools._script("tool")() == str(on_path / "tool")
    assert tools._script("none")() is None


def test_the_python_of_vtr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tools.VTR_PYTHON_VARIABLE, "/named/python")
    assert tools.vtr_python() == "/named/python"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv(tools.VTR_PYTHON_VARIABLE)
        else:
            monkeypatch.setenv(tools.VTR_PYTHON_VARIABLE, unset)
        assert tools.vtr_python() == tools.sys.executable


# ------------------------------------------------------------------------------------------------
# Names


def test_stored_weights_before_a_file_of_their_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """... which a path still reaches."""
    monkeypatch.chdir(tmp_path)
    other = random_network(SPECS["floatgate-circles"], seed=0)
    save_network("floatgate-digits", other, seed=3, recipe="{}", history=np.zeros((1, 3)))
    assert stored("floatgate-digits") is not None
    assert load("floatgate-digits", Papers()).network.network.spec.name == "floatgate-digits"
    assert load("./floatgate-digits", Papers()).network.network.spec.name == "floatgate-circles"


def test_a_papers_name_before_a_file_or_stored_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FANN_VARIABLE, raising=False)
    (tmp_path / "paper-v3").write_text("a file")
    monkeypatch.setattr(families, "stored", lambda name: pytest.fail("asked for stored weights"))
    with pytest.raises(FileError, match="no folder named"):
        load("paper-v3", Papers())


@pytest.mark.parametrize("name", ["floatgate-digits", "int8-digits"])
def test_a_recipe_before_a_file_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("no: configuration")
    assert find_training(name, 0)[0].takes_samples is False
    with pytest.raises(FileError, match="unknown key"):
        find_training(f"./{name}", 0)


def test_an_own_configuration_before_a_folder_of_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twomoon").mkdir()
    (tmp_path / "twomoon" / "config.yaml").write_text("no: configuration")
    assert find_training("twomoon", 0)[0].takes_samples is True
    with pytest.raises(FileError, match="unknown key"):
        find_training("./twomoon", 0)


# ------------------------------------------------------------------------------------------------
# What a file says, and what follows from its kind


def arrays_of(seed: int) -> dict[str, np.ndarray]:
    network = random_network(SPECS["floatgate-circles"], seed=seed)
    arrays: dict[str, np.ndarray] = {"network": np.array("floatgate-circles")}
    for k, layer in enumerate(network.fg_layers):
        arrays[f"mlp_{k}_weights"] = layer.weight.detach().numpy()
        arrays[f"mlp_{k}_bias"] = layer.bias.detach().numpy()
    return arrays


def test_a_files_own_images_before_those_of_its_seed(tmp_path: Path) -> None:
    arrays = {**arrays_of(0), "seed": np.array(3)}
    write_npz(tmp_path / "seed.npz", arrays)
    of_seed = load_network(tmp_path / "seed.npz")
    assert (of_seed.images, len(of_seed.v)) == ("circles, held out by seed 3", 500)
    own = {"test_data": np.full((2, 2), 2.25), "labels": np.array([1, 0])}
    write_npz(tmp_path / "both.npz", {**arrays, **own})
    both = load_network(tmp_path / "both.npz")
    assert both.images == "the file's own test_data"
    assert (both.v.tolist(), both.labels.tolist(), both.seed) == ([[2.25] * 2] * 2, [1, 0], 3)
    # Whatever they come as, they are of the weights' type.
    assert both.v.dtype == both.network.fg_layers[0].weight.dtype == torch.float32


def test_an_int8_files_own_images_before_those_of_its_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = random_int8(0, (4, 3, 2), images=5)
    spec = Int8Spec("tiny", network.sizes, "tiny")
    monkeypatch.setitem(int8_store.INT8_SPECS, "tiny", spec)
    held_out = np.full((7, 4), 0.5), np.zeros(7, np.int64)
    monkeypatch.setattr(int8_store, "held_out", lambda dataset, seed: held_out)
    own = Images(x, np.array([1, 0, 1, 0, 1]), "any")
    save_int8(tmp_path / "own.npz", network, spec=spec, seed=0, images=own)
    save_int8(tmp_path / "none.npz", network, spec=spec, seed=0)
    found = load_int8(tmp_path / "own.npz").images()
    assert np.array_equal(found.x, x)
    assert found.labels.tolist() == own.labels.tolist()
    assert found.source == "the file's own test_inputs_u8"
    assert len(load_int8(tmp_path / "none.npz").images().x) == 7


def test_a_files_own_multiplier_before_that_of_its_scales(tmp_path: Path) -> None:
    network, _ = random_scaled(0)
    assert network.M > 5
    other = replace(network, M=5, S=3)
    for name, saved in (("own", network), ("other", other)):
        save_int8(tmp_path / f"{name}.npz", saved)
        found = load_int8(tmp_path / f"{name}.npz").network
        assert (found.M, found.S) == (saved.M, saved.S)
        assert found.scales == network.scales


# ------------------------------------------------------------------------------------------------
# Options and what they replace


def judged(**changes: Any) -> StoredKirchhoff:
    return StoredKirchhoff(
        "x",
        regression_config(),
        build(regression_config()),
        PaperSource(regression_config().test_bench),
        **changes,
    )


def test_the_split_of_a_training_before_an_option() -> None:
    """Another split would judge by samples of the training: refused, and not taken."""
    assert judging._split_seed(judged(seed=3), None) == 3
    assert judging._split_seed(judged(seed=3), 3) == 3
    assert judging._split_seed(judged(seed=0), None) == 0
    assert judging._split_seed(judged(), 5) == 5
    assert judging._split_seed(judged(), None) == 0
    for own, asked in ((3, 4), (3, 0), (0, 3)):
        with pytest.raises(OperandError, match=f"--seed {asked}: trained on the split of"):
            judging._split_seed(judged(seed=own), asked)


@pytest.mark.parametrize(("bench", "size"), [("gauss", 20_000), ("potential1", 10_000)])
@pytest.mark.parametrize("points", [None, 7])
@pytest.mark.parametrize("seed", [None, 0, 5])
def test_points_and_seed_of_a_judgement(
    monkeypatch: pytest.MonkeyPatch, bench: str, size: int, points: int | None, seed: int | None
) -> None:
    """An option counts, 0 as any other; without one there is a default."""
    asked: list[tuple[int, int]] = []

    class Asked(Exception):
        pass

    def fresh(_: Any, n: int, seed: int, **__: Any) -> None:
        asked.append((n, seed))
        raise Asked

    monkeypatch.setattr(PaperSource, "judging_points", fresh)
    monkeypatch.setattr(judging.evaluation, "draw", fresh)
    made = config(bench)
    options = JudgeOptions(samples=points, seed=seed)
    data = StoredKirchhoff("x", made, build(made), PaperSource(bench), seed=9)
    with pytest.raises(Asked):
        judging.judge(data, options)
    assert asked == [(size if points is None else points, FRESH_SEED if seed is None else seed)]


def test_the_tolerance_of_a_judgement() -> None:
    made = config("gauss")
    data = StoredKirchhoff("x", made, build(made), PaperSource("gauss"))
    assert judging.flow_solver(data, None).tol == evaluation.JUDGE_TOL
    for tol in (1e-9, 1e-2):
        assert judging.flow_solver(data, tol).tol == tol
    # What reads out has the configuration's own solver unless told otherwise.
    runs = judging.Runs
    assert runs(build(regression_config())).solver == build(regression_config()).solver
    assert runs(build(regression_config()), 1e-7).solver.method == "dopri5"
    assert runs(build(regression_config()), 1e-7).solver.tol == 1e-7


def steps_of(nfe: tuple[int, ...]) -> float:
    """Of rk4 over a second."""
    return sum(nfe) / 4


def test_a_solver_that_is_given_before_the_networks_own() -> None:
    own, given = (Solver("rk4", step_size=1 / n) for n in (2, 5))
    flow = MadeFlow([random_circuit(0, 2, 5, dtype=torch.float32)], [1.0], own)
    x = torch.zeros(3, 2)
    for carry in (push_forward, pull_back):
        assert steps_of(carry(flow, x).nfe) == 2
        assert steps_of(carry(flow, x, solver=given).nfe) == 5
    # Judges have a tight one of their own.
    assert steps_of(evaluation.log_density(flow, x, solver=given).nfe) == 5
    assert steps_of(evaluation.draw(flow, 3, 0, solver=given).nfe) == 5
    for found in (evaluation.log_density(flow, x), evaluation.draw(flow, 3, 0)):
        assert steps_of(found.nfe) not in (2, 5)
    network = build(regression_config(simulation__step_size=0.5))
    sample = torch.zeros(2, 5)
    assert steps_of(network.run(sample).nfe) == 2
    assert steps_of(network.run(sample, solver=given).nfe) == 5


@pytest.mark.parametrize("preferred", ["auto", "plain"])
@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
def test_a_path_by_name_before_the_variable(
    monkeypatch: pytest.MonkeyPatch, preferred: str, path: Any
) -> None:
    circuit = random_circuit(0, 3, 9, "ShiftTanh2", dtype=torch.float32)
    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    expected = type(right_hand_side(circuit, path))
    monkeypatch.setenv(PATH_VARIABLE, preferred)
    assert type(right_hand_side(circuit, path)) is expected


def test_a_cell_that_is_given_before_the_activations() -> None:
    w, bias = torch.full((1, 1), 1e-8), torch.zeros(1)
    assert FGLayer(w, bias, Activation.SIGMOID).cell == EKV
    layer = FGLayer(w, bias, Activation.SIGMOID, SUBTHRESHOLD)
    assert layer.cell is SUBTHRESHOLD
    v = torch.full((1,), 2.0)
    found = layer.currents(v, path="plain").pos
    expected = SUBTHRESHOLD.current(v, w)[0]
    assert torch.equal(found, expected)
    assert not torch.equal(found, EKV.current(v, w)[0])


@pytest.mark.parametrize("width", _WIDTHS)
def test_a_register_width_that_is_given_before_the_derived_one(width: str) -> None:
    hardware, register = Hardware(64, 100, 10), width.removesuffix("_bits")
    derived = hardware.registers()[register].bits
    for bits in (1, derived - 1, derived + 1, 63):
        assert replace(hardware, **{width: bits}).registers()[register].bits == bits


def test_what_follows_a_given_width_follows_from_it() -> None:
    """Sums with bias from those without, and so on down to the product."""
    base = Hardware(64, 100, 10)
    changes = {
        "acc0_bits": (40, {"sum0": 41, "r": 40, "product": 56}),
        "sum0_bits": (40, {"r": 39, "product": 55}),
        "r_bits": (40, {"product": 56}),
        "acc1_bits": (40, {"logit": 41}),
        "bias_bits": (40, {"sum0": 41, "r": 40, "product": 56, "logit": 41}),
        "scale_bits": (20, {"product": 52}),
    }
    for name, (bits, expected) in changes.items():
        found = replace(base, **{name: bits}).registers()
        assert {k: found[k].bits for k in expected} == expected, name


@pytest.mark.parametrize(
    ("lanes", "requants", "expected"),
    [(None, None, (13, 2)), (20, None, (20, 4)), (None, 4, (13, 4)), (20, 8, (20, 8))],
)
def test_lanes_and_requantisers_of_a_synthesis(
    monkeypatch: pytest.MonkeyPatch, run: Any, lanes: int | None, requants: int | None,
    expected: tuple[int, int],
) -> None:  # fmt: skip
    """Given ones count; of given lanes alone the fewest requantisers; else the usual of both."""
    seen: list[Hardware] = []

    def stop(name: str, hardware: Hardware, *_: Any, **__: Any) -> None:
        seen.append(hardware)
        raise OperandError("enough")

    monkeypatch.setattr("ohmbench.eda.synthesis.flows.check_tools", lambda flow: None)
    monkeypatch.setattr("ohmbench.eda.synthesis.flows.synthesise", stop)
    options = [f"--{k}={v}" for k, v in (("lanes", lanes), ("requants", requants)) if v]
    assert run("synth", "64-100-10", *options)[0] == 2
    assert [(h.lanes, h.requants) for h in seen] == [expected]


@pytest.mark.parametrize(
    ("asked", "before", "inside"), [(None, 3, 3), (1, 3, 1), (2, 3, 2), (5, 3, 3)]
)
def test_threads_are_the_fewest_of_a_tasks_and_the_users(
    asked: int | None, before: int, inside: int
) -> None:
    usual = torch.get_num_threads()
    try:
        torch.set_num_threads(before)
        with _at_most(asked):
            assert torch.get_num_threads() == inside
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(usual)


# ------------------------------------------------------------------------------------------------
# Kept files and runs


def test_a_plain_file_before_a_packed_one(folder: Callable[..., Path]) -> None:
    kept = folder("kept")
    large = folder("in", "report") / "report"
    large.write_text("packed " * 60_000)
    keep(large, kept)
    assert [p.name for p in kept.iterdir()] == ["report.gz"]
    take(kept, "report", kept / "out")
    assert (kept / "out").read_text() == "packed " * 60_000
    (kept / "report").write_text("plain")
    take(kept, "report", kept / "out")
    assert (kept / "out").read_text() == "plain"


def test_a_kept_run_before_one_made_now_unless_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    made: list[int] = []

    def make(work: Path) -> Any:
        made.append(1)
        return CLOCKS.model_copy(update={"latency": 100 + len(made)}), ()

    def latency(**options: Any) -> int:
        return kept_run("key", type(CLOCKS), make, **options)[0].latency

    assert [latency(), latency(), latency(anew=True), latency()] == [101, 101, 102, 101]


def test_a_runs_time_is_its_commits(tmp_path: Path) -> None:
    """Else that of the run: a history in the order of runs would jump about."""
    of_commit = "2026-01-01T12:00:00+01:00"
    of_run = content(measured())["datetime"]
    assert of_run != of_commit
    for commit, expected in ((of_commit, of_commit), (None, of_run)):
        value = content(measured(), when=of_commit)
        if commit is None:
            del value["commit_info"]["time"]
        path = tmp_path / f"{commit is None}.json"
        path.write_text(json.dumps(value))
        assert read_run(path).when == datetime.fromisoformat(expected)


def test_band_and_goal_of_a_history_are_the_latest_runs() -> None:
    def run_of(worse: float, ratio: float) -> Any:
        found = measured().model_copy(
            update={
                "bands": {"ratio": BANDS["ratio"].model_copy(update={"worse": worse})},
                "goal": measured().goal.model_copy(update={"ratio": ratio}),  # type: ignore[union-attr]
            }
        )
        return SimpleNamespace(measurements={"flow": found})

    for order in ((0.06, 15.0), (0.3, 2.0)), ((0.3, 2.0), (0.06, 15.0)):
        (history,) = histories_of([run_of(*values) for values in order])
        assert (history.band, history.goal) == order[-1]
    bare = measured().model_copy(update={"bands": {}, "goal": None})
    (history,) = histories_of([run_of(0.06, 15.0), SimpleNamespace(measurements={"flow": bare})])
    assert (history.band, history.goal) == (None, None)
