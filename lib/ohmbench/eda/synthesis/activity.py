"""Power from real activity: images run through the netlist that VPR placed.

VTR's own activities are vectorless: ACE assumes that every input of the netlist (pins, and the
outputs of multipliers and memories) is 1 half of the time and changes in a fifth of the clocks.
Here the netlist is simulated in normal use: a network is loaded through the host port, images come
without a pause, every result is taken at once and compared with the golden model. Ones and toggles
of every net are counted over whole images in the steady state and replace ACE's numbers. Then VPR
estimates power again for the same placement and routing.

In this simulation a net toggles at most once per clock, so glitches are not counted. ACE includes
an estimate of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import check_images, infer
from ohmbench.digital.hostmap import image_words, network_words
from ohmbench.digital.network import Int8Network
from ohmbench.digital.prove import check_fits
from ohmbench.digital.widths import Hardware, clog2
from ohmbench.eda.cache import content_key
from ohmbench.eda.synthesis import blif, netlist, reports_vpr, vtr
from ohmbench.eda.synthesis.blif import Netlist, read_blif
from ohmbench.eda.synthesis.defaults import IMAGES
from ohmbench.eda.synthesis.design import TOP
from ohmbench.eda.synthesis.netlist import NetlistSimulation
from ohmbench.eda.synthesis.reports import ReportError, ReportText, read_report
from ohmbench.eda.synthesis.result import Activity, Clocks, Cost, Power, Synthesis
from ohmbench.eda.synthesis.runs import kept_run, run_measured, take
from ohmbench.eda.tools import VTR_VPR, ToolError
from ohmbench.errors import HardwareFailure, OperandError, ShapeError
from ohmbench.fields import Record

WARM_UP = 4
"""Images before the first one that counts: more than the accelerator processes at once."""
SEED = 1
_RESET_CLOCKS = 2
_CLOCKS_PER_WORD_LIMIT = 100

UNCONNECTED = "unconn"
"""VTR's net for unconnected pins, always 0; ACE leaves it out."""
_SWEPT = r"^Warning \d+: Net (\S+) found in activity file, but it does not exist in the \.blif file"
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Stimulus:
    """The images to stream: a network, its ``name``, and the number ``images`` to draw from
    ``choice``, uint8 (n, inputs), with ``seed`` and without repetition.

    Raises OperandError for more images than ``choice`` has.
    """

    name: str
    network: Int8Network
    choice: NDArray[np.uint8]
    images: int = IMAGES
    seed: int = SEED

    def __post_init__(self) -> None:
        check_images(self.network, self.choice)
        if self.images < 1 or len(self.drawn) < self._needed:
            raise OperandError(
                f"{self.images} images: from 1 to {len(self.choice) - WARM_UP - 1}, since there "
                f"are {len(self.choice)} of {self.name}, and {WARM_UP + 1} do not count"
            )

    @property
    def _needed(self) -> int:
        """The number of images to stream. The last one only keeps the input busy until the results
        of all that count have been taken.
        """
        return WARM_UP + self.images + 1

    @property
    def drawn(self) -> NDArray[np.uint8]:
        """The images in the order in which they are streamed, uint8."""
        order = np.random.default_rng(self.seed).permutation(len(self.choice))
        return self.choice[order[: self._needed]]

    def check_fits(self, hardware: Hardware) -> None:
        """Raise ShapeError or RangeError unless the network runs on ``hardware`` unchanged."""
        if self.network.sizes != (hardware.inputs, hardware.hidden, hardware.classes):
            sizes = "-".join(map(str, self.network.sizes))
            built = f"{hardware.inputs}-{hardware.hidden}-{hardware.classes}"
            raise ShapeError(f"{self.name} is {sizes}, but the hardware is built for {built}")
        check_fits(self.network, hardware)

    def key(self) -> str:
        """A name made from all that the activity depends on: network, images and their order."""
        arrays = (*self.network.weight, *self.network.bias, self.drawn)
        content = b"\0".join(array.tobytes() for array in arrays)
        return content_key(
            self.name, repr((self.network.M, self.network.S, self.images, self.seed)), content.hex()
        )


