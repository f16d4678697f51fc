"""Integer networks of N layers in files: the same bits come back; damage is named."""

import numpy as np
import pytest

from ohmbench.digital.integer import Affine, InputFormat, IntegerNetwork, Layer, Meaning
from ohmbench.digital.integer.store import (
    is_integer_file,
    load_integer,
    network_arrays,
    save_integer,
)
from ohmbench.errors import FileError
from ohmbench.files import npz_fields, write_npz
from tests.unit.integer_networks import random_integer


def same_meanings(a, b):
    for one, other in zip(a.layers, b.layers, strict=True):
        if one.meaning is None or other.meaning is None:
            assert one.meaning is other.meaning
        else:
            assert np.array_equal(one.meaning.scale, other.meaning.scale)
            assert np.array_equal(one.meaning.offset, other.meaning.offset)


@pytest.mark.parametrize("seed", range(25))
def test_every_part_comes_back(tmp_path, seed):
    network = random_integer(seed)
    path = tmp_path / "net.npz"
    save_integer(path, network, origin={"source": "a.onnx", "seed": seed})
    found = load_integer(path)
    assert found.network == network
    same_meanings(found.network, network)
    assert (found.network.input.scale, found.network.input.zero) == (
        network.input.scale,
        network.input.zero,
    )
    assert found.origin == {"source": "a.onnx", "seed": seed}
    assert found.path == str(path)


def test_input_thresholds_and_32_layers_come_back(tmp_path):
    thresholds = np.array([-np.inf, 0.1, np.inf], np.float32)
    read = InputFormat(-1, 2, 0.5, 0, thresholds)
    inner = Layer(np.array([[1, -1]] * 2, np.int8), Affine(np.array([3, -3]), np.zeros(2, int), 1))
    network = IntegerNetwork(read, (inner,) * 32)
    save_integer(tmp_path / "net.npz", network)
    found = load_integer(tmp_path / "net.npz")
    assert found.network == network
    assert found.origin == {}
    assert is_integer_file(npz_fields(tmp_path / "net.npz"))


def test_a_file_is_not_overwritten_unless_asked(tmp_path):
    path = tmp_path / "net.npz"
    save_integer(path, random_integer(0))
    with pytest.raises(FileError, match="exists"):
        save_integer(path, random_integer(1))
    save_integer(path, random_integer(1), overwrite=True)
    assert load_integer(path).network == random_integer(1)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (["layer_0.weight"], True),
        (["layer_31.weight"], True),
        (["integer_version"], True),
        (["mlp_0.weight_q"], False),
        (["layer_0.bias", "weight"], False),
    ],
)
def test_files_are_recognised_by_their_fields(fields, wanted):
    assert is_integer_file(fields) is wanted


def damaged(**changes):
    """The fields of a two-layer network with ``changes``; None removes a field."""
    layers = (
        Layer(
            np.array([[1, 2], [3, 4]], np.int8),
            Affine(np.array([1, 2]), np.array([0, 5]), 3, 1, 0, 15),
            meaning=Meaning.of(0.5),
        ),
        random_integer(1, (2, 2), kind="thresholds", last="clamped", read=(0, 15), bits=8).layers[
            0
        ],
    )
    arrays = network_arrays(IntegerNetwork(InputFormat(0, 9), layers))
    for name, value in changes.items():
        field = name.replace("L0_", "layer_0.").replace("L1_", "layer_1.")
        if value is None:
            del arrays[field]
        else:
            arrays[field] = np.array(value)
    return arrays


DAMAGE = {
    "no-version": ({"integer_version": None}, "integer_version: is missing"),
    "later-version": ({"integer_version": 2}, "integer_version"),
    "no-input": ({"input": None}, "input: is missing"),
    "input-order": ({"input": [9, 0, 0]}, "input: inputs run from 9 to 0"),
    "input-scale": ({"input_scale": 0.0}, "input: the scale of the inputs is 0"),
    "no-weight": ({"L0_weight": None}, "layer_0.weight: is missing"),
    "no-layer": ({"L0_weight": None, "L1_weight": None}, "layer_0.weight: has 0 layers"),
    "no-bits": ({"L0_bits": None}, "layer_0.bits: is missing"),
    "bits": ({"L0_bits": 3}, "layer_0: weights run from 1 to 4"),
    "no-M": ({"L0_M": None}, "layer_0.M: is missing"),
    "no-S": ({"L0_S": None}, "layer_0.S: is missing"),
    "both": ({"L0_lo": 0}, "layer_0.M: unexpected beside lo"),
    "no-sign": ({"L1_sign": None}, "layer_1.sign: is missing"),
    "no-step": (
        {"L1_sign": None, "L1_table": None, "L1_lo": None}, "layer_1.M: is missing",
    ),
    "wide-table": (
        {"L1_table": np.zeros((2, 256), np.int64)}, "layer_1.table: has 256 thresholds",
    ),
    "no-offset": ({"L0_offset": None}, "layer_0.offset: is missing"),
    "no-scale": ({"L0_scale": None}, "layer_0.scale: is missing"),
    "scale-0": ({"L0_scale": [0.0]}, "layer_0: a scale is 0"),
    "unclamped": ({"L0_range": None}, "layer_0.weight: layer 0 is not the last"),
    "origin-text": ({"origin": "x"}, "origin: not valid JSON"),
    "origin-list": ({"origin": "[1]"}, "origin: is not a JSON object"),
    "origin-deep": ({"origin": "[" * 60000}, "origin: nested more than"),
    "channels": ({"L0_M": [1]}, "layer_0.M"),
    "extra": ({"L0_bias": [1]}, "layer_0.bias: unexpected"),
    "gap": ({"layer_3.weight": np.ones((2, 2), np.int8)}, "layer_2.weight: is missing"),
    "33": ({"layer_32.weight": np.ones((2, 2), np.int8)}, "layer_0.weight: has 33 layers"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(DAMAGE))
def test_damage_is_named(tmp_path, case):
    changes, text = DAMAGE[case]
    path = tmp_path / "net.npz"
    write_npz(path, damaged(**changes))
    with pytest.raises(FileError) as found:
        load_integer(path)
    assert text in str(found.value)
    assert "\n" not in str(found.value)


def test_the_undamaged_file_loads(tmp_path):
    write_npz(tmp_path / "net.npz", damaged())
    assert load_integer(tmp_path / "net.npz").network.sizes == (2, 2, 2)
