"""N-layer integer networks in every command, judged on the data that the user names."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import ohmbench
from ohmbench.digital.figures import weights_figure
from ohmbench.digital.golden import infer as infer_two
from ohmbench.digital.importing.importer import import_network
from ohmbench.digital.importing.source_run import run_source, source_of
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    from_int8,
    infer,
    infer_plain,
)
from ohmbench.digital.integer.evaluation import evaluate_integer
from ohmbench.digital.integer.figures import layers_figure, widths_figure
from ohmbench.digital.integer.prove import Widths, prove
from ohmbench.digital.integer.store import save_integer
from ohmbench.digital.integer_family import RANDOM_INPUTS, random_inputs
from ohmbench.errors import DtypeError, FileError, OperandError, RangeError, ShapeError
from ohmbench.families import INTEGER
from ohmbench.stats import proportion_interval
from tests.unit.command_line import assert_refused
from tests.unit.int8_networks import random_scaled
from tests.unit.integer_networks import random_inputs as inputs_of
from tests.unit.integer_networks import random_integer
from tests.unit.onnx_files import save
from tests.unit.option_rows import dense_model, real_input_model

NETWORK = random_integer(8, (6, 5, 4, 3), kind="affine", last="sums")
ROWS = 40


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "net.npz"
    save_integer(path, NETWORK, origin={"format": "QONNX", "file": "m.onnx", "proof": "exact"})
    return path


def samples():
    """Reals that the input format turns into its integers, and labels of which a part is wrong."""
    rng = np.random.default_rng(1)
    form = NETWORK.input
    q = rng.integers(form.lo, form.hi + 1, (ROWS, 6))
    classes = [infer_plain(NETWORK, row).class_ for row in q]
    labels = [(c + (k % 4 == 0)) % 3 for k, c in enumerate(classes)]
    return (q - form.zero) * form.scale, q, np.array(classes), np.array(labels)


@pytest.fixture
def data(tmp_path):
    x, _, _, labels = samples()
    path = tmp_path / "data.npz"
    np.savez(path, x=x, y=labels)
    return path


# ------------------------------------------------------------------------------------------------
# Judging


def test_accuracy_is_that_of_plain_integers(run, saved, data):
    _, q, classes, labels = samples()
    status, out, err = run("evaluate", saved, "--data", data, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    correct = int((classes == labels).sum())
    assert (found["correct"], found["total"]) == (correct, ROWS)
    interval = proportion_interval(correct, ROWS)
    assert found["accuracy_95"] == [interval.low, interval.high]
    confusion = np.zeros((3, 3), int)
    for label, answer in zip(labels, classes, strict=True):
        confusion[label, answer] += 1
    assert found["confusion"] == confusion.tolist()
    assert found["sizes"] == [6, 5, 4, 3]
    plain = [infer_plain(NETWORK, row).acc for row in q]
    for k, (layer, bound) in enumerate(
        zip(found["layers"], [prove(NETWORK).layer(k)["acc"] for k in range(3)], strict=True)
    ):
        sums = [value for acc in plain for value in acc[k]]
        assert (layer["acc_low"], layer["acc_high"]) == (min(sums), max(sums))
        assert (layer["bound_low"], layer["bound_high"]) == (bound.low, bound.high)
    status, out, _ = run("evaluate", saved, "--data", data)
    assert status == 0
    assert f"{correct} of {ROWS} correct" in out
    assert f"on {data}"[:40] in out.replace("\n", "")
    assert "format: QONNX" in out
    loaded = ohmbench.load(saved, data=str(data))
    judged = ohmbench.evaluate(loaded)
    assert (judged.values["correct"], judged.metrics["total"]) == (correct, ROWS)
    assert judged.found.correct == correct
    for network in (saved, loaded):
        assert ohmbench.prove(network).bounds == prove(NETWORK).bounds


@pytest.mark.parametrize("n", [1, 499, 500, 501, 1001])
def test_batches_make_no_difference(n):
    x = inputs_of(NETWORK, n, n)
    labels = np.arange(n) % 3
    found = evaluate_integer(NETWORK, x, labels)
    whole = infer(NETWORK, x)
    assert np.array_equal(found.classes, whole.classes)
    assert found.total == n
    assert found.correct == int((whole.classes == labels).sum()) == found.confusion.trace()
    assert found.confusion.sum() == n
    assert found.confusion[1].sum() == int((labels == 1).sum())
    assert found.acc_low == tuple(int(acc.min()) for acc in whole.acc)
    assert found.acc_high == tuple(int(acc.max()) for acc in whole.acc)
    assert found.accuracy == proportion_interval(found.correct, n)


def test_labels_that_are_not_classes_are_refused():
    x = inputs_of(NETWORK, 3)
    evaluate_integer(NETWORK, x, np.array([0, 2, 1]))
    for labels in ([0, 3, 1], [0, -1, 1]):
        with pytest.raises(RangeError, match="from 0 to 2"):
            evaluate_integer(NETWORK, x, np.array(labels))
    with pytest.raises(ShapeError, match=r"\(2,\), but should be \(3,\)"):
        evaluate_integer(NETWORK, x, np.array([0, 1]))
    with pytest.raises(ShapeError):
        evaluate_integer(NETWORK, x[:0], np.array([], np.int64))
    with pytest.raises(DtypeError):
        evaluate_integer(NETWORK, x.astype(float), np.array([0, 1, 2]))


def test_a_network_without_data_says_what_to_name(run, saved, tmp_path):
    for command in ("evaluate", "predict --image 0"):
        assert_refused(run(*command.split(), saved), saved.name, "holds no data", "--data")
    unlabelled = tmp_path / "x.npz"
    np.savez(unlabelled, x=samples()[0])
    assert_refused(run("evaluate", saved, "--data", unlabelled), "x.npz", "has no classes")
    assert_refused(run("predict", saved, "--image", 0, "--data", unlabelled), "has no classes")
    other = tmp_path / "other.npz"
    np.savez(other, x=np.zeros((4, 7)), y=np.zeros(4, np.int64))
    assert_refused(run("evaluate", saved, "--data", other), "7 features", "6 inputs")


@pytest.mark.parametrize("command", ["evaluate", "predict --image 0", "plot --out x", "trace"])
@pytest.mark.parametrize("name", ["int8-digits", "floatgate-circles", "gauss"])
def test_other_families_come_with_their_data(run, data, command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = command.split()
    found = run(words[0], name, *words[1:], "--data", data)
    if command in ("trace", "predict --image 0") and name != "int8-digits":
        assert_refused(found)
        if command == "trace":
            return
    if (command, name) == ("predict --image 0", "gauss"):
        return
    assert_refused(found, "--data", "does not apply to", "leave it out")


# ------------------------------------------------------------------------------------------------
# Prediction and figures


@pytest.mark.parametrize("image", [0, 3, ROWS - 1])
def test_a_prediction(run, saved, data, image):
    _, q, classes, labels = samples()
    plain = infer_plain(NETWORK, q[image])
    status, out, err = run("predict", saved, "--image", image, "--data", data, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert (found["answer"], found["label"]) == (classes[image], labels[image])
    assert (found["value"], found["layers"]) == (plain.value, plain.h)
    meaning = NETWORK.layers[-1].meaning
    if meaning is None:
        assert found["real"] is None
    else:
        real = [meaning.scale[0] * v + meaning.offset[0] for v in plain.h[-1]]
        assert found["real"] == pytest.approx(real)
    status, out, _ = run("predict", saved, "--image", image, "--data", data)
    right = classes[image] == labels[image]
    assert f"true {labels[image]}: {'right' if right else 'wrong'}" in out
    assert all(str(value) in out for value in plain.h[-1])
    assert_refused(run("predict", saved, "--image", ROWS, "--data", data), f"0 to {ROWS - 1}")


def test_a_prediction_says_real_values_where_there_are_some(run, tmp_path, data):
    last = replace(NETWORK.layers[-1], meaning=Meaning.of(0.5, 2))
    for meaning in (None, Meaning.of(0.5, 2)):
        network = IntegerNetwork(
            NETWORK.input, (*NETWORK.layers[:-1], replace(last, meaning=meaning))
        )
        path = tmp_path / "m.npz"
        save_integer(path, network, overwrite=True)
        found = json.loads(run("predict", path, "--image", 0, "--data", data, "--json")[1])
        outputs = found["layers"][-1]
        expected = None if meaning is None else [0.5 * (v - 2) for v in outputs]
        assert found["real"] == expected
        text = run("predict", path, "--image", 0, "--data", data)[1]
        assert (" -  " in text) == (meaning is None)


def heights(axes):
    return [bar.get_height() for bar in axes.patches]


@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_weights_of_every_layer_are_counted(layers):
    network = random_integer(layers, (6, 5, 4, 3, 5, 2)[: layers + 1])
    figure = weights_figure(network, "net")
    assert len(figure.axes) == layers
    for axes, layer in zip(figure.axes, network.layers, strict=True):
        weights = layer.weight.ravel().tolist()
        counts = dict(zip(range(-128, 128), heights(axes), strict=True))
        assert counts == {w: weights.count(w) for w in range(-128, 128)}


def test_widths_are_those_of_the_certificate():
    network = random_integer(3, (6, 5, 4, 3))
    certificate = prove(network)
    (axes,) = widths_figure(certificate, 3, "net").axes
    expected = []
    for quantity in ("acc", "product", "value"):
        bounds = [b for b in certificate.bounds if b.quantity == quantity]
        expected += [b.needs for b in bounds] + [b.format_needs for b in bounds]
    assert heights(axes) == expected
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in axes.patches[:3]] == [0, 1, 2]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("layer", "bits needed")


@pytest.mark.parametrize("layers", [1, 3, 4, 6])
@pytest.mark.parametrize("right", [True, False])
def test_the_forward_pass_is_drawn_layer_by_layer(layers, right):
    network = random_integer(layers, (9, 5, 4, 3, 5, 2, 3)[: layers + 1])
    x = inputs_of(network, 1)
    found = infer(network, x)
    answer = int(found.classes[0])
    figure = layers_figure(network, x[0], found, answer if right else answer + 1, "one")
    panels = [
        axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"
    ]
    assert len(panels) == layers + 1
    assert np.array_equal(panels[0].images[0].get_array().ravel(), x[0])
    for k, axes in enumerate(panels[1:-1]):
        assert axes.get_title() == f"layer {k}"
        assert axes.lines[0].get_ydata().tolist() == found.h[k][0].tolist()
    out = panels[-1]
    assert heights(out) == found.outputs[0].tolist()
    assert out.patches[answer].get_facecolor() == to_rgba("tab:green" if right else "tab:red")


def test_plots(run, saved, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("plot", saved, "--out", "a")[0] == 0
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["weights.png", "widths.png"]
    assert run("plot", saved, "--out", "b", "--data", data)[0] == 0
    assert "confusion.png" in [p.name for p in (tmp_path / "b").iterdir()]
    assert run("predict", saved, "--image", 1, "--data", data, "--plot", "p.svg")[0] == 0
    assert (tmp_path / "p.svg").exists()


# ------------------------------------------------------------------------------------------------
# Proofs


def test_a_proof_without_widths_shows_what_registers_need(run, saved):
    status, out, err = run("prove", saved)
    assert (status, err) == (0, "")
    assert "no widths given, so there is nothing to prove" in out
    assert "6-5-4-3" in out
    assert f"from {NETWORK.input.lo} to {NETWORK.input.hi}" in out
    for bound in prove(NETWORK).bounds:
        (row,) = [
            [cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines()
            if line.startswith(f"│ {bound.layer} ") and f"│ {bound.quantity} " in line
        ]  # fmt: skip
        channels = f" ({bound.low_channel})" if bound.of_channels else ""
        assert row[2] == f"{bound.low}{channels}"
        channels = f" ({bound.high_channel})" if bound.of_channels else ""
        assert row[3] == f"{bound.high}{channels}"
        assert row[4] == f"{bound.needs} {'signed' if bound.signed else 'unsigned'}"
        assert row[5:] == [str(bound.format_needs), "-", "-"]
    found = json.loads(run("prove", saved, "--json")[1])
    assert (found["proven"], found["sizes"]) == (None, [6, 5, 4, 3])
    for k, layer in enumerate(found["layers"]):
        for name, bound in prove(NETWORK).layer(k).items():
            json_bound = layer[name]
            for key in ("low", "high", "format_low", "format_high", "exact", "signed",
                        "partial_low", "partial_high"):  # fmt: skip
                assert json_bound[key] == getattr(bound, key)
            assert json_bound["needs_bits"] == bound.needs
            assert json_bound["format_needs_bits"] == bound.format_needs
            assert json_bound["low_channel"] == (None if name == "S" else bound.low_channel)
            assert json_bound["high_channel"] == (None if name == "S" else bound.high_channel)
            assert json_bound["bits"] is json_bound["verdict"] is None
            assert json_bound["counterexample"] is json_bound["holds_format"] is None
        assert list(layer) == list(prove(NETWORK).layer(k))


def test_wide_registers_are_proven(run, saved):
    status, out, err = run("prove", saved, "--acc-bits", 40, "--value-bits", "40,41,42")
    assert (status, err) == (0, "")
    assert "proven; no input overflows any of 6 registers" in out
    assert "acc: holds every partial sum too, in any order of additions" in out
    found = json.loads(
        run("prove", saved, "--acc-bits", 40, "--value-bits", "40,41,42", "--json")[1]
    )
    assert found["proven"] is True
    assert [layer["value"]["bits"] for layer in found["layers"]] == [40, 41, 42]
    assert all(layer["acc"]["verdict"] == "holds" for layer in found["layers"])
    assert all(layer["acc"]["holds_partial_sums"] for layer in found["layers"])
    assert all(layer["acc"]["holds_format"] for layer in found["layers"])


def test_a_narrow_register_is_broken_by_an_input(run, saved):
    needs = prove(NETWORK).layer(0)["acc"].needs
    status, out, err = run("prove", saved, "--acc-bits", needs - 1, "--json")
    assert (status, err) == (1, "")
    found = json.loads(out)
    assert found["proven"] is False
    example = found["layers"][0]["acc"]["counterexample"]
    x = np.array([example["input"]])
    assert infer(NETWORK, x).acc[0][0, example["channel"]] == example["value"]
    bound = prove(NETWORK, Widths(acc=needs - 1)).layer(0)["acc"]
    assert example["kept"] == bound.register.kept(example["value"])
    status, out, _ = run("prove", saved, "--acc-bits", needs - 1)
    assert status == 1
    assert f"layer 0, acc ({needs - 1} bits signed), channel {example['channel']}" in out
    assert f"{example['value']} is reached, {example['kept']} is left of it" in out
    assert f"needs {needs} bits" in out
    assert f"input: {example['input']}" in out.replace("\n", "")
    assert "proven; no input" not in out
    assert "acc of layer 0" in out
    failure = ohmbench.prove(saved, Widths(acc=needs - 1)).first_failure
    assert (failure.layer, failure.quantity, failure.verdict) == (0, "acc", bound.verdict)


def test_what_is_stored_and_what_is_not_proven_is_said(run, tmp_path):
    first = Layer(np.array([[1], [-1]], np.int8), Affine([3, 1], [0, 255], 0))
    last = Layer(np.array([[127, 127], [1, 1], [126, 126]], np.int8), Affine.sums([0, 0, 0]))
    path = tmp_path / "open.npz"
    save_integer(path, IntegerNetwork(InputFormat(0, 255), (first, last)))
    status, out, _ = run("prove", path, "--scale-bits", 1)
    assert status == 1
    assert (
        "layer 0, M (1 bit unsigned), channel 0: 3 is stored, 1 is left of it; needs 2 bits" in out
    )
    assert "input: [" not in out
    status, out, _ = run("prove", path, "--shift-bits", 1, "--json")
    assert status == 0
    status, out, _ = run("prove", path, "--acc-bits", "64,15")
    assert status == 1
    assert "layer 1, acc (15 bits unsigned), channel" in out or "not proven" in out
    found = json.loads(run("prove", path, "--acc-bits", "64,9", "--json")[1])
    assert found["layers"][1]["acc"]["verdict"] == "BROKEN"
    one = Layer(np.array([[1], [-1]], np.int8), Affine([1, 1], [0, 255], 0))
    save_integer(path, IntegerNetwork(InputFormat(0, 255), (one, last)), overwrite=True)
    status, out, _ = run("prove", path, "--acc-bits", "64,15")
    assert status == 1
    assert (
        "layer 1, acc (15 bits unsigned): not proven; bounds 0 to 64770 need 16 bits, but no input "
        "was found that leaves it" in out
    )
    status, out, _ = run("prove", path, "--acc-bits", "64,14")
    assert "layer 1, acc (14 bits unsigned), channel 0 (one of 2 that may leave it): " in out


def test_the_first_of_several_channels_is_named(run, tmp_path):
    layer = Layer(np.array([[1], [100], [120]], np.int8), Affine.sums([0, 0, 0]))
    path = tmp_path / "three.npz"
    save_integer(path, IntegerNetwork(InputFormat(0, 255), (layer,)))
    out = run("prove", path, "--acc-bits", 14)[1]
    assert "acc (14 bits unsigned), channel 1 (first of 2 that leave it): 25500 is reached" in out
    assert "later rows are bounds" not in out
    assert "acc: holds every partial sum" not in out
    table = Layer(np.array([[2]], np.int8), Affine([1], [0], 4, 0, None, None))
    save_integer(path, IntegerNetwork(InputFormat(0, 255), (table,)), overwrite=True)
    out = run("prove", path, "--shift-bits", 2)[1]
    assert "layer 0, S (2 bits unsigned): 4 is stored, 0 is left of it; needs 3 bits" in out


def test_options_that_do_not_apply(run, saved):
    for option in ("--inputs", "--hidden", "--classes", "--lanes", "--sum-bits", "--r-bits"):
        assert_refused(run("prove", saved, option, 20), option, "does not apply", "--acc-bits")
    assert_refused(run("prove", saved, "--hardware", "ours"), "--hardware", "does not apply")
    assert_refused(run("prove", saved, "--acc-bits", "20,20"), "--acc-bits", "2 widths", "3 layers")
    for option in ("--weight-bits", "--mac-bits", "--shifted-bits", "--value-bits"):
        assert_refused(run("prove", "int8-digits", option, 20), option, "does not apply")
    assert_refused(run("prove", "int8-digits", "--acc-bits", "20,21"), "--acc-bits", "2 widths")
    for wrong in ("0", "65", "20,0", "20,65", "x", "20,", "1.5", ""):
        assert_refused(run("prove", saved, "--acc-bits", wrong), "--acc-bits")


# ------------------------------------------------------------------------------------------------
# Traces


@pytest.fixture
def hardware(monkeypatch):
    calls = []

    def simulate(network, images, **_):
        calls.append(images)
        return infer_two(network, images)

    monkeypatch.setitem(sys.modules, "ohmbench.eda.simulation", SimpleNamespace(simulate=simulate))
    return calls


def test_a_trace_of_random_inputs_and_of_data(run, saved, data, hardware):
    status, out, err = run("trace", saved, "--all")
    assert (status, err) == (0, "")
    assert f"{RANDOM_INPUTS} images: every stage within its tolerance" in out
    assert "hardware: left out; it has 3 layers, but the hardware computes 2" in out
    assert f"inputs: {RANDOM_INPUTS} random ones" in out
    assert not hardware
    status, out, _ = run("trace", saved, "--no-rtl", "--data", data, "--all", "--json")
    assert status == 0
    found = json.loads(out)
    assert found["images"] == ROWS
    assert [stage["name"] for stage in found["stages"]] == [
        "reference -> integers", "integers -> Python integers",
    ]  # fmt: skip
    assert found["remarks"] == []
    assert len(json.loads(run("trace", saved, "--json")[1])["remarks"]) == 2
    for image in (-1, RANDOM_INPUTS):
        assert_refused(run("trace", saved, f"--image={image}"), f"0 to {RANDOM_INPUTS - 1}")
    assert_refused(run("trace", saved, "--data", data, "--image", ROWS), f"0 to {ROWS - 1}")
    assert_refused(run("trace", saved, "--float", data), "--float", "does not apply")
    assert_refused(run("trace", "int8-digits", "--source", data), "--source", "does not apply")
    assert [s.passed for s in ohmbench.trace(saved, images=3)] == [True, True]
    assert ohmbench.trace(saved, images=3)[0].parts[0].compared == 3 * 5


def test_two_layers_reach_the_hardware(run, tmp_path, hardware):
    two, _ = random_scaled(3, (6, 5, 4))
    path = tmp_path / "two.npz"
    save_integer(path, from_int8(two))
    status, out, err = run("trace", path, "--image", 7, "--json")
    assert (status, err) == (0, "")
    names = [stage["name"] for stage in json.loads(out)["stages"]]
    assert names[-1] == "integers -> hardware"
    (images,) = hardware
    assert images.shape == (1, 6)
    assert np.array_equal(images[0], random_inputs(from_int8(two))[7])
    assert "left out" not in run("trace", path, "--image", 7)[1]


def test_random_inputs_are_integers_that_reals_become():
    form = InputFormat(0, 3, thresholds=np.array([0.5, 0.5, 2], np.float32))
    layer = Layer(np.array([[1, 1, 1]], np.int8), Affine.sums([0]))
    found = random_inputs(IntegerNetwork(form, (layer,)))
    assert found.shape == (RANDOM_INPUTS, 3)
    assert set(np.unique(found)) == {0, 2, 3}  # no real has the integer 1
    beyond = InputFormat(0, 2, thresholds=np.array([-np.inf, np.inf], np.float32))
    assert set(np.unique(random_inputs(IntegerNetwork(beyond, (layer,))))) == {1}
    assert set(np.unique(random_inputs(IntegerNetwork(InputFormat(-1, 1), (layer,))))) == {-1, 0, 1}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A TFLite file, and one whose inputs are reals, with the networks imported from them."""
    folder = tmp_path_factory.mktemp("imported")
    (folder / "dense.tflite").write_bytes(dense_model().data())
    save(folder / "reals.onnx", real_input_model())
    import_network(folder / "dense.tflite", run=False).save(folder / "dense.npz")
    options = {"input_bits": 5, "input_step": 0.5}
    import_network(folder / "reals.onnx", run=False, **options).save(folder / "reals.npz")
    return folder


