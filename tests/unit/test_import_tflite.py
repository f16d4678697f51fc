"""TFLite files: read, refused, and in each runtime's arithmetic to the last integer.

The arithmetic is held against rational numbers and, where ai-edge-litert computes a variant,
against that runtime, at both sides of every step of every channel.
"""

from __future__ import annotations

import importlib
import math
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.digital.importing.tflite_arithmetic import (
    KERNELS,
    ROUNDINGS,
    RUNTIMES,
    Requantisation,
    Rounding,
    activation_range,
    input_thresholds,
    quantize_multiplier,
)
from ohmbench.digital.importing.tflite_file import read_tflite_file
from ohmbench.digital.importing.tflite_roundings import differences, layer_values, truncated
from ohmbench.digital.integer.network import acc_range
from ohmbench.errors import FileError, RangeError
from ohmbench.fetching import model_file
from tests.unit import hostile_tflite
from tests.unit.tflite_files import (
    DEQUANTIZE,
    FLOAT32,
    INT8,
    NONE,
    QUANTIZE,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    RESHAPE,
    UINT8,
    Dense,
    Model,
    Operator,
    Tensor,
    chain,
)

# ------------------------------------------------------------------------------------------------
# The arithmetic again, in rational numbers


def single_precision(x: float) -> float:
    """The nearest float32, as a float."""
    value: float = struct.unpack("<f", struct.pack("<f", x))[0]
    return value


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def half_away(x: Fraction) -> int:
    return half_up(x) if x >= 0 else -half_up(-x)


def fixed_point(m: float) -> tuple[int, int]:
    """31 bits of ``m``, rounded half up, and the power of two that makes them ``m``."""
    shift = 0
    while m * 2.0**-shift >= 1:
        shift += 1
    while m * 2.0**-shift < 0.5:
        shift -= 1
    q = half_up(Fraction(m) * Fraction(2) ** (31 - shift))
    return (q, shift) if q < 2**31 else (2**30, shift + 1)


def plain(rounding: Rounding, x: int, scales: tuple[float, float, float], per_channel: bool) -> int:
    """``round(x * m)`` for one sum, from the scales of its input, weight and output (float32)."""
    in_scale, weight_scale, out = scales
    product = in_scale * weight_scale  # exact: 48 bits
    if rounding == "float":
        m = single_precision(single_precision(product) / out)
        return round(single_precision(single_precision(float(x)) * m))
    if rounding == "float64":
        return half_away(Fraction(x * (product / out)))
    q, shift = fixed_point((product if per_channel else single_precision(product)) / out)
    if rounding == "single":
        return half_up(Fraction(x * q) / 2 ** (31 - shift))
    high = half_up(Fraction(x * 2 ** max(shift, 0) * q, 2**31))
    low = Fraction(high, 2 ** max(-shift, 0))
    return half_away(low) if rounding == "double" else half_up(low)


def clamp(x: int, lo: int, hi: int) -> int:
    return min(max(x, lo), hi)


