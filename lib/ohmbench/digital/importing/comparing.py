"""A source in its own runtime against the golden model of its integers, value by value.

Random integers of the input format, random reals where the source quantises them itself, and the
inputs beside every step (``boundaries``). A difference that the proof expects is told from one that
it rules out: the sum of the layer is taken from what the runtime gave in the layer before, and the
source's step at this sum says what is possible.

onnxruntime runs without graph optimisations: that is the standard's arithmetic, and what the proof
is about. How many outputs its default optimisations change is counted apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.boundaries import boundary_inputs, boundary_targets
from ohmbench.digital.importing.input_reals import InputReals
from ohmbench.digital.importing.onnx_runtimes import OnnxRuntime
from ohmbench.digital.importing.reachable import Values, input_values
from ohmbench.digital.importing.runtimes import Observation, Runner
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import grouped, plural
from ohmbench.digital.integer.golden import Inference, exact_sums, infer
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.errors import RangeError

Kind: TypeAlias = Literal["random integers", "random reals", "boundary"]
RANDOM = 10_000
LARGEST_RANDOM = 10_000_000


@dataclass(frozen=True)
class LayerComparison:
    """One layer: how many values were ``compared``, how many are ``differing``, and how many the
    proof's step of the source rules out (``unforeseen``). Only the first block of inputs, and later
    the inputs with a value that differs here or in the layer before, are checked against that step.
    """

    layer: int
    compared: int
    differing: int
    unforeseen: int


@dataclass(frozen=True)
class RunDifference:
    """The first difference of a layer: ``value`` of the runtime and ``expected`` of the integers.

    ``number`` counts the inputs of all kinds in their order, ``x`` is that input's integers, and
    ``acc`` the sum that follows from the runtime's own values before. ``foreseen``: the source's
    step can give ``value`` there, so that the proof has counted it.
    """

    layer: int
    channel: int
    number: int
    kind: Kind
    value: float
    expected: int
    acc: int
    foreseen: bool
    x: tuple[int, ...]

    @property
    def line(self) -> str:
        """All of it but the input's values."""
        return (
            f"layer {self.layer}, channel {self.channel}, input {self.number} ({self.kind}), "
            f"accumulator {self.acc}: the runtime gives {self.value:g}, the integers "
            f"{self.expected}; {'expected' if self.foreseen else 'ruled out'} by the proof"
        )


@dataclass(frozen=True)
class Comparison:
    """A runtime against the integers.

    ``inputs``: how many of each kind. ``boundaries``: per layer, how many of the sums beside steps
    were reached, and of how many. ``classes``: compared and differing, or None where the output
    has no classes. ``optimised``: output values compared, and how many of them the runtime's
    default graph optimisations change; None where it has none. They do not count for ``agrees``,
    since all else ran without them.
    """

    runtime: str
    version: str
    remark: str | None
    inputs: dict[Kind, int]
    boundaries: tuple[tuple[int, int], ...]
    layers: tuple[LayerComparison, ...]
    classes: tuple[int, int] | None
    first: RunDifference | None
    optimised: tuple[int, int] | None

    @property
    def agrees(self) -> bool:
        """Whether no value and no class differs, without graph optimisations."""
        return not any(layer.differing or layer.unforeseen for layer in self.layers) and (
            self.classes is None or self.classes[1] == 0
        )

    @property
    def name(self) -> str:
        """The runtime, its version and how it ran."""
        how = "" if self.optimised is None else " without graph optimisations"
        return f"{self.runtime} {self.version}{how}"

    @property
    def optimised_line(self) -> str | None:
        """What the default graph optimisations change, or None where there are none."""
        if self.optimised is None:
            return None
        compared, differing = self.optimised
        if not differing:
            return (
                f"with its default graph optimisations {self.runtime} gives the same "
                f"{plural(compared, 'output value')}"
            )
        return (
            f"with its default graph optimisations {self.runtime} computes these layers by other "
            f"kernels: {grouped(differing)} of {plural(compared, 'output value')} differ from the "
            "file's own arithmetic; disable them (ORT_DISABLE_ALL) to get what was proven"
        )

    def optimised_counts(self) -> dict[str, int] | None:
        """``optimised`` for JSON."""
        return _counts(self.optimised)

    @property
    def line(self) -> str:
        """The result in one line."""
        compared = sum(layer.compared for layer in self.layers)
        differing = sum(layer.differing for layer in self.layers)
        tried = plural(sum(self.inputs.values()), "input")
        line = (
            f"{self.name}: {grouped(differing)} of {plural(compared, 'value')} "
            f"and {grouped(self.classes[1]) if self.classes else 'no'} class"
            f"{'es' * (self.classes is None or self.classes[1] != 1)} differ on {tried}"
        )
        if self.first is None:
            return line
        ruled_out = sum(layer.unforeseen for layer in self.layers)
        return f"{line} ({grouped(ruled_out)} ruled out by the proof); first: {self.first.line}"

    def values(self) -> dict[str, Any]:
        """The comparison for JSON."""
        return {
            "runtime": self.runtime,
            "version": self.version,
            "agrees": self.agrees,
            "line": self.line,
            "remark": self.remark,
            "inputs": dict(self.inputs),
            "boundaries": [{"reached": a, "of": b} for a, b in self.boundaries],
            "layers": [asdict(layer) for layer in self.layers],
            "classes": _counts(self.classes),
            "first": None if self.first is None else {**asdict(self.first), "x": [*self.first.x]},
            "optimised": self.optimised_counts(),
        }


