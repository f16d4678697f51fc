"""``ohmbench import``: what it prints, writes and answers, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmbench
from ohmbench.cli.import_network import Rounding
from ohmbench.data.labelled import BYTES, NAMES, read_samples
from ohmbench.digital.importing import importer, runtimes
from ohmbench.digital.importing.imported import Imported
from ohmbench.digital.importing.reading import find_model, published_models, read_source
from ohmbench.digital.importing.tflite_arithmetic import DEFAULT_ROUNDING, ROUNDINGS
from ohmbench.digital.importing.verdict import EXACT
from ohmbench.digital.integer import IntegerNetwork, infer
from ohmbench.digital.integer.network import Affine, Thresholds, acc_range
from ohmbench.digital.integer.store import load_integer
from ohmbench.errors import FileError, OperandError
from ohmbench.files import sha256_file
from tests.unit.command_line import assert_refused
from tests.unit.onnx_files import qonnx_mlp, save
from tests.unit.option_rows import dense_model, idx, real_input_model

needs_litert = pytest.mark.needs("ai-edge-litert")
needs_qonnx = pytest.mark.needs("qonnx")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tflite(tmp_path: Path) -> str:
    path = tmp_path / "net.tflite"
    path.write_bytes(dense_model().data())
    return str(path)


@pytest.fixture
def undecided(tmp_path: Path) -> str:
    """A QONNX file whose float additions decide some sums."""
    path = save(tmp_path / "undecided.onnx", qonnx_mlp(1, (6, 5, 4), power_of_two=False))
    assert not importer.import_network(path, run=False).verdict.exact
    return path


# ------------------------------------------------------------------------------------------------
# What is printed


@needs_litert
def test_an_exact_import_says_so(tflite: str, run: Run) -> None:
    status, out, err = run("import", tflite, "--random", 20)
    assert (status, err) == (0, "")
    assert f"proof: {EXACT}" in out
    assert "run: ai-edge-litert" in out
    assert "graph optimisations" not in out
    assert "; accumulators next to a step that were reached, per layer: " in out
    assert ": 0 of " in out
    assert "TFLite, float rounding; 6-5-4, 50 weights; inputs -128 to 127" in out
    network = importer.import_network(tflite, run=False).network
    for layer in network.layers:
        step = layer.step
        if isinstance(step, Affine):
            assert f"S {step.S}, M {step.M.min()} to {step.M.max()}" in out
        else:
            assert f"{step.hi - step.lo} thresholds a channel" in out
        low, high = acc_range(layer.weight, -128, 127)
        assert f"{low.min()} to {high.max()}" in out


@needs_litert
def test_json_has_the_proof_and_the_run(tflite: str, run: Run) -> None:
    status, out, err = run("import", tflite, "--random", 20, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["exact"] is True
    assert found["proof"]["line"] == EXACT
    assert found["run"]["agrees"] is True
    assert found["run"]["inputs"]["random integers"] == 20
    assert found["sha256"] == sha256_file(tflite)
    assert found["sizes"] == [6, 5, 4]
    assert found["check"] is None
    for k, layer in enumerate(found["layers"]):
        low, high = layer["sums"]
        bits = layer["sum_bits"]
        assert -(2 ** (bits - 1)) <= low <= high < 2 ** (bits - 1)
        assert low < -(2 ** (bits - 2)) or high >= 2 ** (bits - 2)
        assert layer["values"] == [-128, 127], k


@needs_qonnx
def test_an_import_that_is_not_exact_answers_1(undecided: str, run: Run) -> None:
    status, out, err = run("import", undecided, "--random", 20)
    assert (status, err) == (1, "")
    assert "proof: exact but for rounding in the source: " in out
    assert f"proof: {importer.import_network(undecided, run=False).verdict.line}\n" in out


def test_notes_of_the_reader_are_printed(tmp_path: Path, run: Run) -> None:
    path = save(tmp_path / "net.onnx", real_input_model())
    status, out, _ = run("import", path, "--no-run", "--input-bits", 5, "--input-step", 0.25)
    assert status == 0
    assert "note: " in out
    assert "inputs -16 to 15" in out
    assert "run: left out (--no-run)" in out


# ------------------------------------------------------------------------------------------------
# Exit status: of the proof, and of the run


@needs_litert
def test_a_difference_in_the_run_alone_answers_1(
    tflite: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the proof had missed a fault: the runtime shows it."""
    honest = importer.import_source

    def faulty(source: Any) -> Imported:
        found = honest(source)
        first = found.network.layers[0]
        assert isinstance(first.step, Thresholds)
        step = dataclasses.replace(first.step, table=first.step.table + 1)
        layers = (dataclasses.replace(first, step=step), *found.network.layers[1:])
        return dataclasses.replace(found, network=IntegerNetwork(found.network.input, layers))

    monkeypatch.setattr(importer, "import_source", faulty)
    status, out, _ = run("import", tflite, "--random", 20)
    assert status == 1
    assert f"proof: {EXACT}" in out
    assert "first: layer 0, channel " in out


