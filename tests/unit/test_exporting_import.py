"""import(export(network)) = network, and the text that makes it so: a hint, never trusted."""

import json
import re

import numpy as np
import pytest

import ohmbench
from ohmbench.digital.exporting import export_network, from_text, run_exported, to_text
from ohmbench.digital.exporting.graph import build_model
from ohmbench.digital.exporting.planning import make_plan
from ohmbench.digital.exporting.text import KEY, MAX_TEXT
from ohmbench.digital.importing import ordering
from ohmbench.digital.importing.classes import ROUNDING
from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.onnx_reader import read_onnx
from ohmbench.digital.importing.reachable import Sums
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.importing.source import SourceLayer, SourceStep
from ohmbench.digital.importing.verdict import EXACT
from ohmbench.digital.integer import Affine, InputFormat, IntegerNetwork, Layer, Meaning, infer
from ohmbench.digital.integer.network import as_layers
from ohmbench.errors import FileError
from ohmbench.fetching.copies import model_file
from tests.unit.integer_networks import random_inputs, random_integer
from tests.unit.onnx_files import model, node, save
from tests.unit.test_exporting import small


def weights(network):
    return [layer.weight for layer in network.layers]


def back(network):
    return from_text(to_text(network), weights(network), "a.onnx")


def meanings(network):
    return [
        None if k.meaning is None else (k.meaning.scale.tolist(), k.meaning.offset.tolist())
        for k in network.layers
    ]


# ------------------------------------------------------------------------------------------------
# The text


@pytest.mark.parametrize("seed", range(20))
def test_the_text_holds_everything_but_the_weights(seed):
    network = random_integer(seed)
    found = back(network)
    assert found == network
    assert meanings(found) == meanings(network)
    assert (found.input.scale, found.input.zero) == (network.input.scale, network.input.zero)


def test_the_text_holds_input_thresholds():
    table = np.array([-np.inf, -0.0, 1e-45, 3.5, np.inf], np.float32)
    read = InputFormat(-2, 3, 0.1, 1, table)
    network = IntegerNetwork(read, (Layer(np.array([[1]], np.int8), Affine.sums([0])),))
    assert back(network).input.thresholds.tobytes() == table.tobytes()


def plain():
    return json.loads(to_text(small()))


def changed(*path, to):
    """The text of the small network with one value replaced."""
    value = plain()
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return json.dumps(value)