def _counts(found: tuple[int, int] | None) -> dict[str, int] | None:
    return None if found is None else {"compared": found[0], "differing": found[1]}


def check_random(random: int) -> None:
    """Raise RangeError unless so many random inputs are possible."""
    if not 0 <= random <= LARGEST_RANDOM:
        raise RangeError(f"{random} random inputs, but should be 0 to {LARGEST_RANDOM}")


def compare(
    source: Source,
    network: IntegerNetwork,
    runner: Runner,
    *,
    random: int = RANDOM,
    seed: int = 0,
    advance: Callable[[float], object] = lambda share: None,
) -> Comparison:
    """Run ``random`` inputs of each kind, and all boundary inputs, through both.

    ``advance`` is told the share of the work that each part adds. Raises RangeError unless
    0 <= random <= 10 000 000, FileError where the runtime refuses the file.
    """
    check_random(random)
    feed = _Feed(source, runner)
    boundary = boundary_inputs(
        network,
        feed.values,
        boundary_targets(source, network),
        seed=seed,
        advance=lambda share: advance(share / 2),
    )
    blocks = feed.blocks(random, seed, boundary.x)
    total = sum(feed.counts(random, len(boundary.x)).values())
    tally = _Tally(source, network)
    optimised = None
    if type(runner) is OnnxRuntime:
        optimised = OnnxRuntime(source, optimised=True)
    output_compared = output_differing = 0
    for kind, q, fed in blocks:
        seen = runner.run(fed)
        tally.add(kind, q, seen, infer(network, q))
        if optimised is not None:
            other = optimised.rows(fed)[source.output_tensor]
            output_compared += other.size
            output_differing += int((other != seen.output).sum())
        advance(len(q) / total / 2)
    return Comparison(
        runner.runtime.package,
        runner.version,
        runner.remark,
        feed.counts(random, len(boundary.x)),
        tuple(zip(boundary.reached, boundary.wanted, strict=True)),
        tally.layers(),
        tally.classes,
        tally.first,
        None if optimised is None else (output_compared, output_differing),
    )


class _Feed:
    """The inputs of a comparison, as integers and as what the runtime takes."""

    def __init__(self, source: Source, runner: Runner) -> None:
        self.source = source
        self.most = runner.most
        self.reals = None if source.takes_integers else InputReals(source.input, runner.whole)
        self.values: Values = input_values(source) if self.reals is None else self.reals.values

    def counts(self, random: int, boundary: int) -> dict[Kind, int]:
        """How many inputs of each kind there are."""
        found: dict[Kind, int] = {"random integers": random}
        if self.reals is not None and self.source.input.thresholds is not None:
            found["random reals"] = random
        return {**found, "boundary": boundary}

    def blocks(
        self, random: int, seed: int, boundary: NDArray[Any]
    ) -> Iterator[tuple[Kind, NDArray[np.int64], NDArray[Any]]]:
        """Kind, integers (n, inputs) and what the runtime gets, n at most what it takes at once."""
        rng = np.random.default_rng(seed)
        inputs = self.source.layers[0].weight.shape[1]
        possible = np.flatnonzero(self.values.present[0]) + self.values.first
        for kind, count in self.counts(random, len(boundary)).items():
            for first in range(0, count, self.most):
                n = min(self.most, count - first)
                if kind == "random reals":
                    assert self.reals is not None
                    real = self.reals.random(n, inputs, rng)
                    yield kind, self.source.input.quantise(real), real
                    continue
                if kind == "boundary":
                    q = boundary[first : first + n].astype(np.int64)
                else:
                    q = rng.choice(possible, (n, inputs)).astype(np.int64)
                yield kind, q, q if self.reals is None else self.reals.of(q, rng)


