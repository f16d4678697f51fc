"""The compiled loop of integer networks: every output and class is that of the golden model."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ohmbench.digital import integer
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
    infer,
)
from ohmbench.digital.integer.fast import classify, compiled_network, lowering, running
from ohmbench.digital.integer.fast.layer_pass import NARROW, SCALE, SHIFT, SUM, TABLE, WIDE
from ohmbench.digital.integer.fast.lowering import lowered_layers
from ohmbench.digital.integer.network import acc_range
from ohmbench.errors import DtypeError, OperandError, RangeError, ShapeError
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kernels.word_builders import LANES
from tests.unit.integer_networks import random_inputs, random_integer

NETWORKS, PARTS = 500, 10
LEVELS = ((0, 255), (0, 63), (-128, 127), (-8, 7), (0, 1), (-254, -200))


def shift_step(rng, low, high, lo, hi):
    """Factors that are one power of 2, up to sign."""
    S = int(rng.integers(0, max(2, int((high - low).max()).bit_length())))
    M = 2 ** int(rng.integers(0, S + 1))
    span = int(max(1, (high - low).max()))
    R = rng.integers(-span * M, span * M + 1, len(low))
    sign = rng.choice([-1, 1], len(low)) if rng.random() < 0.5 else 1
    return Affine(M * sign * np.ones(len(low), np.int64), R, S, int(rng.integers(-9, 10)), lo, hi)


def even_step(rng, low, high, lo, hi):
    """Tables that round a sum to the nearest multiple of a power of 2, ties to even.

    Half of them are as an importer writes them: no threshold lies beyond the sums.
    """
    span = int(max(8, (high - low).max()))
    S = int(rng.integers(1, span.bit_length()))
    k = np.arange(1, hi - lo + 1)
    ties = k * 2**S - 2 ** (S - 1) + k % 2
    table = ties - rng.integers(-span, span + 1, len(low))[:, None]
    sign = rng.choice(np.array([-1, 1], np.int8), len(low))
    if rng.random() < 0.5:
        ends = np.sort(np.stack([low * sign, high * sign]), axis=0)
        table = np.clip(table, ends[0][:, None], ends[1][:, None] + 1)
    return Thresholds(table, sign, lo)


def with_steps(seed):
    """A random network, half of whose steps are shifts, some by tables."""
    network, rng = random_integer(seed), np.random.default_rng((seed, 17))
    lo, hi = network.input.lo, network.input.hi
    layers = []
    for layer in network.layers:
        low, high = acc_range(layer.weight, lo, hi)
        make = rng.choice([shift_step, even_step, None, None])
        step = layer.step
        if make is not None and step.lo is not None:
            step = make(rng, low, high, *LEVELS[int(rng.integers(len(LEVELS)))])
        layers.append(replace(layer, step=step))
        if step.lo is not None:
            lo, hi = step.lo, step.hi
    meaning = (
        None, Meaning.of(0.5, 3), Meaning.of(-0.5),
        Meaning(rng.choice([-1.0, 0.3, 1.0], network.classes), rng.normal(size=network.classes)),
    )[int(rng.integers(4))]  # fmt: skip
    layers[-1] = replace(layers[-1], meaning=meaning)
    return IntegerNetwork(network.input, tuple(layers))


def steered(network, n, seed):
    """Random inputs, a third of which drive one channel's sum of layer 0 to an end."""
    x, rng = random_inputs(network, n, seed), np.random.default_rng(seed)
    weight = network.layers[0].weight
    for i in range(0, n, 3):
        towards = weight[int(rng.integers(len(weight)))] * int(rng.choice([-1, 1])) > 0
        x[i] = np.where(towards, network.input.hi, network.input.lo)
    return x


def differences(network, x):
    """Outputs and classes in which the compiled loop differs."""
    expected, found = infer(network, x), compiled_network(network)(x)
    assert found.values.shape == expected.outputs.shape
    values = np.count_nonzero(found.values != expected.outputs)
    return values + np.count_nonzero(found.classes != expected.classes)


def layer_of(weight, step, **options):
    return Layer(np.array(weight, np.int8), step, **options)


def one_layer(weight, step, read=(0, 255), **options):
    return IntegerNetwork(InputFormat(*read), (layer_of(weight, step, **options),))