def scales_of(seed: int, channels: int) -> tuple[float, list[float], float]:
    """float32 scales of an input, weights, and an output; every third time with exact ties."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        out = float(2.0 ** rng.integers(-2, 16)) * (1 if seed % 2 else 3)
        return 0.25, [0.125 / 2 ** (c % 3) for c in range(channels)], out
    first = np.float32(rng.uniform(0.001, 0.5))
    weight = np.float32(rng.uniform(1e-4, 0.05)) * rng.uniform(0.3, 1, channels).astype(np.float32)
    out_scale = np.float32(first * weight[0] * np.float32(2.0 ** rng.uniform(-1, 22)))
    return float(first), [float(w) for w in weight], float(out_scale)


def boundaries(m: NDArray[np.float64], zero: int) -> NDArray[np.int64]:
    """Sums at both sides of each step of each channel, and some far away: (n, channels)."""
    levels = np.arange(-130, 130) - zero
    near = np.rint((levels[:, None] + 0.5) / m).astype(np.int64)
    around = [near + k for k in (-2, -1, 0, 1, 2)]
    far = [np.rint(np.full((1, len(m)), k) / m).astype(np.int64) for k in (-400, 0, 400)]
    return np.clip(np.concatenate([*around, *far]), -(2**31) + 1, 2**31 - 1)


def one_layer(
    seed: int, per_channel: bool, activation: int = NONE, channels: int = 6
) -> tuple[Model, NDArray[np.int64]]:
    """Weights 0 and, as biases, sums at the boundaries: what the runtime makes of each sum."""
    first, weight, out = scales_of(seed, channels if per_channel else 1)
    zero = int(np.random.default_rng(seed).integers(-128, 128))
    m = np.broadcast_to(first * np.array(weight) / out, channels)
    acc = boundaries(m, zero).T.ravel()
    scales = np.repeat(weight, len(acc) // channels).tolist() if per_channel else weight
    layer = Dense(np.zeros((len(acc), 4), int), acc, scales, out, zero, activation)
    return chain([layer], first, 3), acc


def written(tmp_path: Path, model: Model) -> Path:
    path = tmp_path / "network.tflite"
    path.write_bytes(model.data())
    return path


def run(model: Path | Model, rounding: Rounding, x: NDArray[Any]) -> NDArray[np.int64]:
    """What ai-edge-litert computes for inputs ``x``, one row after another."""
    module = importlib.import_module("ai_edge_litert.interpreter")
    interpreter = module.Interpreter(
        model_content=model.read_bytes() if isinstance(model, Path) else model.data(),
        experimental_op_resolver_type=getattr(module.OpResolverType, KERNELS[rounding]),
        num_threads=1,
    )
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], (len(x), *given["shape"][1:]))
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x.reshape(len(x), *given["shape"][1:]))
    interpreter.invoke()
    values = interpreter.get_tensor(result["index"]).reshape(len(x), -1)
    return values if values.dtype == np.float32 else values.astype(np.int64)


def step_of(source: Source, k: int = 0) -> Requantisation:
    step = source.layers[k].step
    assert isinstance(step, Requantisation)
    return step


# ------------------------------------------------------------------------------------------------
# Exactness


@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_steps_are_those_of_rational_numbers(
    rounding: Rounding, per_channel: bool, tmp_path: Path
) -> None:
    for seed in range(4):
        model, acc = one_layer(seed, per_channel, channels=2)
        step = step_of(read_tflite(written(tmp_path, model), rounding=rounding))
        given, w, result = (model.tensors[k] for k in (0, 1, 3))
        weight = np.broadcast_to(np.array(w.scale), acc.shape).tolist()
        low, high = step.bounds(np.zeros((1, len(acc)), np.int64))
        expected = [
            plain(rounding, x, (given.scale[0], s, result.scale[0]), per_channel) + step.zero
            for x, s in zip(acc.tolist(), weight, strict=True)
        ]
        expected = [clamp(h, -128, 127) for h in expected]
        assert low[0].tolist() == expected
        assert np.array_equal(low, high)
        assert len(set(expected)) > 100


@pytest.mark.needs("ai-edge-litert")
@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("rounding", KERNELS)
def test_steps_are_those_of_the_runtime(
    rounding: Rounding, per_channel: bool, tmp_path: Path
) -> None:
    for seed in range(12):
        model, acc = one_layer(seed, per_channel, RELU if seed >= 8 else NONE)
        path = written(tmp_path, model)
        step = step_of(read_tflite(path, rounding=rounding))
        value, _ = step.bounds(np.zeros((1, len(acc)), np.int64))
        assert np.array_equal(run(path, rounding, np.zeros((1, 4), np.int8)), value)


def random_network(seed: int) -> Model:
    """Three layers of random sizes, weights, scales, zero points and activations."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, 4).tolist()
    scale = first = float(np.float32(rng.uniform(0.01, 0.2)))
    layers = []
    for k in range(3):
        count = 1 if seed % 2 else sizes[k + 1]
        weights = rng.uniform(0.002, 0.01, count).astype(np.float32).tolist()
        out = float(np.float32(scale * weights[0] * np.sqrt(sizes[k]) * rng.uniform(20, 90)))
        layers.append(
            Dense(
                rng.integers(-127, 128, (sizes[k + 1], sizes[k])),
                None if (seed + k) % 4 == 3 else rng.integers(-3000, 3000, sizes[k + 1]),
                weights,
                out,
                int(rng.integers(-128, 128)) if k != 1 else -100,
                (NONE, RELU, RELU6, RELU_N1_TO_1)[(seed + k) % 4] if k != 1 else RELU,
            )
        )
        scale = out
    return chain(layers, first, int(rng.integers(-128, 128)))