class _Tally:
    """What was compared and what differs."""

    def __init__(self, source: Source, network: IntegerNetwork) -> None:
        self.source, self.network = source, network
        layers = len(network.layers)
        self._compared, self._differing, self._unforeseen = ([0] * layers for _ in range(3))
        self.classes: tuple[int, int] | None = (0, 0)
        self.first: RunDifference | None = None
        self._inputs = 0

    def layers(self) -> tuple[LayerComparison, ...]:
        """The counts per layer."""
        rows = zip(self._compared, self._differing, self._unforeseen, strict=True)
        return tuple(LayerComparison(k, *row) for k, row in enumerate(rows))

    def add(self, kind: Kind, q: NDArray[np.int64], seen: Observation, golden: Inference) -> None:
        """Compare one block of inputs."""
        before: NDArray[np.float64] = q.astype(np.float64)
        for k, found in enumerate(seen.h):
            wrong = found != golden.h[k]
            self._compared[k] += wrong.size
            self._differing[k] += int(wrong.sum())
            # All values of the first block, and later the inputs that differ anywhere up to here.
            rows = np.flatnonzero(
                (before != (golden.h[k - 1] if k else q)).any(axis=1) | wrong.any(axis=1)
            )
            if self._inputs == 0:
                rows = np.arange(len(q))
            if len(rows):
                acc, foreseen = self._foreseen(k, before[rows], seen, rows)
                self._unforeseen[k] += int((~foreseen).sum())
                if wrong.any() and (self.first is None or self.first.layer > k):
                    row = int(wrong.any(axis=1).argmax())
                    self._note(k, kind, row, rows, acc, foreseen, q, found, golden)
            before = found
        self._add_classes(seen, golden)
        self._inputs += len(q)

    def _note(self, k: int, kind: Kind, row: int, rows: NDArray[np.intp], acc: NDArray[np.int64],
              foreseen: NDArray[np.bool_], q: NDArray[np.int64], found: NDArray[np.float64],
              golden: Inference) -> None:  # fmt: skip
        c = int((found[row] != golden.h[k][row]).argmax())
        at = int(np.searchsorted(rows, row))
        self.first = RunDifference(
            k,
            c,
            self._inputs + row,
            kind,
            float(found[row, c]),
            int(golden.h[k][row, c]),
            int(acc[at, c]),
            bool(foreseen[at, c]),
            tuple(q[row].tolist()),
        )

    def _foreseen(
        self, k: int, before: NDArray[np.float64], seen: Observation, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The sums that follow from the runtime's own values before, and where the source's step
        at them can give what the runtime gave.
        """
        acc = exact_sums(np.rint(before), self.network.layers[k])
        layer = self.source.layers[k]
        low, high = layer.step.bounds(acc)
        value = (seen.real if layer.lo is None else seen.h[k])[rows]
        whole = (before == np.rint(before)).all(axis=1)[:, None]
        return acc, (low <= value) & (value <= high) & whole

    def _add_classes(self, seen: Observation, golden: Inference) -> None:
        """The class is the file's output if that is an index, else where its output is largest."""
        if self.classes is None:
            return
        output, channels = seen.output, self.network.classes
        rows = np.arange(len(output))
        if output.shape[1] == 1 < channels and output.dtype.kind in "iu":
            same = output[:, 0] == golden.classes
        elif output.shape[1] == channels and self._output_is_last_layer:
            meaning = self.source.layers[-1].meaning
            real = meaning.real(seen.h[-1]) if output.dtype.kind in "iu" else output
            same = real.argmax(axis=1) == golden.classes
        elif output.shape[1] == channels:  # a softmax, which can round two outputs to one
            same = output[rows, golden.classes] == output.max(axis=1)
        else:
            self.classes = None
            return
        self.classes = self.classes[0] + len(same), self.classes[1] + int((~same).sum())

    @property
    def _output_is_last_layer(self) -> bool:
        return self.source.output_tensor == self.source.layers[-1].tensor