@pytest.mark.parametrize("kind", ["tflite", "undecided"])
def test_without_the_runtime_the_proof_decides(
    kind: str, request: pytest.FixtureRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = request.getfixturevalue(kind)
    for name, one in runtimes.RUNTIMES.items():
        gone = dataclasses.replace(one, module="ohmbench_no_such_module")
        monkeypatch.setitem(runtimes.RUNTIMES, name, gone)
    status, out, err = run("import", path)
    assert (status, err) == (0 if kind == "tflite" else 1, "")
    assert "run: left out (" in out
    assert ": not installed; run 'pip install 'ohmbench[runtimes]'')" in out


# ------------------------------------------------------------------------------------------------
# The file that is written


def test_the_file_holds_the_integers_and_their_origin(
    tflite: str, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "net.npz"
    status, text, _ = run("import", tflite, "-o", out, "--no-run")
    assert status == 0
    assert f"wrote {out}" in text.replace("\n", "")
    stored = load_integer(out)
    assert stored.network == importer.import_network(tflite, run=False).network
    assert stored.origin["proof"] == EXACT
    assert stored.origin["rounding"] == "float"
    assert stored.origin["file"] == "net.tflite"
    assert stored.origin["sha256"] == sha256_file(tflite)
    assert stored.origin["versions"]["ohmbench"] == ohmbench.__version__
    assert stored.origin["run"] is None


@needs_litert
def test_the_file_says_what_ran(tflite: str, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "net.npz"
    assert run("import", tflite, "-o", out, "--random", 5)[0] == 0
    origin = load_integer(out).origin
    assert "values and 0 classes differ" in origin["run"]
    assert origin["versions"]["ai-edge-litert"] in origin["run"]


def test_nothing_is_overwritten(tflite: str, run: Run, tmp_path: Path) -> None:
    before = Path(tflite).read_bytes()
    assert_refused(run("import", tflite, "-o", tflite, "--force"), tflite, "choose another name")
    assert Path(tflite).read_bytes() == before
    there = tmp_path / "there.npz"
    there.write_bytes(b"mine")
    assert_refused(run("import", tflite, "-o", there), there)
    assert there.read_bytes() == b"mine"
    data = tmp_path / "data.csv"
    data.write_text("a,y\n1,0\n")
    assert_refused(run("import", tflite, "-o", data, "--check", data, "--force"), data)
    assert data.read_text() == "a,y\n1,0\n"


# ------------------------------------------------------------------------------------------------
# What is refused


def test_a_name_that_is_neither_file_nor_published(run: Run) -> None:
    assert_refused(run("import", "nothing.onnx"), "neither a file nor", *published_models())


def test_published_networks_are_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(published_models()) == {
        "qkeras_jettagging.onnx",
        "TFC_1W1A.onnx",
        "TFC_1W2A.onnx",
        "kwsmlp_w3a3.onnx",
        "ad01_int8.tflite",
        "finn_tfc/model.onnx",
    }
    monkeypatch.delenv("OHMBENCH_MODELS", raising=False)
    assert_refused(run("import", "ad01_int8.tflite"), "run 'ohmbench fetch models'")


def test_another_ending(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(b"")
    assert_refused(run("import", path), path, ".bin is not a format", ".onnx", ".tflite")


def test_options_that_are_for_the_other_format(tflite: str, run: Run, tmp_path: Path) -> None:
    onnx = save(tmp_path / "net.onnx", real_input_model())
    assert_refused(run("import", onnx, "--rounding", "single"), "--rounding: not for ONNX")
    assert_refused(run("import", tflite, "--input-bits", "8"), "--input-bits: not for TFLite")
    assert_refused(run("import", tflite, "--input-step", "1"), "--input-step: not for TFLite")
    assert_refused(run("import", onnx, "--input-step", "0.3"), "power of two")
    with pytest.raises(OperandError, match="choose float, "):
        read_source(tflite, rounding="thrice")


def test_a_damaged_file_is_refused(tflite: str, run: Run) -> None:
    path = Path(tflite)
    path.write_bytes(path.read_bytes()[:100])
    assert_refused(run("import", tflite), tflite)


def test_the_roundings_of_the_help_are_those_of_the_reader() -> None:
    assert tuple(one.value for one in Rounding) == ROUNDINGS
    assert DEFAULT_ROUNDING == "float"


# ------------------------------------------------------------------------------------------------
# Samples


def labelled(network: IntegerNetwork, n: int = 40, wrong: int = 7) -> tuple[Any, Any]:
    """Reals and the classes that the integers give to them, the first ``wrong`` of them changed."""
    rng = np.random.default_rng(0)
    q = rng.integers(network.input.lo, network.input.hi + 1, (n, network.inputs))
    y = infer(network, q).classes
    y[:wrong] = (y[:wrong] + 1) % network.classes
    return network.input.real(q), y


@pytest.mark.parametrize("ending", ["npz", "csv", "split npz"])
def test_accuracy_on_a_file(ending: str, tflite: str, run: Run, tmp_path: Path) -> None:
    network = importer.import_network(tflite, run=False).network
    x, y = labelled(network)
    path = tmp_path / f"data.{ending[-3:]}"
    if ending == "npz":
        np.savez(path, x=x, y=y)
    elif ending == "csv":
        names = ",".join([*(f"a{k}" for k in range(x.shape[1])), "y"])
        np.savetxt(path, np.c_[x, y], delimiter=",", header=names, comments="", fmt="%.17g")
    else:
        np.savez(path, x=x[:1], y=y[:1], x_test=x, y_test=y)
    status, out, _ = run("import", tflite, "--no-run", "--check", path, "--json")
    assert status == 0
    found = json.loads(out)["check"]
    assert (found["total"], found["correct"]) == (40, 33)
    low, high = found["accuracy_95"]
    assert low < found["accuracy"] == 33 / 40 < high
    assert "33 of 40 right in integers, 82.50 % [" in run(
        "import", tflite, "--no-run", "--check", path
    )[1].replace("\n", " ")


def test_samples_without_labels(tflite: str, run: Run, tmp_path: Path) -> None:
    x, _ = labelled(importer.import_network(tflite, run=False).network)
    np.savez(tmp_path / "data.npz", x=x)
    out = run("import", tflite, "--no-run", "--check", tmp_path / "data.npz")[1]
    assert "40 samples without labels; no accuracy" in out


def test_mnist_in_both_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images, labels = rng.integers(0, 256, (9, 28, 28)), np.arange(9) % 10
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    monkeypatch.setenv("OHMBENCH_DATA", str(tmp_path))
    unit, whole = (read_samples(name, 784, 10) for name in ("mnist", BYTES))
    assert np.array_equal(whole.x, images.reshape(9, -1))
    assert np.array_equal(unit.x, images.reshape(9, -1) / 255)
    assert whole.y is not None
    assert whole.y.tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,y\n1,0\n", ("has 1 features", "6 inputs")),
        ("a,b,c,d,e,f,y\n1,2,3,4,5,6,4\n", ("classes from 4 to 4", "from 0 to 3")),
        ("a,b,c,d,e,f,y\n1,2,3,4,5,6,-1\n", ("classes from -1 to -1",)),
        ("a,b,c,d,e,f,y\n1,2,3,4,5,6,0.5\n", ("line 2, column 'y'", "not a class number")),
        ("a,b,c,d,e,f,y\n1,2,3,4,5,cat,0\n", ("line 2, column 'f'",)),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    text: str, words: tuple[str, ...], tflite: str, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert_refused(run("import", tflite, "--no-run", "--check", path), path, *words)


def test_data_that_are_not_there(tflite: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is known before the work begins."""

    def work(*_: Any, **__: Any) -> Any:
        raise AssertionError("the import has begun")

    monkeypatch.setattr(importer, "import_network", work)
    assert_refused(run("import", tflite, "--check", "nobody"), "neither a data set", *NAMES)


# ------------------------------------------------------------------------------------------------
# From Python, and the published networks


def test_the_same_from_python(tflite: str) -> None:
    found = ohmbench.import_network(tflite, random=5)
    assert found.exact
    assert found.network == importer.import_network(tflite, run=False).network
    with pytest.raises(FileError, match="neither a file nor a published network"):
        ohmbench.import_network("nothing.tflite")


PUBLISHED = {
    "qkeras_jettagging.onnx": "qonnx",
    "TFC_1W1A.onnx": "qonnx",
    "TFC_1W2A.onnx": "qonnx",
    "finn_tfc/model.onnx": "qonnx",
    "ad01_int8.tflite": "ai-edge-litert",
}


@pytest.mark.needs("models", "qonnx", "ai-edge-litert")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name.endswith(".tflite") else ())
        for name in PUBLISHED
    ],
)
def test_published_networks_import_exactly(name: str) -> None:
    found = ohmbench.import_network(name, random=100)
    assert found.verdict.line == EXACT
    assert found.comparison is not None
    assert found.comparison.agrees, found.comparison.line
    assert found.comparison.runtime == PUBLISHED[name]
    assert found.comparison.remark is None
    reached, wanted = found.comparison.boundaries[0]
    assert reached == wanted > 0


@pytest.mark.slow
@pytest.mark.needs("models", "qonnx")
def test_a_network_that_the_source_itself_leaves_open() -> None:
    """Three-bit keyword spotting: its runtime's float sums decide some values. Each difference is
    at a sum where the proof says so.
    """
    found = ohmbench.import_network("kwsmlp_w3a3.onnx", random=100)
    assert not found.verdict.exact
    assert not found.verdict.differs
    assert found.comparison is not None
    assert sum(layer.differing for layer in found.comparison.layers) > 0
    assert sum(layer.unforeseen for layer in found.comparison.layers) == 0


def test_find_model_takes_a_file_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ad01_int8.tflite").write_bytes(b"mine")
    assert find_model("ad01_int8.tflite") == "ad01_int8.tflite"
