"""``ohmbench export``: what it writes, says and refuses."""

import json

import numpy as np
import pytest

import ohmbench
from ohmbench.digital.exporting import run_exported, writing
from ohmbench.digital.exporting.planning import make_plan
from ohmbench.digital.integer import infer
from ohmbench.digital.integer.network import as_layers
from ohmbench.digital.integer.store import save_integer
from ohmbench.errors import FileError, OperandError
from tests.unit.command_line import assert_refused
from tests.unit.integer_networks import random_inputs, random_integer
from tests.unit.test_exporting import FAULTS, small

needs_onnxruntime = pytest.mark.needs("onnxruntime")


@pytest.fixture
def stored(tmp_path):
    save_integer(tmp_path / "net.npz", small())
    return tmp_path / "net.npz"


@needs_onnxruntime
def test_our_digits_answer_the_same(run, tmp_path):
    """... as those of the golden model, for all held-out images, with and without optimisation."""
    path = tmp_path / "digits.onnx"
    status, out, err = run("export", "int8-digits", path)
    assert (status, err) == (0, "")
    line, ports, wrote = out.splitlines()
    assert line.startswith("int8-digits: exact: every input gives the network's integers; ")
    assert line.endswith(" for 2 layers")
    assert ports.startswith("input: reals, scale 0.0039")
    assert wrote == f"wrote {path}"
    loaded = ohmbench.load("int8-digits").network
    network, x = as_layers(loaded.network), loaded.images().x
    for optimise in (False, True):
        found = run_exported(path, network, x, optimise=optimise)
        assert np.array_equal(found.outputs, infer(network, x).outputs)


@needs_onnxruntime
def test_an_integer_network_in_a_file(run, stored, tmp_path):
    status, out, err = run("export", stored, tmp_path / "a.onnx", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["exact"] is True
    assert (found["input"], found["input_type"], found["input_scale"]) == ("reals", "uint8", 0.25)
    assert (found["output"], found["output_scale"], found["output_zero"]) == ("integers", [1], [0])
    assert found["sums_compared"] > 0
    assert found["real_inputs_compared"] == 2 * 15 + 2
    x = random_inputs(small(), 50)
    run_found = run_exported(tmp_path / "a.onnx", small(), x)
    assert np.array_equal(run_found.outputs, infer(small(), x).outputs)


def test_notes_say_what_is_not_plain(run, tmp_path):
    seed = next(s for s in range(20) if make_plan(random_integer(s)).notes)
    network = random_integer(seed)
    save_integer(tmp_path / "net.npz", network)
    status, out, _ = run("export", tmp_path / "net.npz", tmp_path / "a.onnx")
    assert status == 0
    for note in make_plan(network).notes:
        assert note in out.splitlines()


def test_the_same_network_gives_the_same_bytes(stored, tmp_path):
    for name in ("a.onnx", "b.onnx"):
        ohmbench.export(stored, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_onnx_accepts_the_file(stored, tmp_path):
    import onnx

    ohmbench.export(stored, tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [p.key for p in model.metadata_props] == ["ohmbench"]
    sizes = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 2]


def test_what_is_there_is_kept(run, stored, tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"mine")
    assert_refused(run("export", stored, path), "a.onnx", "exists already", "--force")
    with pytest.raises(FileError, match="exists already"):
        ohmbench.export(stored, path)
    assert path.read_bytes() == b"mine"
    assert run("export", stored, path, "--force")[0] == 0
    assert path.read_bytes() != b"mine"


def test_what_cannot_be_exported_is_one_line(run, stored, tmp_path):
    assert_refused(run("export", stored, tmp_path / "a.npz"), "a.npz", "end the name in .onnx")
    assert_refused(run("export", stored, stored), "is what this command reads")
    assert_refused(
        run("export", "floatgate-digits", tmp_path / "a.onnx"), "'export' takes int8 networks and"
    )
    assert_refused(run("export", tmp_path / "no.npz", tmp_path / "a.onnx"), "no.npz")
    assert_refused(run("export", stored, tmp_path / "no" / "a.onnx"), "no")
    with pytest.raises(OperandError, match="export takes int8 networks and"):
        ohmbench.export("floatgate-digits", tmp_path / "a.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


def test_without_a_proof_nothing_is_written(run, stored, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "make_plan", lambda n: FAULTS["threshold-late"](make_plan(n)))
    assert_refused(run("export", stored, tmp_path / "a.onnx"), "layer 0, channel", "the sum")
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]
