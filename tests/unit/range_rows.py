"""Every range of the library as a row: what lies at its ends, just outside, and no number.

``test_range_checks.py`` hands the values over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ohmbench.benchmarks import records
from ohmbench.data import mnist, regression
from ohmbench.data.folders import DataSet, ReadFile
from ohmbench.data.images import _checked, digit_images
from ohmbench.digital import (
    Hardware,
    LayerScales,
    evaluate_int8,
    infer_plain,
    requantisation_multiplier,
)
from ohmbench.digital.importing.comparing import check_random
from ohmbench.digital.prove import check_sizes
from ohmbench.digital.quantization import (
    quantize_bias,
    quantize_pixels,
    quantize_weight,
    weight_scale,
)
from ohmbench.digital.trace import trace
from ohmbench.eda.hdl import check_buildable
from ohmbench.eda.synthesis import calibration, flows, reports_nextpnr, reports_vpr
from ohmbench.eda.synthesis.activity import Stimulus
from ohmbench.eda.synthesis.reports import ReportError, ReportText
from ohmbench.eda.synthesis.result import Compared, performance
from ohmbench.errors import (
    DtypeError,
    FileError,
    NonFiniteError,
    OperandError,
    RangeError,
    ShapeError,
)
from ohmbench.family import check_index
from ohmbench.files.schema import ArraySpec, check_shape, check_values
from ohmbench.files.tables import Column, parse_table
from ohmbench.floatgate import EKV, SPECS, ProgrammableSet, energy_per_inference, evaluate
from ohmbench.floatgate.ranges import FittedRange
from ohmbench.floatgate.synapse import SUBTHRESHOLD, WTA_CELL, Cell
from ohmbench.kirchhoff.simulation import Solver
from ohmbench.stats import mean_interval, proportion_interval
from tests.unit.int8_networks import random_int8, random_scaled, zeros
from tests.unit.networks import random_network
from tests.unit.test_synthesis import CLOCKS
from tests.unit.test_synthesis import run as made_run

NO_NUMBERS = (math.nan, math.inf, -math.inf)
TINY = 5e-324


def above(x: float) -> float:
    return math.nextafter(x, math.inf)


def below(x: float) -> float:
    return math.nextafter(x, -math.inf)


@dataclass(frozen=True)
class Row:
    """``where`` in the library (file:function) ``call`` ends up with a value; which are taken."""

    name: str
    where: str
    call: Callable[[Any], object]
    inside: tuple[Any, ...]
    outside: tuple[Any, ...]
    error: type[Exception] | tuple[type[Exception], ...] = RangeError


# ------------------------------------------------------------------------------------------------
# Statistics and benchmarks


def estimate(**values: float) -> records.Estimate:
    return records.Estimate(**{"value": 2.0, "low": 1.0, "high": 3.0, **values})


def speed(**values: Any) -> records.Speed:
    plain: dict[str, Any] = {"others": 0.0, "rounds": 1, "reference_s": 1.0, "ours_s": 1.0}
    return records.Speed(ratio=estimate(), same=estimate(), bound_s=None, **{**plain, **values})


BENCHMARKS = [
    Row(
        "proportion-successes",
        "stats.py:proportion_interval",
        lambda k: proportion_interval(k, 7),
        (0, 7),
        (-1, 8),
        ValueError,
    ),
    Row(
        "proportion-trials",
        "stats.py:proportion_interval",
        lambda n: proportion_interval(0, n),
        (1,),
        (0, -1),
        ValueError,
    ),
    Row(
        "values",
        "stats.py:mean_interval",
        lambda n: mean_interval([1.0] * n),
        (2,),
        (0, 1),
        ValueError,
    ),
    Row(
        "estimate",
        "benchmarks/records.py:Estimate._in_order",
        lambda x: estimate(value=x),
        (1.0, 2.0, 3.0),
        (below(1), above(3), 0.0, *NO_NUMBERS),
        ValidationError,
    ),
    Row(
        "others",
        "benchmarks/records.py:Speed",
        lambda x: speed(others=x),
        (0.0, 1.0),
        (below(0), above(1), *NO_NUMBERS),
        ValidationError,
    ),
    Row(
        "rounds",
        "benchmarks/records.py:Speed",
        lambda n: speed(rounds=n),
        (1, 10**6 - 1),
        (0, -1, 10**6),
        ValidationError,
    ),
    Row(
        "seconds",
        "benchmarks/records.py:Speed",
        lambda x: speed(ours_s=x),
        (TINY, below(1e15)),
        (0.0, -TINY, 1e15, *NO_NUMBERS),
        ValidationError,
    ),
    Row(
        "bytes",
        "benchmarks/records.py:Memory",
        lambda n: records.Memory(reference_bytes=n, ours_bytes=n),
        (1, 2**63 - 1),
        (0, -1, 2**63, 1.5),
        ValidationError,
    ),
    Row(
        "band",
        "benchmarks/records.py:Band",
        lambda x: records.Band(worse=x, why="for this test"),
        (0.0, below(1)),
        (below(0), 1.0, *NO_NUMBERS),
        ValidationError,
    ),
    Row(
        "band-elsewhere",
        "benchmarks/records.py:Band",
        lambda x: records.Band(worse=0.1, elsewhere=x, why="for this test"),
        (0.0, below(1), None),
        (below(0), 1.0, *NO_NUMBERS),
        ValidationError,
    ),
    Row(
        "why",
        "benchmarks/records.py:Band",
        lambda n: records.Band(worse=0.1, why="x" * n),
        (10, 300),
        (0, 9, 301),
        ValidationError,
    ),
    Row(
        "cores",
        "benchmarks/records.py:Machine",
        lambda n: records.Machine(cpu="x", host="0" * 8, cores=n),
        (1, 10**6 - 1),
        (0, -1, 10**6),
        ValidationError,
    ),
    Row(
        "host",
        "benchmarks/records.py:Machine",
        lambda n: records.Machine(cpu="x", host="a" * n, cores=1),
        (8,),
        (0, 7, 9),
        ValidationError,
    ),
    Row(
        "difference",
        "benchmarks/records.py:Difference",
        lambda x: records.Difference(value=x, bound=1.0),
        (0.0, 1e300),
        (below(0), *NO_NUMBERS),
        ValidationError,
    ),
]

# ------------------------------------------------------------------------------------------------
# Floating-gate models


def labels_of(network: Any, v: torch.Tensor) -> Callable[[int], object]:
    return lambda label: evaluate(network, v, torch.tensor([label, 0]))


_CIRCLES = SPECS["floatgate-circles"]

FLOATGATE = [
    Row(
        "settling-time",
        "floatgate/power.py:energy_per_inference",
        lambda s: energy_per_inference(torch.ones(1), s),
        (TINY, 1.0, below(math.inf)),
        (0.0, -0.0, -TINY, *NO_NUMBERS),
    ),
    Row(
        "bits",
        "floatgate/programming.py:ProgrammableSet.__post_init__",
        lambda n: ProgrammableSet(bits=n),
        (1, 20),
        (0, -1, 21),
    ),
    Row(
        "smallest-current",
        "floatgate/programming.py:ProgrammableSet.__post_init__",
        lambda w: ProgrammableSet(w_min_A=w, w_max_A=1e-5),
        (1e-300, below(1e-5)),
        (0.0, -1e-12, 1e-5, above(1e-5), *NO_NUMBERS),
    ),
    Row(
        "largest-current",
        "floatgate/programming.py:ProgrammableSet.__post_init__",
        lambda w: ProgrammableSet(w_min_A=1e-12, w_max_A=w),
        (above(1e-12), 1e300),
        (1e-12, below(1e-12), 0.0, -1.0, *NO_NUMBERS),
    ),
    Row(
        "fitted-range",
        "floatgate/ranges.py:FittedRange.__post_init__",
        lambda high: FittedRange("curve", "x", "A", 1.0, high, "planted"),
        (above(1), math.inf),
        (1.0, below(1), math.nan, -math.inf),
        ValueError,
    ),
    Row(
        "label",
        "floatgate/evaluation.py:evaluate",
        labels_of(random_network(_CIRCLES, seed=0), torch.full((2, 2), 2.0)),
        (0, 1),
        (-1, 2),
    ),
    Row(
        "images",
        "floatgate/evaluation.py:evaluate",
        lambda n: evaluate(
            random_network(_CIRCLES, seed=0), torch.full((n, 2), 2.0), torch.zeros(n).long()
        ),
        (1,),
        (0,),
    ),
]


def weight_row(cell: Cell, dtype: torch.dtype) -> Row:
    """Magnitudes up to where the formula ends, on both sides of 0 unless the cell has only one."""
    end = torch.tensor(cell.largest_A, dtype=dtype)  # type: ignore[attr-defined]
    last = torch.nextafter(end, torch.tensor(0.0, dtype=dtype))
    one_sided = cell is WTA_CELL

    def check(w: Any) -> None:
        cell.check("weight", torch.as_tensor(w, dtype=dtype).reshape(1, 1))

    inside = (last, torch.tensor(1e-12), *((0.0,) if one_sided else (-last, -1e-12)))
    outside = (end, -end, *NO_NUMBERS, *((-last, -1e-12) if one_sided else (0.0, -0.0)))
    return Row(
        f"weight-{cell.name}-{dtype}".replace("torch.", ""),
        "floatgate/operands.py:check_weight",
        check,
        inside,
        outside,
        (RangeError, NonFiniteError, ValueError),
    )


FLOATGATE += [
    weight_row(cell, dtype)
    for cell in (EKV, SUBTHRESHOLD, WTA_CELL)
    for dtype in (torch.float32, torch.float64)
]

# ------------------------------------------------------------------------------------------------
# Integers and their hardware


def scales(**values: float) -> LayerScales:
    one = {"weight_scale": 0.5, "in_scale": 0.25, "out_scale": 2.0, **values}
    return LayerScales(bias_scale=one["weight_scale"] * one["in_scale"], **one)


def multiplier(exact: float, S: int = 24) -> int:
    """M whose exact value is this: in_scale * weight_scale / out_scale is that over 2^S."""
    return requantisation_multiplier(LayerScales(exact / 2**S, exact / 2**S, 1.0, 1.0), S)


def image_of(pixel: Any) -> object:
    return infer_plain(zeros(3, 2, 2), [0, pixel, 0])


def sized(**sizes: int) -> Callable[[int], object]:
    def make(n: int) -> object:
        one = {"inputs": 1, "hidden": 1, "classes": 1}
        name = next(iter(sizes))
        one[name] = n
        return zeros(**one)

    return make


DIGITAL = [
    *(
        Row(
            name,
            "digital/network.py:LayerScales.__post_init__",
            lambda x, name=name: scales(**{name: x}),
            (1e-300, 1.0),
            (0.0, -1.0, *NO_NUMBERS),
            (RangeError, NonFiniteError),
        )
        for name in ("weight_scale", "in_scale", "out_scale")
    ),
    Row(
        "bias-scale",
        "digital/network.py:LayerScales.__post_init__",
        lambda part: LayerScales(0.5, 0.125 * (1 + part), 0.25),
        (0.0, 0.99e-5, -0.99e-5),
        (1.01e-5, -1.01e-5, 1.0, -0.5, -1.0, -2.0, *NO_NUMBERS),
        (RangeError, NonFiniteError),
    ),
    Row(
        "multiplier",
        "digital/network.py:requantisation_multiplier",
        multiplier,
        (above(0.5), 1.0, 65535.0, below(65535.5)),
        (0.5, TINY, 65535.5, 65536.0, 1e9),
    ),
    Row(
        "random inputs of an import",
        "digital/importing/comparing.py:check_random",
        check_random,
        (0, 10_000_000),
        (-1, 10_000_001),
        RangeError,
    ),
    *(
        Row(
            name,
            "digital/network.py:_checked_integer",
            lambda v, name=name: zeros(2, 2, 2, **{name: v}),
            (0, high, np.int64(high)),
            (-1, high + 1, 1.0, True, "1", None),
            (RangeError, DtypeError),
        )
        for name, high in (("M", 65535), ("S", 31))
    ),
    *(
        Row(
            f"network-{name}",
            "digital/network.py:_frozen_array",
            sized(**{name: 1}),
            (1, 2**16),
            (0, 2**16 + 1),
            ShapeError,
        )
        for name in ("inputs", "hidden", "classes")
    ),
    Row(
        "plain-pixel",
        "digital/golden.py:infer_plain",
        image_of,
        (0, 255, np.uint8(255)),
        (-1, 256),
    ),
    Row(
        "int8-label",
        "digital/evaluation.py:evaluate_int8",
        lambda label: evaluate_int8(*random_int8(0, (5, 4, 3), images=2), np.array([label, 0])),
        (0, 2),
        (-1, 3),
    ),
    Row(
        "pixel",
        "digital/quantization.py:quantize_pixels",
        lambda x: quantize_pixels(np.array([0.5, x])),
        (0.0, 1.0),
        (below(0), above(1), *NO_NUMBERS),
    ),
    Row(
        "weight",
        "digital/quantization.py:quantize_weight",
        lambda x: quantize_weight(np.array([0.0, x]), 1.0),
        (-127.5 + 1e-9, 127.5 - 1e-9, -127.0, 127.0),
        (-127.6, 127.6, -128.0, 128.0, *NO_NUMBERS),
    ),
    Row(
        "weight-scale",
        "digital/quantization.py:weight_scale",
        lambda x: weight_scale(np.array([0.0, x])),
        (1e-30, -1e30, 1.0),
        (0.0, -0.0, 1e-50, -1e50, *NO_NUMBERS),
    ),
    Row(
        "bias",
        "digital/quantization.py:quantize_bias",
        lambda x: quantize_bias(np.array([0.0, x]), 1.0),
        (2.0**31 - 1, -(2.0**31), 2.0**31 - 0.51, -(2.0**31) - 0.5),
        (2.0**31 - 0.5, -(2.0**31) - 0.51, *NO_NUMBERS),
    ),
    Row(
        "tolerance",
        "digital/stages.py:check_tolerance",
        lambda x: trace(*random_scaled(0, images=2), tolerance=x),
        (TINY, 1.0, 1e6),
        (0.0, -0.0, -1.0, above(1e6), *NO_NUMBERS),
    ),
    *(
        Row(
            f"network-of-more-{name}",
            "digital/prove.py:check_sizes",
            lambda n, name=name: check_sizes(
                zeros(3, 3, 3), Hardware(**{"inputs": 3, "hidden": 3, "classes": 3, name: n})
            ),
            (3, 4),
            (1, 2),
            ShapeError,
        )
        for name in ("inputs", "hidden", "classes")
    ),
    *(
        Row(
            f"hardware-{name}",
            "digital/widths.py:Hardware.__post_init__",
            lambda n, name=name: Hardware(**{"inputs": 4, "hidden": 4, "classes": 2, name: n}),
            (1, 64),
            (0, -1, -64),
        )
        for name, value in vars(Hardware(4, 4, 2)).items()
        if not isinstance(value, bool)
    ),
]


def built(**changes: int) -> object:
    """80-100-10 by ten lanes and one requantiser, each of which is just possible."""
    sizes = {"inputs": 80, "hidden": 100, "classes": 10, "lanes": 10, "requants": 1}
    return check_buildable(Hardware(**{**sizes, **changes}))


HARDWARE = [
    Row(
        "built-requants",
        "eda/hdl.py:_refusal",
        lambda n: built(requants=n),
        (1, 2, 4, 8),
        (3, 5, 6, 7, 9, 16),
    ),
    Row(
        "built-lanes",
        "eda/hdl.py:_refusal",
        lambda n: built(lanes=n, inputs=512),
        (7, 64),
        (6, 65, 128),
    ),
    # One requantiser: as many clocks as lanes, and ten words of an image.
    Row("steps", "eda/hdl.py:_refusal", lambda n: built(lanes=n), (1, 9, 10), (11,)),
    Row("steps-of-4", "eda/hdl.py:_refusal", lambda n: built(lanes=n, requants=4), (37, 40), (41,)),
    # Two classes share a memory, or none where their weights do not fit a word.
    Row(
        "built-classes",
        "eda/hdl.py:_refusal",
        lambda n: built(classes=n),
        (1, 127, 128),
        (129, 130),
    ),
    Row("classes-4", "eda/hdl.py:_refusal", lambda n: built(classes=n, requants=4), (128,), (129,)),
    Row("classes-8", "eda/hdl.py:_refusal", lambda n: built(classes=n, requants=8), (64,), (65,)),
    # Words of an image times groups: 1024 words of a memory.
    Row("words", "eda/hdl.py:_refusal", lambda n: built(inputs=n), (816,), (817,)),
    Row(
        "words-alone",
        "eda/hdl.py:_refusal",
        lambda n: built(inputs=n, hidden=1, lanes=1),
        (8192,),
        (8193,),
    ),
    Row("groups", "eda/hdl.py:_refusal", lambda n: built(hidden=n), (1020,), (1021,)),
]

# ------------------------------------------------------------------------------------------------
# Synthesis


def compared(golden: float) -> object:
    return calibration._golden_number({"delay": repr(golden)}, "delay", "golden.txt")


def within(ratio: float) -> object:
    made = calibration.Calibration(
        circuit="c", task="t", golden_version="1", version="2", conditions="x",
        compared=(Compared(what="w", golden=1.0, here=ratio, low=0.75, high=1.25, why="x"),),
    )  # fmt: skip
    return calibration.check(made)


def power_table(watts: str = "1.0", dynamic: str = "0.5") -> object:
    head = "Component    Power (W)  %-Total  %-Dynamic  Method\n"
    return reports_vpr._table(ReportText("x.power", f"{head}Total  {watts}  1  {dynamic}\n"))


def image_choice(images: int) -> object:
    """Of twelve: four warm up, and the last keeps the input busy."""
    network, choice = random_int8(0, (8, 2, 2), images=12)
    return Stimulus("x", network, choice, images)


def counted(value: Any) -> object:
    return reports_nextpnr.NextpnrReport(ReportText("x.json", json.dumps({"a": value}))).count("a")


class Taken(Exception):
    """The values were taken, and nothing is to be synthesised."""


def seeds_of(seeds: list[int]) -> None:
    def stop(flow: str) -> None:
        raise Taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows, "check_tools", stop)
        with pytest.raises(Taken):
            flows.synthesise("ecp5", Hardware(8, 2, 2, lanes=2), seeds)


SYNTHESIS = [
    Row("seeds", "eda/synthesis/flows.py:synthesise", seeds_of,
        ([0], [1, 2], [2, 1, 0]), ([], [-1], [1, 1], [2, -1]), ValueError),
    Row(
        "clock", "eda/synthesis/result.py:performance",
        lambda f: performance(made_run(fmax_Hz=1e6), CLOCKS, f),
        (1e-300, 1e6, None), (0.0, -1.0, above(1e6), *NO_NUMBERS),
    ),
    Row("golden-figure", "eda/synthesis/calibration.py:_golden_number", compared,
        (TINY, 1e300), (0.0, -1.0, *NO_NUMBERS), ReportError),
    Row("golden-ratio", "eda/synthesis/result.py:Compared", within,
        (0.75, 1.25), (below(0.75), above(1.25)), calibration.OutOfBand),
    Row("watts", "eda/synthesis/reports_vpr.py:_table", lambda w: power_table(watts=w),
        ("0", "0.0", "1e9"), ("-1e-9", "nan", "inf", "-inf"), ReportError),
    Row("dynamic", "eda/synthesis/reports_vpr.py:_table", lambda d: power_table(dynamic=d),
        ("0", "1", "1.0"), ("-0.0001", "1.0001", "nan", "inf", "-inf"), ReportError),
    Row("report-count", "eda/synthesis/reports_nextpnr.py:NextpnrReport.count", counted,
        (0, 1, 10**6), (-1, 1.5, True, "1"), ReportError),
    Row("stimulus", "eda/synthesis/activity.py:Stimulus.__post_init__", image_choice,
        (1, 7), (0, -1, 8, 12), ValueError),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Data and files


def read_table(text: str, low: float = -1.0, high: float = 2.0) -> object:
    return parse_table("table", f"{text}\n".encode(), [Column("x", low, high)], rows=1)


def of_values(value: Any, dtype: str = "float64") -> object:
    spec = ArraySpec("x", (2,), (dtype,), low=-1.0, high=2.0)
    return check_values("file", spec, np.array([0, value], dtype))


def symbol(size: int) -> object:
    return check_shape("file", ArraySpec("x", ("n",), ("float64",)), (size,), {})


def mnist_label(label: int) -> object:
    with pytest.MonkeyPatch.context() as patch:
        images, labels = np.zeros((2, 28, 28), np.uint8), np.array([0, label], np.uint8)
        found = [ReadFile(Path("images"), images), ReadFile(Path("labels"), labels)]
        patch.setattr(DataSet, "read", lambda self, *wanted: found)
        return mnist.read_mnist("train")


def digit(number: Any) -> object:
    with pytest.MonkeyPatch.context() as patch:
        found = np.zeros((10, 28, 28), np.uint8), np.arange(10, dtype=np.uint8)
        patch.setattr("ohmbench.data.images.read_mnist", lambda part: found)
        return digit_images(number)


DATA = [
    Row(
        "table",
        "files/tables.py:_number",
        read_table,
        ("-1", "2", "-1.0", "2.0", " 0 ", "+1e0"),
        (repr(below(-1.0)), repr(above(2.0)), "-2", "3", "nan", "inf", "-inf", "", "1_0", "0x1"),
        FileError,
    ),
    Row(
        "table-open",
        "files/tables.py:_number",
        lambda x: read_table(x, -math.inf, math.inf),
        ("1e308", "-1e308"),
        ("1e309", "-1e309", "inf", "nan"),
        FileError,
    ),
    Row(
        "table-digits",
        "files/tables.py:_number",
        lambda n: read_table("0" * n, 0, 1),
        (1, 40),
        (0, 41),
        FileError,
    ),
    Row(
        "table-line",
        "files/tables.py:_row",
        lambda n: parse_table("table", b" " * (n - 2) + b"1\n", [Column("x")], rows=1),
        (4096,),
        (4097,),
        FileError,
    ),
    Row(
        "array",
        "files/schema.py:check_values",
        of_values,
        (-1.0, 2.0),
        (below(-1), above(2), *NO_NUMBERS),
        FileError,
    ),
    Row(
        "integers",
        "files/schema.py:check_values",
        lambda n: of_values(n, "int64"),
        (-1, 2),
        (-2, 3),
        FileError,
    ),
    Row("symbol", "files/schema.py:check_shape", symbol, (1, 2**24), (0, 2**24 + 1), FileError),
    Row("mnist-label", "data/mnist.py:read_mnist", mnist_label, (0, 9), (10, 255), FileError),
    Row(
        "image-label",
        "data/images.py:_checked",
        lambda n: _checked(Path("x"), np.array([3, n], np.uint8), 10),
        (0, 9),
        (10, 255),
        FileError,
    ),
    Row(
        "label-from-1",
        "data/images.py:_checked",
        lambda n: _checked(Path("x"), np.array([3, n], np.uint8), 10, first=1),
        (1, 10),
        (0, 11),
        FileError,
    ),
    *(
        Row(
            f"solver-{name}",
            "kirchhoff/simulation.py:Solver.__post_init__",
            lambda value, name=name: Solver(**{name: value}),
            (5e-324, 1.0, 1e300, *((0.0,) if name == "min_step" else ())),
            (-1e-9, math.inf, math.nan, *(() if name == "min_step" else (0.0,))),
            OperandError,
        )
        for name in ("tol", "first_step", "min_step", "step_size")
    ),
    Row("digit", "data/images.py:_of_digit", digit, (0, 9), (-1, 10), ValueError),
    Row(
        "column",
        "data/regression.py:_limits",
        lambda x: regression._limits("data", np.array([[0.0, 1.0], [1.0, x]])),
        (above(1.0), below(1.0), 5.0),
        (1.0, math.nan),
    ),
]

# ------------------------------------------------------------------------------------------------

OTHER_ROWS = [
    *BENCHMARKS,
    *FLOATGATE,
    *DIGITAL,
    *HARDWARE,
    *SYNTHESIS,
    *DATA,
    Row(
        "index",
        "family.py:check_index",
        lambda i: check_index(i, 5),
        (0, 4),
        (-1, 5),
        ValueError,
    ),
]
