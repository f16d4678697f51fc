"""TFLite files of int8 FULLY_CONNECTED layers, as ``Source``.

Read are chains of FULLY_CONNECTED with int8 activations and weights (per tensor or per channel),
int32 bias, and fused NONE, RELU, RELU6 or RELU_N1_TO_1; RESHAPE anywhere; at the ends QUANTIZE,
DEQUANTIZE and SOFTMAX. The format's rules are TFLite's 8-bit quantisation specification. Everything
else is refused by operator and reason. ``tflite_arithmetic`` has the steps behind the sums.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.source import Source, SourceLayer
from ohmbench.digital.importing.tflite_arithmetic import (
    DEFAULT_ROUNDING,
    ROUNDINGS,
    Requantisation,
    Rounding,
    input_thresholds,
)
from ohmbench.digital.importing.tflite_file import Operator, Tensor, TFLiteFile, read_tflite_file
from ohmbench.digital.importing.tflite_layer import LayerTensors, Values, check_kind, read_layer
from ohmbench.digital.importing.tflite_tensors import LEVELS, activation_scale
from ohmbench.digital.integer.network import MAX_LAYERS, InputFormat, Meaning
from ohmbench.errors import FileError, OperandError, RangeError

_FLIP = 128
"""uint8 values are the int8 values plus this."""


class _Chain:
    """Reads the operators one after the other; ``tensor`` is the one that the next should take."""

    def __init__(self, file: TFLiteFile, rounding: Rounding) -> None:
        self.file, self.rounding = file, rounding
        for what, numbers in (("inputs", file.inputs), ("outputs", file.outputs)):
            if len(numbers) != 1:
                raise self._refused(what, f"{len(numbers)} of them, but should be 1")
        self.tensor = file.tensors[file.inputs[0]]
        self.computed = {self.tensor.index}
        self.input: InputFormat | None = None
        self.layers: list[SourceLayer] = []
        self.notes: list[str] = []
        self.softmax = False

    def _refused(self, where: str, reason: str, remedy: str | None = None) -> FileError:
        return FileError(self.file.path, reason, field=where, remedy=remedy)

    def source(self) -> Source:
        first = self.tensor
        if first.data is not None:
            raise self._refused(first.label, "is the input, but has data of its own")
        readers = {
            "FULLY_CONNECTED": self._fully_connected,
            "RESHAPE": self._reshape,
            "QUANTIZE": self._quantize,
            "DEQUANTIZE": self._dequantize,
            "SOFTMAX": self._softmax,
        }
        for operator in self.file.operators:
            read = readers.get(operator.name)
            if read is None:
                raise self._refused(
                    operator.label,
                    "cannot be read",
                    f"use a network of {', '.join(readers)}",
                )
            read(operator, self._next(operator))
        if not self.layers or self.input is None:
            raise self._refused("operators", "no FULLY_CONNECTED among them")
        if self.tensor.index != self.file.outputs[0]:
            label = self.file.tensors[self.file.outputs[0]].label
            raise self._refused(label, f"is the output, but the chain ends in {self.tensor.label}")
        last = self.layers[-1]
        return Source(
            path=self.file.path,
            format="TFLite",
            input=self.input,
            input_tensor=first.name,
            input_shape=first.shape,
            takes_integers=first.type != "FLOAT32",
            layers=tuple(self.layers),
            output_tensor=last.tensor,
            notes=tuple(self.notes),
            rounding=self.rounding,
        )

    def _next(self, operator: Operator) -> Tensor:
        """The tensor that ``operator`` computes from the one before."""
        if not operator.inputs or operator.inputs[0] != self.tensor.index:
            raise self._refused(
                operator.label,
                f"does not take {self.tensor.label}; only chains can be read",
                "use a network without branches",
            )
        if len(operator.outputs) != 1 or operator.outputs[0] < 0:
            raise self._refused(operator.label, "should have one output")
        result = self.file.tensors[operator.outputs[0]]
        if result.index in self.computed or result.data is not None:
            raise self._refused(operator.label, f"writes {result.label}, which has a value already")
        if any(result.name == self.file.tensors[k].name for k in self.computed):
            raise self._refused(result.label, "its name occurs twice", "rename one of the tensors")
        self.computed.add(result.index)
        return result

    def _scale(self, tensor: Tensor, kind: str = "INT8") -> tuple[float, int]:
        return activation_scale(self.file.path, tensor, kind)

    def _format(
        self, tensor: Tensor, kind: str, thresholds: NDArray[np.float32] | None = None
    ) -> InputFormat:
        """The integers of ``tensor`` as a network's input."""
        try:
            return InputFormat(*LEVELS[kind], *self._scale(tensor, kind), thresholds)
        except OperandError as error:
            raise self._refused(tensor.label, str(error)) from None

    def _takes(self) -> Values:
        """The integers that the next layer takes."""
        scale, zero = self._scale(self.tensor)
        if self.layers:
            last = self.layers[-1]
            assert last.lo is not None
            assert last.hi is not None
            return Values(scale, zero, last.lo, last.hi)
        if self.input is None:
            self.input = self._format(self.tensor, "INT8")
        return Values(self.input.scale, self.input.zero, self.input.lo, self.input.hi)

    def _fully_connected(self, operator: Operator, result: Tensor) -> None:
        if self.softmax:
            raise self._refused(operator.label, "follows a SOFTMAX, which should be at the end")
        if len(self.layers) == MAX_LAYERS:
            raise self._refused(operator.label, f"more than {MAX_LAYERS} layers")
        given = [self.file.tensors[k] for k in operator.inputs[1:] if k >= 0]
        if not 1 <= len(given) <= 2 or operator.inputs[1] < 0:
            raise self._refused(operator.label, "should take an input, weights and a bias")
        bias = given[1] if len(given) == 2 else None
        tensors = LayerTensors(self.tensor, given[0], bias, result)
        check_kind(self.file.path, operator, tensors)
        layer = read_layer(self.file.path, self.rounding, operator, tensors, self._takes())
        self.layers.append(layer)
        self.tensor = result

    def _reshape(self, operator: Operator, result: Tensor) -> None:
        if result.size != self.tensor.size or result.type != self.tensor.type:
            raise self._refused(
                operator.label,
                f"turns {self.tensor.shape} {self.tensor.type} into {result.shape} {result.type}",
            )
        if result.type in LEVELS and not self.softmax:
            before, after = (self._scale(t, t.type) for t in (self.tensor, result))
            if before != after:
                raise self._refused(operator.label, "changes the scale or zero point")
        self.tensor = result

    def _quantize(self, operator: Operator, result: Tensor) -> None:
        kinds = (self.tensor.type, result.type)
        if kinds == ("FLOAT32", "INT8") and self.input is None:
            scale, zero = self._scale(result)
            try:
                thresholds = input_thresholds(self.rounding, scale, zero)
            except RangeError as error:
                raise self._refused(result.label, str(error)) from None
            self.input = self._format(result, "INT8", thresholds)
        elif kinds == ("UINT8", "INT8") and self.input is None:
            self._check_flip(operator, self.tensor, result)
            self.input = self._format(self.tensor, "UINT8")
        elif kinds == ("INT8", "UINT8") and self.layers:
            if not self.softmax:
                self._check_flip(operator, result, self.tensor)
                self._flip_last(result)
        else:
            raise self._refused(
                operator.label,
                f"from {kinds[0]} to {kinds[1]} at this place cannot be read",
                "use QUANTIZE at the ends alone",
            )
        self.tensor = result

    def _check_flip(self, operator: Operator, unsigned: Tensor, signed: Tensor) -> None:
        """Raise FileError unless both hold the same values, 128 apart."""
        scale, zero = self._scale(unsigned, "UINT8")
        if self._scale(signed) != (scale, zero - _FLIP):
            raise self._refused(
                operator.label,
                "changes the scale or zero point by more than from int8 to uint8",
            )

    def _flip_last(self, result: Tensor) -> None:
        """Let the last layer give uint8."""
        last = self.layers[-1]
        step = last.step
        assert isinstance(step, Requantisation)
        scale, zero = self._scale(result, "UINT8")
        lo, hi = step.lo + _FLIP, step.hi + _FLIP
        self.layers[-1] = replace(
            last,
            tensor=result.name,
            step=replace(step, zero=zero, lo=lo, hi=hi),
            lo=lo,
            hi=hi,
            meaning=Meaning.of(scale, zero),
        )

    def _dequantize(self, operator: Operator, result: Tensor) -> None:
        if not self.layers or result.type != "FLOAT32" or self.tensor.type not in LEVELS:
            raise self._refused(
                operator.label, "can be read at the end alone", "use DEQUANTIZE at the end alone"
            )
        self.notes.append(
            f"{operator.label} was left out: the outputs are integers with a scale and zero point."
        )
        self.tensor = result

    def _softmax(self, operator: Operator, result: Tensor) -> None:
        if not self.layers or self.softmax:
            raise self._refused(
                operator.label, "can be read at the end alone", "use SOFTMAX at the end alone"
            )
        self.notes.append(
            f"{operator.label} was left out: it keeps the order of the outputs, though its "
            "rounding can make different outputs equal."
        )
        self.softmax = True
        self.tensor = result


def read_tflite(path: str | os.PathLike[str], *, rounding: Rounding = DEFAULT_ROUNDING) -> Source:
    """The int8 network of a TFLite file, in the arithmetic of ``rounding``.

    Raises FileError naming the file, the operator or tensor, and the reason, if the file is damaged
    or holds anything but the chains that this module reads; RangeError for an unknown rounding.
    """
    if rounding not in ROUNDINGS:
        raise RangeError(f"rounding {rounding!r}: unknown; choose one of {', '.join(ROUNDINGS)}")
    chain = _Chain(read_tflite_file(path), rounding)
    try:
        return chain.source()
    except OperandError as error:
        raise FileError(path, str(error)) from None
