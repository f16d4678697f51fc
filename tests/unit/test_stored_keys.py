"""Every array of a network's file: what is stored is loaded, and nothing else makes up for it.

Each array of each kind of file is changed at its ends and in its middle, and left out: the load has
to differ, or to be refused. So an array that is ignored, taken from another place, or replaced by a
default is noticed, and so is one that is written and never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from ohmbench.data.classifier import Own
from ohmbench.digital import configuration as int8
from ohmbench.digital.golden import infer
from ohmbench.digital.specs import INT8_SPECS
from ohmbench.digital.store import Images, load_int8, save_int8
from ohmbench.errors import FileError
from ohmbench.files import write_npz
from ohmbench.floatgate import SPECS, configuration, load_network, save_network
from ohmbench.kirchhoff import configuration as kirchhoff
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.store import load_kirchhoff, save_kirchhoff
from ohmbench.kirchhoff.training import with_data
from tests.unit.circuits import config
from tests.unit.int8_networks import random_scaled
from tests.unit.networks import random_network
from tests.unit.test_network_keys import FLOATGATE, INT8, KIRCHHOFF, table, write

HISTORY = np.array([[2.0, 0.75, 0.1], [5.0, 0.5, 0.05], [6.0, 0.25, 0.01]])
RECIPE = json.dumps({"steps": 6, "note": "made for a test"})


class Kind(NamedTuple):
    """A kind of file: writes one to a path, and loads it.

    ``ignored`` arrays say nothing; ``implied`` ones follow from the rest where they are left out.
    """

    save: Callable[[Path, Path], None]
    load: Callable[[Path], Any]
    ignored: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()


def _floatgate(out: Path, folder: Path) -> None:
    network = random_network(SPECS["floatgate-circles"], seed=4, dtype=torch.float64)
    save_network(out, network, seed=7, recipe=RECIPE, history=HISTORY)


def _floatgate_with_images(out: Path, folder: Path) -> None:
    _floatgate(out, folder)
    arrays = contents(out)
    arrays["test_data"] = np.linspace(1.8, 2.5, 10).reshape(5, 2)
    arrays["labels"] = np.array([0, 1, 1, 0, 1])
    arrays["param_names"] = np.array(["mlp.0", "mlp.1"])
    write_npz(out, arrays, overwrite=True)


def _own_floatgate(out: Path, folder: Path) -> None:
    value = FLOATGATE | {"layers": [{"neurons": 5}, {"neurons": 2, "activation": "relu"}, {}]}
    own = Own(*configuration.with_data(
        configuration.config_of(value, "x"), 7, folder=folder))  # fmt: skip
    network = random_network(own.config.spec, seed=4)
    save_network(out, network, seed=7, recipe=RECIPE, history=HISTORY, own=own)


def _int8(out: Path, folder: Path) -> None:
    network, x = random_scaled(3, INT8_SPECS["int8-digits"].sizes, images=6)
    answers = infer(network, x).classes
    images = Images(x, (answers + 1) % 10, "made")
    save_int8(out, network, spec=INT8_SPECS["int8-digits"], seed=7, recipe=RECIPE,
              history=HISTORY, images=images, predictions=answers)  # fmt: skip


def _bare_int8(out: Path, folder: Path) -> None:
    network, _ = random_scaled(3, (5, 4, 3))
    other = type(network)(network.weight, network.bias, network.M // 2, 23)
    save_int8(out, other, seed=7, recipe=RECIPE, history=HISTORY)


def _own_int8(out: Path, folder: Path) -> None:
    own = Own(*int8.with_data(int8.config_of(INT8, "x"), 7, folder=folder))
    network, _ = random_scaled(3, (4, 5, 3))
    save_int8(out, network, spec=own.config.spec, seed=7, recipe=RECIPE, history=HISTORY, own=own)


def _kirchhoff(out: Path, folder: Path) -> None:
    model = build(config("twomoon"), torch.Generator().manual_seed(2))
    save_kirchhoff(out, model, seed=7, recipe=RECIPE, history=HISTORY)


def _own_kirchhoff(out: Path, folder: Path) -> None:
    value = KIRCHHOFF | {"network": KIRCHHOFF["network"] | {
        "encoder": "mlp_4_5", "projector": "mlp_6_3"}}  # fmt: skip
    bound, data = with_data(kirchhoff.config_of(value, "x"), 7, folder=folder)
    model = build(bound, torch.Generator().manual_seed(2))
    save_kirchhoff(out, model, seed=7, recipe=RECIPE, history=HISTORY, data=data)


def _regression(out: Path, folder: Path) -> None:
    network = KIRCHHOFF["network"] | {"projector": "last1"}
    data = {"file": "one.csv", "target": "d", "features": ["a", "b", "c"], "scale": "standard"}
    value = KIRCHHOFF | {"test_bench": "regression", "data": data, "network": network}
    bound, found = with_data(kirchhoff.config_of(value, "x"), 7, folder=folder)
    model = build(bound, torch.Generator().manual_seed(2))
    save_kirchhoff(out, model, seed=7, recipe=RECIPE, history=HISTORY, data=found)


KINDS = {
    # One published network alone has these sizes.
    "floatgate": Kind(_floatgate, load_network, implied=("network",)),
    "floatgate-images": Kind(
        _floatgate_with_images, load_network, ignored=("param_names",), implied=("network",)
    ),
    "floatgate-own": Kind(_own_floatgate, load_network),
    "int8": Kind(_int8, load_int8),
    "int8-bare": Kind(_bare_int8, load_int8),
    "int8-own": Kind(_own_int8, load_int8),
    "kirchhoff": Kind(_kirchhoff, load_kirchhoff),
    "kirchhoff-own": Kind(_own_kirchhoff, load_kirchhoff),
    "regression-own": Kind(_regression, load_kirchhoff),
}
every_kind = pytest.mark.parametrize("name", KINDS)


def contents(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    here = tmp_path_factory.mktemp("stored")
    write(here / "one.csv", table(0))
    for name, kind in KINDS.items():
        kind.save(here / f"{name}.npz", here)
    return {name: here / f"{name}.npz" for name in KINDS}


def seen(found: Any) -> Any:
    """All that a loaded network holds, as values that can be compared."""
    if isinstance(found, torch.nn.Module):
        return {name: seen(x) for name, x in found.state_dict().items()}, seen(
            getattr(found, "spec", None)
        )
    if isinstance(found, torch.Tensor):
        found = found.detach().numpy()
    if isinstance(found, np.ndarray):
        return str(found.dtype), found.shape, found.tobytes()
    if isinstance(found, BaseModel):
        return found.model_dump(mode="json")
    if is_dataclass(found):
        return {f.name: seen(getattr(found, f.name)) for f in fields(found)}
    if isinstance(found, tuple):
        return tuple(map(seen, found))
    if found is None or isinstance(found, str | int | float):
        return found
    values = {name: value for name, value in vars(found).items() if not callable(value)}
    return type(found).__name__, {name: seen(value) for name, value in values.items()}


def loaded(kind: Kind, path: Path) -> Any:
    found = seen(kind.load(path))
    found.pop("path", None)
    return found


def variants(array: np.ndarray) -> Iterator[np.ndarray]:
    """``array`` with another value at its beginning, at its end and, of numbers, in its middle."""
    middle = 0 if array.dtype.kind == "U" else array.size // 2
    for place in sorted({0, middle, array.size - 1}):
        other = array.copy()
        flat = other.reshape(-1)
        old = flat[place]
        if array.dtype.kind == "U":
            texts = [str(x) for x in array.reshape(-1)]
            texts[place] = f"{texts[place]}x"
            other = np.array(texts).reshape(array.shape)
        elif array.dtype.kind == "f":
            flat[place] = old * 1.25 if old else 0.25
        else:
            flat[place] = old - 1 if old > 0 else old + 1
        yield other


@every_kind
def test_every_array_of_a_file_decides_what_is_loaded(
    saved: dict[str, Path], tmp_path: Path, name: str
) -> None:
    kind, path = KINDS[name], tmp_path / "net.npz"
    arrays = contents(saved[name])
    before = loaded(kind, saved[name])
    write_npz(path, arrays)
    assert loaded(kind, path) == before
    for key, array in arrays.items():
        others: list[np.ndarray | None] = [*variants(array), None]
        for other in others:
            changed = {k: a for k, a in arrays.items() if k != key}
            if other is not None:
                changed[key] = other
            write_npz(path, changed, overwrite=True)
            try:
                found = loaded(kind, path)
            except FileError:
                continue
            what, without = ("changed", ()) if other is not None else ("left out", kind.implied)
            same = key in (*kind.ignored, *without)
            assert (found == before) is same, f"{key} {what}: nobody noticed"


@every_kind
def test_an_array_that_nobody_asked_for_is_refused(
    saved: dict[str, Path], tmp_path: Path, name: str
) -> None:
    write_npz(tmp_path / "net.npz", contents(saved[name]) | {"extra": np.zeros(2)})
    with pytest.raises(FileError, match="extra"):
        KINDS[name].load(tmp_path / "net.npz")


@every_kind
def test_a_shape_that_is_turned_over_is_refused(
    saved: dict[str, Path], tmp_path: Path, name: str
) -> None:
    arrays = contents(saved[name])
    for key, array in arrays.items():
        if array.ndim == 2 and array.shape[0] != array.shape[1]:
            write_npz(tmp_path / "net.npz", arrays | {key: array.T.copy()}, overwrite=True)
            with pytest.raises(FileError):
                KINDS[name].load(tmp_path / "net.npz")


# ------------------------------------------------------------------------------------------------
# What is where


@pytest.mark.parametrize("name", ["floatgate", "floatgate-own"])
def test_currents_are_stored_to_the_bit_layer_by_layer(saved: dict[str, Path], name: str) -> None:
    """In the type that they have: a network in double precision is not rounded."""
    arrays, found = contents(saved[name]), load_network(saved[name])
    own = name == "floatgate-own"
    network = random_network(found.network.spec, seed=4,
                             dtype=torch.float32 if own else torch.float64)  # fmt: skip
    assert len(network.fg_layers) == (3 if own else 2)
    for k, layer in enumerate(network.fg_layers):
        for kind, stored, x in (("weights", "weight", layer.weight), ("bias", "bias", layer.bias)):
            array, loaded_x = arrays[f"mlp_{k}_{kind}"], getattr(found.network.fg_layers[k], stored)
            assert array.dtype == (np.float32 if own else np.float64)
            assert np.array_equal(array, x.detach().numpy())
            assert torch.equal(loaded_x, x)
    assert found.v.dtype == network.fg_layers[0].weight.dtype
    assert (found.seed, found.recipe) == (7, RECIPE)
    assert np.array_equal(found.history, HISTORY)


@pytest.mark.parametrize("name", ["int8", "int8-bare", "int8-own"])
def test_integers_are_where_the_papers_layout_has_them(saved: dict[str, Path], name: str) -> None:
    arrays, found = contents(saved[name]), load_int8(saved[name])
    for k in range(2):
        assert np.array_equal(arrays[f"mlp_{k}.weight_q"], found.network.weight[k])
        assert np.array_equal(arrays[f"mlp_{k}.bias_q"], found.network.bias[k])
    scales = found.network.scales
    assert (scales is None) is (name == "int8-bare")
    if scales is not None:
        for k, layer in enumerate(scales):
            for what in ("weight_scale", "bias_scale", "in_scale"):
                assert float(arrays[f"mlp_{k}.{what}"][0]) == getattr(layer, what)
        assert float(arrays["mlp_0.out_scale"][0]) == scales[0].out_scale == scales[1].in_scale
        ratio = scales[0].in_scale * scales[0].weight_scale / float(arrays["mlp_0.out_scale"][0])
        assert (round(2**24 * ratio), 24) == (found.network.M, found.network.S)
    else:
        assert (int(arrays["M"]), int(arrays["S"])) == (found.network.M, found.network.S)
        assert found.network.S == 23
    assert (found.seed, found.recipe) == (7, RECIPE)
    assert np.array_equal(found.history, HISTORY)


@pytest.mark.parametrize("name", ["kirchhoff", "kirchhoff-own"])
def test_parameters_are_stored_slice_by_slice(saved: dict[str, Path], name: str) -> None:
    arrays, found = contents(saved[name]), load_kirchhoff(saved[name])
    assert len(found.model.slices) == 2
    for k, circuit in enumerate(found.model.slices):
        array = arrays[f"circuit.layer_list.{k}.model.param"]
        assert np.array_equal(array, circuit.param.detach().numpy())
    assert (found.seed, found.recipe) == (7, RECIPE)
    assert np.array_equal(found.history, HISTORY)


# ------------------------------------------------------------------------------------------------
# What no network has

OWN_KINDS = [name for name in KINDS if name.endswith("-own")]


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("field", ["data_scaling", "data_target_scaling"])
@pytest.mark.parametrize("name", OWN_KINDS)
def test_a_span_has_to_be_positive(
    saved: dict[str, Path], tmp_path: Path, name: str, field: str, place: int
) -> None:
    """Of features and of targets, in the first column and in the last; a shift may be anything."""
    arrays = contents(saved[name])
    for row, value, fits in ((1, 0.0, False), (1, -2.0, False), (0, 0.0, True), (0, -2.0, True)):
        other = arrays[field].copy()
        other[row, place] = value
        write_npz(tmp_path / "net.npz", arrays | {field: other}, overwrite=True)
        if fits:
            KINDS[name].load(tmp_path / "net.npz")
        else:
            with pytest.raises(FileError, match=field):
                KINDS[name].load(tmp_path / "net.npz")


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("name", ["floatgate-own", "int8-own", "kirchhoff-own"])
def test_a_label_has_to_be_a_class(
    saved: dict[str, Path], tmp_path: Path, name: str, label: int, place: int
) -> None:
    arrays = contents(saved[name])
    other = arrays["test_y"].copy()
    other[place] = label
    write_npz(tmp_path / "net.npz", arrays | {"test_y": other})
    with pytest.raises(FileError, match="test_y"):
        KINDS[name].load(tmp_path / "net.npz")


@every_kind
def test_no_number_of_a_file_may_be_none(saved: dict[str, Path], tmp_path: Path, name: str) -> None:
    """NaN or an infinity, at the end of any array of floating numbers; a seed below 0."""
    arrays = contents(saved[name])
    floats = [key for key, array in arrays.items() if array.dtype.kind == "f"]
    assert "history" in floats
    for key in floats:
        for value in (np.nan, -np.inf):
            other = arrays[key].copy()
            other.reshape(-1)[-1] = value
            write_npz(tmp_path / "net.npz", arrays | {key: other}, overwrite=True)
            with pytest.raises(FileError, match=key.split(".")[-1]):
                KINDS[name].load(tmp_path / "net.npz")
    write_npz(tmp_path / "net.npz", arrays | {"seed": np.array(-1)}, overwrite=True)
    with pytest.raises(FileError, match="seed"):
        KINDS[name].load(tmp_path / "net.npz")
