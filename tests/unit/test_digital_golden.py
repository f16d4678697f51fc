"""The golden models: exact, agreeing with each other, and every planted fault caught twice."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from ohmbench.digital import evaluate_int8, infer, infer_all, infer_plain, load_int8
from ohmbench.digital.network import LARGEST_SIZE, M_MAX, Int8Network
from ohmbench.errors import DtypeError, OperandError, RangeError, ShapeError
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.stats import proportion_interval
from ohmbench.weights import read_manifest, stored
from tests.unit.asserts import assert_same_integers
from tests.unit.golden_checks import CHECKS, EXAMPLES, plain
from tests.unit.golden_faults import FAULTS, build
from tests.unit.int8_networks import INT32, int8_networks, random_int8, zeros


@given(int8_networks())
def test_the_two_models_agree(drawn):
    network, images = drawn
    assert_same_integers(infer(network, images), plain(network, images), "drawn")


@given(int8_networks())
def test_a_third_writing_agrees(drawn):
    network, images = drawn
    assert_same_integers(infer(network, images), build()(network, images), "drawn")


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("model", [infer, plain, infer_all, build()], ids=lambda m: m.__name__)
def test_the_models_pass_every_check(check, model):
    check(model)


def catchers(model):
    """The names of the checks that ``model`` fails."""
    failed = []
    for name, check in CHECKS.items():
        try:
            check(model)
        except AssertionError:
            failed.append(name)
    return failed


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught_by_two_checks(fault):
    caught = catchers(build(**FAULTS[fault]))
    assert len(caught) >= 2, f"{fault} is caught by {caught} only"


def test_every_check_catches_something_alone_it_would_be_idle():
    for name, check in CHECKS.items():
        fault = next(f for f in FAULTS if name in catchers(build(**FAULTS[f])))
        with pytest.raises(AssertionError):
            check(build(**FAULTS[fault]))


def test_there_are_enough_faults():
    assert len(FAULTS) >= 10
    assert {"B1", "B2", "B3", "B4"} <= {name[:2] for name in EXAMPLES}


def test_dtypes_and_shapes():
    network, images = random_int8(0, (5, 4, 3), images=6)
    found = infer(network, images)
    assert {name: (a.dtype.name, a.shape) for name, a in vars(found).items()} == {
        "acc0": ("int64", (6, 4)),
        "r": ("int64", (6, 4)),
        "product": ("int64", (6, 4)),
        "hidden": ("uint8", (6, 4)),
        "logits": ("int64", (6, 3)),
        "classes": ("int64", (6,)),
        "values": ("int64", (6,)),
    }


def test_worst_product_of_the_format_needs_49_bits():
    network = EXAMPLES["most-bits"][0]
    (largest,) = infer(network, EXAMPLES["most-bits"][1]).product[:, 0]
    assert 2**47 <= largest < 2**48  # 48 bits and a sign


def test_int64_holds_the_largest_network():
    """Every size, weight, bias and M at its end at once: far from 2**63."""
    sums = LARGEST_SIZE * 128 * 255 - INT32[0]
    assert sums < 2**32
    assert sums * M_MAX < 2**48


def test_the_largest_sums_are_exact():
    inputs = 4096
    ends = {(0, i): 127 for i in range(inputs)} | {(1, i): -128 for i in range(inputs)}
    network = zeros(inputs, 2, 2, M=M_MAX, S=31, w0=ends, b0={0: INT32[1], 1: INT32[0]})
    white = np.full((1, inputs), 255, np.uint8)
    assert_same_integers(infer(network, white), plain(network, white), "4096 inputs")


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((2, 5), np.int64), DtypeError, "int64, but should be uint8"),
        ([[0] * 5], DtypeError, "list"),
        (np.zeros((2, 4), np.uint8), ShapeError, r"\(2, 4\), but should be \(n, 5\)"),
        (np.zeros(5, np.uint8), ShapeError, r"\(5,\)"),
        (np.zeros((0, 5), np.uint8), ShapeError, "n >= 1"),
    ],
)
def test_what_are_no_images(images, error, words):
    network, _ = random_int8(0, (5, 4, 3))
    for run in (infer, infer_all):
        with pytest.raises(error, match=words):
            run(network, images)


@pytest.mark.parametrize(
    ("image", "error"),
    [([0] * 4, ShapeError), ([0, 0, 0, 0, 256], RangeError), ([-1] * 5, RangeError)],
)
def test_what_is_no_image(image, error):
    with pytest.raises(error):
        infer_plain(random_int8(0, (5, 4, 3))[0], image)


def test_many_images_are_run_in_parts_to_the_same_integers():
    network, images = random_int8(3, (4, 3, 2), images=2500)
    assert_same_integers(infer_all(network, images), infer(network, images), "2500 images")


@pytest.mark.parametrize("count", [3, 2500])
def test_the_path_asked_for_is_taken_by_every_part(monkeypatch, count):
    network, images = random_int8(3, (4, 3, 2), images=count)
    module, taken = sys.modules[infer_all.__module__], []

    def noted(network, images, *, path):
        taken.append((path, len(images)))
        return infer(network, images, path=path)

    monkeypatch.setattr(module, "infer", noted)
    assert_same_integers(infer_all(network, images, path="plain"), infer(network, images), "noted")
    assert {path for path, _ in taken} == {"plain"}
    assert sum(length for _, length in taken) >= count


def test_a_path_by_name_or_by_the_variable(monkeypatch):
    """Which product is computed: the plain one where it is asked for, else the fast one."""
    network, images = random_int8(0, (5, 4, 3))
    module = sys.modules[infer.__module__]

    def products(path):
        calls = []
        with monkeypatch.context() as patch:
            for name in ("integer_product", "_plain_product"):
                real = getattr(module, name)
                patch.setattr(module, name, lambda *a, n=name, r=real: calls.append(n) or r(*a))
            infer(network, images, path=path)
        return set(calls)

    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    assert products("auto") == {"integer_product"}
    assert products("plain") == {"_plain_product"}
    monkeypatch.setenv(PATH_VARIABLE, "plain")
    assert products("auto") == {"_plain_product"}
    for run in (infer, infer_all):
        with pytest.raises(OperandError, match="path is 'fast'"):
            run(network, images, path="fast")


INT8_NAMES = [name for name in read_manifest() if name.startswith("int8-")]


@pytest.mark.parametrize("name", INT8_NAMES)
def test_the_models_agree_on_the_stored_networks(name):
    network = load_int8(stored(name)).network
    images = np.random.default_rng(11).integers(0, 256, (3, network.inputs)).astype(np.uint8)
    assert_same_integers(infer(network, images), plain(network, images), name)


class TestEvaluation:
    def test_clamped_values_and_the_largest_product(self):
        """256 and more are clamped, 255 is what it is; the product is of any image and neuron."""
        network = zeros(1, 3, 2, M=2, S=1, w0={(0, 0): 1, (1, 0): 2, (2, 0): -1}, b0={0: 1})
        images = np.array([[128], [127], [254], [255], [0]], np.uint8)
        # r of neuron 0 is 1 + x: 256 for the fourth image alone; of neuron 1, 2 x.
        found = evaluate_int8(network, images, np.zeros(5, np.int64))
        assert found.inference.hidden[:, :2].tolist() == [
            [129, 255], [128, 254], [255, 255], [255, 255], [1, 0],
        ]  # fmt: skip
        assert found.saturated == 1 + 3
        assert found.largest_product == 2 * 510
        assert evaluate_int8(network, images[::-1].copy(), np.zeros(5, np.int64)).saturated == 4
        assert found.accuracy == proportion_interval(found.correct, 5)

    def test_counts(self):
        network, images = random_int8(2, (6, 8, 3), images=50)
        found = infer(network, images)
        labels = found.classes.copy()
        labels[:7] = (labels[:7] + 1) % 3
        result = evaluate_int8(network, images, labels)
        assert (result.correct, result.total) == (43, 50)
        assert result.confusion.sum() == 50
        assert result.accuracy.low < 0.86 < result.accuracy.high
        assert result.largest_product == int(found.product.max())
        assert result.saturated == sum(p >> network.S > 255 for p in found.product.ravel().tolist())
        for t, p in ((0, 1), (1, 2), (2, 0)):
            expected = sum((labels == t) & (found.classes == p))
            assert result.confusion[t, p] == expected

    def test_refusals(self):
        network, images = random_int8(2, (6, 8, 3), images=5)
        with pytest.raises(ShapeError, match="labels"):
            evaluate_int8(network, images, np.zeros(4, np.int64))
        with pytest.raises(RangeError, match="no images to evaluate"):
            evaluate_int8(network, images[:0], np.zeros(0, np.int64))
        for label in (3, -1):
            for labels in (np.full(5, label), np.array([0, 1, label, 2, 1])):
                with pytest.raises(RangeError, match="labels run"):
                    evaluate_int8(network, images, labels)

    def test_255_without_a_clamp_is_not_clamped(self):
        network = zeros(1, 3, 2, M=1, S=2, b0={0: 255 * 4 + 3, 1: 256 * 4, 2: 254 * 4})
        result = evaluate_int8(network, np.zeros((4, 1), np.uint8), np.zeros(4, np.int64))
        assert result.saturated == 4


class TestNetwork:
    def test_operands_are_copied_and_frozen(self):
        weight = np.ones((2, 3), np.int8)
        network = Int8Network(
            (weight, np.ones((2, 2), np.int8)), (np.zeros(2, np.int32),) * 2, 5, 6
        )
        weight[0, 0] = 7
        assert network.weight[0][0, 0] == 1
        with pytest.raises(ValueError, match="read-only"):
            network.weight[0][0, 0] = 7
        assert network.sizes == (3, 2, 2)

    def test_equality_is_that_of_the_integers(self):
        one, _ = random_int8(0, (3, 2, 2))
        other, _ = random_int8(0, (3, 2, 2))
        assert one == other
        assert hash(one) == hash(other)
        assert one != random_int8(1, (3, 2, 2))[0]
        assert one != replace(one, S=one.S - 1)
        assert one != "network"

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            ({"M": -1}, RangeError, "M is -1"),
            ({"M": 65536}, RangeError, "65535"),
            ({"M": 1.5}, DtypeError, "M is float"),
            ({"M": True}, DtypeError, "bool"),
            ({"S": 32}, RangeError, "S is 32, but should be from 0 to 31"),
            ({"S": -1}, RangeError, "S is -1"),
            ({"weight": (np.zeros((2, 3)), np.zeros((2, 2), np.int8))}, DtypeError, "float64"),
            ({"weight": (np.zeros((2, 3), np.int8),)}, ShapeError, "1 layers"),
            ({"weight": ([[1]], np.zeros((2, 2), np.int8))}, DtypeError, "list"),
            (
                {"weight": (np.zeros((2, 3), np.int8), np.zeros((2, 4), np.int8))},
                ShapeError,
                "4 inputs, but layer 0 has 2",
            ),
            (
                {"weight": (np.zeros((2, 0), np.int8), np.zeros((2, 2), np.int8))},
                ShapeError,
                "sizes 1 to",
            ),
            ({"bias": (np.zeros(3, np.int32), np.zeros(2, np.int32))}, ShapeError, r"bias\[0\]"),
            ({"bias": (np.zeros(2, np.int64), np.zeros(2, np.int32))}, DtypeError, "int32"),
        ],
    )
    def test_refusals(self, change, error, words):
        good = {
            "weight": (np.zeros((2, 3), np.int8), np.zeros((2, 2), np.int8)),
            "bias": (np.zeros(2, np.int32), np.zeros(2, np.int32)),
            "M": 1,
            "S": 0,
        }
        with pytest.raises(error, match=words) as caught:
            Int8Network(**(good | change))
        assert isinstance(caught.value, OperandError)
        assert "\n" not in str(caught.value)