@pytest.mark.needs("ai-edge-litert")
@pytest.mark.parametrize("rounding", KERNELS)
def test_networks_are_those_of_the_runtime(rounding: Rounding, tmp_path: Path) -> None:
    seen = set()
    for seed in range(16):
        path = written(tmp_path, random_network(seed))
        source = read_tflite(path, rounding=rounding)
        inputs = source.layers[0].weight.shape[1]
        x = np.random.default_rng(seed).integers(-128, 128, (64, inputs))
        h = layer_values(source.layers, x)[-1]
        assert np.array_equal(run(path, rounding, x.astype(np.int8)), h)
        assert np.array_equal(run(path, rounding, x[:1].astype(np.int8)), h[:1])
        seen |= set(h.ravel().tolist())
    assert len(seen) > 200


@pytest.mark.needs("ai-edge-litert")
def test_the_default_is_what_the_interpreter_does_untold(tmp_path: Path) -> None:
    module = importlib.import_module("ai_edge_litert.interpreter")
    model, acc = one_layer(1, False)
    path = written(tmp_path, model)
    interpreter = module.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.zeros((1, 4), np.int8))
    interpreter.invoke()
    values = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    source = read_tflite(path)
    assert np.array_equal(values, step_of(source).bounds(np.zeros((1, len(acc)), np.int64))[0])
    assert source.rounding == "float"
    assert set(RUNTIMES) == set(ROUNDINGS)


@pytest.mark.needs("ai-edge-litert")
@pytest.mark.parametrize("rounding", KERNELS)
@pytest.mark.parametrize("zero", [-127, -1, 0, 1, 3])
@pytest.mark.parametrize("halves", [5, 7, 21, 23, 42])
def test_ends_of_activations_are_those_of_the_runtime(
    rounding: Rounding, zero: int, halves: int, tmp_path: Path
) -> None:
    # 6 / scale and 1 / scale are odd multiples of a half, or close to one.
    for activation, top in ((RELU6, 6), (RELU_N1_TO_1, 1), (RELU, 1)):
        layer = Dense(np.zeros((2, 4), int), np.array([-(10**9), 10**9]), [1e-3], 0.5, zero)
        layer = replace(layer, activation=activation, out_scale=top / (halves / 2))
        model = chain([layer], 1e-3)
        source = read_tflite(written(tmp_path, model), rounding=rounding)
        assert source.layers[0].lo is not None
        ends = [source.layers[0].lo, source.layers[0].hi]
        assert run(model, rounding, np.zeros((1, 4), np.int8)).tolist() == [ends]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ends_of_activations(rounding: Rounding) -> None:
    assert activation_range(rounding, "NONE", 0.5, 3) == (-128, 127)
    assert activation_range(rounding, "RELU", 0.5, 3) == (3, 127)
    assert activation_range(rounding, "RELU6", 0.5, 3) == (3, 15)
    assert activation_range(rounding, "RELU6", 1e-30, -128) == (-128, 127)
    assert activation_range(rounding, "RELU_N1_TO_1", 0.5, 127) == (125, 127)
    # 1 / 0.4 = 2.5: to even behind the zero point, or away from 0 before it.
    even = {0: (-2, 2), 1: (-2, 4)}
    away = {0: (-3, 3), 1: (-2, 4)}
    for zero, ends in (even if rounding == "float" else away).items():
        assert activation_range(rounding, "RELU_N1_TO_1", 0.4, zero) == ends
    with pytest.raises(KeyError):
        activation_range(rounding, "TANH", 0.5, 0)


def float_ended(scale: float, zero: int, inputs: int) -> Model:
    """A network of one layer that takes and gives float32."""
    model = chain([Dense(np.eye(inputs, dtype=int), None, [1.0], scale, zero)], scale, zero)
    model.tensors += [Tensor("x", [1, inputs], FLOAT32), Tensor("y", [1, inputs], FLOAT32)]
    first, last = Operator(QUANTIZE, [3], [0]), Operator(DEQUANTIZE, [2], [4])
    model.operators = [first, *model.operators, last]
    return replace(model, inputs=[3], outputs=[4])


