"""From float MLPs to integers: readers against PyTorch and ONNX, the formulas, what is refused."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import Affine, InputFormat, IntegerNetwork, Layer
from ohmbench.digital.quantizing import state_dict
from ohmbench.digital.quantizing.calibration import (
    Formats,
    calibration_samples,
    input_format,
    output_scales,
    quantize,
)
from ohmbench.digital.quantizing.float_models import FloatMLP, Linear, Relu, Scaling, fold
from ohmbench.digital.quantizing.judging import compare, weight_errors
from ohmbench.digital.quantizing.reading import read_float_model
from ohmbench.digital.quantizing.scales import half, integer_layer, multipliers, weight_scales
from ohmbench.errors import (
    DtypeError,
    FileError,
    NonFiniteError,
    OperandError,
    RangeError,
    ShapeError,
)

# ------------------------------------------------------------------------------------------------
# PyTorch state dicts: the float MLP computes what the module computes


def norm(features: int, seed: int) -> nn.BatchNorm1d:
    """A trained-looking normalisation: nothing in it is 0 or 1."""
    made = nn.BatchNorm1d(features)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (made.weight, made.bias, made.running_mean):
            tensor.copy_(torch.randn(features, generator=generator))
        made.running_var.copy_(torch.rand(features, generator=generator) + 0.1)
    return made


class Named(nn.Module):
    """Layers by name, in the order of definition; ``order`` is that of computation."""

    def __init__(self, order: tuple[str, ...], **layers: nn.Module) -> None:
        super().__init__()
        self.order = order
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.order[:-1]:
            x = self.get_submodule(name)(x).relu()
        return self.get_submodule(self.order[-1])(x)


def deep(layers: int) -> nn.Sequential:
    """So many layers that the text order of their numbers is not the numeric one."""
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [nn.Linear(5, 5), nn.ReLU()]
    return nn.Sequential(*parts, nn.Linear(5, 5))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "one layer": lambda: nn.Sequential(nn.Linear(5, 3)),
    "a bare layer": lambda: nn.Linear(5, 3),
    "three layers": lambda: nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)
    ),
    "no biases": lambda: nn.Sequential(
        nn.Linear(5, 7, bias=False), nn.ReLU(), nn.Linear(7, 3, bias=False)
    ),
    "twelve layers": lambda: deep(12),
    "dropout": lambda: nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 3), nn.Dropout()
    ),
    "normalised before the ReLU": lambda: nn.Sequential(
        nn.Linear(5, 7), norm(7, 0), nn.ReLU(), nn.Linear(7, 6), norm(6, 1), nn.ReLU(),
        nn.Linear(6, 3),
    ),
    "normalised after the ReLU": lambda: nn.Sequential(
        nn.Linear(5, 7), nn.ReLU(), norm(7, 0), nn.Linear(7, 3)
    ),
    "normalised inputs and logits": lambda: nn.Sequential(
        norm(5, 0), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3), norm(3, 1)
    ),
    "normalised without parameters": lambda: nn.Sequential(
        nn.Linear(5, 7), nn.BatchNorm1d(7, affine=False), nn.ReLU(), nn.Linear(7, 3)
    ),
    "numbered": lambda: Named(
        ("fc1", "fc2", "fc10"), fc10=nn.Linear(6, 3), fc1=nn.Linear(5, 7), fc2=nn.Linear(7, 6)
    ),
    "named": lambda: Named(
        ("enter", "hidden1", "hidden2", "leave"), enter=nn.Linear(5, 6), hidden1=nn.Linear(6, 6),
        hidden2=nn.Linear(6, 6), leave=nn.Linear(6, 3),
    ),
    "numbers begin again": lambda: Named(
        ("body.0", "body.1", "head"),
        body=nn.ModuleList([nn.Linear(5, 7), nn.Linear(7, 6)]), head=nn.Linear(6, 3),
    ),
}  # fmt: skip


def saved(path: Path, module: nn.Module, prefix: str = "") -> Path:
    state = OrderedDict((prefix + key, value) for key, value in module.state_dict().items())
    torch.save(state, path)
    return path


def deviation(module: nn.Module, model: FloatMLP) -> float:
    x = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = module.eval()(torch.from_numpy(x)).numpy()
    return float(np.abs(model.outputs(x)[-1] - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", MODULES)
def test_a_state_dict_is_read_as_the_module_computes(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MODULES[name]()
    assert deviation(module, read_float_model(saved(tmp_path / "m.pth", module))) < 1e-5


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.module."])
def test_prefixes_of_wrappers_are_stripped(prefix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = MODULES["twelve layers"]()
    assert deviation(module, read_float_model(saved(tmp_path / "m.pt", module, prefix))) < 1e-5


FAULTS: dict[str, tuple[str, str, Any]] = {
    "text order of numbers": ("twelve layers", "_numbers", lambda name: tuple(name)),
    "file order alone": ("numbered", "_numbers", lambda name: ()),
    "another epsilon": ("normalised before the ReLU", "EPSILON", 1e-2),
    "the wrong side of the ReLU": (
        "normalised after the ReLU", "_adjacent", lambda first, second: second == "2"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_is_wrong_is_noticed(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, what, by = FAULTS[fault]
    torch.manual_seed(0)
    module = MODULES[name]()
    monkeypatch.setattr(state_dict, what, by)
    try:
        found = deviation(module, read_float_model(saved(tmp_path / "m.pth", module)))
    except FileError:
        return
    assert found > 1e-3


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = saved(tmp_path / "m.pth", MODULES["normalised before the ReLU"]())
    notes = read_float_model(path).notes
    assert any("assumed 0, 3, 6, with a ReLU between" in note for note in notes)
    assert any("eps = 1e-05" in note for note in notes)


def tensors(**shapes: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return {key.replace("__", "."): torch.ones(shape) for key, shape in shapes.items()}


NORM = {"running_mean": (6,), "running_var": (6,), "weight": (6,), "bias": (6,)}
REFUSED: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "a convolution": (tensors(conv1__weight=(4, 1, 3, 3), conv1__bias=(4,)), "conv1: "),
    "a layer norm": (tensors(fc1__weight=(4, 3), ln__weight=(4,), ln__bias=(4,)), "ln: "),
    "an LSTM": (tensors(rnn__weight_ih_l0=(4, 3)), "rnn: 'weight_ih_l0'"),
    "a bias alone": (tensors(fc1__bias=(4,)), "fc1: 'bias'"),
    "integers": ({"fc1.weight": torch.ones((4, 3), dtype=torch.int64)}, "fc1: its weight is int64"),
    "NaN": ({"fc1.weight": torch.full((4, 3), torch.nan)}, "fc1.weight: "),
    "sizes": (tensors(fc1__weight=(4, 3), fc2__weight=(2, 5)), "fc2: has 5 inputs, but fc1"),
    "a long bias": (tensors(fc1__weight=(4, 3), fc1__bias=(5,)), "fc1: bias has 5 values"),
    "twice": (tensors(fc1__weight=(4, 3), module__fc1__weight=(4, 3)), "there twice"),
    "norms alone": (tensors(**{f"bn__{k}": v for k, v in NORM.items()}), "holds no Linear"),
    "a norm of unknown place": (
        tensors(fc1__weight=(6, 3), **{f"bn1__{k}": v for k, v in NORM.items()},
                fc2__weight=(2, 6)),
        "bn1: a normalisation whose place is not clear"),
    "a norm of another size": (
        tensors(**{"0__weight": (5, 3)}, **{f"1__{k}": v for k, v in NORM.items()}),
        "1: has 6 values, but there are 5"),
    "a norm without variance": (tensors(**{"0__weight": (6, 3), "1__running_mean": (6,)}), "1: "),
    "a negative variance": (
        {**tensors(**{"0__weight": (6, 3), "1__running_mean": (6,)}),
         "1.running_var": -torch.ones(6)}, "1: running_var is as low as -1"),
    "two orders": (
        tensors(fc2__weight=(4, 4), fc1__weight=(4, 4)), "the order of its layers is not clear"),
    "too many layers": ({f"{k}.weight": torch.ones(2, 2) for k in range(33)}, "33 linear layers"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_state_dict_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    state, says = REFUSED[kind]
    torch.save(OrderedDict(state), tmp_path / "m.pth")
    with pytest.raises(FileError) as refused:
        read_float_model(tmp_path / "m.pth")
    assert says in str(refused.value)
    assert str(tmp_path / "m.pth") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["normalised before the ReLU", "numbered"])
def test_a_damaged_state_dict_is_one_line(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    good = saved(tmp_path / "m.pth", MODULES[name]()).read_bytes()
    assert refusals_of_damage(good, tmp_path / "x.pth", 150) > 50


def refusals_of_damage(good: bytes, path: Path, files: int) -> int:
    """So many files with bytes changed, cut out or added are read, or refused in one line."""
    rng, lines = random.Random(0), []
    for _ in range(files):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            place = rng.randrange(len(data))
            cut = rng.choice((0, 0, 1, 7))
            data[place : place + cut] = rng.randbytes(rng.choice((0, 1, 4)) or not cut)
            data[place % len(data)] = rng.randrange(256)
        path.write_bytes(data)
        try:
            read_float_model(path)
        except FileError as error:
            lines.append(str(error))
    assert not any("\n" in line for line in lines)
    return len(lines)


def test_weights_that_overflow_are_one_line(tmp_path: Path) -> None:
    factor = {k: torch.full((6,), 1e200, dtype=torch.float64) for k in ("weight", "bias")}
    state = {"0.weight": torch.full((6, 3), 1e200, dtype=torch.float64)}
    state |= {f"1.{k}": v for k, v in factor.items()}
    state |= {"1.running_mean": torch.zeros(6), "1.running_var": torch.ones(6)}
    torch.save(OrderedDict(state), tmp_path / "m.pth")
    with pytest.raises(FileError, match="0: weight holds NaN or infinity"):
        read_float_model(tmp_path / "m.pth")


def test_an_ending_says_the_format(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not a format of float models"):
        read_float_model(tmp_path / "m.bin")


# ------------------------------------------------------------------------------------------------
# Blocks and models


def test_scalings_fold_exactly() -> None:
    """All numbers are small integers, so float64 has no error."""
    W, V = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[2.0, -3.0]])
    blocks = [
        Scaling("in", np.array([2.0, 4.0]), np.array([1.0, -1.0])),
        Scaling("again", np.array(3.0), np.array(5.0)),
        Linear("a", W, np.array([1.0, -2.0])),
        Scaling("out", np.array([-1.0, 2.0]), np.array([3.0, 4.0])),
        Relu("r"),
        Scaling("mid", np.array([5.0, 7.0]), np.array([-6.0, 8.0])),
        Linear("b", V, np.array([9.0])),
    ]
    x = np.array([[1.0, 2.0], [-3.0, 0.0], [4.0, -5.0]])
    y = 3 * (x * [2, 4] + [1, -1]) + 5
    y = np.maximum((y @ W.T + [1, -2]) * [-1, 2] + [3, 4], 0)
    wanted = (y * [5, 7] + [-6, 8]) @ V.T + 9
    assert np.array_equal(fold(blocks).outputs(x)[-1], wanted)
    exchanged = [blocks[1], blocks[0], *blocks[2:]]
    assert not np.array_equal(fold(exchanged).outputs(x)[-1], wanted)


A = Linear("a", np.ones((2, 2)), np.zeros(2))
S2, R = Scaling("s", np.ones(2), np.zeros(2)), Relu("r")
ORDERS = {
    "no layer": ([], "no linear layer"),
    "no ReLU": ([A, A], "a: follows a without a Relu"),
    "ReLU first": ([R, A], "r: a Relu that does not follow"),
    "ReLU last": ([A, R], "comes after the last"),
    "scaling last": ([A, R, S2], "s: comes after the last"),
    "ReLU of a scaling": ([A, R, S2, R, A], "r: a Relu that does not follow"),
    "wide scaling": ([A, Scaling("s", np.ones(3), np.zeros(3))], "s: has 3 values"),
}


@pytest.mark.parametrize("order", ORDERS)
def test_blocks_in_another_order_are_refused(order: str) -> None:
    blocks, says = ORDERS[order]
    with pytest.raises(OperandError, match=says):
        fold(blocks)


ONE = np.ones((2, 3))
MODELS: dict[str, tuple[Any, Any, type[Exception]]] = {
    "integers": ((np.ones((2, 3), int),), (np.zeros(2),), DtypeError),
    "NaN": ((np.full((2, 3), np.nan),), (np.zeros(2),), NonFiniteError),
    "an infinite bias": ((ONE,), (np.array([0, np.inf]),), NonFiniteError),
    "a vector": ((np.ones(3),), (np.zeros(1),), ShapeError),
    "a long bias": ((ONE,), (np.zeros(3),), ShapeError),
    "widths": ((ONE, ONE), (np.zeros(2), np.zeros(2)), ShapeError),
    "nothing": ((), (), ShapeError),
    "a missing bias": ((ONE,), (), ShapeError),
    "too many layers": ((np.ones((2, 2)),) * 33, (np.zeros(2),) * 33, ShapeError),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
def test_arrays_that_are_no_mlp_are_refused(kind: str) -> None:
    weights, biases, error = MODELS[kind]
    with pytest.raises(error):
        FloatMLP(weights, biases)


# ------------------------------------------------------------------------------------------------
# The formulas


def random_mlp(sizes: tuple[int, ...], seed: int, spread: float = 0.0) -> FloatMLP:
    """``spread`` > 0: the channels of a layer have weights of very different sizes."""
    rng = np.random.default_rng(seed)
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        by = 10.0 ** -(spread * rng.random((outputs, 1)))
        weights.append(by * rng.normal(size=(outputs, inputs)) / np.sqrt(inputs))
        biases.append(0.1 * rng.normal(size=outputs))
    return FloatMLP(tuple(weights), tuple(biases))


def f32(value: float) -> float:
    return float(np.float32(value))


def reference(
    model: FloatMLP, cal: np.ndarray, inputs: np.ndarray, f: Formats
) -> list[list[list[int]]]:
    """The documented formulas in Python's floats and integers: every layer's integers."""
    low, high = float(cal.min()), float(cal.max())
    s_in = f32(high / 255) if low >= 0 else f32(max(-low, high) / 127)
    hidden = [float(h.max()) for h in model.outputs(cal)]
    h = [[int(v) for v in row] for row in inputs]
    layers = []
    for k in range(len(model.weights)):
        last = k + 1 == len(model.weights)
        W, b = model.weights[k].tolist(), model.biases[k].tolist()
        steps, top = 2 ** (f.weight_bits - 1) - 1, 2**f.activation_bits - 1
        whole = max(abs(w) for row in W for w in row)
        own = [max(abs(w) for w in row) if f.per == "channel" and not last else whole for row in W]
        s_w = [f32(max(value, whole / 4096) / steps) for value in own]
        q = [[round(w / s) for w in row] for row, s in zip(W, s_w, strict=True)]
        b_q = [round(value / (s_in * s)) for value, s in zip(b, s_w, strict=True)]
        acc = [[sum(a * v for a, v in zip(row, sample, strict=True)) for row in q] for sample in h]
        if last:
            layers.append([[a + c for a, c in zip(row, b_q, strict=True)] for row in acc])
            break
        s_out = f32(hidden[k] / top)
        S = next(S for S in range(63) if min(s_in * s / s_out for s in s_w) * 2**S >= 2**14)
        M = [round(2**S * (s_in * s / s_out)) for s in s_w]
        R = [c * m + (2**S) // 2 for c, m in zip(b_q, M, strict=True)]
        h = [
            [min(max((a * m + r) // 2**S, 0), top) for a, m, r in zip(row, M, R, strict=True)]
            for row in acc
        ]
        layers.append(h)
        s_in = s_out
    return layers


FORMATS = [
    Formats(w, a, per)  # type: ignore[arg-type]
    for w, a in ((8, 8), (2, 1), (5, 8), (8, 3))
    for per in ("tensor", "channel")
]
IDS = [f"w{f.weight_bits}a{f.activation_bits}-{f.per}" for f in FORMATS]


def cases(seed: int, signed: bool) -> tuple[FloatMLP, np.ndarray, np.ndarray]:
    """A network with channels of different sizes, calibration features, and inputs at all edges."""
    rng = np.random.default_rng(seed)
    model = random_mlp((6, 9, 8, 4), seed, spread=1.0)
    cal = rng.normal(size=(40, 6)) if signed else rng.random((40, 6))
    low, high = (-128, 127) if signed else (0, 255)
    inputs = rng.integers(low, high + 1, (30, 6))
    inputs[0], inputs[1] = low, high
    inputs[2:11] = np.where(model.weights[0] > 0, high, low)  # the largest sums of layer 0
    return model, cal, inputs


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("formats", FORMATS, ids=IDS)
def test_the_integers_are_those_of_the_documented_formulas(formats: Formats, signed: bool) -> None:
    model, cal, inputs = cases(3, signed)
    network = quantize(model, cal, formats)
    found = infer(network, inputs)
    wanted = reference(model, cal, inputs, formats)
    for k in range(3):
        assert np.array_equal(found.h[k], wanted[k]), k
    assert {layer.bits for layer in network.layers} == {formats.weight_bits}


def test_a_wrong_formula_is_noticed() -> None:
    """Each arithmetic rule, broken in layer 0 or in the formats, shows in the integers."""
    formats = Formats(5, 8, "channel")
    model, cal, inputs = cases(3, False)
    network = quantize(model, cal, formats)
    wanted = reference(model, cal, inputs, formats)

    def differs(other: IntegerNetwork) -> bool:
        return any(
            not np.array_equal(h, w) for h, w in zip(infer(other, inputs).h, wanted, strict=True)
        )

    def first(**changes: Any) -> IntegerNetwork:
        layer = network.layers[0]
        step = replace(layer.step, **changes)  # type: ignore[type-var]
        return replace(network, layers=(replace(layer, step=step), *network.layers[1:]))

    step = network.layers[0].step
    assert isinstance(step, Affine)
    assert not differs(network)
    faults = {
        "truncated": first(R=step.R - half(step.S)),
        "bias not scaled": first(R=(step.R - half(step.S)) // step.M + half(step.S)),
        "half twice": first(R=step.R + half(step.S)),
        "channels mixed": first(M=step.M[::-1].copy()),
        "one more shift": first(S=step.S + 1),
        "narrow clamp": first(hi=254),
        "clamped at 1": first(lo=1),
        "per tensor": quantize(model, cal, replace(formats, per="tensor")),
        "another scale": quantize(model, 1.01 * cal, formats, network.input),
        "another percentile": quantize(model, cal, replace(formats, percentile=99.0)),
        "wider weights": quantize(model, cal, replace(formats, weight_bits=6)),
    }
    assert [name for name, fault in faults.items() if not differs(fault)] == []


@pytest.mark.parametrize("formats", FORMATS, ids=IDS)
def test_they_are_the_rounded_real_values_but_for_the_rounding_of_M(formats: Formats) -> None:
    """``floor(y / s_out + 1/2)`` in float64 can differ only within 2^-15 of the sum from a step."""
    model, cal, inputs = cases(5, False)
    network = quantize(model, cal, formats)
    found = infer(network, inputs)
    scale = network.input.scale
    for k, layer in enumerate(network.layers[:-1]):
        assert layer.meaning is not None
        out = float(layer.meaning.scale[0])
        s_w = weight_scales(model.weights[k], formats.weight_bits, formats.per)
        b = np.rint(model.biases[k] / (scale * s_w))
        real = (found.acc[k] + b) * scale * s_w / out
        step = layer.step
        assert isinstance(step, Affine)
        assert step.hi is not None
        near = np.abs(real + 0.5 - np.rint(real + 0.5)) <= np.abs(real) * 2.0**-15 + 1e-9
        wanted = np.clip(np.floor(real + 0.5), 0, step.hi)
        assert np.array_equal(found.h[k][~near], wanted[~near])
        assert (np.abs(found.h[k] - wanted) <= 1).all()
        scale = out
    assert found.h[0].max() > 0


def test_an_identity_keeps_its_inputs() -> None:
    """Powers of two and no rounding anywhere: 255 steps in, the same 255 steps out."""
    model = FloatMLP((np.eye(3), np.eye(3)), (np.zeros(3), np.zeros(3)))
    x = np.arange(255.0 * 3).reshape(-1, 3) % 256
    network = quantize(model, np.array([[255.0, 0, 0]]))
    assert network.input == InputFormat(0, 255, 1.0) or network.input.scale == 1.0
    found = infer(network, network.input.quantise(x))
    assert np.array_equal(found.h[0], x)
    assert np.array_equal(found.h[1], 127 * x)
    assert network.layers[1].meaning is not None
    assert network.layers[1].meaning.scale[0] == f32(1 / 127) * f32(255 / 255)


def test_halves_round_up() -> None:
    """One weight of 1 at scale 1: sums of 1, 3, 5 halves of the output's unit become 1, 2, 3."""
    layer = integer_layer(np.array([[127.0]]), np.zeros(1), 1.0, 2.0, weight_bits=8,
                          activation_bits=8, per="tensor")  # fmt: skip
    network = IntegerNetwork(
        InputFormat(0, 255), (replace(layer, weight=np.ones((1, 1), np.int8)),)
    )
    found = infer(network, np.arange(6)[:, None])
    assert found.h[0].ravel().tolist() == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("ratio", "M", "S"),
    [
        ([2.0**-8], [2**14], 22),
        ([2.0**-8, 2.0**-5], [2**14, 2**17], 22),
        ([1.0], [2**14], 14),
        ([3.0 * 2**20], [3 * 2**20], 0),
        ([2.0**-48], [2**14], 62),
    ],
)
def test_multipliers_of_powers_of_two_are_exact(ratio: list[float], M: list[int], S: int) -> None:
    found = multipliers(np.array(ratio))
    assert (found[0].tolist(), found[1]) == (M, S)