@pytest.mark.parametrize("part", range(PARTS))
def test_every_value_is_the_golden_models(part) -> None:
    for seed in range(part, NETWORKS, PARTS):
        network = with_steps(seed)
        n = (1, 7, LANES - 1, LANES, LANES + 1, 2 * LANES + 5)[seed // PARTS % 6]
        assert differences(network, steered(network, n, seed)) == 0, seed


def test_larger_layers() -> None:
    for seed, sizes in enumerate([(70, 65, 33, 5), (784, 64, 10), (3, 70, 1), (17, 16, 64)]):
        network = random_integer(seed, sizes)
        assert differences(network, steered(network, 2 * LANES + 1, seed)) == 0


def test_the_random_networks_have_every_kind_of_step() -> None:
    kinds = Counter(
        (one.kind, one.even, k + 1 == len(layers))
        for layers in (lowered_layers(with_steps(seed)) for seed in range(NETWORKS))
        for k, one in enumerate(layers)
    )
    wanted = {(kind, False, last) for kind in (SHIFT, SCALE, WIDE, TABLE) for last in (True, False)}
    wanted |= {(NARROW, False, False), (NARROW, True, False), (SHIFT, True, False)}
    wanted |= {(SHIFT, True, True), (SUM, False, True)}
    assert wanted <= {key for key, count in kinds.items() if count >= 3}


def test_inputs_of_any_integer_type_and_layout() -> None:
    network = random_integer(3, (32, 9, 4), read=(-128, 127))
    x = steered(network, LANES + 3, 0)
    expected = infer(network, x).outputs
    frozen = x.astype(np.int8)
    frozen.flags.writeable = False
    wide = np.zeros((len(x), 64), np.int8)
    wide[:, ::2] = x
    for same in (
        x,
        x.astype(np.int16),
        frozen,
        np.asfortranarray(x),
        wide[:, ::2],
        x.astype(">i4"),
    ):
        assert (compiled_network(network)(same).values == expected).all()


def test_refused_inputs() -> None:
    network = compiled_network(random_integer(3, (16, 4), read=(0, 255)))
    good = np.zeros((2, 16), np.uint8)
    assert len(network(good).classes) == 2
    for error, bad in (
        (RangeError, np.full((2, 16), 256)),
        (RangeError, np.full((2, 16), -1, np.int8)),
        (DtypeError, good.astype(np.float32)),
        (DtypeError, good.tolist()),
        (ShapeError, good[:, :15]),
        (ShapeError, good[0]),
        (ShapeError, good[:0]),
    ):
        with pytest.raises(error):
            network(bad)


@pytest.mark.parametrize(
    ("sign", "end"), [(1, lowering.LARGEST), (-1, lowering.SMALLEST)], ids=["largest", "smallest"]
)
def test_sums_at_the_end_of_int32(sign, end) -> None:
    weight = np.array([[127] * 258 + [2]]) * sign
    x = np.array([[65535] * 259, [0] * 259])
    for over in (0, sign):
        bias = end - 65535 * int(weight.sum()) + over
        network = one_layer(weight, Affine.sums([bias]), (0, 65535))
        expected = infer(network, x).outputs
        assert expected[0, 0] == end + over
        assert (classify(network, x).values == expected).all()
        if over:
            with pytest.raises(OperandError, match="use path='plain'"):
                compiled_network(network)
        else:
            assert differences(network, x) == 0


@pytest.mark.parametrize(
    ("M", "end"), [(3001, lowering.LARGEST), (-3001, lowering.SMALLEST)], ids=["up", "down"]
)
def test_products_at_the_end_of_int32(M, end) -> None:
    """One more than int32 holds takes int64."""
    top = 127 * 8 * 255
    for over, kind in ((0, SCALE), (1 if M > 0 else -1, WIDE)):
        step = Affine([M], [end + over - M * top], 24, 0, 0, 255)
        network = IntegerNetwork(
            InputFormat(0, 255), (layer_of([[127] * 8], step), layer_of([[1]], Affine.sums([0])))
        )
        assert lowered_layers(network)[0].kind == kind
        x = np.random.default_rng(0).integers(0, 256, (100, 8))
        x[0], x[1] = 255, 0
        assert differences(network, x) == 0


def test_a_product_that_leaves_int32_would_show(monkeypatch) -> None:
    step = Affine([2**14 + 1], [0], 26, 0, 0, 127)
    network = one_layer([[127] * 8], step)
    x = np.full((1, 8), 255)
    assert infer(network, x).outputs[0, 0] * 2**26 > lowering.LARGEST // 2
    assert differences(network, x) == 0
    monkeypatch.setattr(lowering, "LARGEST", 2**40)
    running._kept.cache_clear()
    assert differences(network, x) > 0
    running._kept.cache_clear()


@pytest.mark.parametrize("shift", range(1, 15))
def test_values_packed_with_saturation(shift, monkeypatch) -> None:
    """Sums beyond 16 bits saturate there, which the clamp hides if its end is below."""
    for high in (1, 63, 127, 255):
        first = layer_of([[127, 127], [1, -127]], Affine([1, 1], [0, 5], shift, 0, 0, high))
        network = IntegerNetwork(
            InputFormat(-32768, 32767), (first, layer_of(np.eye(2), Affine.sums([0, 0])))
        )
        ends = [-32768, -1, 0, 1, 255, 256, 32767, *(2**p for p in range(15))]
        x = np.array([(a, b) for a in ends for b in ends])
        lowered = lowered_layers(network)
        assert (lowered[0].kind == NARROW) == (high <= 32767 >> shift)
        assert differences(network, x) == 0
        wrong = [replace(lowered[0], kind=NARROW), lowered[1]]
        monkeypatch.setattr(running, "lowered_layers", lambda _, wrong=wrong: wrong)
        running._kept.cache_clear()
        assert (differences(network, x) > 0) == (high > 32767 >> shift)
        monkeypatch.undo()
        running._kept.cache_clear()


def even_network(change=0):
    k = np.arange(1, 64)
    table = (k * 32 - 16 + k % 2)[None].repeat(4, axis=0)
    table[1, 20] += change
    weight = np.array([[1, 0], [1, 0], [-1, 0], [2, 2]])
    step = Thresholds(table, np.ones(4, np.int8))
    last = layer_of(np.eye(4), Affine.sums([0] * 4))
    return IntegerNetwork(InputFormat(-2048, 2047), (layer_of(weight, step), last))


@pytest.mark.parametrize("change", [0, 1, -1])
def test_only_tables_that_round_to_even_become_shifts(change) -> None:
    network = even_network(change)
    first = lowered_layers(network)[0]
    assert (first.kind, first.even) == ((TABLE, False) if change else (NARROW, True))
    x = np.arange(-2048, 2048)[:, None].repeat(2, axis=1)
    assert differences(network, x) == 0


def test_rounding_half_up_in_place_of_even_would_show(monkeypatch) -> None:
    network = even_network()
    layers = lowered_layers(network)
    layers[0] = replace(layers[0], even=False, start=layers[0].start + 1)
    monkeypatch.setattr(running, "lowered_layers", lambda _: layers)
    x = np.arange(-2048, 2048)[:, None].repeat(2, axis=1)
    found = running.CompiledNetwork(network)(x).values
    assert 0 < np.count_nonzero(found != infer(network, x).outputs) <= 4 * 64


@pytest.mark.parametrize(
    ("meaning", "expected"),
    [
        (None, 0),
        (Meaning.of(2.0), 0),
        (Meaning.of(-2.0), 2),
        (Meaning(np.array([1, 9, 1, 1.0]), np.zeros(4)), 1),
    ],
    ids=["integers", "one scale", "negative", "per channel"],
)
def test_the_class_is_the_first_of_the_largest(meaning, expected) -> None:
    network = one_layer([[2], [2], [1], [1]], Affine.sums([0] * 4), meaning=meaning)
    x = np.array([[7], [0]])
    assert compiled_network(network)(x).classes.tolist() == [expected, 0]
    assert differences(network, x) == 0


def test_paths(monkeypatch) -> None:
    network, x = even_network(), np.zeros((1, 2), np.int64)
    values = infer(network, x).outputs
    assert {path: classify(network, x, path=path).values.dtype for path in
            ("auto", "compiled", "plain")} == {
        "auto": np.int32, "compiled": np.int32, "plain": np.int64}  # fmt: skip
    assert (classify(network, x).values == values).all()
    monkeypatch.setenv(PATH_VARIABLE, "plain")
    assert classify(network, x).values.dtype == np.int64
    with pytest.raises(OperandError, match="path is 'fast'"):
        classify(network, x, path="fast")
    wide = one_layer([[1]], Affine([2**40], [0], 0, 0, None, None))
    with pytest.raises(OperandError, match="layer 0"):
        classify(wide, x[:, :1] + 1, path="compiled")
    monkeypatch.delenv(PATH_VARIABLE)
    assert classify(wide, x[:, :1] + 1).values.tolist() == [[2**40]]


def test_large_batches_by_parts(monkeypatch) -> None:
    network = random_integer(1, (16, 8, 5))
    x = random_inputs(network, 9 * LANES + 3)
    expected = compiled_network(network)(x)
    ran = []
    monkeypatch.setattr(running, "SERIAL_BELOW", 1)
    monkeypatch.setattr(
        running, "in_parts",
        lambda bounds, job, work: [
            (ran.append(p), job(p, *bounds[p : p + 2])) for p in range(len(bounds) - 1)
        ],
    )  # fmt: skip
    found = running.CompiledNetwork(network)(x)
    assert len(ran) > 1
    assert (found.values == expected.values).all()
    assert (found.classes == expected.classes).all()


def test_the_package_has_them_and_does_not_load_the_compiler() -> None:
    assert integer.classify is classify
    assert integer.compiled_network is compiled_network
    with pytest.raises(AttributeError, match="no attribute 'declassify'"):
        _ = integer.declassify
    program = (
        "import sys\n"
        "from ohmbench.digital import integer\n"
        "assert 'numba' not in sys.modules\n"
        "integer.classify\n"
        "assert 'numba' in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow
def test_processors_without_vnni(tmp_path) -> None:
    """The same on a processor of which nothing is known."""
    program = (
        "from tests.unit.test_integer_fast import *\n"
        "assert LANES == 16\n"
        "for seed in range(0, 500, 5):\n"
        "    network = with_steps(seed)\n"
        "    assert differences(network, steered(network, 35, seed)) == 0, seed\n"
    )
    environment = {
        **os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": os.fspath(tmp_path)
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False)
    assert done.returncode == 0
