"""Register widths of N layers: exact on what can be enumerated, and every break is shown."""

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Thresholds,
    from_int8,
    infer,
)
from ohmbench.digital.integer import search as search_module
from ohmbench.digital.integer.prove import Widths, prove
from ohmbench.digital.integer.ranges import PARAMETERS, layer_spans, partial_sums, reachable
from ohmbench.digital.integer.search import extreme_input
from ohmbench.digital.prove import RegisterVerdict
from ohmbench.digital.prove import prove as prove_int8
from ohmbench.digital.widths import Hardware, bits_needed
from ohmbench.errors import RangeError, ShapeError
from tests.unit.int8_networks import random_int8
from tests.unit.integer_networks import random_inputs, random_integer
from tests.unit.test_digital_prove import mislead

SEEDS = range(12)
STREAM = ("mac", "acc", "product", "shifted", "value")
HOLDS, BROKEN, OPEN = RegisterVerdict


def tiny(seed, **given):
    """Three inputs of two bits and two to four layers: 64 inputs in all."""
    layers = 2 + seed % 3
    return random_integer(seed, (3, 2, 3, 2, 2)[: layers + 1], read=(0, 3), **given)


def every_input(network):
    lo, hi = network.input.lo, network.input.hi
    return list(product(range(lo, hi + 1), repeat=network.inputs))


def plain_layer(layer, h):
    """Every quantity of one layer for the values ``h``, in Python integers: values by channel."""
    step, found = layer.step, {name: [] for name in STREAM}
    for c, row in enumerate(layer.weight.tolist()):
        terms = [w * value for w, value in zip(row, h, strict=True)]
        acc = sum(terms)
        found["mac"].append(terms)
        found["acc"].append([acc])
        if isinstance(step, Affine):
            scaled = acc * int(step.M[c]) + int(step.R[c])
            shifted = scaled // 2**step.S + step.Z
            found["product"].append([scaled])
            found["shifted"].append([shifted])
            value = shifted if step.lo is None else min(max(shifted, step.lo), step.hi)
        else:
            reached = [t for t in step.table[c].tolist() if int(step.sign[c]) * acc >= t]
            value = step.lo + len(reached)
        found["value"].append([value])
    return {name: values for name, values in found.items() if values}


def plain(network, x):
    """Every quantity of every layer for one input."""
    found, h = [], [int(value) for value in x]
    for layer in network.layers:
        found.append(plain_layer(layer, h))
        h = [value for (value,) in found[-1]["value"]]
    return found


def met(network):
    """(layer, quantity) -> the values that each channel meets over all inputs."""
    values = {}
    for x in every_input(network):
        for k, quantities in enumerate(plain(network, x)):
            for name, by_channel in quantities.items():
                there = values.setdefault((k, name), [set() for _ in by_channel])
                for c, some in enumerate(by_channel):
                    there[c].update(some)
    return values