@pytest.mark.parametrize("name", ["dense.tflite", "reals.onnx"])
def test_the_source_runs_too(run, imported, name):
    """The options of an import of real inputs are found in the network's input format."""
    network = imported / f"{name.split('.')[0]}.npz"
    status, out, err = run("trace", network, "--all", "--no-rtl", "--source", imported / name)
    assert (status, err) == (0, ""), out
    assert "source -> integers: within tolerance" in out
    found = ohmbench.trace(network, images=5, source=imported / name)
    assert [stage.name for stage in found] == [
        "source -> reference", "reference -> integers", "source -> integers",
        "integers -> Python integers",
    ]  # fmt: skip


def test_a_network_that_is_not_the_sources_is_named(run, imported, tmp_path):
    """One weight is another: its layer and channel are named."""
    loaded = ohmbench.load(imported / "dense.npz").network
    weight = loaded.network.layers[1].weight.copy()
    weight[2] = -weight[2]
    layers = (loaded.network.layers[0], replace(loaded.network.layers[1], weight=weight))
    path = tmp_path / "wrong.npz"
    save_integer(path, IntegerNetwork(loaded.network.input, layers), origin=loaded.origin)
    words = ("trace", path, "--all", "--no-rtl", "--source", imported / "dense.tflite", "--json")
    status, out, _ = run(*words)
    assert status == 1
    stage = next(s for s in json.loads(out)["stages"] if s["name"] == "source -> integers")
    assert (stage["departure"]["layer"], stage["departure"]["neuron"]) == (1, 2)
    status, out, _ = run(*words[:-1])
    assert status == 1
    assert "source -> integers: DEPARTS" in out