@pytest.mark.needs("ai-edge-litert")
@pytest.mark.parametrize("rounding", KERNELS)
@pytest.mark.parametrize(("scale", "zero"), [(0.1, 7), (0.0078125, -128), (1 / 3, 0), (17.3, 127)])
def test_real_inputs_are_quantised_as_by_the_runtime(
    rounding: Rounding, scale: float, zero: int, tmp_path: Path
) -> None:
    path = written(tmp_path, float_ended(scale, zero, 255))
    source = read_tflite(path, rounding=rounding)
    assert not source.takes_integers
    table = source.input.thresholds
    assert table is not None
    infinity = np.full_like(table, np.inf)
    x = np.stack([table, np.nextafter(table, -infinity), np.nextafter(table, infinity)])
    q = source.input.quantise(x)
    assert (q[0] == q[1] + 1).all()
    assert (q[2] == q[0]).all()
    # The network's outputs are its inputs; DEQUANTIZE rounds differently in each kernel.
    values = run(path, rounding, x)
    assert np.array_equal(np.rint(values / np.float32(scale)) + zero, q)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_thresholds_of_real_inputs_are_where_the_division_says(rounding: Rounding) -> None:
    table = input_thresholds(rounding, 0.25, 5)
    exact = (np.arange(-127, 128) - 5 - 0.5) * 0.25
    away = rounding not in ("float", "double-up")
    # Exact ties belong to the even integer, or to the one farther from 0.
    level = np.arange(-127, 128) - 5
    upper = level > 0 if away else level % 2 == 0
    below = np.where(upper, exact, np.nextafter(exact.astype(np.float32), np.float32(np.inf)))
    assert np.array_equal(table, below.astype(np.float32))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ends_of_scales_of_real_inputs(rounding: Rounding) -> None:
    # 1 / 2**-128 is 2**128, the first power of two that float32 does not hold.
    assert input_thresholds(rounding, 2.0**-127, 0).shape == (255,)
    with pytest.raises(RangeError, match="no inverse"):
        input_thresholds(rounding, 2.0**-128, 0)
    # Only -1, 0 and 1 are quotients of a finite input; infinities give the ends.
    table = input_thresholds(rounding, 3e38, 0)
    assert (table[:127] == np.finfo(np.float32).min).all()
    assert (np.abs(table[127:129]) < 2e38).all()
    assert (table[129:] == np.inf).all()


@pytest.mark.parametrize(
    ("m", "pair"),
    [
        (0.0, (0, 0)),
        (1.0, (2**30, 1)),
        (0.5, (2**30, 0)),
        (1 - 2.0**-40, (2**30, 1)),
        (1 - 2.0**-31, (2**31 - 1, 0)),
        (1 - 2.0**-32, (2**30, 1)),
        (2.0**-32, (2**30, -31)),
        (math.nextafter(2.0**-32, 0), (2**30, -31)),
        (2.0**-33, (0, 0)),
        (5e-324, (0, 0)),
        (2.0**30, (2**30, 31)),
    ],
)
def test_multipliers_have_31_bits_and_a_shift(m: float, pair: tuple[int, int]) -> None:
    assert quantize_multiplier(m) == pair


# ------------------------------------------------------------------------------------------------
# The checks go red


def _nothing_for_the_zero_point(step: Requantisation, weight: NDArray[np.int8]) -> Requantisation:
    return replace(step, bias=step.bias + 17 * weight.sum(axis=1, dtype=np.int64))