def intervals(layer, ends):
    """Every range of one layer in Python integers, for inputs from and to ``ends``: by channel."""
    step, found = layer.step, {name: [] for name in ("weight", "M", "R", "S", *STREAM, "partial")}
    for c, row in enumerate(layer.weight.tolist()):
        terms = [sorted((w * low, w * high)) for w, (low, high) in zip(row, ends, strict=True)]
        acc = sum(low for low, _ in terms), sum(high for _, high in terms)
        found["weight"].append((min(row), max(row)))
        found["mac"].append((min(low for low, _ in terms), max(high for _, high in terms)))
        found["partial"].append(
            (sum(min(low, 0) for low, _ in terms), sum(max(high, 0) for _, high in terms))
        )
        found["acc"].append(acc)
        if isinstance(step, Affine):
            M, R = int(step.M[c]), int(step.R[c])
            scaled = sorted(a * M + R for a in acc)
            shifted = [p // 2**step.S + step.Z for p in scaled]
            found["M"].append((M, M))
            found["R"].append((R, R))
            found["product"].append(tuple(scaled))
            found["shifted"].append(tuple(shifted))
            clamped = [s if step.lo is None else min(max(s, step.lo), step.hi) for s in shifted]
            found["value"].append(tuple(clamped))
        else:
            sign, table = int(step.sign[c]), step.table[c].tolist()
            counts = sorted(step.lo + sum(sign * a >= t for t in table) for a in acc)
            found["value"].append(tuple(counts))
    if isinstance(step, Affine):
        found["S"] = [(step.S, step.S)]
    return {name: ranges for name, ranges in found.items() if ranges}


def least_and_most(ranges):
    lows, highs = zip(*ranges, strict=True)
    return min(lows), max(highs)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_are_those_of_interval_arithmetic(seed):
    network = random_integer(seed)
    ends = [(network.input.lo, network.input.hi)] * network.inputs
    certificate = prove(network)
    assert certificate.proven
    assert certificate.checked == 0
    layers = range(len(network.layers))
    assert len(certificate.bounds) == sum(len(certificate.layer(k)) for k in layers)
    for k, (layer, span) in enumerate(zip(network.layers, reachable(network), strict=True)):
        assert list(zip(span.low.tolist(), span.high.tolist(), strict=True)) == ends
        expected = intervals(layer, ends)
        whole = intervals(layer, [network.value_range(k)] * layer.inputs)
        partial, whole_partial = expected.pop("partial"), whole.pop("partial")
        bounds = certificate.layer(k)
        assert list(bounds) == list(expected)
        for name, bound in bounds.items():
            low, high = least_and_most(expected[name])
            assert (bound.layer, bound.quantity) == (k, name)
            assert (bound.low, bound.high) == (low, high)
            assert expected[name][bound.low_channel][0] == low
            assert expected[name][bound.high_channel][1] == high
            assert (bound.format_low, bound.format_high) == least_and_most(whole[name])
            assert bound.of_channels == (name != "S")
            assert bound.signed == (name == "weight" or bound.format_low < 0)
            if name == "weight" and set(np.unique(layer.weight)) <= {-1, 1}:
                assert bound.bipolar
                assert (bound.needs, bound.format_needs) == (1, 1)
            else:
                assert not bound.bipolar
                assert bound.needs == bits_needed(low, high, signed=bound.signed)
                whole_ends = bound.format_low, bound.format_high
                assert bound.format_needs == bits_needed(*whole_ends, signed=bound.signed)
            assert (bound.register, bound.verdict, bound.counterexample) == (None, None, None)
            assert (bound.holds_format, bound.holds_partial_sums, bound.beyond) == (None, None, 0)
            if name == "acc":
                assert (bound.partial_low, bound.partial_high) == least_and_most(partial)
                whole_inputs = (np.full(layer.inputs, end) for end in network.value_range(k))
                found = partial_sums(layer, *whole_inputs)
                assert list(zip(found.low, found.high, strict=True)) == whole_partial
            else:
                assert (bound.partial_low, bound.partial_high) == (None, None)
        ends = expected["value"]


def judge_by_all_inputs(network):
    """Nothing leaves a bound; the exact ones are reached, in the channel that they name."""
    values = met(network)
    for bound in prove(network).bounds:
        if bound.quantity in PARAMETERS:
            assert bound.exact
            continue
        there = values[bound.layer, bound.quantity]
        assert bound.format_low <= bound.low <= min(map(min, there))
        assert max(map(max, there)) <= bound.high <= bound.format_high
        if bound.exact:
            assert min(there[bound.low_channel]) == bound.low
            assert max(there[bound.high_channel]) == bound.high
        assert bound.exact == (bound.layer == 0 or (bound.layer, bound.quantity) == (1, "mac"))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_input_leaves_a_bound_and_inputs_reach_the_exact_ones(seed):
    judge_by_all_inputs(tiny(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layer_alone_reaches_the_range_of_its_format(seed):
    """What a layer can do if any values come in: the same layer as the first of a network."""
    network = random_integer(seed, (2, 3, 3), bits=4, last="clamped")
    lo, hi = network.value_range(1)
    alone = IntegerNetwork(InputFormat(lo, hi), network.layers[1:])
    for name, bound in prove(network).layer(1).items():
        first = prove(alone).layer(0)[name]
        assert (bound.format_low, bound.format_high) == (first.low, first.high)


@pytest.mark.parametrize("name", ["mac", "acc", "product", "shifted", "value"])
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_prover_that_forgets_a_value_is_caught(monkeypatch, name, end):
    def narrower(*given):
        found = layer_spans(*given)
        if name not in found:
            return found
        inward = getattr(found[name], end) + (1 if end == "low" else -1)
        return found | {name: replace(found[name], **{end: inward})}

    monkeypatch.setattr(sys.modules[prove.__module__], "layer_spans", narrower)
    with pytest.raises(AssertionError):
        judge_by_all_inputs(tiny(0, kind="affine"))


@pytest.mark.parametrize("seed", range(6))
def test_two_layers_have_the_bounds_of_their_own_prover(seed):
    """As ``digital.prove`` without the offset of weights. Its ``r`` is clamped before M, and
    ``sum0`` is the sum of layer 0 with its bias, which is in R here."""
    two, _ = random_int8(seed, (9, 7, 4))
    hardware = replace(Hardware(*two.sizes), weight_offset=False)
    theirs = {b.register.name: b for b in prove_int8(two, hardware).bounds}
    first, last = (prove(from_int8(two)).layer(k) for k in range(2))
    for name, mine in (("acc0", first["acc"]), ("acc1", last["acc"]), ("mac0", first["mac"]),
                       ("mac1", last["mac"]), ("hidden", first["value"]), ("logit", last["value"]),
                       ("weight0", first["weight"]), ("weight1", last["weight"]),
                       ("bias1", last["R"]), ("M", first["M"]), ("S", first["S"])):  # fmt: skip
        own = theirs[name]
        assert (mine.low, mine.high, mine.exact) == (own.low, own.high, own.exact)
        if name != "M":  # one there, one per channel here
            assert (mine.low_channel, mine.high_channel) == (own.low_neuron, own.high_neuron)
    assert first["product"].high == theirs["product"].high
    assert first["product"].low == theirs["sum0"].low * two.M


def leaves(network, bound):
    """Hold a counterexample against the plain model: its value is there and not in the register."""
    example, register = bound.counterexample, bound.register
    assert not register.low <= example.value <= register.high
    assert example.kept == register.kept(example.value)
    assert register.low <= example.kept <= register.high
    if bound.quantity in PARAMETERS:
        assert example.input is None
        ends = intervals(network.layers[bound.layer], [(0, 0)] * network.layers[bound.layer].inputs)
        assert example.value in ends[bound.quantity][example.channel]
        return
    there = plain(network, example.input)[bound.layer][bound.quantity][example.channel]
    assert example.value in there


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quantity", ["weight", "M", "R", "S", *STREAM])
def test_a_bit_more_or_less(seed, quantity):
    """Registers of the widths needed hold everything. One bit less: what is exact is broken by an
    input, and of the rest no verdict contradicts what all inputs show."""
    network = tiny(seed)
    values = met(network)
    needs = [prove(network).layer(k).get(quantity) for k in range(len(network.layers))]
    enough = tuple(None if b is None else b.needs for b in needs)
    certificate = prove(network, Widths(**{quantity: enough}))
    assert certificate.proven
    assert certificate.checked == sum(b is not None for b in needs)
    less = tuple(b.needs - 1 or None if b is not None else None for b in needs)
    certificate = prove(network, Widths(**{quantity: less}))
    for k, bits in enumerate(less):
        bound = certificate.layer(k).get(quantity)
        if bits is None:
            assert bound is None or bound.verdict is None
            continue
        register = bound.register
        assert (register.name, register.bits) == (f"{quantity}{k}", bits)
        assert register.signed == bound.signed
        assert bound.verdict in ((BROKEN,) if bound.exact else (BROKEN, OPEN))
        ends = [(network.input.lo, network.input.hi)] * network.inputs
        for layer in network.layers[:k]:
            ends = intervals(layer, ends)["value"]
        ranges = intervals(network.layers[k], ends)[quantity]
        out = [not (register.low <= low and high <= register.high) for low, high in ranges]
        assert bound.beyond == sum(out)
        if bound.exact:
            assert bound.counterexample.channel == out.index(True)
        if bound.verdict is BROKEN:
            leaves(network, bound)
        elif quantity in STREAM:
            assert bound.counterexample is None
        if quantity in STREAM and all(
            register.low <= min(v) and max(v) <= register.high for v in values[k, quantity]
        ):
            assert bound.verdict is OPEN
    failing = [b for b in certificate.bounds if b.verdict in (BROKEN, OPEN)]
    assert certificate.first_failure is (failing[0] if failing else None)
    assert certificate.proven == (not failing)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("quantity", STREAM)
def test_the_search_breaks_registers_of_deep_layers(seed, quantity):
    """Where the register is so narrow that a random input leaves it, the search finds one too."""
    network = random_integer(seed, (20, 12, 9, 6, 4), read=(-8, 7), bits=4)
    x = random_inputs(network, 40, seed)
    found = infer(network, x)
    for k, layer in enumerate(network.layers):
        whole = {"acc": found.acc[k], "product": found.product[k], "value": found.h[k]}
        h = x if k == 0 else found.h[k - 1]
        whole["mac"] = layer.weight.astype(np.int64)[None] * h[:, None]
        if found.product[k] is not None:
            whole["shifted"] = (found.product[k] >> layer.step.S) + layer.step.Z
        if whole.get(quantity) is None:
            continue
        low, high = int(whole[quantity].min()), int(whole[quantity].max())
        signed = prove(network).layer(k)[quantity].signed
        bits = bits_needed(low, high, signed=signed) - 1
        if bits == 0:
            continue
        only = tuple(bits if i == k else None for i in range(4))
        bound = prove(network, Widths(**{quantity: only})).layer(k)[quantity]
        assert bound.verdict is BROKEN
        leaves(network, bound)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("signed_M", [1, -1])
def test_an_input_is_found_that_no_weight_points_to(sign, signed_M):
    """One image alone takes the sum of layer 1 to its end; its neurons rise or fall."""
    two, image, end = mislead(sign, 0)
    wide = from_int8(two)
    layers = list(wide.layers)
    if signed_M < 0:
        step = replace(layers[0].step, M=-layers[0].step.M)
        layers[0] = replace(layers[0], weight=-layers[0].weight, step=step)
    network = IntegerNetwork(wide.input, tuple(layers))
    assert int(infer(network, image[None]).acc[1][0, 1]) == end
    fits = 17  # 2**17 needs 18 bits without a sign, and -2**17 with one
    assert abs(end) == 2**17
    bound = prove(network, Widths(acc=(None, fits))).layer(1)["acc"]
    assert bound.verdict is BROKEN
    assert (bound.counterexample.channel, bound.counterexample.value) == (1, end)
    needed = [5, 20, 63, 64, 129, *range(30, 39), 44]
    assert bound.counterexample.input[needed].tolist() == image[needed].tolist()
    assert prove(network, Widths(acc=(None, fits + 1))).layer(1)["acc"].verdict is not BROKEN


def two_that_exclude_each_other(rows):
    """One input that makes one hidden value high and the other low, and ``rows`` that add them."""
    step = Affine([1, 1], [0, 255], 0)
    first = Layer(np.array([[1], [-1]], np.int8), step)
    last = Layer(np.array(rows, np.int8), Affine.sums(np.zeros(len(rows), np.int64)))
    return IntegerNetwork(InputFormat(0, 255), (first, last))


def test_what_only_bounds_can_reach_is_not_called_broken():
    network = two_that_exclude_each_other([[127, 127]])
    certificate = prove(network, Widths(acc=(None, 15)))
    bound = certificate.first_failure
    assert (bound.layer, bound.quantity, bound.verdict) == (1, "acc", OPEN)
    assert (bound.counterexample, bound.beyond, certificate.proven) == (None, 1, False)
    assert max(max(v) for v in met(network)[1, "acc"]) < 2**15


@pytest.mark.parametrize("place", [0, search_module.SEARCHED - 1, search_module.SEARCHED])
def test_the_channels_that_leave_furthest_are_searched_first(place):
    """All others could leave only by their bounds. The one that does is the ``place``-th by how far
    it leaves: the last channel to be searched, and the first that is not."""
    count = search_module.SEARCHED + 3
    rows = [[127, 128 - count + k] for k in range(count)]
    channel = count - 1 - place
    rows[channel] = [0, 127 - place]
    network = two_that_exclude_each_other(rows)
    last = network.layers[1]
    # What its own weight lacks, its constant gives.
    R = np.array([0 if k != channel else 127 * 255 for k in range(count)], np.int64)
    network = IntegerNetwork(network.input, (network.layers[0], replace(last, step=Affine.sums(R))))
    bound = prove(network, Widths(product=(None, 15))).layer(1)["product"]
    assert bound.beyond == count
    if place == search_module.SEARCHED:
        assert (bound.verdict, bound.counterexample) == (OPEN, None)
    else:
        assert bound.verdict is BROKEN
        assert bound.counterexample.channel == channel
        leaves(network, bound)


@pytest.mark.parametrize("falls", [False, True])
def test_steps_by_tables_that_rise_and_fall(falls):
    """A value above 3 bits, through two tables; the first falls, or the second."""
    sign = np.array([-1 if falls else 1], np.int8)
    table = np.sort(np.arange(1, 16)[None] * int(sign[0]) * 3)
    first = Layer(np.array([[1, 1, 1]], np.int8), Thresholds(table, sign))
    other = np.array([1 if falls else -1], np.int8)
    second = Layer(
        np.array([[1]], np.int8), Thresholds(np.sort(np.arange(1, 16)[None] * int(other[0])), other)
    )
    network = IntegerNetwork(InputFormat(0, 15), (first, second))
    for k, bits in ((0, (3, None)), (1, (None, 3))):
        bound = prove(network, Widths(value=bits)).layer(k)["value"]
        assert bound.verdict is BROKEN
        leaves(network, bound)
        assert bound.counterexample.value == 15


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_search_starts_at_the_best_input_of_linear_steps(seed, layer):
    """The sign of the derivative of a sum by each input, by the chain rule."""
    network = random_integer(seed, (9, 6, 5, 4, 3), kind="affine", bits=3)
    row = network.layers[layer].weight[1].astype(np.int64)
    derivative = row.astype(float)
    for before in reversed(network.layers[:layer]):
        scaled = before.weight * (before.step.M / 2.0**before.step.S)[:, None]
        derivative = derivative @ scaled
    best, smallest = search_module._starts(network, layer, row)
    lo, hi = network.input.lo, network.input.hi
    assert best.tolist() == [hi if d > 0 else lo for d in derivative]
    assert smallest.tolist() == [lo] * 9
    none = search_module._starts(network, layer, row * 0)
    assert none.tolist() == [[lo] * 9] * 2


@pytest.mark.parametrize("signs", [[1, 1, 1], [-1, -1, -1]])
@pytest.mark.parametrize("k", [0, 1])
def test_a_product_of_a_weight_of_one_is_driven_to_its_end(signs, k):
    first = Layer(np.array([signs], np.int8), Affine([signs[0]], [0], 0), 1)
    second = Layer(np.array([[signs[0]]], np.int8), Affine.sums([0]), 1)
    network = IntegerNetwork(InputFormat(0, 255), (first, second))
    bound = prove(network, Widths(mac=7)).layer(k)["mac"]
    assert bound.verdict is BROKEN
    assert bound.counterexample.value == 255 * signs[0]
    leaves(network, bound)


def test_weights_are_signed_even_if_none_is_negative():
    layer = Layer(np.array([[3, 2]], np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(0, 1), (layer,))
    bound = prove(network, Widths(weight=3)).layer(0)["weight"]
    assert (bound.signed, bound.needs, bound.verdict) == (True, 3, HOLDS)
    assert prove(network, Widths(weight=2)).layer(0)["weight"].verdict is BROKEN


@pytest.mark.parametrize("weight", [[[3, -5, 0]], [[-1, 1, 1]]])
def test_extreme_inputs(weight):
    network = IntegerNetwork(
        InputFormat(-2, 9), (Layer(np.array(weight, np.int8), Affine.sums([0])),)
    )
    (row,) = weight
    assert extreme_input(network, 0, largest=True).tolist() == [9 if w > 0 else -2 for w in row]
    assert extreme_input(network, 0, largest=False).tolist() == [9 if w < 0 else -2 for w in row]


def test_weights_of_one_bit_are_both_signs():
    """-1 and +1 need one bit, which two's complement does not say of 1; 0 and 1 need two."""
    weight = Layer(np.array([[1, -1], [-1, 1]], np.int8), Affine.sums([0, 0]), 1)
    network = IntegerNetwork(InputFormat(0, 1), (weight,))
    bound = prove(network, Widths(weight=1)).layer(0)["weight"]
    assert (bound.needs, bound.verdict, bound.beyond) == (1, HOLDS, 0)
    other = replace(weight, weight=np.array([[-1, 0], [0, 1]], np.int8), bits=2)
    bound = prove(IntegerNetwork(InputFormat(0, 1), (other,)), Widths(weight=1)).layer(0)["weight"]
    assert (bound.needs, bound.verdict, bound.beyond) == (2, BROKEN, 1)
    example = bound.counterexample
    assert (example.channel, example.value, example.kept, example.input) == (1, 1, -1, None)


def test_a_partial_sum_may_need_more_than_the_sum():
    """100 * 3 - 100 * 3: sums of 0 to 300 on the way to sums of -300 to 300."""
    layer = Layer(np.array([[100, 100, -100]], np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(1, 3), (layer,))
    bound = prove(network, Widths(acc=10)).layer(0)["acc"]
    assert (bound.low, bound.high) == (-100, 500)
    assert (bound.partial_low, bound.partial_high) == (-300, 600)
    assert (bound.verdict, bound.holds_partial_sums, bound.holds_format) == (HOLDS, False, True)
    assert prove(network, Widths(acc=11)).layer(0)["acc"].holds_partial_sums
    assert prove(network, Widths(mac=11)).layer(0)["mac"].holds_partial_sums is None
    # The last number that fits, at either end.
    rows = [127, 1], [127], [127, 1, -1], [126, 1, -1], [-128], [-128, -1]
    for row in rows:
        low, high = sum(w for w in row if w < 0), sum(w for w in row if w > 0)
        layer = Layer(np.array([row], np.int8), Affine.sums([0]))
        bound = prove(IntegerNetwork(InputFormat(0, 1), (layer,)), Widths(acc=8)).layer(0)["acc"]
        assert (bound.partial_low, bound.partial_high) == (low, high)
        assert bound.holds_partial_sums == (low >= -128 and high <= (127 if low < 0 else 255))


def test_the_format_may_need_more_than_what_is_reached():
    """A first layer that gives 0 to 1 of 0 to 255."""
    first = Layer(np.array([[1]], np.int8), Affine([1], [0], 0))
    last = Layer(np.array([[1]], np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(0, 1), (first, last))
    bound = prove(network, Widths(acc=7)).layer(1)["acc"]
    assert (bound.low, bound.high, bound.format_high) == (0, 1, 255)
    assert (bound.needs, bound.format_needs) == (1, 8)
    assert (bound.verdict, bound.holds_format) == (HOLDS, False)
    assert prove(network, Widths(acc=8)).layer(1)["acc"].holds_format


def test_widths_per_layer():
    network = tiny(2)
    count = len(network.layers)
    for wrong in ((20,) * (count - 1), (20,) * (count + 1), ()):
        with pytest.raises(ShapeError, match=f"{len(wrong)} widths of acc for {count} layers"):
            prove(network, Widths(acc=wrong))
    widths = Widths(acc=tuple(40 + k for k in range(count)), value=30)
    for k in range(count):
        assert (widths.of("acc", k), widths.of("value", k), widths.of("mac", k)) == (
            40 + k,
            30,
            None,
        )
        bounds = prove(network, widths).layer(k)
        assert (bounds["acc"].register.bits, bounds["value"].register.bits) == (40 + k, 30)
        assert bounds["mac"].register is None


@pytest.mark.parametrize("name", list(vars(Widths())))
def test_widths_in_range(name):
    for width in (1, 64, None, (1, None, 64)):
        assert getattr(Widths(**{name: width}), name) == width
    for width in (0, 65, (1, 0), (65, None)):
        with pytest.raises(RangeError, match=f"the width of {name} is (0|65), .* 1 to 64 bits"):
            Widths(**{name: width})