def test_other_files_are_not_the_source(run, imported, saved, tmp_path):
    other = imported / "reals.onnx"
    refused = run("trace", imported / "dense.npz", "--no-rtl", "--source", other)
    assert_refused(refused, "reals.onnx", "SHA-256", "name dense.tflite")
    assert_refused(
        run("trace", saved, "--no-rtl", "--source", other), "does not say that it was imported"
    )
    missing = tmp_path / "missing.onnx"
    assert_refused(run("trace", saved, "--no-rtl", "--source", missing), "missing.onnx")


@pytest.mark.parametrize("name", ["dense.tflite", "reals.onnx"])
@pytest.mark.parametrize("change", [{"hi": 3}, {"scale": 0.3}, {"zero": 1}])
def test_other_inputs_than_the_sources_are_named(run, imported, tmp_path, name, change):
    """No option is named that the user has not given."""
    loaded = ohmbench.load(imported / f"{name.split('.')[0]}.npz").network
    network = IntegerNetwork(replace(loaded.network.input, **change), loaded.network.layers)
    path = tmp_path / "other.npz"
    save_integer(path, network, origin=loaded.origin)
    refused = run("trace", path, "--no-rtl", "--source", imported / name)
    assert_refused(refused, name, "the network's inputs are not those of the file")
    assert "--input" not in refused[2]


