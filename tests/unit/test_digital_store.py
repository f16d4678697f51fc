"""Int8 files: what is written is read, the paper's layout is kept, and bad files are named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from ohmbench.data import split
from ohmbench.digital import (
    INT8_SPECS,
    Images,
    LayerScales,
    infer,
    load_float,
    load_int8,
    quantize_pixels,
    save_int8,
)
from ohmbench.digital.network import requantisation_multiplier
from ohmbench.digital.store import network_arrays
from ohmbench.errors import FileError, NonFiniteError, RangeError
from tests.unit.int8_networks import int8_networks, random_int8, random_scaled

PAPER_FIELDS = {
    "mlp_0.weight_q": ("int8", (12, 16)),
    "mlp_0.bias_q": ("int32", (12,)),
    "mlp_0.weight_scale": ("float32", (1,)),
    "mlp_0.bias_scale": ("float32", (1,)),
    "mlp_0.in_scale": ("float32", (1,)),
    "mlp_0.out_scale": ("float32", (1,)),
    "mlp_1.weight_q": ("int8", (4, 12)),
    "mlp_1.bias_q": ("int32", (4,)),
    "mlp_1.weight_scale": ("float32", (1,)),
    "mlp_1.bias_scale": ("float32", (1,)),
    "mlp_1.in_scale": ("float32", (1,)),
    "test_inputs_u8": ("uint8", (20, 16)),
    "test_labels": ("int64", (20,)),
    "pytorch_test_pred": ("int64", (20,)),
}


@pytest.fixture
def saved(tmp_path):
    """A small network in the paper's layout, with images and answers: (path, network, images)."""
    network, x = random_scaled(0)
    answers = infer(network, x).classes
    images = Images(x, answers.copy(), "test")
    path = tmp_path / "net.npz"
    save_int8(path, network, images=images, predictions=answers)
    return path, network, images