def test_every_multiplier_has_15_bits_and_the_shift_is_the_smallest() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        ratio = 2.0 ** rng.uniform(-30, 0, 5)
        M, S = multipliers(ratio)
        assert int(M.min()).bit_length() >= 15
        assert ratio.min() * 2.0 ** (S - 1) < 2**14
        assert (np.abs(M / 2.0**S / ratio - 1) <= 2.0**-15).all()


def test_a_small_channel_has_its_own_scale_down_to_a_bound() -> None:
    weight = np.array([[1.0, -0.5], [0.001, 0.002], [1e-9, 0.0], [0.0, 0.0]])
    found = weight_scales(weight, 8, "channel")
    assert found.tolist() == [f32(v / 127) for v in (1.0, 0.002, 1 / 4096, 1 / 4096)]
    assert weight_scales(weight, 8, "tensor").tolist() == [f32(1 / 127)] * 4


def test_scales_per_channel_lose_less() -> None:
    """With channels of different sizes, by the definition of the norm of the errors."""
    model, cal, _ = cases(1, False)
    errors = {}
    for per in ("tensor", "channel"):
        f = Formats(5, 8, per)  # type: ignore[arg-type]
        errors[per] = weight_errors(model, quantize(model, cal, f), f.per)
    assert errors["channel"][0] < errors["tensor"][0]
    assert errors["channel"][1] < errors["tensor"][1]
    assert errors["channel"][2] == errors["tensor"][2]  # the last layer has one scale


