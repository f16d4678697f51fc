"""Float MLPs from PyTorch state dicts of Linear and BatchNorm1d layers, without running anything.

A state dict has the tensors' names and no order of computation, and no trace of activations. So:

- The prefixes ``module.`` (DataParallel) and ``_orig_mod.`` (torch.compile) are stripped.
- The order is that of the numbers in the names (``fc1``, ``fc2``; ``net.0``, ``net.2``), or that of
  the file, in which PyTorch lists modules as they were defined. Where these differ, the sizes have
  to decide.
- A ReLU is assumed between each two Linear layers, and none after the last.
- Batch normalisation is folded where its name tells its place: directly behind a Linear layer of
  the same Sequential (``net.3`` and ``net.4``) it comes before the ReLU, directly before one it
  comes after the ReLU.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.quantizing.float_models import Block, FloatMLP, Linear, Relu, Scaling, fold
from ohmbench.errors import FileError, OperandError, ShapeError
from ohmbench.files import read_pth

_Tensors: TypeAlias = dict[str, NDArray[np.generic]]

PREFIXES = ("module.", "_orig_mod.")
EPSILON = 1e-5
"""PyTorch's default ``eps`` of BatchNorm1d, which state dicts do not hold."""

_NUMBER = re.compile(r"\d+")
_PLACE = re.compile(r"(.*?)(\d+)")
_LINEAR = {"weight", "bias"}
_NORM = {*_LINEAR, "running_mean", "running_var", "num_batches_tracked"}
_EXPORT = "export the model to ONNX, which has its order, and quantize that"


def _stripped(key: str) -> str:
    """``key`` without the prefixes of wrappers, however often they occur."""
    while key.startswith(PREFIXES):
        key = key.split(".", 1)[1]
    return key


def _modules(path: str, tensors: Mapping[str, NDArray[np.generic]]) -> dict[str, _Tensors]:
    """Tensors by their module's name, in the order of the file. Raises FileError."""
    found: dict[str, _Tensors] = {}
    for key, tensor in tensors.items():
        name, _, leaf = _stripped(key).rpartition(".")
        if leaf in found.setdefault(name, {}):
            raise FileError(path, f"is there twice, as {_stripped(key)}", field=key)
        found[name][leaf] = tensor
    return found


def _block(path: str, name: str, tensors: _Tensors) -> Linear | Scaling:
    """The layer of module ``name``. Raises FileError for one that is neither of the two kinds."""
    field, leaves = name or "weight", set(tensors)
    norm = "running_mean" in leaves
    weight = tensors.get("weight")
    if not leaves <= (_NORM if norm else _LINEAR) or (not norm and weight is None):
        unknown = sorted(leaves - (_NORM if norm else _LINEAR)) or sorted(leaves)
        raise FileError(
            path,
            f"{unknown[0]!r} is not a tensor of a Linear or BatchNorm1d layer",
            field=field,
            remedy="only MLPs of these layers are read",
        )
    reals = {leaf: t.astype(np.float64) for leaf, t in tensors.items() if t.dtype.kind == "f"}
    if norm:
        return _normalisation(path, field, reals)
    assert weight is not None
    if weight.ndim != 2 or weight.dtype.kind != "f":
        kinds = {1: "a normalisation over features", 3: "a convolution", 4: "a convolution",
                 5: "a convolution"}  # fmt: skip
        what = kinds.get(weight.ndim, "another kind of layer")
        raise FileError(
            path,
            f"its weight is {weight.dtype} of shape {weight.shape}, as of {what}, but a Linear "
            "layer has a matrix of floats",
            field=field,
            remedy="only MLPs of Linear and BatchNorm1d layers are read",
        )
    return Linear(field, reals["weight"], reals.get("bias", np.zeros(len(weight))))