@dataclass(frozen=True)
class Counts:
    """Ones and toggles of each net, counted over ``clocks`` clocks. ``results``: number of results
    compared with the golden model. ``collisions``: how often both ports of a memory slice
    accessed the same word in these clocks while at least one of them wrote.
    """

    nets: tuple[str, ...]
    ones: NDArray[np.uint32]
    toggles: NDArray[np.uint32]
    clocks: int
    results: int
    collisions: int


# ------------------------------------------------------------------------------------------------
# Ports


def _ports(hardware: Hardware) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs of ``accelerator`` that are driven and outputs that are read, with their widths."""
    inputs = dict.fromkeys(
        (
            *("clk_i", "rst_i", "image_valid_i", "image_last_i", "result_ready_i"),
            *("host_request_i", "host_we_i", "host_malformed_i"),
        ),
        1,
    )
    logit = hardware.registers()["logit"].bits
    outputs = dict.fromkeys(("image_ready_o", "result_valid_o", "host_ack_o", "host_error_o"), 1)
    return (
        inputs | {"image_data_i": 64, "host_addr_i": 19, "host_wdata_i": 64},
        outputs
        | {"result_class_o": max(1, clog2(hardware.classes)), "result_value_o": logit}
        | {"result_logits_o": hardware.classes * logit},
    )


_HOST_READY = "host_ready_o"
"""An accelerator without this port takes a request in any clock."""


class _Pins:
    """Access to the ports of a simulated netlist; VTR names bit n of a port ``port~n``."""

    def __init__(self, simulation: NetlistSimulation, hardware: Hardware) -> None:
        self._simulation = simulation
        circuit = simulation.netlist
        inputs, outputs = _ports(hardware)
        if _HOST_READY in circuit.outputs:
            outputs[_HOST_READY] = 1
        self.host_ready = _HOST_READY in outputs
        self._at = {name: self._find(name, width) for name, width in (inputs | outputs).items()}
        known = {simulation.nets[k] for name in inputs for k in self._at[name]}
        strangers = set(circuit.inputs) - known
        if strangers:
            raise circuit.fail(1, f"input {min(strangers)} is not an input of the accelerator")
        lost = known - set(circuit.inputs)
        lost |= {simulation.nets[k] for name in outputs for k in self._at[name]} - set(
            circuit.outputs
        )
        if lost:
            raise circuit.fail(1, f"{min(lost)} is a net, but no port of the accelerator")

    def _find(self, name: str, width: int) -> NDArray[np.int64]:
        simulation = self._simulation
        bits = [f"{name}~{k}" for k in range(width)]
        if width == 1 and name in simulation.index:
            bits = [name]
        for bit in bits:
            if bit not in simulation.index:
                raise simulation.netlist.fail(1, f"no port {bit}")
        return np.array([simulation.index[bit] for bit in bits])

    def put(self, name: str, bits: NDArray[np.uint8] | int) -> None:
        self._simulation.values[self._at[name]] = bits

    def bit(self, name: str) -> bool:
        return bool(self._simulation.values[self._at[name][0]])

    def bits(self, name: str) -> NDArray[np.uint8]:
        return self._simulation.values[self._at[name]]


def _unpacked(words: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    """Numbers (n,) as bits uint8 (n, width), lowest bit first."""
    octets = words.astype("<u8").view(np.uint8).reshape(len(words), 8)
    return np.unpackbits(octets, axis=1, bitorder="little")[:, :width]


def _signed(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Two's complement bits (..., width), lowest bit first, as int64 (...)."""
    weights = np.int64(1) << np.arange(bits.shape[-1], dtype=np.int64)
    weights[-1] = -weights[-1]
    return np.asarray(bits.astype(np.int64) @ weights)


# ------------------------------------------------------------------------------------------------
# The images