def _clamped_before_the_zero_point(
    step: Requantisation, weight: NDArray[np.int8]
) -> Requantisation:
    class Early(Requantisation):
        def bounds(self, acc: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
            h, _ = replace(step, zero=0).bounds(acc)
            return h + self.zero, h + self.zero

    return Early(step.rounding, step.multiplier, step.bias, step.zero, step.lo, step.hi)


def _scaled(factor: float) -> Callable[[Requantisation, NDArray[np.int8]], Requantisation]:
    return lambda step, weight: replace(step, multiplier=step.multiplier * factor)


def _as(rounding: Rounding) -> Callable[[Requantisation, NDArray[np.int8]], Requantisation]:
    return lambda step, weight: replace(step, rounding=rounding)


FAULTS: dict[str, tuple[Rounding, Callable[..., Requantisation]]] = {
    "half-up-instead-of-away": ("double", _as("double-up")),
    "half-away-instead-of-up": ("double-up", _as("double")),
    "one-rounding-for-two": ("double-up", _as("single")),
    "two-roundings-for-one": ("float64", _as("double-up")),
    "float64-for-float32": ("float", _as("float64")),
    "fixed-point-for-float": ("float", _as("single")),
    "zero-point-forgotten": ("float", _nothing_for_the_zero_point),
    "clamp-before-zero-point": ("float", _clamped_before_the_zero_point),
    "shift-off-by-one": ("double-up", _scaled(0.5)),
    "multiplier-off-by-2^-24": ("float", _scaled(1 + 2.0**-23)),
    "bias-halved": ("float", lambda step, weight: replace(step, bias=step.bias // 2)),
    "bias-forgotten": ("float", lambda step, weight: replace(step, bias=step.bias * 0)),
    "low-end-forgotten": ("float", lambda step, weight: replace(step, lo=-128)),
}


def faulty_and_right(
    fault: Callable[..., Requantisation], rounding: Rounding, activation: int, tmp_path: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64], Model]:
    """Values of a layer at its boundaries, with a fault and without."""
    model, acc = one_layer(3, False, activation)
    weight = np.tile(np.array([1, -2, 3, 4]), (len(acc), 1))
    model.tensors[1].data = weight.astype(np.int8).tobytes()
    model.tensors[0].zero = [17]
    # The bias makes up for the zero point, so that the sums for zeros are those at the boundaries.
    model.tensors[2].data = (acc + 17 * weight.sum(axis=1)).astype("<i4").tobytes()
    model.tensors[3].zero = [-20]
    layer = read_tflite(written(tmp_path, model), rounding=rounding).layers[0]
    assert isinstance(layer.step, Requantisation)
    zeros = np.zeros((1, len(acc)), np.int64)
    right, _ = layer.step.bounds(zeros)
    wrong, _ = fault(layer.step, layer.weight).bounds(zeros)
    return wrong, right, model


@pytest.mark.needs("ai-edge-litert")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen(name: str, tmp_path: Path) -> None:
    rounding, fault = FAULTS[name]
    # Negative ties are behind the clamp of a ReLU.
    activation = NONE if name.startswith("half") else RELU
    wrong, right, model = faulty_and_right(fault, rounding, activation, tmp_path)
    assert not np.array_equal(wrong, right)
    if rounding in KERNELS:
        assert np.array_equal(run(model, rounding, np.zeros((1, 4), np.int8)), right)


# ------------------------------------------------------------------------------------------------
# What is read


def test_a_chain_is_read_in_full(tmp_path: Path) -> None:
    model = hostile_tflite.base()
    source = read_tflite(written(tmp_path, model))
    assert (source.format, source.input_tensor, source.input_shape) == ("TFLite", "in0", (1, 3))
    assert source.takes_integers
    assert (source.input.lo, source.input.hi, source.input.zero) == (-128, 127, -7)
    assert source.input.scale == float(np.float32(0.1))
    assert (
        [layer.tensor for layer in source.layers]
        == ["out0", "out1"]
        == ["out0", source.output_tensor]
    )
    first, last = source.layers
    assert first.name == "operator 0 (FULLY_CONNECTED)"
    weight = np.frombuffer(model.tensors[1].data or b"", np.int8).reshape(4, 3)
    bias = np.frombuffer(model.tensors[2].data or b"", "<i4")
    assert np.array_equal(first.weight, weight)
    assert np.array_equal(first.bias, bias + 7 * weight.astype(int).sum(axis=1))
    assert (first.lo, first.hi, last.lo, last.hi) == (-128, 127, -128, 127)
    assert last.meaning.scale.tolist() == [float(np.float32(0.07))]
    assert last.meaning.real(np.array([[9, 10]])).tolist() == [[0.0, float(np.float32(0.07))]]


def test_operators_at_the_ends_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ends.tflite"
    path.write_bytes(hostile_tflite.templates("tflite")[1])
    source = read_tflite(path)
    bare = read_tflite(written(tmp_path, hostile_tflite.base()))
    assert source.input_shape == (1, 3, 1)
    assert source.input_tensor == "x"
    assert source.output_tensor == "out1"
    assert len(source.notes) == 2
    assert "SOFTMAX" in source.notes[0]
    assert "DEQUANTIZE" in source.notes[1]
    x = np.random.default_rng(0).integers(-128, 128, (50, 3))
    assert all(d.share == 0 for d in differences(source, bare, x))


@pytest.mark.needs("ai-edge-litert")
def test_uint8_at_the_ends_is_int8_and_128(tmp_path: Path) -> None:
    model = hostile_tflite.base()
    model.tensors += [
        Tensor("x", [1, 3], UINT8, [0.1], [121]),
        Tensor("y", [1, 2], UINT8, [0.07], [137]),
    ]
    model.operators = [
        Operator(QUANTIZE, [7], [0], version=2),
        *model.operators,
        Operator(QUANTIZE, [6], [8], version=2),
    ]
    model.inputs, model.outputs = [7], [8]
    path = written(tmp_path, model)
    source = read_tflite(path)
    assert (source.input.lo, source.input.hi, source.input.zero) == (0, 255, 121)
    assert (source.layers[-1].lo, source.layers[-1].hi) == (0, 255)
    assert source.output_tensor == "y"
    x = np.random.default_rng(0).integers(0, 256, (50, 3))
    h = layer_values(source.layers, x)[-1]
    assert np.array_equal(run(path, "float", x.astype(np.uint8)), h)


def test_reshape_and_no_bias(tmp_path: Path) -> None:
    model = chain([Dense(np.arange(8).reshape(2, 4), None, [0.01], 0.05)], 0.1)
    model.tensors.append(Tensor("r", [1, 2, 2], INT8, [0.1], [0]))
    model.operators.insert(0, Operator(RESHAPE, [3], [0]))
    model.tensors[3], model.tensors[2] = model.tensors[2], model.tensors[3]
    model.operators[0].inputs = [2]
    model.operators[1].outputs = [3]
    model.inputs, model.outputs = [2], [3]
    model.tensors[3] = replace(model.tensors[3], name="out0")
    source = read_tflite(written(tmp_path, model))
    assert source.input_shape == (1, 2, 2)
    assert not source.layers[0].bias.any()


def test_an_unknown_rounding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RangeError, match="choose one of float, double-up"):
        read_tflite(tmp_path / "no file", rounding="up")  # type: ignore[arg-type]


@pytest.mark.parametrize("refusal", hostile_tflite.refusals(), ids=lambda r: r.name)
def test_a_refusal_says_why(refusal: hostile_tflite.Refusal, tmp_path: Path) -> None:
    path = tmp_path / "f.tflite"
    path.write_bytes(refusal.data)
    with pytest.raises(FileError) as caught:
        read_tflite(path)
    assert refusal.words in caught.value.reason
    assert caught.value.field == refusal.field


def test_limits_of_the_fixed_point_kernels(tmp_path: Path) -> None:
    def read(scale: float, bias: int, rounding: Rounding) -> Source:
        layer = Dense(np.zeros((1, 2), int), np.array([bias]), [1.0], 1.0)
        return read_tflite(written(tmp_path, chain([layer], scale)), rounding=rounding)

    for rounding in ("double-up", "float64", "double", "single"):
        # m = 1 is q = 2^30 with a shift of 1, so that sums need one bit less than the register.
        read(1.0, 2**30 - 1, rounding)
        with pytest.raises(FileError, match="overflow 32 bits"):
            read(1.0, 2**30, rounding)
        read(2.0**-32, 1, rounding)
        with pytest.raises(FileError, match="every output is the zero point"):
            read(2.0**-33, 1, rounding)
    read(1.0, 2**31 - 1, "float")
    read(2.0**-32, 1, "float")
    read(255.9, 1, "float")


def test_the_largest_files_are_read(tmp_path: Path) -> None:
    model = chain([Dense(np.eye(2, dtype=int), None, [0.1], 0.1)] * 32, 0.1)
    model.tensors[0] = replace(model.tensors[0], name="n" * 1024, shape=[1] * 7 + [2])
    model.tensors += [model.tensors[0]] * (1024 - len(model.tensors))
    source = read_tflite(written(tmp_path, model))
    assert len(source.layers) == 32
    assert source.input_shape == (1, 1, 1, 1, 1, 1, 1, 2)
    assert len(read_tflite_file(tmp_path / "network.tflite").tensors) == 1024
    model.tensors.append(model.tensors[0])
    with pytest.raises(FileError, match="1025 tensors, at most 1024"):
        read_tflite(written(tmp_path, model))


@pytest.mark.parametrize(("zero", "good"), [(-128, True), (127, True), (-129, False), (128, False)])
def test_ends_of_zero_points(zero: int, good: bool, tmp_path: Path) -> None:
    model = hostile_tflite.base()
    for k in (0, hostile_tflite.OUT1):
        model.tensors[k] = replace(model.tensors[k], zero=[zero])
    path = written(tmp_path, model)
    if good:
        assert read_tflite(path).input.zero == zero
    else:
        with pytest.raises(FileError, match=f"is {zero}, but should be from -128 to 127"):
            read_tflite(path)


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_ends_anywhere_is_refused(which: int, tmp_path: Path) -> None:
    data = hostile_tflite.templates("tflite")[which]
    path = tmp_path / "f.tflite"
    path.write_bytes(data)
    read_tflite(path)
    for length in reversed(range(len(data))):
        os.truncate(path, length)
        with pytest.raises(FileError):
            read_tflite(path)


# ------------------------------------------------------------------------------------------------
# The published network


@pytest.mark.needs("models")
def test_ad01_is_read() -> None:
    source = read_tflite(model_file("ad01_int8.tflite"))
    sizes = [640, *(len(layer.weight) for layer in source.layers)]
    assert sizes == [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert sum(layer.weight.size for layer in source.layers) == 264_192
    assert all(len(layer.meaning.scale) == 1 for layer in source.layers)


@pytest.mark.needs("ai-edge-litert", "models")
@pytest.mark.parametrize("rounding", KERNELS)
def test_ad01_is_the_runtimes(rounding: Rounding) -> None:
    ad01 = model_file("ad01_int8.tflite")
    source = read_tflite(ad01, rounding=rounding)
    x = np.random.default_rng(1).integers(-128, 128, (300, 640))
    assert np.array_equal(
        run(ad01, rounding, x.astype(np.int8)), layer_values(source.layers, x)[-1]
    )


@pytest.mark.needs("models")
def test_roundings_and_truncation_change_ad01() -> None:
    ad01 = model_file("ad01_int8.tflite")
    single, double = (read_tflite(ad01, rounding=name) for name in ("single", "double"))
    x = np.random.default_rng(0).integers(-128, 128, (2000, 640))
    found = differences(single, double, x)
    assert 0.0009 < found[0].share < 0.0013
    assert 0.25 < found[-1].share < 0.35
    cut = differences(single, truncated(single), x)
    assert 0.24 < cut[0].share < 0.28
    assert 0.55 < cut[-1].share < 0.85
    assert [d.share for d in differences(single, read_tflite(ad01, rounding="float"), x)] == [
        0
    ] * 10


@pytest.mark.needs("models")
def test_multipliers_and_sums_of_ad01() -> None:
    layers = read_tflite(model_file("ad01_int8.tflite"), rounding="single").layers
    M = [int(np.rint(step.multiplier[0] * 2**24)) for step in map(_step, layers)]
    assert (min(M), max(M)) == (22_316, 2_314_493)
    assert sum(m < 2**16 for m in M) == 2
    for layer in layers:
        low, high = acc_range(layer.weight, -128, 127)
        most = np.maximum(np.abs(low + layer.bias), np.abs(high + layer.bias)).max()
        assert int(most).bit_length() + 1 <= 23


def _step(layer: Any) -> Requantisation:
    assert isinstance(layer.step, Requantisation)
    return layer.step