TABLE = {"bits": 8, "table": [[1], [2], [3]], "sign": [1, 1, 1], "lo": 0}
HOSTILE = {
    "empty": "",
    "not-json": "{",
    "long": '"' + "a" * MAX_TEXT + '"',
    "deep": "[" * 100,
    "nan": to_text(small()).replace("0.25", "NaN"),
    "huge-number": changed("input", "lo", to=10**30),
    "many-digits": to_text(small()).replace('"lo":0', '"lo":' + "1" * 500),
    "twice": to_text(small()).replace('"lo":0', '"lo":0,"lo":0', 1),
    "list": "[]",
    "version": changed("version", to=2),
    "version-true": changed("version", to=[1]),
    "key-missing": json.dumps({"version": 1, "input": {}}),
    "key-more": json.dumps({**plain(), "more": 1}),
    "input-list": changed("input", to=[]),
    "input-key": changed("input", to={"lo": 0}),
    "lo-real": changed("input", "lo", to=0.5),
    "lo-true": changed("input", "lo", to=True),
    "empty-range": changed("input", "hi", to=0),
    "scale-text": changed("input", "scale", to="1"),
    "scale-0": changed("input", "scale", to=0),
    "bits-of-thresholds": changed("input", "thresholds", to=[-1] * 15),
    "few-thresholds": changed("input", "thresholds", to=[0]),
    "layers-few": changed("layers", to=[]),
    "layers-object": changed("layers", to={}),
    "layer-number": changed("layers", 0, to=1),
    "layer-key": changed("layers", 0, "more", to=1),
    "M-number": changed("layers", 0, "M", to=1),
    "M-short": changed("layers", 0, "M", to=[1]),
    "M-real": changed("layers", 0, "M", to=[1, 2, 0.5]),
    "M-huge": changed("layers", 0, "M", to=[1, 2, 2**63]),
    "M-large": changed("layers", 0, "M", to=[1, 2, 2**60]),
    "S-63": changed("layers", 0, "S", to=63),
    "S-negative": changed("layers", 0, "S", to=-1),
    "Z": changed("layers", 0, "Z", to=10**6),
    "lo-null": changed("layers", 0, "lo", to=None),
    "bits-0": changed("layers", 0, "bits", to=0),
    "bits-2": changed("layers", 0, "bits", to=2),
    "scale-only": json.dumps({**plain(), "layers": [plain()["layers"][0], {
        **plain()["layers"][1], "scale": [1.0]}]}),
    "zero-meaning": changed("layers", 0, "scale", to=[0]),
    "ragged-table": changed("layers", 0, to={**TABLE, "table": [[1], [2], [3, 4]]}),
    "no-table": changed("layers", 0, to={**TABLE, "table": [1, 2, 3]}),
    "falling-table": changed("layers", 0, to={**TABLE, "table": [[2, 1]] * 3}),
    "sign-0": changed("layers", 0, to={**TABLE, "sign": [1, 0, 1]}),
    "sign-257": changed("layers", 0, to={**TABLE, "sign": [1, 257, 1]}),
    "surrogate": changed("layers", 0, to={**TABLE, "lo": "\ud800"}),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_text_that_is_wrong_is_refused_in_one_line(case):
    with pytest.raises(FileError, match=r"^a\.onnx: metadata ohmbench: ") as caught:
        from_text(HOSTILE[case], weights(small()), "a.onnx")
    assert "\n" not in str(caught.value)
    assert caught.value.remedy is not None or case in ("long", "deep")


def test_a_table_is_read():
    text = changed("layers", 0, to=TABLE)
    assert from_text(text, weights(small()), "a.onnx").layers[0].step.table.tolist() == [
        [1], [2], [3]
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------
# The round trip


def imported(network, path, text=None):
    """What import makes of the exported network; ``text`` replaces the hint, "" removes it."""
    if text is None:
        export_network(network, path, overwrite=True)
    else:
        model = build_model(make_plan(network), {KEY: text} if text else {})
        path.write_bytes(model.SerializeToString())
    return import_source(read_onnx(path))


def comes_back(seed, path):
    """Weights, M, R, S, Z, lo, hi and tables are bit-identical, and proven to be the file's."""
    network = random_integer(seed)
    found = imported(network, path)
    assert found.verdict.exact, (seed, found.verdict.line)
    assert found.network == network, seed
    assert not any("not used" in note for note in found.source.notes)


@pytest.mark.parametrize("block", range(3))
def test_import_of_export_is_the_network(block, tmp_path):
    for seed in (*range(8 * block + 3, 8 * block + 11), (44, 59, 104)[block]):
        comes_back(seed, tmp_path / "a.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_import_of_export_is_the_network_for_300(block, tmp_path):
    for seed in range(30 * block, 30 * block + 30):
        comes_back(seed, tmp_path / "a.onnx")


@pytest.mark.parametrize("weight", [127, 1, -1, -128, 5])
def test_weights_of_one_value_come_back(weight, tmp_path):
    layer = Layer(np.full((1, 2), weight, np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(0, 9, 0.5), (layer,))
    found = imported(network, tmp_path / "a.onnx")
    assert found.network == network
    # The bits are the text's; without it they are the fewest.
    bits = {127: 8, 1: 1, -1: 1, -128: 8, 5: 4}[weight]
    assert imported(network, tmp_path / "a.onnx", text="").network.layers[0].bits == bits


@pytest.mark.parametrize("name", ["int8-digits", "int8-mnist28"])
def test_our_networks_come_back(name, tmp_path):
    network = as_layers(ohmbench.load(name).network.network)
    found = imported(network, tmp_path / "a.onnx")
    assert found.network == network
    assert found.verdict.line == EXACT


@pytest.mark.needs("models")
@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize(
    "name",
    [
        "qkeras_jettagging.onnx", "TFC_1W1A.onnx", "TFC_1W2A.onnx", "kwsmlp_w3a3.onnx",
        pytest.param("ad01_int8.tflite", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_published_networks_are_exported_run_and_read_back(name, tmp_path):
    network = import_source(read_source(model_file(name))).network
    export_network(network, tmp_path / "a.onnx")
    x = random_inputs(network, 100)
    golden = infer(network, x)
    for optimise in (False, True):
        found = run_exported(tmp_path / "a.onnx", network, x, optimise=optimise, hidden=True)
        hidden = golden.h[: len(found.h)]
        assert all(np.array_equal(a, b) for a, b in zip(found.h, hidden, strict=True))
        assert np.array_equal(found.outputs, golden.outputs)
    again = import_source(read_onnx(tmp_path / "a.onnx"))
    assert again.network == network
    assert again.verdict.line == EXACT


def test_integers_of_a_narrow_range_come_back(tmp_path):
    """-1 and 1 from reals by no QuantizeLinear: the file takes integers, and clips them."""
    read = InputFormat(-1, 1, 1.0, 0, np.zeros(2, np.float32))
    layer = Layer(np.array([[3, -2]], np.int8), Affine.sums([1]))
    network = IntegerNetwork(read, (layer,))
    found = imported(network, tmp_path / "a.onnx")
    assert found.source.takes_integers
    assert (found.source.input.lo, found.source.input.hi) == (-1, 1)
    assert found.network == network
    assert "the file clamps its int8 inputs to -1 to 1" in found.source.notes[0]


def test_a_shifted_type_loses_the_numbers_but_not_the_function(tmp_path):
    """-200 to 20 fits no type of 8 bits: the file stores other integers, which import reads."""
    step = Affine(np.array([3, -2]), np.array([-5, 40]), 3, 0, -200, 20)
    first = Layer(np.array([[5, -9], [60, 7]], np.int8), step)
    network = IntegerNetwork(
        InputFormat(0, 9), (first, Layer(np.array([[1, -2]], np.int8), Affine.sums([3])))
    )
    found = imported(network, tmp_path / "a.onnx")
    assert found.verdict.exact
    assert "not used" in found.source.notes[-1]


def test_without_the_text_import_fits_its_own_integers(tmp_path):
    network = random_integer(4)
    found = imported(network, tmp_path / "a.onnx", text="")
    assert found.source.stored is None
    assert found.verdict.exact


@pytest.mark.parametrize("name", ["M", "R", "S", "Z", "lo", "hi"])
def test_a_text_that_says_something_else_is_not_used(name, tmp_path):
    network = small()
    value = getattr(network.layers[0].step, name)
    wrong = (value + 1).tolist() if name in "MR" else value + 1
    found = imported(network, tmp_path / "a.onnx", changed("layers", 0, name, to=wrong))
    assert "the integers stored in the file are not used: not exact" in found.source.notes[-1]
    assert found.verdict.exact


def test_a_text_that_is_no_text_is_not_used(tmp_path):
    found = imported(small(), tmp_path / "a.onnx", "{")
    assert found.source.notes[-1].startswith(
        "the integers stored in the file are not used: not valid JSON"
    )
    assert found.verdict.exact


def test_other_real_inputs_are_no_round_trip(tmp_path):
    text = changed("input", "scale", to=0.26)
    found = imported(small(), tmp_path / "a.onnx", text)
    assert "real inputs become other integers" in found.source.notes[-1]


# ------------------------------------------------------------------------------------------------
# Forms that only export writes, in files that it did not write


def refused(nodes, constants, path, output="y"):
    """What the reader says of ``nodes`` behind a Gemm ``g`` of 3 channels, of integer inputs."""
    constants = {
        "w": np.array([[1, 2], [3, -1], [2, 2]], np.float32), "none": np.zeros(3, np.float32),
        "one": np.float32(1), "zero": np.uint8(0), "axis": np.array([2], np.int64), **constants,
    }  # fmt: skip
    head = [
        node("QuantizeLinear", "x one zero", "i"),
        node("DequantizeLinear", "i one zero", "h"),
        node("Gemm", "h w none", "g", transB=1),
    ]
    tail = [node("QuantizeLinear", f"{output} one zero", "q"),
            node("DequantizeLinear", "q one zero", "z")]  # fmt: skip
    found = save(path, model([*head, *nodes, *tail], constants, (1, 2), "z"))
    with pytest.raises(FileError) as caught:
        read_onnx(found)
    return str(caught.value)


TABLES = {
    "falls": (np.array([[2, 1]] * 3, np.float32), "its thresholds should ascend"),
    "channels": (np.zeros((2, 4), np.float32), r"its table has shape \(2, 4\)"),
    "flat": (np.zeros(3, np.float32), r"its table has shape \(3,\)"),
    "steps": (np.zeros((3, 256), np.float32), r"its table has shape \(3, 256\)"),
    "float64": (np.zeros((3, 4)), "its table is float64, but the sums are float32"),
    "infinite": (np.full((3, 4), np.inf, np.float32), "its table is not finite"),
}
COLUMN = node("Unsqueeze", "g axis", "c")
REACHED = node("GreaterOrEqual", "c t", "r")
ONES = node("Cast", "r", "o", to=1)


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_is_none_is_refused(case, tmp_path):
    table, reason = TABLES[case]
    nodes = [COLUMN, REACHED, ONES, node("ReduceSum", "o axis", "y", keepdims=0)]
    assert re.search(reason, refused(nodes, {"t": table}, tmp_path / "a.onnx"))


GOOD = {
    "t": np.zeros((3, 255), np.float32), "f": np.ones(1), "axes": np.array([1], np.int64),
    "u": np.ones((3, 2)), "v": np.full((3, 2), 0.5), "b": np.zeros(3), "third": np.full(3, 1 / 3),
}  # fmt: skip
WIDE = [node("Cast", "h", "a", to=11)]
CHAINS = {
    "not-a-column": ([node("GreaterOrEqual", "g t", "y")], r"it compares \(1, 3\)"),
    "not-cast": ([COLUMN, REACHED, node("ReduceSum", "r axis", "y", keepdims=0)], "sums something"),
    "not-added": ([COLUMN, REACHED, node("Cast", "r", "y", to=1)], "comparisons"),
    "scaled-ones": ([COLUMN, REACHED, ONES, node("Mul", "o one", "y")], "comparisons"),
    "kept": ([COLUMN, REACHED, ONES, node("ReduceSum", "o axis", "y")], "leave out the last axis"),
    "other-axis": (
        [COLUMN, REACHED, ONES, node("ReduceSum", "o axes", "y", keepdims=0)],
        "leave out the last axis",
    ),
    "sum-of-sums": ([node("ReduceSum", "g axis", "y", keepdims=0)], "sums something"),
    "ones-to-float64": ([COLUMN, REACHED, node("Cast", "r", "y", to=11)], "casts a tensor"),
    "not-cast-back": ([node("Cast", "g", "a", to=11), node("Mul", "a f", "y")], "float64"),
    "two-types": ([node("Cast", "g", "a", to=11), node("Mul", "a one", "y")], "finite float64"),
    "to-int32": ([node("Cast", "g", "y", to=6)], "casts a tensor"),
    "float64-to-int32": ([node("Cast", "g", "a", to=11), node("Cast", "a", "y", to=6)], "casts"),
    "wide-fractions": ([*WIDE, node("Gemm", "a v b", "y", transB=1)], "not quantised"),
    "wide-transposed": ([*WIDE, node("Gemm", "a v b", "y")], "x @ w"),
    "wide-alpha": ([*WIDE, node("Gemm", "a u b", "y", transB=1, alpha=2.0)], "x @ w"),
    "wide-no-bias": ([*WIDE, node("Gemm", "a u", "y", transB=1)], "should have 3"),
    "wide-bias-fraction": ([*WIDE, node("Gemm", "a u third", "y", transB=1)], "could be rounded"),
    "wide-weights-float32": ([*WIDE, node("Gemm", "a w b", "y", transB=1)], "x @ w"),
    "wide-out-of-a-sum": (
        [node("Cast", "h", "a", to=11), node("Mul", "a f", "m"), node("Gemm", "m u b", "y",
         transB=1)], "cast from integers",
    ),
    "wide-outputs": ([*WIDE, node("Gemm", "a u b", "y", transB=1)], "float64"),
    "floor-of-integers": ([node("Floor", "i", "y")], "should be reals"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHAINS)
def test_half_of_a_form_is_refused(case, tmp_path):
    nodes, reason = CHAINS[case]
    assert re.search(reason, refused(nodes, GOOD, tmp_path / "a.onnx"))


# ------------------------------------------------------------------------------------------------
# Real outputs of many sums


class Outputs(SourceStep):
    """``f`` of channel and sum, as float32."""

    def __init__(self, f):
        self.f = f

    def bounds(self, acc):
        y = np.stack([self.f(c, acc[:, c]) for c in range(acc.shape[1])], axis=1)
        return (y.astype(np.float32),) * 2


def verdict(f, meaning=None, sums=None, bias=(4, -3)):
    weight = np.array([[1, 2], [3, -1]], np.int8)
    wanted = SourceLayer(
        "a", "b", weight, 8, Outputs(f), None, None, Meaning.of(1.0), np.array(bias)
    )
    layer = Layer(weight, Affine.sums(bias), meaning=meaning)
    sums = sums or Sums(np.array([-50, 10]), np.array([1, 2]), np.array([90, 40]))
    return ordering.follow(wanted, layer, sums, ROUNDING)


BIAS = np.array([4, -3])


def test_one_rising_function_keeps_the_order():
    found = verdict(lambda c, acc: 0.1 * (acc + BIAS[c]), Meaning.of(0.1))
    assert (found.pairs, found.differing, found.undecided) == (90 * 40, 0, 0)
    assert found.meaning_holds
    falling = verdict(lambda c, acc: -0.1 * (acc + BIAS[c]), Meaning.of(-0.1))
    assert falling.differing == 0


@pytest.mark.parametrize(
    ("f", "meaning"),
    [
        (lambda c, acc: acc + BIAS[c] + 0.5 * c, None),
        (lambda c, acc: (acc + BIAS[c]) // 2, None),
        (lambda c, acc: -(acc + BIAS[c]), None),
        (lambda c, acc: acc + BIAS[c], Meaning.of(-1.0)),
        (lambda c, acc: acc + BIAS[c], Meaning(np.array([1.0, 2.0]), np.zeros(2))),
    ],
    ids=["one-channel-moved", "steps", "falls", "smallest-wins", "two-scales"],
)
def test_other_outputs_are_not_decided(f, meaning):
    assert verdict(f, meaning) is None


def test_other_biases_are_not_decided():
    wanted = verdict(lambda c, acc: acc + BIAS[c])
    assert wanted is not None
    weight = np.array([[1, 2], [3, -1]], np.int8)
    source = SourceLayer(
        "a", "b", weight, 8, Outputs(lambda c, acc: acc + BIAS[c]), None, None, Meaning.of(1.0),
        np.array([4, -2]),
    )  # fmt: skip
    sums = Sums(np.array([-50, 10]), np.array([1, 2]), np.array([90, 40]))
    assert ordering.follow(source, Layer(weight, Affine.sums(BIAS)), sums, ROUNDING) is None


def test_limits_of_the_table(monkeypatch):
    def asked(span, count):
        monkeypatch.setattr(ordering, "LARGEST_SPAN", span)
        monkeypatch.setattr(ordering, "LARGEST_COUNT", count)
        return verdict(lambda c, acc: acc + BIAS[c])

    # Integers run from -46 to 85, and the longer channel has 90 sums.
    assert asked(132, 180) is not None
    assert asked(131, 180) is None
    assert asked(132, 179) is None
    monkeypatch.setattr(ordering, "_ROWS", 7)
    assert asked(132, 180).pairs == 3600


def test_a_wrong_scale_is_no_meaning():
    assert not verdict(lambda c, acc: acc + BIAS[c], Meaning.of(1.01)).meaning_holds