def count(
    circuit: Netlist, hardware: Hardware, stimulus: Stimulus, expected: Clocks | None = None
) -> Counts:
    """Load the network, stream the images, check every result, and count in the steady state.

    ``expected``: the design's clock counts. Raises NetlistError for a netlist that is not an
    accelerator, ShapeError or RangeError for a network that does not fit, HardwareFailure when a
    word is refused, when a result is missing or differs from the golden model, or when the interval
    between images is not the expected one.
    """
    stimulus.check_fits(hardware)
    simulation = NetlistSimulation(circuit, seed=stimulus.seed)
    pins = _Pins(simulation, hardware)
    simulation.values[[simulation.index[net] for net in circuit.inputs]] = 0
    pins.put("rst_i", 1)
    for _ in range(_RESET_CLOCKS):
        simulation.settle()
        simulation.edge()
    pins.put("rst_i", 0)
    _load(simulation, pins, *network_words(hardware, stimulus.network))
    clocks, collisions, classes, values, logits = _stream(simulation, pins, hardware, stimulus)
    _check_results(stimulus, classes, values, logits)
    if expected is not None:
        # With an odd number of images, there may be one long interval more or fewer than short
        # ones.
        uneven = expected.interval - expected.mean_interval
        if abs(clocks - stimulus.images * expected.mean_interval) > uneven:
            raise HardwareFailure(
                f"{circuit.file}: {stimulus.images} images took {clocks} clocks, not "
                f"{expected.mean_interval:g} each"
            )
    return Counts(
        simulation.nets,
        simulation.ones,
        simulation.toggles,
        clocks,
        len(classes),
        collisions,
    )


def _load(
    simulation: NetlistSimulation,
    pins: _Pins,
    addresses: NDArray[np.uint32],
    data: NDArray[np.uint64],
) -> None:
    where, what = _unpacked(addresses.astype(np.uint64), 19), _unpacked(data, 64)
    pins.put("host_we_i", 1)
    written = answered = refused = 0
    for _ in range(_CLOCKS_PER_WORD_LIMIT * len(data)):
        asks = written < len(data)
        pins.put("host_request_i", int(asks))
        if asks:
            pins.put("host_addr_i", where[written])
            pins.put("host_wdata_i", what[written])
        simulation.settle()
        if pins.bit("host_ack_o"):
            answered += 1
            refused += pins.bit("host_error_o")
        if asks and (not pins.host_ready or pins.bit(_HOST_READY)):
            written += 1
        simulation.edge()
        if answered == len(data):
            break
    name = simulation.netlist.file
    if answered != len(data):
        raise HardwareFailure(f"{name}: the host port answered {answered} of {len(data)} writes")
    if refused:
        raise HardwareFailure(f"{name}: the host port refused {refused} of {len(data)} words")
    for port in ("host_request_i", "host_we_i", "host_addr_i", "host_wdata_i"):
        pins.put(port, 0)