def fields(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_the_papers_layout(saved):
    path, _, _ = saved
    assert {k: (a.dtype.name, a.shape) for k, a in fields(path).items()} == PAPER_FIELDS


def test_round_trip_of_the_papers_layout(saved):
    path, network, images = saved
    data = load_int8(path)
    assert data.network == network
    assert data.network.scales == network.scales
    assert data.network.S == 24
    assert np.array_equal(data.images().x, images.x)
    assert np.array_equal(data.images().labels, images.labels)
    assert np.array_equal(data.predictions, images.labels)
    assert (data.spec, data.seed, data.recipe, data.history) == (None,) * 4


@given(int8_networks())
def test_round_trip_of_bare_integers(tmp_path_factory, drawn):
    network, _ = drawn
    path = tmp_path_factory.mktemp("bare") / "net.npz"
    save_int8(path, network)
    found = load_int8(path)
    assert found.network == network
    assert found.network.scales is None
    with pytest.raises(FileError, match="no images to evaluate"):
        found.images()


def test_round_trip_of_a_requantisation_of_its_own(tmp_path):
    network, _ = random_scaled(3)
    for other in (replace(network, M=77), replace(network, S=20, M=network.M // 16)):
        save_int8(tmp_path / "net.npz", other, overwrite=True)
        found = load_int8(tmp_path / "net.npz").network
        assert found == other
        assert found.scales == network.scales


def test_scales_that_give_no_multiplier_are_kept_beside_one(tmp_path):
    network, _ = random_scaled(3)
    first, last = network.scales
    tiny = float(np.float32(1e-6))
    scales = (
        replace(first, out_scale=tiny),
        LayerScales(last.weight_scale, float(np.float32(tiny * last.weight_scale)), tiny),
    )
    other = replace(network, scales=scales)
    save_int8(tmp_path / "net.npz", other)
    assert load_int8(tmp_path / "net.npz").network == other


def test_round_trip_of_a_training(tmp_path):
    spec = INT8_SPECS["int8-digits"]
    network, _ = random_scaled(1, spec.sizes)
    history = np.array([[25.0, 0.5, 0.1]])
    save_int8(
        tmp_path / "net.npz", network, spec=spec, seed=5, recipe='{"steps": 1}', history=history
    )
    data = load_int8(tmp_path / "net.npz")
    assert (data.spec, data.seed, data.recipe) == (spec, 5, '{"steps": 1}')
    assert np.array_equal(data.history, history)
    parts = split("digits-fann", 0)
    assert np.array_equal(data.images().x, quantize_pixels(parts.test_x))
    assert np.array_equal(data.images().labels, parts.test_y)


def test_scales_beyond_float32_are_refused_before_writing(tmp_path):
    network, _ = random_scaled(1)
    last = network.scales[1]
    scales = (network.scales[0], replace(last, weight_scale=last.weight_scale * (1 + 1e-9)))
    with pytest.raises(RangeError, match=r"mlp_1\.weight_scale is .*float32"):
        save_int8(tmp_path / "net.npz", replace(network, scales=scales))
    assert not (tmp_path / "net.npz").exists()


def one(value, dtype="float32"):
    return np.array([value], dtype)


WRONG = {
    # name: (fields changed, field named, words)
    "no-weights": ({"mlp_0.weight_q": None}, "mlp_0.weight_q", "missing"),
    "weights-int16": ({"mlp_1.weight_q": np.zeros((4, 12), "i2")}, "mlp_1.weight_q", "int16"),
    "bias-int64": ({"mlp_0.bias_q": np.zeros(12, "i8")}, "mlp_0.bias_q", "int64"),
    "bias-short": ({"mlp_0.bias_q": np.zeros(11, "i4")}, "mlp_0.bias_q", "hidden=12"),
    "layers-apart": ({"mlp_1.weight_q": np.zeros((4, 13), "i1")}, "mlp_1.weight_q", "hidden=12"),
    "scale-scalar": ({"mlp_0.in_scale": np.float32(0.1)}, "mlp_0.in_scale", "shape"),
    "scale-double": ({"mlp_0.in_scale": one(0.1, "f8")}, "mlp_0.in_scale", "float64"),
    "scale-nan": ({"mlp_0.out_scale": one(np.nan)}, "mlp_0.out_scale", "finite"),
    "scale-zero": ({"mlp_1.weight_scale": one(0)}, "mlp_1.weight_scale", "positive"),
    "scale-negative": ({"mlp_0.weight_scale": one(-1)}, "mlp_0.weight_scale", "positive"),
    "scale-missing": ({"mlp_1.bias_scale": None}, "mlp_1.bias_scale", "although"),
    "bias-scale-off": ({"mlp_0.bias_scale": one(0.5)}, "mlp_0.bias_scale", "in_scale * weight"),
    "chain-broken": ({"mlp_1.in_scale": one(0.5), "mlp_1.weight_scale": one(0.5),
                      "mlp_1.bias_scale": one(0.25)}, "mlp_1.in_scale", "mlp_0.out_scale"),
    "M-too-large": ({"mlp_0.out_scale": one(2.0**-25), "mlp_1.in_scale": one(2.0**-25),
                     "mlp_1.weight_scale": one(0.5), "mlp_1.bias_scale": one(2.0**-26)},
                    "mlp_0.out_scale", "16 bits"),
    "M-too-small": ({"mlp_0.out_scale": one(2.0**25), "mlp_1.in_scale": one(2.0**25),
                     "mlp_1.weight_scale": one(0.5), "mlp_1.bias_scale": one(2.0**24)},
                    "mlp_0.out_scale", "16 bits"),
    "M-without-S": ({"M": np.array(3)}, "S", "although M"),
    "S-without-M": ({"S": np.array(3)}, "M", "although S"),
    "M-17-bits": ({"M": np.array(65536), "S": np.array(3)}, "M", "at most 65535"),
    "S-6-bits": ({"M": np.array(1), "S": np.array(32)}, "S", "at most 31"),
    "M-negative": ({"M": np.array(-1), "S": np.array(3)}, "M", "at least 0"),
    "images-wide": ({"test_inputs_u8": np.zeros((20, 17), "u1")}, "test_inputs_u8", "inputs=16"),
    "images-int8": ({"test_inputs_u8": np.zeros((20, 16), "i1")}, "test_inputs_u8", "int8"),
    "labels-short": ({"test_labels": np.zeros(19, "i8")}, "test_labels", "images=20"),
    "labels-missing": ({"test_labels": None}, "test_labels", "although"),
    "images-missing": ({"test_inputs_u8": None}, "test_inputs_u8", "although"),
    "label-no-class": ({"test_labels": np.full(20, 4)}, "test_labels", "not a class"),
    "label-negative": ({"test_labels": np.full(20, -1)}, "test_labels", "at least 0"),
    "answer-no-class": ({"pytorch_test_pred": np.full(20, 9)}, "pytorch_test_pred", "not a class"),
    "unknown-network": ({"network": np.array("int8-nonsense")}, "network", "int8-digits"),
    "wrong-network": ({"network": np.array("int8-digits")}, "network", "(64, 100, 10)"),
    "seed-negative": ({"seed": np.array(-1)}, "seed", "at least 0"),
    "history-wide": ({"history": np.zeros((2, 4))}, "history", "shape"),
    "extra": ({"surprise": np.zeros(2)}, "surprise", "unexpected"),
    "pickle": ({"mlp_0.weight_q": np.array([object()])}, "mlp_0.weight_q", ""),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "field", "words"), WRONG.values(), ids=WRONG)
def test_bad_file_is_refused_in_one_line(saved, changes, field, words):
    path, _, _ = saved
    arrays = fields(path) | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    before = path.read_bytes()
    with pytest.raises(FileError) as caught:
        load_int8(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {field}: ")
    assert words in message
    assert "\n" not in message
    assert path.read_bytes() == before


def test_no_scales_and_no_multiplier(saved):
    path, _, _ = saved
    bare = {k: v for k, v in fields(path).items() if "scale" not in k}
    np.savez(path, **bare)
    with pytest.raises(FileError, match="M: missing, as are the scales"):
        load_int8(path)
    np.savez(path, **bare, M=np.array(5), S=np.array(6))
    assert (load_int8(path).network.M, load_int8(path).network.scales) == (5, None)


def test_written_bytes_depend_on_the_arrays_alone(saved, tmp_path):
    path, network, images = saved
    save_int8(tmp_path / "again.npz", network, images=images, predictions=images.labels)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    with pytest.raises(FileError, match="--force"):
        save_int8(path, network)


class TestMultiplier:
    def test_rounds_to_nearest_and_a_tie_to_even(self):
        for exact, M in ((2.49, 2), (2.5, 2), (2.51, 3), (3.5, 4), (65535.49, 65535)):
            scales = LayerScales(exact, exact, 1.0, 1.0)
            assert requantisation_multiplier(scales, 0) == M
        assert requantisation_multiplier(LayerScales(0.25, 0.25, 1.0, 1.0), 4) == 4

    @pytest.mark.parametrize("exact", [65535.5, 70000.0, 0.5, 0.1])
    def test_what_does_not_fit(self, exact):
        with pytest.raises(RangeError, match=r"1 to 65535 \(16 bits\)"):
            requantisation_multiplier(LayerScales(exact, exact, 1.0, 1.0), 0)

    def test_scales_are_checked(self):
        with pytest.raises(NonFiniteError, match="weight_scale is inf"):
            LayerScales(float("inf"), 1.0, 1.0)
        with pytest.raises(RangeError, match="in_scale is 0"):
            LayerScales(1.0, 1.0, 0.0)
        with pytest.raises(RangeError, match="in_scale \\* weight_scale"):
            LayerScales(1.0, 1.1, 1.0)
        with pytest.raises(RangeError, match="out_scale is missing"):
            requantisation_multiplier(LayerScales(1.0, 1.0, 1.0))
        network, _ = random_scaled(0)
        first, last = network.scales
        for scales in ((first, first), (last, last), (replace(first, out_scale=1.0), last)):
            with pytest.raises(RangeError):
                replace(network, scales=scales)


def test_float_weights(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {
        "mlp_0.weight": (3, 2),
        "mlp_0.bias": (3,),
        "mlp_1.weight": (2, 3),
        "mlp_1.bias": (2,),
    }
    arrays = {k: rng.normal(size=shape).astype(np.float32) for k, shape in shapes.items()}
    np.savez(tmp_path / "float.npz", **arrays, more=np.zeros(1))
    found = load_float(tmp_path / "float.npz")
    assert found.weight[1].dtype == np.float64
    assert np.array_equal(found.weight[0], arrays["mlp_0.weight"])
    arrays["mlp_1.bias"][0] = np.nan
    np.savez(tmp_path / "float.npz", **arrays)
    with pytest.raises(FileError, match=r"mlp_1\.bias"):
        load_float(tmp_path / "float.npz")


def test_network_arrays_hold_the_multiplier_only_where_it_does_not_follow():
    scaled, _ = random_scaled(0)
    assert "M" not in network_arrays(scaled)
    bare, _ = random_int8(0, (3, 2, 2))
    assert network_arrays(bare).keys() == {
        "M", "S", "mlp_0.weight_q", "mlp_0.bias_q", "mlp_1.weight_q", "mlp_1.bias_q"
    }  # fmt: skip
