"""Published networks: the integers are the source's for every input, and a fault is found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ohmbench.digital.importing.imported import Imported, import_source
from ohmbench.digital.importing.onnx_reader import read_onnx
from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.digital.importing.verdict import EXACT
from ohmbench.digital.integer import Affine, IntegerNetwork
from ohmbench.fetching.copies import model_file

pytestmark = pytest.mark.needs("models")


def imported(name: str, rounding: str | None = None) -> Imported:
    path = model_file(name)
    if rounding is None:
        return import_source(read_onnx(path))
    return import_source(read_tflite(path, rounding=rounding))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["qkeras_jettagging.onnx", "TFC_1W1A.onnx", "TFC_1W2A.onnx", "finn_tfc/model.onnx"]
)
def test_onnx_files_are_imported_exactly(name: str) -> None:
    found = imported(name)
    assert found.verdict.line == EXACT
    assert all(layer.reachable.all() for layer in found.verdict.layers)
    last = found.verdict.layers[-1].classes
    assert last is not None
    assert last.pairs > 0


def test_a_file_whose_runtime_adds_floats_is_exact_but_for_their_order() -> None:
    found = imported("kwsmlp_w3a3.onnx")
    assert not found.verdict.differs
    assert not found.verdict.exact
    assert found.verdict.line.startswith("exact but for rounding in the source: at ")
    # No more than one sum in a thousand lies that close to a tie.
    for layer in found.verdict.layers[:-1]:
        assert layer.undecided.sum() * 1000 < layer.reachable.sum()


@pytest.mark.slow
@pytest.mark.parametrize("rounding", ["single", "double"])
def test_both_roundings_of_a_tflite_file_are_exact_and_told_apart(rounding: str) -> None:
    found = imported("ad01_int8.tflite", rounding)
    assert found.verdict.line == EXACT
    other = read_tflite(found.source.path, rounding="double" if rounding == "single" else "single")
    against = prove_import(other, found.network)
    assert against.differs
    assert {int(layer.largest.max()) for layer in against.layers} == {1}
    # Truncation changes more than either rounding does.
    layers = []
    for layer in found.network.layers:
        step = layer.step
        if isinstance(step, Affine):
            step = dataclasses.replace(step, R=step.R - (1 << (step.S - 1)))
        layers.append(dataclasses.replace(layer, step=step))
    cut = prove_import(found.source, IntegerNetwork(found.network.input, tuple(layers)))
    assert cut.layers[0].differing.sum() > 10 * against.layers[0].differing.sum()


def test_one_number_of_one_channel() -> None:
    found = imported("TFC_1W2A.onnx")
    layers = list(found.network.layers)
    step = layers[2].step
    assert isinstance(step, Affine)
    R = step.R + (np.arange(64) == 17) * (1 << step.S)
    layers[2] = dataclasses.replace(layers[2], step=dataclasses.replace(step, R=R))
    verdict = prove_import(found.source, IntegerNetwork(found.network.input, tuple(layers)))
    assert [layer.exact for layer in verdict.layers] == [True, True, False, True]
    assert np.flatnonzero(verdict.layers[2].differing).tolist() == [17]
    assert "; first: layer 2, channel 17, accumulator " in verdict.line