# ------------------------------------------------------------------------------------------------
# Calibration


def test_formats_of_inputs() -> None:
    unsigned = input_format(np.array([[0.0, 0.5, 1.0]]))
    assert (unsigned.lo, unsigned.hi, unsigned.zero) == (0, 255, 0)
    assert unsigned.scale == f32(1 / 255)
    signed = input_format(np.array([[-2.0, 0.5, 1.0]]))
    assert (signed.lo, signed.hi, signed.scale) == (-128, 127, f32(2 / 127))
    assert signed.quantise(np.array([[-2.0, 2.0, -9.0, 9.0]])).tolist() == [[-127, 127, -128, 127]]


def test_a_percentile_clamps_what_is_rare() -> None:
    model = FloatMLP((np.eye(1), np.eye(1)), (np.zeros(1), np.zeros(1)))
    cal = np.arange(1.0, 101.0)[:, None]
    assert output_scales(model, cal) == [f32(100 / 255)]
    assert output_scales(model, cal, Formats(percentile=50)) == [f32(50.5 / 255)]
    network = quantize(model, cal, Formats(percentile=50))
    labels = np.zeros(100, np.int64)
    assert compare(model, network, cal, labels).layers[0].clamped == 50
    assert compare(model, quantize(model, cal), cal, labels).layers[0].clamped == 0