def _normalisation(path: str, name: str, tensors: Mapping[str, NDArray[np.float64]]) -> Scaling:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` as one factor and one shift per feature."""
    mean, var = tensors.get("running_mean"), tensors.get("running_var")
    if mean is None or var is None:
        raise FileError(path, "has running_mean but no running_var", field=name)
    shapes = {tensor.shape for leaf, tensor in tensors.items() if leaf != "num_batches_tracked"}
    if len(shapes) != 1 or mean.ndim != 1:
        raise FileError(path, "its tensors differ in shape", field=name)
    if var.min() < 0:
        raise FileError(path, f"running_var is as low as {var.min():g}", field=name,
                        remedy="a variance is never negative")  # fmt: skip
    factor = tensors.get("weight", np.ones_like(mean)) / np.sqrt(var + EPSILON)
    return Scaling(name, factor, tensors.get("bias", np.zeros_like(mean)) - mean * factor)


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(name))


def _place(name: str) -> tuple[str, int] | None:
    """The container of a module and its index in it, for names that end in a number."""
    match = _PLACE.fullmatch(name)
    return None if match is None else (match[1], int(match[2]))


def _adjacent(first: str, second: str) -> bool:
    """Whether ``second`` is the next element of the Sequential that holds ``first``."""
    one, other = _place(first), _place(second)
    return (
        one is not None
        and other is not None
        and one[0] == other[0]
        and (one[0] == "" or one[0].endswith("."))
        and other[1] == one[1] + 1
    )


def _with_relus(path: str, layers: Sequence[Linear | Scaling]) -> list[Block]:
    """``layers`` with the ReLUs between them. Raises FileError for a normalisation that may be
    before or after one.
    """
    blocks: list[Block] = []
    waiting: list[Scaling] = []  # normalisations since the last Linear layer
    for k, layer in enumerate(layers):
        if isinstance(layer, Scaling):
            waiting.append(layer)
            if k + 1 < len(layers):
                continue
        before = next((b for b in reversed(blocks) if isinstance(b, Linear)), None)
        if before is None:
            blocks += waiting
        else:
            follows = len(waiting) == 1 and _adjacent(before.name, waiting[0].name)
            precedes = len(waiting) == 1 and _adjacent(waiting[0].name, layer.name)
            if waiting and follows == precedes:
                raise FileError(
                    path,
                    f"a normalisation whose place is not clear: before or after the activation "
                    f"of {before.name}",
                    field=waiting[0].name,
                    remedy=_EXPORT,
                )
            if follows:
                blocks += waiting
            if isinstance(layer, Linear):
                blocks.append(Relu(f"the Relu after {before.name}"))
            if not follows:
                blocks += waiting
        waiting = []
        if isinstance(layer, Linear):
            blocks.append(layer)
    return blocks


def _chains(layers: Sequence[Linear | Scaling]) -> bool:
    """Whether the sizes fit together in this order."""
    width: int | None = None
    for layer in layers:
        if isinstance(layer, Linear):
            if width is not None and layer.weight.shape[1] != width:
                return False
            width = layer.weight.shape[0]
        elif width is not None and len(layer.factor) != width:
            return False
    return True


def _ordered(path: str, layers: Sequence[Linear | Scaling]) -> list[Linear | Scaling]:
    """``layers``, given in the order of the file, in the order of computation."""
    by_file = list(layers)
    if not all(_numbers(layer.name) for layer in layers):
        return by_file
    by_number = sorted(layers, key=lambda layer: _numbers(layer.name))
    if [x.name for x in by_number] == [x.name for x in by_file] or not _chains(by_file):
        return by_number
    if not _chains(by_number):
        return by_file
    raise FileError(
        path,
        f"the order of its layers is not clear: {', '.join(x.name for x in by_number)} by their "
        f"numbers, {', '.join(x.name for x in by_file)} in the file, and the sizes fit both",
        remedy=_EXPORT,
    )


def read_state_dict(path: str | os.PathLike[str]) -> FloatMLP:
    """The float MLP of a state dict that ``torch.save`` wrote (.pth, .pt), as the module says.

    Raises FileError as ``read_pth`` does, and naming the layer: for other kinds of layers, sizes
    that do not fit together, and an order or a place of a normalisation that names do not tell.
    """
    name = os.fspath(path)
    modules = _modules(name, read_pth(path))
    layers = _ordered(name, [_block(name, key, tensors) for key, tensors in modules.items()])
    linear = [layer.name for layer in layers if isinstance(layer, Linear)]
    notes = []
    if len(linear) > 1:
        notes.append(
            f"state dicts have no order and no activations: assumed {', '.join(linear)}, with a "
            "ReLU between each two"
        )
    if len(linear) < len(layers):
        notes.append(f"batch normalisation folded into the weights, with eps = {EPSILON:g}")
    if not linear:
        raise FileError(name, "holds no Linear layer", remedy="save the state dict of an MLP")
    try:
        return fold(_with_relus(name, layers), notes)
    except ShapeError as error:
        raise FileError(name, str(error), remedy=_EXPORT) from None
    except OperandError as error:
        raise FileError(name, str(error)) from None
