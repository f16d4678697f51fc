"""Networks of people who never heard of this project: their figures, and exact imports."""

import numpy as np
import pytest

from ohmbench.data import held_out
from ohmbench.digital.exporting import export_network, run_exported
from ohmbench.digital.importing.importer import import_network
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.digital.importing.tflite_roundings import differences, truncated
from ohmbench.digital.integer import from_int8, infer
from ohmbench.fetching.copies import model_file
from ohmbench.paper import read_fann_int8
from ohmbench.stats import proportion_interval

needs_models = pytest.mark.needs("models")


def on_mnist(name):
    """Accuracy in percent on the 10 000 official test images, in integers, with its counts."""
    network = import_network(model_file(name), run=False).network
    x, y = held_out("mnist", 0)
    classes = infer(network, network.input.quantise(x.astype(np.float32))).classes
    correct = int((classes == y).sum())
    ci = proportion_interval(correct, len(y))
    return 100 * ci.value, f"{correct}/{len(y)}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}"


@needs_models
@pytest.mark.needs("mnist")
def test_tfc_1w1a_accuracy(claim):
    claim("models.tfc-1w1a-accuracy", *on_mnist("TFC_1W1A.onnx"))


@needs_models
@pytest.mark.needs("mnist")
def test_tfc_1w2a_accuracy(claim):
    claim("models.tfc-1w2a-accuracy", *on_mnist("TFC_1W2A.onnx"))


@needs_models
def test_finn_example(claim):
    """FINN's own inputs, and the classes that it expects of a whole tool chain."""
    found = import_network(model_file("finn_tfc/model.onnx"), run=False)
    images = np.load(model_file("finn_tfc/input.npy"), allow_pickle=False)
    wanted = np.load(model_file("finn_tfc/expected_output.npy"), allow_pickle=False).ravel()
    x = found.network.input.quantise(images.reshape(len(images), -1).astype(np.float32))
    classes = infer(found.network, x).classes
    claim("models.finn-example", int((classes == wanted).sum()), f"classes {classes.tolist()}")


RUNS = {
    "ad01": ("ad01_int8.tflite", "ai-edge-litert"),
    "jet": ("qkeras_jettagging.onnx", "qonnx"),
    "kws": ("kwsmlp_w3a3.onnx", "qonnx"),
    "tfc-1w1a": ("TFC_1W1A.onnx", "qonnx"),
    "tfc-1w2a": ("TFC_1W2A.onnx", "qonnx"),
    "finn": ("finn_tfc/model.onnx", "qonnx"),
}


def run(claim, name):
    """Import, prove, run beside the format's runtime; the claim counts what differs."""
    found = import_network(model_file(RUNS[name][0]))
    comparison = found.comparison
    assert comparison is not None, found.not_run
    layers = comparison.layers
    ruled_out = sum(layer.unforeseen for layer in layers)
    differing = ruled_out + sum(layer.differing for layer in layers) + comparison.classes[1]
    claim(f"models.{name}-exact", ruled_out if name == "kws" else differing, comparison.line)
    return found


@needs_models
@pytest.mark.needs("qonnx")
@pytest.mark.parametrize("name", ["jet", "tfc-1w1a", "tfc-1w2a", "finn"])
def test_qonnx_is_exact(claim, name):
    found = run(claim, name)
    assert found.verdict.exact
    assert found.comparison.agrees


@needs_models
@pytest.mark.needs("ai-edge-litert")
def test_tflite_is_exact(claim):
    found = run(claim, "ad01")
    assert found.verdict.exact
    assert found.comparison.agrees


@needs_models
@pytest.mark.needs("qonnx")
def test_kws_differs_only_where_the_proof_says_so(claim):
    """Its float32 sums round: the order of additions decides at a few accumulators."""
    found = run(claim, "kws")
    assert not found.verdict.exact


LAYERS = {"first": 0, "outputs": -1}


@pytest.fixture(scope="module")
def ad01():
    path = model_file("ad01_int8.tflite")
    once, twice = (read_tflite(path, rounding=rounding) for rounding in ("single", "double"))
    q = np.random.default_rng(0).integers(-128, 128, (2000, 640))
    return once, twice, q


@needs_models
@pytest.mark.parametrize("where", LAYERS)
def test_one_rounding_or_two(claim, ad01, where):
    once, twice, q = ad01
    found = differences(once, twice, q)[LAYERS[where]]
    claim(f"models.ad01-rounding-{where}", 100 * found.share, f"by at most {found.most}; seed 0")


@needs_models
@pytest.mark.parametrize("where", LAYERS)
def test_truncation(claim, ad01, where):
    once, _, q = ad01
    found = differences(once, truncated(once), q)[LAYERS[where]]
    claim(f"models.ad01-truncation-{where}", 100 * found.share, f"by at most {found.most}; seed 0")


@pytest.mark.needs("paper-fann-int8", "onnxruntime")
def test_the_papers_network_exported(claim, tmp_path):
    """Quantisation-aware training, integers, QDQ ONNX: onnxruntime gives the same answers."""
    paper = read_fann_int8()
    layers, images = from_int8(paper.network), paper.images()
    path = tmp_path / "paper.onnx"
    export_network(layers, path)
    exact = infer(layers, images.x)
    runs = [
        run_exported(path, layers, images.x, optimise=optimise, hidden=True)
        for optimise in (False, True)
    ]
    correct = int((runs[0].outputs.argmax(axis=1) == images.labels).sum())
    claim("models.int8-exported", 100 * correct / len(images.x), f"{correct} of 360")
    for found in runs:
        assert np.array_equal(found.h[0], exact.h[0])
        assert np.array_equal(found.outputs, exact.outputs)
