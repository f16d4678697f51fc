"""Exported networks: what the plan computes, the proof, and onnxruntime beside the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from ohmbench.digital.exporting import export_network, run_exported
from ohmbench.digital.exporting.arithmetic import layer_values
from ohmbench.digital.exporting.checking import check_plan
from ohmbench.digital.exporting.graph import build_model
from ohmbench.digital.exporting.lines import intercepts, rises, widest_slope
from ohmbench.digital.exporting.plan import Count, Line
from ohmbench.digital.exporting.planning import make_plan
from ohmbench.digital.exporting.running import run_model
from ohmbench.digital.exporting.writing import exact_model
from ohmbench.digital.importing.boundaries import drive
from ohmbench.digital.importing.reachable import Values
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
    infer,
)
from ohmbench.digital.integer.network import acc_range, as_layers
from ohmbench.digital.integer.reals import deciding_reals, examples, first_reals
from ohmbench.errors import FileError, RangeError
from tests.unit.integer_networks import random_inputs, random_integer

needs_onnxruntime = pytest.mark.needs("onnxruntime")
FLOAT_OPERATIONS = {
    "QuantizeLinear", "DequantizeLinear", "Gemm", "Mul", "Add", "Clip", "Cast", "Floor",
    "Unsqueeze", "GreaterOrEqual", "ReduceSum", "Identity",
}  # fmt: skip


def on_thresholds(network, n, seed):
    """Inputs (at most n, inputs) whose sums in layer 0 are at a threshold, or one below it."""
    rng = np.random.default_rng((seed, 21))
    first, lo = network.layers[0], network.input.lo
    if first.step.lo is None:
        return np.empty((0, network.inputs), np.int64)
    found = rises(first.step, *acc_range(first.weight, lo, network.input.hi))
    values = Values(np.ones((1, network.input.hi - lo + 1), bool), lo)
    parts = []
    for c in rng.integers(0, first.channels, 4):
        asked = rng.choice(found.deciding()[:, c], -(-n // 4))
        x, done = drive(first.weight[c], values, asked, rng)
        parts.append(x[done])
    return np.concatenate(parts)[:n]


def inputs_of(network, n, seed):
    x = random_inputs(network, n, seed)
    return np.concatenate((x, on_thresholds(network, n // 2, seed)))


def differences(network, plan, x, *, optimise):
    """How many hidden and output integers onnxruntime's are not the golden model's."""
    model = build_model(plan, {}).SerializeToString()
    found = run_model(model, plan, network, x, optimise=optimise, hidden=True)
    golden = infer(network, x)
    hidden = [h for h, layer in zip(golden.h, plan.layers, strict=True) if layer.out is not None]
    wrong = sum(int((a != b).sum()) for a, b in zip(found.h, hidden, strict=True))
    return wrong + int((found.outputs != golden.outputs).sum())


# ------------------------------------------------------------------------------------------------
# Step functions


@pytest.mark.parametrize("seed", range(12))
def test_thresholds_are_those_of_counting(seed):
    layer = random_integer((seed, 1), (3, 5), bits=4, last="clamped", read=(-3, 9)).layers[0]
    low, high = acc_range(layer.weight, -3, 9)
    found = rises(layer.step, low, high)
    lo, hi = layer.step.lo, layer.step.hi
    for c in range(5):
        acc = np.arange(low[c], high[c] + 1)
        values = layer.step.apply(np.repeat(acc[:, None], 5, axis=1))[:, c]
        if found.sign[c] < 0:
            acc, values = -acc[::-1], values[::-1]
        assert (np.diff(values) >= 0).all()
        for k in range(lo + 1, hi + 1):
            reached = acc[values >= k]
            wanted = reached[0] if len(reached) else acc[-1] + 1
            assert found.table[c, k - lo - 1] == wanted
        assert (found.first[c], found.last[c]) == (values[0], values[-1])


def test_the_widest_slope_has_the_widest_interval():
    rng = np.random.default_rng(3)
    M = rng.integers(1, 2**12, 20)
    step = Affine(M, rng.integers(-(2**16), 2**16, 20), 12, 0, -5, 90)
    low, high = np.full(20, -3000), np.full(20, 3000)
    found = rises(step, low, high)
    middles = np.arange(-4, 91) - 0.5

    def width(slope):
        lower, upper = intercepts(slope, found, middles)
        return upper - lower

    best = width(widest_slope(found, middles))
    assert (best >= width(M / 2.0**12) - 1e-12).all()
    for factor in (0.99, 0.9999, 1.0001, 1.01):
        assert (best >= width(widest_slope(found, middles) * factor) - 1e-12).all()


def test_one_threshold_takes_any_slope():
    step = Thresholds(np.array([[7]]), np.array([1]), 0)
    found = rises(step, np.array([-9]), np.array([9]))
    assert widest_slope(found, np.array([0.5])) == pytest.approx(1)


# ------------------------------------------------------------------------------------------------
# The proof, against every sum


@pytest.mark.parametrize("kind", ["affine", "thresholds"])
@pytest.mark.parametrize("seed", range(10))
def test_a_proven_plan_is_right_at_every_sum(seed, kind):
    """The proof looks at thresholds; this looks at all sums that inputs reach."""
    network = random_integer((seed, 2), (4, 3, 4, 2), bits=5, kind=kind, read=(-7, 8))
    plan = make_plan(network)
    certificate = check_plan(plan, network)
    assert certificate.faults == ()
    reads = plan.input
    for layer, source in zip(plan.layers, network.layers, strict=True):
        low, high = acc_range(source.weight, reads.lo, reads.hi)
        acc = np.minimum(low + np.arange(int((high - low).max()) + 1)[:, None], high)
        found = layer_values(layer, reads, acc)
        if layer.out is None:
            found = plan.output.integers(found)
        assert np.array_equal(found, source.step.apply(acc))
        reads = layer.out or reads
    # Far fewer than there are sums, unless a layer has as many values as sums.
    assert certificate.sums > 0


def test_all_forms_occur_in_these_tests():
    forms = set()
    for seed in (0, 1, 2, 44, 59):
        for layer in make_plan(random_integer(seed)).layers:
            forms.add((type(layer.form), layer.bias.dtype.name, getattr(layer.form, "floor", None)))
    assert {
        (Line, "float32", False), (Line, "float32", True), (Count, "float32", None),
        (Line, "float64", False),
    } <= forms  # fmt: skip


# ------------------------------------------------------------------------------------------------
# onnxruntime


def check_seed(seed):
    network = random_integer(seed)
    plan = make_plan(network)
    model, certificate = exact_model(plan, network)
    assert certificate.exact
    x = inputs_of(network, 40, seed)
    assert differences(network, plan, x, optimise=False) == 0
    found = run_model(model.SerializeToString(), plan, network, x).outputs
    assert np.array_equal(found, infer(network, x).outputs)


@needs_onnxruntime
@pytest.mark.parametrize("block", range(3))
def test_onnxruntime_gives_the_golden_integers(block):
    for seed in range(20 * block, 20 * block + 20):
        check_seed(seed)


@needs_onnxruntime
@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_onnxruntime_gives_the_golden_integers_of_1000_networks(block):
    for seed in range(100 * block, 100 * block + 100):
        check_seed(seed)


@needs_onnxruntime
def test_inputs_are_steered_onto_thresholds():
    """... in enough of these networks, or the test above says little."""
    steered = sum(len(on_thresholds(random_integer(seed), 20, seed)) >= 10 for seed in range(60))
    assert steered >= 30


@needs_onnxruntime
@pytest.mark.parametrize("seed", [0, 3, 6])
def test_optimised_graphs_stay_in_floating_point(seed, tmp_path):
    """onnxruntime's integer kernels saturate inside on some processors; none may appear."""
    import onnx
    import onnxruntime

    network = random_integer(seed)
    export_network(network, tmp_path / "a.onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(tmp_path / "a.onnx"), options)
    nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
    assert {(node.domain, node.op_type) for node in nodes} <= {("", op) for op in FLOAT_OPERATIONS}
    assert {"Gemm", "DequantizeLinear"} <= {node.op_type for node in nodes}


@needs_onnxruntime
@pytest.mark.parametrize(
    "read",
    [
        InputFormat(0, 255, 1 / 255), InputFormat(-128, 127, 0.07, -3), InputFormat(3, 17, 0.5, 4),
        InputFormat(-32768, 32767, 1e-4, 5), InputFormat(0, 65535, 3e-5),
        InputFormat(-300, 300, 0.01), InputFormat(-40000 + 7233, 32767, 0.1, 90),
        InputFormat(0, 255), InputFormat(-20, 65000), InputFormat(-8, 7, 0.25, 1),
        InputFormat(0, 3, 0.7, 0, np.array([0.35, 1.05, 1.75], np.float32)),
        InputFormat(0, 3, 0.7, 0, np.array([0.35, 1.75, 1.75], np.float32)),
    ],
    ids=lambda r: f"{r.lo}_{r.hi}_{r.scale:.3g}_{r.zero}_{r.thresholds is not None:d}",
)  # fmt: skip
def test_real_inputs_become_the_networks_integers(read):
    """At both sides of every rounding, and far away; or the graph takes the integers."""
    layer = Layer(np.array([[1], [-1]], np.int8), Affine.sums([0, 5]))
    network = IntegerNetwork(read, (layer,))
    plan = make_plan(network)
    assert check_plan(plan, network).exact
    model = build_model(plan, {}).SerializeToString()
    reals = deciding_reals(read)
    x = np.unique(reals[np.isfinite(reals)])
    if plan.input_scale is None:
        x = np.arange(read.lo, read.hi + 1)
        wanted = x
    else:
        wanted = read.quantise(x)
    found = run_model(model, plan, network, x[:, None]).outputs
    assert np.array_equal(found, np.stack((wanted, 5 - wanted), axis=1))


def test_which_inputs_are_reals():
    def scale(read):
        layer = Layer(np.array([[1]], np.int8), Affine.sums([0]))
        return make_plan(IntegerNetwork(read, (layer,))).input_scale

    assert scale(InputFormat(0, 255, 0.25)) == 0.25
    assert scale(InputFormat(0, 255)) is None
    # No line has these thresholds, and a 16-bit Clip does not exist.
    bent = np.array([0.0, 1.0, 7.0], np.float32)
    assert scale(InputFormat(0, 3, 1.0, 0, bent)) is None
    assert scale(InputFormat(-300, 300, 0.5)) is None


@pytest.mark.parametrize("read", [InputFormat(-2, 3, 0.3, 1), InputFormat(0, 255, 0.07, 9)])
def test_first_reals_are_the_smallest(read):
    first = first_reals(read)
    values = np.arange(read.lo + 1, read.hi + 1)
    assert (read.quantise(first) >= values).all()
    assert (read.quantise(np.nextafter(first, np.float32(-np.inf))) < values).all()
    assert (read.quantise(examples(read)) == np.arange(read.lo, read.hi + 1)).all()


def test_an_integer_that_no_real_becomes_has_no_example():
    read = InputFormat(0, 2, 1.0, 0, np.array([1.0, 1.0], np.float32))
    assert np.isnan(examples(read)).tolist() == [False, True, False]


@needs_onnxruntime
def test_large_sums_are_added_in_float64():
    """... and give thresholds that float32 could not tell apart."""
    weight = np.full((2, 600), 127, np.int8)
    weight[1] = -128
    read = InputFormat(0, 65535)
    top = 127 * 600 * 65535
    step = Thresholds(np.array([[5, top - 1, top], [-9, 0, top]]), np.array([1, -1]), 0)
    network = IntegerNetwork(read, (Layer(weight, step),))
    plan = make_plan(network)
    assert plan.layers[0].bias.dtype == np.float64
    assert check_plan(plan, network).exact
    x = np.full((3, 600), 65535)
    x[1, 0], x[2, 5] = 65534, 0
    assert differences(network, plan, x, optimise=True) == 0


@needs_onnxruntime
@pytest.mark.parametrize("M", [[1, 1], [3, -5]])
@pytest.mark.parametrize("S", [0, 4])
def test_unclamped_values_are_exact(M, S):
    weight = np.array([[3, -2], [100, 7]], np.int8)
    step = Affine(np.array(M), np.array([5, -(2**21) + 3]), S, 2, None, None)
    network = IntegerNetwork(InputFormat(0, 255), (Layer(weight, step),))
    plan = make_plan(network)
    assert check_plan(plan, network).exact
    x = random_inputs(network, 200)
    assert differences(network, plan, x, optimise=True) == 0


@pytest.mark.parametrize("S", [0, 3])
def test_values_beyond_float64_are_refused(S):
    def plan(M):
        step = Affine(np.array([M]), np.array([0]), S, 0, None, None)
        layer = Layer(np.array([[1]], np.int8), step)
        return make_plan(IntegerNetwork(InputFormat(0, 1), (layer,)))

    assert plan(2**53).layers[0].form.multiplier == 2.0 ** (53 - S)
    with pytest.raises(RangeError, match=r"layer 0, channel 0: its products reach \d+, .* 2\^53"):
        plan(2**53 + 1)


@needs_onnxruntime
def test_real_outputs_are_the_meaning_and_give_the_integers_back(tmp_path):
    import onnxruntime

    network = random_integer(5, (6, 4, 3), last="sums", read=(0, 255))
    last = replace(network.layers[-1], meaning=Meaning.of(0.0371))
    network = replace(network, layers=(*network.layers[:-1], last))
    export_network(network, tmp_path / "a.onnx")
    x = random_inputs(network, 30)
    golden = infer(network, x)
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    (found,) = session.run(None, {"input": examples(network.input)[x - network.input.lo]})
    assert found == pytest.approx(last.meaning.real(golden.outputs), rel=1e-6)
    assert np.array_equal(found.argmax(axis=1), golden.classes)
    run = run_exported(tmp_path / "a.onnx", network, x)
    assert np.array_equal(run.outputs, golden.outputs)


def test_notes_on_outputs():
    def notes(meaning):
        layer = Layer(np.array([[1], [2]], np.int8), Affine.sums([3, 4]), meaning=meaning)
        return make_plan(IntegerNetwork(InputFormat(0, 255), (layer,))).notes

    integers = "outputs are integers: their real values have an offset or would be rounded"
    assert notes(None) == notes(Meaning.of(0.3)) == ()
    assert notes(Meaning.of(0.3, 4)) == (integers,)
    both = notes(Meaning(np.array([1.0, 2.0]), np.array([0.5, 0.5])))
    assert both[0] == integers
    assert "compare real values" in both[1]


# ------------------------------------------------------------------------------------------------
# Planted faults: each is seen by the proof, and by onnxruntime on some of all inputs


def small():
    """Two inputs of 0 to 15, so that all 256 can be run; ties, zero points, narrow ranges."""
    weight = np.array([[3, 2], [-1, 4], [5, -3]], np.int8)
    first = Affine(np.array([1, -3, 2]), np.array([1, 40, -7]), 1, 1, -3, 12)
    last = Layer(np.array([[1, 2, -3], [-1, 1, 1]], np.int8), Affine.sums([4, -9]))
    meaning = Meaning.of(0.5, 2)
    return IntegerNetwork(InputFormat(0, 15, 0.25, 3), (Layer(weight, first, 8, meaning), last))


ALL = np.stack(np.meshgrid(np.arange(16), np.arange(16)), axis=-1).reshape(-1, 2)


def layer_fault(change, k=0):
    def planted(plan):
        layers = list(plan.layers)
        layers[k] = change(layers[k])
        return replace(plan, layers=tuple(layers))

    return planted


def line_fault(change):
    return layer_fault(lambda layer: replace(layer, form=change(layer.form)))


def out_fault(**changes):
    def change(layer):
        found = {name: move(getattr(layer.out, name)) for name, move in changes.items()}
        return replace(layer, out=replace(layer.out, **found))

    return layer_fault(change)


FIRST, LATER = np.float32([1, 0, 0]), np.float32([0, 1, 1])
FAULTS = {
    # One threshold later, of every channel: the sum before is taken for it.
    "threshold-late": line_fault(lambda f: replace(f, offset=f.offset - np.abs(f.multiplier))),
    "threshold-early": line_fault(lambda f: replace(f, offset=f.offset + np.abs(f.multiplier))),
    # (acc + 1) >> 1 rounds half up; without a margin the line's ties go to even numbers.
    "half-even-tie": line_fault(lambda f: replace(f, offset=f.offset * LATER + FIRST / 2)),
    "zero-point": out_fault(zero=lambda z: z + 1),
    "narrow-low": out_fault(lo=lambda v: v - 1),
    "narrow-high": out_fault(hi=lambda v: v + 1),
    "channel-order": line_fault(lambda f: Line(f.multiplier[::-1], f.offset[::-1])),
    "weight": layer_fault(lambda k: replace(k, weight=-k.weight)),
    "bias": layer_fault(lambda k: replace(k, bias=k.bias + np.float32(0.25)), 1),
    "half-bias": layer_fault(lambda k: replace(k, bias=k.bias + np.float32(0.375)), 0),
    "input-zero": lambda plan: replace(plan, input=replace(plan.input, zero=plan.input.zero + 1)),
    "input-scale": lambda plan: replace(plan, input_scale=plan.input_scale * 1.25),
    "output-scale": layer_fault(
        lambda k: replace(k, form=replace(k.form, multiplier=2 * k.form.multiplier)), 1
    ),
}  # fmt: skip


def test_the_small_network_is_exact():
    network = small()
    plan = make_plan(network)
    assert plan.input_scale == 0.25
    assert plan.layers[0].out.unit == 0.5
    assert isinstance(plan.layers[0].form, Line)
    exact_model(plan, network)


@needs_onnxruntime
def test_the_small_network_runs_exactly():
    network = small()
    for optimise in (False, True):
        assert differences(network, make_plan(network), ALL, optimise=optimise) == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proof_sees_planted_faults(fault):
    network = small()
    plan = FAULTS[fault](make_plan(network))
    assert not check_plan(plan, network).exact
    with pytest.raises(RangeError, match="report it"):
        exact_model(plan, network)


@needs_onnxruntime
@pytest.mark.parametrize("fault", FAULTS)
def test_onnxruntime_sees_planted_faults(fault):
    network = small()
    plan = FAULTS[fault](make_plan(network))
    assert differences(network, plan, ALL, optimise=False) > 0


def test_the_proof_sees_a_changed_table():
    step = Thresholds(np.array([[-3, 0, 9], [1, 2, 30]]), np.array([1, -1]), 0)
    layer = Layer(np.array([[1, 2], [3, -1]], np.int8), step)
    network = IntegerNetwork(InputFormat(-4, 11), (layer,))
    plan = make_plan(network)
    form = plan.layers[0].form
    assert isinstance(form, Count)
    assert check_plan(plan, network).exact
    for c in range(2):
        for k in range(3):
            table = form.table.copy()
            table[c, k] += 1
            changed = layer_fault(lambda p, t=table: replace(p, form=replace(form, table=t)))(plan)
            inside = (c, k) != (1, 2)  # its largest threshold is out of reach
            assert check_plan(changed, network).exact != inside


def test_sums_that_could_be_rounded_are_no_proof():
    """A plan in float32 whose sums reach 2**24 is refused, although it is right at thresholds."""
    weight = np.full((1, 600), 127, np.int8)
    layer = Layer(weight, Thresholds(np.array([[5]]), np.array([1]), 0))
    network = IntegerNetwork(InputFormat(0, 255), (layer,))
    plan = make_plan(network)
    assert plan.layers[0].bias.dtype == np.float64
    narrow = layer_fault(lambda p: replace(p, bias=p.bias.astype(np.float32)))(plan)
    assert check_plan(narrow, network).faults == ("layer 0: a sum could be rounded",)


# ------------------------------------------------------------------------------------------------
# Files


def test_nothing_is_written_without_a_proof(tmp_path, monkeypatch):
    from ohmbench.digital.exporting import writing

    monkeypatch.setattr(writing, "make_plan", lambda n: FAULTS["zero-point"](make_plan(n)))
    with pytest.raises(RangeError, match="layer 0, channel 0: the sum"):
        export_network(small(), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_more_than_2_GiB_is_refused(tmp_path, monkeypatch):
    from ohmbench.digital.exporting import writing

    monkeypatch.setattr(writing, "MOST_WEIGHTS", 12)
    export_network(small(), tmp_path / "a.onnx")
    monkeypatch.setattr(writing, "MOST_WEIGHTS", 11)
    with pytest.raises(RangeError, match="12 weights do not fit an ONNX file"):
        export_network(small(), tmp_path / "b.onnx")


def test_a_text_that_is_too_long_is_left_out_and_said(tmp_path, monkeypatch):
    import onnx

    from ohmbench.digital.exporting import to_text, writing

    def stored(limit):
        monkeypatch.setattr(writing, "MAX_TEXT", limit)
        found = export_network(small(), tmp_path / "a.onnx", overwrite=True)
        return len(onnx.load(tmp_path / "a.onnx").metadata_props), found.notes[-1:]

    assert stored(len(to_text(small()))) == (1, ())
    assert stored(len(to_text(small())) - 1) == (
        0, ("M, R, S and tables are too long to be stored: import finds its own",)
    )  # fmt: skip


def test_a_missing_onnx_is_one_line(tmp_path, monkeypatch):
    from ohmbench.digital.exporting import running, writing

    for module in (writing, running):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(FileError, match=r"needs the package onnx; install ohmbench\[onnx\]"):
        export_network(small(), tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(FileError, match=r"needs onnxruntime; install ohmbench\[runtimes\]"):
        run_exported(tmp_path / "a.onnx", small(), ALL)


@needs_onnxruntime
@pytest.mark.needs("paper-fann-int8")
def test_the_papers_network_answers_the_same(tmp_path):
    """FANN, int8 network: 97.50 % of its 360 test images, now run by onnxruntime."""
    import ohmbench

    stored = ohmbench.load("paper-int8").network
    network, images = as_layers(stored.network), stored.images()
    export_network(network, tmp_path / "a.onnx")
    for optimise in (False, True):
        run = run_exported(tmp_path / "a.onnx", network, images.x, optimise=optimise, hidden=True)
        golden = infer(network, images.x)
        assert np.array_equal(run.h[0], golden.h[0])
        assert np.array_equal(run.outputs, golden.outputs)
        assert (run.outputs.argmax(axis=1) == images.labels).sum() == 351


@needs_onnxruntime
def test_ten_layers_of_128_channels(tmp_path):
    """The sizes of an autoencoder for machine sounds, int8 throughout."""
    sizes = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    network = random_integer(9, sizes, bits=8, kind="affine", last="clamped", read=(-128, 127))
    export_network(network, tmp_path / "a.onnx")
    x = inputs_of(network, 100, 9)
    run = run_exported(tmp_path / "a.onnx", network, x, hidden=True)
    golden = infer(network, x)
    assert all(np.array_equal(a, b) for a, b in zip(run.h, golden.h, strict=True))
    assert np.array_equal(run.outputs, golden.outputs)