def test_larger_values_are_clamped_and_counted() -> None:
    model = FloatMLP((np.eye(1), np.eye(1)), (np.zeros(1), np.zeros(1)))
    network = quantize(model, np.array([[1.0]]), read=InputFormat(0, 255, 2 / 255))
    x = np.array([[0.5], [0.9], [1.5], [2.0], [2.5]])
    found = compare(model, network, x, np.zeros(5, np.int64))
    assert found.layers[0].clamped == 3
    assert found.clamped_inputs == 1


def test_signal_and_noise_by_their_definition() -> None:
    model, cal, _ = cases(2, False)
    network = quantize(model, cal, Formats(4, 4, "channel"))
    labels = np.arange(len(cal)) % 4
    found = compare(model, network, cal, labels)
    real, integers = model.outputs(cal), infer(network, network.input.quantise(cal))
    for k, layer in enumerate(network.layers):
        assert layer.meaning is not None
        noise = ((layer.meaning.real(integers.h[k]) - real[k]) ** 2).sum()
        ratio = 10 * np.log10((real[k] ** 2).sum() / noise)
        assert found.layers[k].sqnr_dB == pytest.approx(ratio, rel=1e-12)
    assert found.right_float == int((real[-1].argmax(1) == labels).sum())
    assert found.right_integers == int((integers.classes == labels).sum())
    assert found.same == int((integers.classes == real[-1].argmax(1)).sum())