def test_integers_that_no_real_becomes_are_refused(imported):
    loaded = ohmbench.load(imported / "reals.npz").network
    start = run_source(imported / "reals.onnx", loaded.network, loaded.origin)
    h = start(np.zeros((2, 3), np.int64))
    assert np.array_equal(h[0], infer(loaded.network, np.zeros((2, 3), np.int64)).h[0])
    source = source_of(imported / "reals.onnx", loaded.network, loaded.origin)
    assert (source.input.lo, source.input.hi) == (-16, 15)
    assert source.input.scale == 0.5


# ------------------------------------------------------------------------------------------------
# What the family does not do


def test_it_is_known_by_its_fields(saved):
    assert INTEGER.recognises(["integer_version", "input"])
    assert INTEGER.recognises(["layer_0.weight"])
    assert not INTEGER.recognises(["mlp_0.weight_q", "M"])
    assert ohmbench.load(saved).family is INTEGER
    assert ohmbench.load(saved).network.network == NETWORK


def test_it_is_not_trained_or_stored(run, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("ohmbench.cli.storing.WEIGHTS_FOLDER", tmp_path)
    assert_refused(run("store", saved, "--name", "new"), "was imported or quantised")
    assert_refused(run("train", saved), "is not a configuration")
    assert_refused(run("power", saved), "N-layer integer network")
    assert_refused(run("evaluate", saved, "--images", 5), "--images")
    with pytest.raises(NotImplementedError):
        INTEGER.training("x", 0, None)
    with pytest.raises(NotImplementedError):
        INTEGER.training_of({}, "x.yaml", 0, None)
    with pytest.raises(OperandError, match="seed does not apply"):
        ohmbench.evaluate(saved, seed=3)
    with pytest.raises(FileError, match="holds no data"):
        ohmbench.predict(saved, 0)