def _stream(
    simulation: NetlistSimulation, pins: _Pins, hardware: Hardware, stimulus: Stimulus
) -> tuple[int, int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the clocks that counted and the collisions in them; then, for all images, classes and
    values (n,) and logits (n, classes).
    """
    images = stimulus.drawn
    words = _unpacked(image_words(hardware, images).reshape(-1), 64)
    starts, ends = WARM_UP * hardware.words, (WARM_UP + stimulus.images) * hardware.words
    classes, values, logits = [], [], []
    word = clocks = collisions = 0
    counts = False
    pins.put("result_ready_i", 1)
    for _ in range(_CLOCKS_PER_WORD_LIMIT * hardware.groups * len(words)):
        offers = word < len(words)
        pins.put("image_valid_i", int(offers))
        if offers:
            pins.put("image_data_i", words[word])
            pins.put("image_last_i", int(word % hardware.words == hardware.words - 1))
        simulation.settle()
        if offers and pins.bit("image_ready_o"):
            counts = starts <= word < ends
            word += 1
        if counts:
            simulation.count()
            clocks += 1
        if pins.bit("result_valid_o"):
            classes.append(pins.bits("result_class_o"))
            values.append(pins.bits("result_value_o"))
            logits.append(pins.bits("result_logits_o"))
        before = simulation.collisions
        simulation.edge()
        if counts:
            collisions += simulation.collisions - before
        if len(classes) == len(images):
            break
    else:
        raise HardwareFailure(
            f"{simulation.netlist.file}: {len(classes)} of {len(images)} results came"
        )
    unsigned = np.pad(np.array(classes), ((0, 0), (0, 1)))
    by_class = np.array(logits).reshape(len(images), hardware.classes, -1)
    return clocks, collisions, _signed(unsigned), _signed(np.array(values)), _signed(by_class)


def _check_results(
    stimulus: Stimulus,
    classes: NDArray[np.int64],
    values: NDArray[np.int64],
    logits: NDArray[np.int64],
) -> None:
    expected = infer(stimulus.network, stimulus.drawn)
    for what, found, golden in (
        ("logits", logits, expected.logits),
        ("class", classes, expected.classes),
        ("value", values, expected.values),
    ):
        if not np.array_equal(found, golden):
            k = int(np.flatnonzero((found != golden).reshape(len(found), -1).any(axis=1))[0])
            raise HardwareFailure(
                f"the netlist departs from the golden model of {stimulus.name}: image {k} of "
                f"{len(found)}: {what} {found[k].tolist()}, not {golden[k].tolist()}"
            )


# ------------------------------------------------------------------------------------------------
# The activity file


def read_activity(report: ReportText) -> dict[str, tuple[str, str]]:
    """Net -> (probability, density), as written in the file. Raises ReportError."""
    found: dict[str, tuple[str, str]] = {}
    pattern = r"(\S+) (\d+\.\d+) (\d+\.\d+)"
    for line in report.text.splitlines():
        match = re.fullmatch(pattern, line)
        if match is None:
            raise ReportError(report.name, pattern, f"no line of an activity file: {line!r}")
        if match[1] in found:
            raise ReportError(report.name, match[1], "found twice")
        found[match[1]] = (match[2], match[3])
    return found


def check_nets(named: Sequence[str], circuit: Netlist, file: str) -> None:
    """Raise ToolError unless the activity file names exactly the netlist's nets."""
    nets, names = set(circuit.drivers()) - {UNCONNECTED}, set(named)
    for missing, where, absent in (
        (nets - names, circuit.file, file),
        (names - nets, file, circuit.file),
    ):
        if missing:
            shown = ", ".join(sorted(missing)[:3]) + (", ..." if len(missing) > 3 else "")
            raise ToolError(f"{len(missing)} nets of {where} are not in {absent}: {shown}")


def activity_text(
    counts: Counts, vectorless: Mapping[str, tuple[str, str]], clock: str | None
) -> str:
    """An activity file of the same nets in the same order, with the probability of a 1 and the
    toggles per clock. The clock net keeps ACE's values.
    """
    index = {net: k for k, net in enumerate(counts.nets)}
    lines = []
    for net, (probability, density) in vectorless.items():
        if net != clock:
            k = index[net]
            probability = f"{counts.ones[k] / counts.clocks:.6f}"
            density = f"{counts.toggles[k] / counts.clocks:.6f}"
        lines.append(f"{net} {probability} {density}\n")
    return "".join(lines)


def _mean_density(activity: Mapping[str, tuple[str, str]], clock: str | None) -> float:
    return float(np.mean([float(d) for net, (_, d) in activity.items() if net != clock]))


# ------------------------------------------------------------------------------------------------
# VPR


class Simulated(Record):
    """Results of a simulated activity."""

    power: Power
    activity: Activity
    cost: Cost


SIMULATED_ACTIVITY = f"{TOP}.simulated.act"
_SOURCES = (Path(__file__), Path(blif.__file__), Path(netlist.__file__), netlist.SOURCE)


def with_simulated_power(
    run: Synthesis, folder: Path, stimulus: Stimulus, clocks: Clocks
) -> tuple[Synthesis, Path]:
    """A run of VTR's flow, whose files are in ``folder``, with its power from simulated images
    added; and the folder with the files of that estimate. From the cache, or made now (a
    minute).

    Raises whatever ``count`` raises, and ToolError when nets do not match or VPR reports no power.
    """

    def make(work: Path) -> tuple[Simulated, tuple[str, ...]]:
        for name in vtr.kept_files(TOP):
            if Path(name).suffix in (".blif", ".net", ".place", ".route", ".act"):
                take(folder, name, work / name)
        take(folder, vtr.VPR_OUT, work / "vectorless.out")
        activity = write_activity(work, run.design.hardware, stimulus, clocks)
        power, cost = estimate_power(work, run, SIMULATED_ACTIVITY)
        kept = (SIMULATED_ACTIVITY, vtr.VPR_OUT, vtr.power_file(TOP))
        return Simulated(power=power, activity=activity, cost=cost), kept

    key = content_key(folder.name, stimulus.key(), clocks.model_dump_json(), files=_SOURCES)
    found, kept = kept_run(f"vtr-simulated-{key}", Simulated, make)
    update = {"power_simulated": found.power, "activity": found.activity}
    return run.model_copy(update=update), kept


def write_activity(
    work: Path, hardware: Hardware, stimulus: Stimulus, expected: Clocks | None = None
) -> Activity:
    """Simulate the netlist in ``work`` and write SIMULATED_ACTIVITY there."""
    file = f"{TOP}.pre-vpr.blif"
    circuit = read_blif(read_report(work / file).text, file)
    ace = read_activity(read_report(work / vtr.activity_file(TOP)))
    check_nets(tuple(ace), circuit, vtr.activity_file(TOP))
    counts = count(circuit, hardware, stimulus, expected)
    clock = next(iter({latch.clock for latch in circuit.latches}), None)
    text = activity_text(counts, ace, clock)
    (work / SIMULATED_ACTIVITY).write_text(text, encoding="utf-8")
    simulated = read_activity(ReportText(SIMULATED_ACTIVITY, text))
    return Activity(
        network=stimulus.name,
        images=stimulus.images,
        warm_up=WARM_UP,
        clocks=counts.clocks,
        seed=stimulus.seed,
        checked=counts.results,
        nets=len(simulated),
        collisions=counts.collisions,
        mean_density=_mean_density(simulated, clock),
        mean_density_vectorless=_mean_density(ace, clock),
    )


def estimate_power(work: Path, run: Synthesis, activity_file: str) -> tuple[Power, Cost]:
    """Run only VPR's power estimation, on the placement and routing in ``work``.

    ``work`` also holds ``vectorless.out``, the output of the run that placed and routed: timing and
    the nets that VPR sweeps must be the same. Raises ToolError where VPR fails, ReportError where
    they differ.
    """
    root = vtr.root()
    command = [
        str(root / VTR_VPR),
        str(root / vtr.ARCHITECTURE),
        TOP,
        *("--circuit_file", f"{TOP}.pre-vpr.blif", "--analysis"),
        *(*vtr.OPTIONS, "--seed", str(run.seed)),
        *("--power", "--tech_properties", str(root / vtr.TECHNOLOGY)),
        *("--activity_file", activity_file),
    ]
    cost = run_measured(
        command, work, log=vtr.VPR_OUT, name="VPR", timeout_s=_TIMEOUT_S, error="rror"
    )
    said, before = read_report(work / vtr.VPR_OUT), read_report(work / "vectorless.out")
    reports_vpr.check_success(said)
    timing = reports_vpr.timing(said)
    if timing != reports_vpr.timing(before):
        raise ReportError(said.name, "Final critical path", "another one than in the run itself")
    if _swept(said) != _swept(before):
        raise ReportError(said.name, _SWEPT, "other nets than in the run itself")
    report = read_report(work / vtr.power_file(TOP))
    return reports_vpr.power(report, "simulated", timing), cost


def _swept(said: ReportText) -> set[str]:
    return set(re.findall(_SWEPT, said.text, flags=re.MULTILINE))