def test_many_calibration_samples_are_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ohmbench.digital.quantizing.calibration.MAX_SAMPLES", 10)
    x = np.arange(100.0)[:, None]
    one, again, other = (calibration_samples(x, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert len({*one.ravel()}) == 10
    assert calibration_samples(x[:10], 1) is not None
    assert np.array_equal(calibration_samples(x[:10], 1), x[:10])


GOOD = np.array([[0.5, 1.0]])


def two(weight: float = 1.0, bias: float = 0.0) -> FloatMLP:
    return FloatMLP((np.full((1, 2), weight), np.ones((1, 1))), (np.array([bias]), np.zeros(1)))


CALLS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no sample": (lambda: quantize(two(), np.empty((0, 2))), ShapeError, "n >= 1"),
    "another width": (lambda: quantize(two(), np.ones((4, 3))), ShapeError, "reads"),
    "NaN": (lambda: quantize(two(), np.full((1, 2), np.nan)), NonFiniteError, "NaN"),
    "only zeros": (lambda: quantize(two(), np.zeros((3, 2))), RangeError, "inputs' scale is 0"),
    "dead outputs": (lambda: quantize(two(-1.0), GOOD), RangeError, "all outputs are 0"),
    "a percentile of 0": (
        lambda: quantize(two(), np.array([[1.0, 0], [0, 0], [0, 0]]), Formats(percentile=10)),
        RangeError, "percentile 10 is 0"),
    "zero weights": (lambda: quantize(two(0.0, 1.0), GOOD), RangeError, "layer 0: weights are all"),
    "a huge bias": (lambda: quantize(two(1.0, 1e9), GOOD), RangeError, "layer 0: bias / scale"),
    "huge weights": (lambda: quantize(two(1e300), GOOD), RangeError, "positive float32"),
    "infinite outputs": (lambda: quantize(two(1e308), 1e10 * GOOD), RangeError, "is inf"),
    "tiny weights": (lambda: quantize(two(1e-300), GOOD), RangeError, "positive float32"),
    "labels": (
        lambda: compare(two(), quantize(two(), GOOD), GOOD, np.array([1])), RangeError, "labels"),
    "a missing label": (
        lambda: compare(two(), quantize(two(), GOOD), GOOD, np.empty(0, int)),
        ShapeError, "labels"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CALLS)
def test_what_cannot_be_quantised_is_one_line(kind: str) -> None:
    call, error, says = CALLS[kind]
    with pytest.raises(error, match=says) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_layers_are_of_the_documented_kind() -> None:
    network = quantize(*cases(0, False)[:2], Formats(8, 8, "channel"))
    assert all(isinstance(layer, Layer) for layer in network.layers)
    step = network.layers[-1].step
    assert isinstance(step, Affine)
    assert (step.lo, step.hi, step.S, set(step.M.tolist())) == (None, None, 0, {1})
