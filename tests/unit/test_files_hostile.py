"""Strangers' files: every hostile one is refused in one line, at no cost, and nothing is run.

`hostile.py` builds the inputs; the judges below are plain functions, so that the tests at the end
can hand each of them a reader with a planted fault and see it go red.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from ohmbench.data.own import DataReference, Dataset, Scaling, load_data
from ohmbench.digital import StoredInt8, configuration, infer, load_int8
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.errors import FileError, one_line
from ohmbench.families import find_training
from ohmbench.family import Family, Training
from ohmbench.fields import StrictModel, checked
from ohmbench.files import (
    csv_table,
    read_idx,
    read_json,
    read_npz,
    read_pth,
    read_yaml,
    sha256_file,
)
from ohmbench.floatgate import Activation, StoredNetwork, load_card, load_network
from ohmbench.floatgate import configuration as floatgate
from ohmbench.floatgate.card import CELL_FORMS, Card, card_of
from ohmbench.floatgate.circuits import Circuits
from ohmbench.kirchhoff.configuration import Config, config_text, parse_config, read_config
from ohmbench.kirchhoff.store import StoredKirchhoff, load_kirchhoff
from ohmbench.kirchhoff.topologies import topology
from tests.unit import hostile, hostile_kirchhoff, hostile_own, hostile_tflite
from tests.unit.hostile import SCHEMA, Kind

Reader = Callable[[Path], Any]


def _table(path: Path) -> Dataset:
    # Names that no YAML file can spell are the loader's to refuse.
    reference = DataReference.model_construct(file=os.fspath(path), target="kind")
    return load_data(reference, "classification", 0)


def _own_npz(path: Path) -> Dataset:
    return load_data(DataReference.model_construct(file=os.fspath(path)), "classification", 0)


def _yaml_of(module: Any) -> Reader:
    return lambda path: module.config_of(read_yaml(path), os.fspath(path))


def _trained(path: Path) -> tuple[Family[Any], Training]:
    return find_training(os.fspath(path), 0)


READERS: dict[str, Reader] = {
    "npz": lambda path: read_npz(path, SCHEMA),
    "json": read_json,
    "idx": lambda path: read_idx(path, ndim=3),
    "int8": load_int8,
    "pth": read_pth,
    "yaml": read_yaml,
    "config": read_config,
    "card": lambda path: load_card(os.fspath(path)),
    "floatgate-yaml": _yaml_of(floatgate),
    "int8-yaml": _yaml_of(configuration),
    "floatgate-training": _trained,
    "int8-training": _trained,
    "csv": _table,
    "own-npz": _own_npz,
    "own-floatgate": load_network,
    "own-int8": load_int8,
    "own-kirchhoff": load_kirchhoff,
    "tflite": read_tflite,
}
KINDS = {
    "npz": hostile.npz_kinds(),
    "json": hostile.json_kinds(),
    "idx": hostile.idx_kinds(),
    "int8": hostile.int8_kinds(),
    "pth": hostile_kirchhoff.pth_kinds(),
    "yaml": hostile_kirchhoff.yaml_kinds(),
    "config": hostile_kirchhoff.config_kinds(),
    "tflite": hostile_tflite.tflite_kinds(),
    **{loader: hostile_own.kinds(loader) for loader in hostile_own.LOADERS},
}
BUILDERS = {
    loader: hostile_kirchhoff if loader in ("pth", "yaml", "config") else hostile
    for loader in READERS
} | dict.fromkeys(hostile_own.LOADERS, hostile_own)
BUILDERS["tflite"] = hostile_tflite
CASES = [(loader, kind) for loader, kinds in KINDS.items() for kind in kinds]
ROOT = Path(__file__).parents[2]
HANG_S = 20.0  # only ends a test that hangs
CPU_S = 1.0
MEMORY_MiB = 256.0


# ------------------------------------------------------------------------------------------------
# Judges


class TooSlow(BaseException):
    """Not an Exception: a reader that turns all of them into refusals must not hide it."""


@contextmanager
def no_hang(seconds: float = HANG_S) -> Iterator[None]:
    def stop(signum: int, frame: object) -> None:
        raise TooSlow(f"still running after {seconds} s")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def fingerprint(path: Path) -> object:
    """Content for a regular file, identity for anything else; never opens a pipe or a device."""
    if not path.is_file() or path.stat().st_size > 1 << 26:
        return os.lstat(path)[:7] if os.path.lexists(path) else None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def judge_message(
    error: FileError, path: Path, field: str | None, others: Iterable[str | Path] = ()
) -> None:
    """``others`` are files that the one at ``path`` names, and that may be at fault themselves."""
    text = str(error)
    assert text.isprintable(), f"not one printable line: {text!r}"
    named = (f"{one_line(os.fspath(file))}: " for file in (path, *others))
    assert text.startswith(tuple(named)), f"does not begin with the file: {text!r}"
    assert len(text) < 1500, f"a message of {len(text)} characters"
    assert error.reason, f"gives no reason: {text!r}"
    if field is not None:
        assert error.field == field, (
            f"names field {error.field!r}, but should name {field!r}: {text}"
        )
        assert f": {field}: " in text, f"does not show the field {field!r}: {text!r}"


def judge_refusal(
    read: Reader, path: Path, field: str | None = None, named: str | None = None
) -> FileError:
    """The whole contract for one hostile file; return the refusal.

    ``named`` is the file that must be named, as the hostile one names it, if it is another.
    """
    before, start = fingerprint(path), time.process_time()
    try:
        with no_hang():
            value = read(path)
    except FileError as error:
        refusal = error
    else:
        raise AssertionError(f"accepted, and returned {str(value)[:80]}")
    finally:
        spent = time.process_time() - start
        assert not hostile.canary(path).exists(), "code from the file was run"
    assert fingerprint(path) == before, "the file was changed"
    assert spent <= CPU_S, f"took {spent:.2f} s of processor time, but should take {CPU_S} at most"
    if named is None:
        judge_message(refusal, path, field)
    else:
        judge_message(refusal, path.parent / named, field, [named])
    return refusal


def judge_arrays(value: Mapping[str, np.ndarray]) -> None:
    """What `SCHEMA` promises, checked without the code under test."""
    assert set(value) - {"mask"} == {"W", "bias", "names", "steps"}
    hidden = value["W"].shape[0]
    shapes = {
        "W": (hidden, 3),
        "bias": (hidden,),
        "names": (hidden,),
        "steps": (),
        "mask": (hidden,),
    }
    types = {"W": "float64 float32", "bias": "float64", "steps": "int64", "mask": "bool"}
    for name, array in value.items():
        assert array.shape == shapes[name], f"{name}: shape {array.shape}"
        assert array.dtype.isnative, f"{name}: not native"
        found = array.dtype.name
        right_type = array.dtype.kind == "U" if name == "names" else found in types[name].split()
        assert right_type, f"{name}: type {array.dtype}"
    assert hidden >= 1
    assert np.isfinite(value["W"]).all(), "W: not finite"
    assert ((value["bias"] >= -1) & (value["bias"] <= 1)).all(), "bias: outside [-1, 1]"
    assert value["steps"] >= 0, "steps: negative"
    "".join(value["names"].tolist()).encode("utf-8")
    if "mask" in value:
        assert set(value["mask"].view(np.uint8).tolist()) <= {0, 1}, "mask: a bool of neither kind"
    for name, array in value.items():
        assert array.flags.c_contiguous, f"{name}: not C-contiguous"
        assert array.flags.owndata, f"{name}: borrows memory"


def judge_json(value: Any) -> None:
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")


def judge_image(value: np.ndarray) -> None:
    assert value.dtype == np.uint8
    assert value.ndim == 3
    assert value.size > 0
    assert value.flags.owndata


def judge_int8(value: StoredInt8) -> None:
    """What is accepted can be computed with, on the file's own images if it has any."""
    network = value.network
    inputs, hidden, classes = network.sizes
    assert [w.shape for w in network.weight] == [(hidden, inputs), (classes, hidden)]
    assert 0 <= network.M <= 65535
    assert 0 <= network.S <= 31
    images = np.zeros((1, inputs), np.uint8)
    if value.own_images is not None:
        images = value.own_images.x
        assert value.own_images.labels.shape == (len(images),)
        assert value.own_images.labels.max() < classes
    assert infer(network, images).classes.max() < classes
    if network.scales is not None:
        for layer in network.scales:
            assert all(v is None or 0 < v < float("inf") for v in vars(layer).values())


def judge_tensors(value: Mapping[str, np.ndarray]) -> None:
    assert value
    size = sum(array.nbytes for array in value.values())
    assert size <= 64 << 20, f"tensors of {size} bytes"
    for name, array in value.items():
        assert name.isascii(), f"name {name!r}"
        assert name.isprintable(), f"name {name!r}"
        assert array.dtype.isnative, f"{name}: not native"
        assert array.dtype.name in ("float32", "float64", "int64"), f"{name}: type {array.dtype}"
        assert np.isfinite(array).all(), f"{name}: not finite"
        assert array.flags.c_contiguous, f"{name}: not C-contiguous"
        assert array.flags.owndata, f"{name}: borrows memory"


def judge_plain(value: Any) -> None:
    """Dicts with text keys, lists and scalars, and nothing that looks like one of them."""
    if type(value) is dict:
        assert all(type(key) is str for key in value)
        for part in value.values():
            judge_plain(part)
    elif type(value) is list:
        for part in value:
            judge_plain(part)
    else:
        assert value is None or type(value) in (str, int, float, bool), f"a {type(value)}"
        str(value).encode("utf-8")


def judge_config(value: Config) -> None:
    """What is accepted can be written down, read again, and made into circuits."""
    assert parse_config(config_text(value), "again") == value
    t_end = value.simulation.t_end
    slices = value.network.net_struct
    assert t_end[0] == 0, "t_end starts late"
    assert all(a < b < float("inf") for a, b in pairwise(t_end)), "t_end"
    assert len(t_end) == len(slices) + 1 or value.network.is_baseline, "t_end: length"
    assert value.simulation.min_step <= value.simulation.first_step, "steps"
    assert 0 < value.train.lr < float("inf"), "lr"
    assert value.network.n_edges <= 50_000_000, "edges"
    if value.network.n_edges < 10_000:
        for part in slices:
            made = topology(part.name, part.args.model_dump())
            sizes = part.args.n_free, part.args.n_edges
            assert sizes == (made.n_free, made.n_edges), f"{part.name}: sizes"


def judge_same_again(value: StrictModel) -> None:
    """What is accepted can be written down and read again: as JSON, which is YAML and faster."""
    text = json.dumps(value.model_dump(mode="json", exclude_none=True), allow_nan=False)
    assert checked(type(value), json.loads(text), "again", CELL_FORMS) == value


def numbers_in(value: Any) -> Iterator[float]:
    """All numbers in plain values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from numbers_in(part)
    elif isinstance(value, (int, float)):
        yield value


def judge_card(value: Card) -> None:
    """What is accepted makes the circuits that it has, from numbers that are numbers."""
    judge_same_again(value)
    for number in numbers_in(value.model_dump()):
        assert abs(number) < float("inf"), f"{number} is not a number"
    assert value.programmable.w_min_A < value.programmable.w_max_A, "programmable"
    circuits = Circuits(value)
    there = [activation for activation in Activation if circuits.has(activation)]
    assert there, "no circuit"
    for activation in there:
        circuits.cell(activation)


def judge_own_config(value: floatgate.Config | configuration.Config) -> None:
    judge_same_again(value)
    names = value.data.features or ()
    assert len(set(names)) == len(names), "features"
    for number in numbers_in(value.model_dump()):
        assert abs(number) < float("inf"), f"{number} is not a number"


def judge_training(value: tuple[Family[Any], Training]) -> None:
    """What is accepted can begin: its files are there."""
    family, training = value
    assert family.key in ("floatgate", "int8"), f"family {family.key}"
    assert callable(training.task)
    assert Path(training.reads[0]).is_file(), "no file"


def judge_dataset(value: Dataset) -> None:
    """Numbers that are numbers, labels that are classes, and columns that belong together."""
    assert len(set(value.classes)) == len(value.classes) >= 2, "classes"
    for x, y in ((value.train_x, value.train_y), (value.test_x, value.test_y)):
        assert x.dtype == np.float64, f"type {x.dtype}"
        assert y.dtype == np.int64, f"type {y.dtype}"
        assert x.shape == (len(y), len(value.features)), f"shape {x.shape}"
        assert np.isfinite(x).all(), "not finite"
        assert ((y >= 0) & (y < len(value.classes))).all(), "a label of no class"
    assert len(value.test_x) >= 1, "nothing held out"
    assert set(value.train_y.tolist()) == set(range(len(value.classes))), "a class never trained"
    assert value.train_x.min() >= 0, "not scaled"
    assert value.train_x.max() <= 1, "not scaled"
    assert all(len(digest) == 64 for digest in value.sha256)


def judge_floatgate(value: StoredNetwork) -> None:
    """What is accepted can be computed with, on the file's own data."""
    inputs, *_, classes = value.network.spec.sizes
    assert value.v.shape == (len(value.labels), inputs), "shape"
    assert torch.isfinite(value.v).all(), "not finite"
    assert value.labels.min() >= 0, "a label of no class"
    assert value.labels.max() < classes, "a label of no class"
    assert value.own is not None
    judge_same_again(value.own.config)
    with torch.no_grad():
        assert value.network(value.v[:1]).shape == (1, classes)


def judge_kirchhoff(value: StoredKirchhoff) -> None:
    """What is accepted has parameters, and data that fit it."""
    judge_config(value.config)
    assert all(torch.isfinite(p).all() for p in value.model.parameters()), "not finite"
    data = value.source.own  # type: ignore[attr-defined]
    assert data.test_x.shape == (len(data.test_y), value.config.inputs), "shape"
    assert np.isfinite(data.test_x).all(), "not finite"
    assert data.test_y.max() < len(data.classes), "a label of no class"


def judge_source(value: Source) -> None:
    """What is accepted can be computed with: steps that stay in their range and never fall."""
    lo, hi = value.input.lo, value.input.hi
    inputs = value.layers[0].weight.shape[1]
    for layer in value.layers:
        assert layer.weight.shape[1] == inputs
        inputs = len(layer.weight)
        assert layer.lo is not None
        assert layer.hi is not None
        assert lo < hi
        reach = np.abs(layer.weight.astype(np.int64)).sum(axis=1) * max(abs(lo), abs(hi))
        acc = np.linspace(-reach, reach, 9).astype(np.int64)
        low, high = layer.step.bounds(acc)
        assert np.array_equal(low, high)
        assert low.min() >= layer.lo
        assert low.max() <= layer.hi
        assert (np.diff(low, axis=0) >= 0).all()
        lo, hi = layer.lo, layer.hi


JUDGES: dict[str, Callable[[Any], None]] = {
    "npz": judge_arrays,
    "json": judge_json,
    "idx": judge_image,
    "int8": judge_int8,
    "pth": judge_tensors,
    "yaml": judge_plain,
    "config": judge_config,
    "card": judge_card,
    "floatgate-yaml": judge_own_config,
    "int8-yaml": judge_own_config,
    "floatgate-training": judge_training,
    "int8-training": judge_training,
    "csv": judge_dataset,
    "own-npz": judge_dataset,
    "own-floatgate": judge_floatgate,
    "own-int8": judge_int8,
    "own-kirchhoff": judge_kirchhoff,
    "tflite": judge_source,
}


def files_named(path: Path) -> list[str]:
    """Every text in a YAML file, and the file that it would be."""
    texts: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, (dict, list)):
            for part in value.values() if isinstance(value, dict) else value:
                collect(part)
        elif isinstance(value, str):
            texts.append(value)

    collect(read_yaml(path) if path.stat().st_size else None)
    return [*texts, *(os.path.join(path.parent, text) for text in texts)]


def no_yaml(path: Path) -> list[str]:
    """As ``files_named``; none in a file that is no YAML."""
    try:
        return files_named(path)
    except FileError:
        return []


NAMES = dict.fromkeys(hostile_own.TRAININGS, no_yaml)
FILE_NAMES = {"own-npz": "f.npz"} | dict.fromkeys(hostile_own.TRAININGS, "f.yaml")
"""Of readers that go by the ending."""


def judge_outcome(
    read: Reader,
    judge: Callable[[Any], None],
    path: Path,
    names: Callable[[Path], Iterable[str]] | None = None,
) -> str:
    """For a file that may be good or bad: a proper refusal or a proper value, nothing else.

    ``names`` finds the other files that it names.
    """
    data = path.read_bytes()
    try:
        with no_hang():
            value = read(path)
    except FileError as error:
        judge_message(error, path, None, () if names is None else names(path))
        outcome = re.split(r"[0-9'(]", error.reason)[0]
    else:
        judge(value)
        outcome = "accepted"
    assert path.read_bytes() == data, "the file was changed"
    return outcome


# The child reports the growth of its own peak after each file; VmHWM, because ru_maxrss also
# counts the parent before exec.
_CHILD = """
import json, sys
from tests.unit.test_files_hostile import PLANTED, READERS

def peak_KiB():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

growth = {}
for name, reader, path in json.load(sys.stdin):
    before = peak_KiB()
    try:
        {**READERS, **PLANTED}[reader](path)
    except Exception:
        pass
    growth[name] = (peak_KiB() - before) / 1024
json.dump(growth, sys.stdout)
"""


def judge_memory(cases: list[tuple[str, str, Path]]) -> dict[str, float]:
    """Read all files in one fresh process; no prefix of them may raise its peak too far."""
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is measured through /proc, which this system lacks")
    result = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps([(name, reader, str(path)) for name, reader, path in cases]),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    growth: dict[str, float] = json.loads(result.stdout)
    assert len(growth) == len(cases)
    worst = max(growth, key=lambda name: growth[name])
    total = sum(growth.values())
    assert total <= MEMORY_MiB, (
        f"peak memory grew by {total:.0f} MiB, but should by {MEMORY_MiB:.0f} at most; "
        f"{growth[worst]:.0f} of it for {worst}"
    )
    return growth


# ------------------------------------------------------------------------------------------------
# Every kind


@pytest.mark.parametrize(("loader", "kind"), [pytest.param(*c, id=c[1].name) for c in CASES])
def test_hostile_file_is_refused(loader: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAMES.get(loader, f"stranger.{loader}")
    hostile_own.surroundings(loader, tmp_path)
    kind.build(path)
    judge_refusal(READERS[loader], path, kind.field, kind.named)


def test_hostile_files_cost_no_memory(tmp_path: Path) -> None:
    cases = []
    for number, (loader, kind) in enumerate(CASES):
        folder = tmp_path / str(number)
        folder.mkdir()
        hostile_own.surroundings(loader, folder)
        path = folder / FILE_NAMES.get(loader, "f")
        kind.build(path)
        cases.append((kind.name, loader, path))
    judge_memory(cases)


def test_there_are_enough_kinds_and_each_name_is_one_kind() -> None:
    names = [kind.name for _, kind in CASES]
    assert len(set(names)) == len(names)
    assert len(KINDS["npz"]) >= 60
    assert len(KINDS["json"]) >= 40
    assert len(KINDS["idx"]) >= 40
    assert len(KINDS["int8"]) >= 40
    assert len(KINDS["pth"]) >= 60
    assert len(KINDS["yaml"]) >= 60
    assert len(KINDS["config"]) >= 60
    assert len(KINDS["tflite"]) >= 100
    for loader in hostile_own.LOADERS:
        assert len(KINDS[loader]) >= (25 if loader in hostile_own.TRAININGS else 100), loader


@pytest.mark.parametrize("loader", list(READERS))
def test_templates_are_accepted(loader: str, tmp_path: Path) -> None:
    # Otherwise the hostile files could be refused for a reason that all of them share.
    path = tmp_path / FILE_NAMES.get(loader, "good")
    hostile_own.surroundings(loader, tmp_path)
    for data in BUILDERS[loader].templates(loader):
        path.write_bytes(data)
        if loader == "idx":
            plain = data if data[:2] == b"\0\0" else gzip.decompress(data)
            assert read_idx(path, ndim=3).tobytes() == plain[16:]
        assert judge_outcome(READERS[loader], JUDGES[loader], path) == "accepted"


@pytest.mark.parametrize("name", ["pipe", "folder", "missing", "endless-device"])
def test_hashing_refuses_what_is_no_file(name: str, tmp_path: Path) -> None:
    kind = next(kind for kind in hostile.not_files("npz") if kind.name == f"npz-{name}")
    kind.build(tmp_path / "f")
    judge_refusal(sha256_file, tmp_path / "f")


@pytest.mark.parametrize("name", ["", "a\0b", "half\udc00\ud800", "x" * 5000, "line\nbreak"])
@pytest.mark.parametrize("loader", [n for n in READERS if n not in hostile_own.TRAININGS])
def test_impossible_names_are_refused_in_one_line(loader: str, name: str) -> None:
    with pytest.raises(FileError) as caught:
        READERS[loader](name)  # type: ignore[arg-type]
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500


# ------------------------------------------------------------------------------------------------
# Fuzzing


def fuzz_outcomes(
    name: str,
    path: Path,
    files: Iterable[bytes],
    read: Reader,
    judge: Callable[[Any], None],
    names: Callable[[Path], Iterable[str]] | None = None,
) -> Counter[str]:
    """How often each outcome of ``judge_outcome`` came of reading ``files``, one after another.

    Raises AssertionError with the number and the bytes of the first that is not judged well.
    """
    outcomes: Counter[str] = Counter()
    # One file rewritten in place: opening with truncation makes some file systems flush each time.
    with path.open("wb", buffering=0) as file:
        for number, data in enumerate(files):
            os.pwrite(file.fileno(), data, 0)
            file.truncate(len(data))
            try:
                outcomes[judge_outcome(read, judge, path, names)] += 1
            except Exception as error:
                raise AssertionError(
                    f"file {number} of {name}: {error!r}; {data[:4000].hex()}"
                ) from error
    return outcomes


FILES = dict.fromkeys(READERS, 2_000) | {
    "card": 150,
    "floatgate-yaml": 300,
    "int8-yaml": 300,
    "floatgate-training": 200,
    "int8-training": 200,
    "csv": 600,
    "own-npz": 600,
    "own-floatgate": 100,
    "own-int8": 200,
    "own-kirchhoff": 200,
}
"""Fewer of those that take the parser of YAML ten milliseconds each."""
FUZZED = [
    pytest.param(20, count, loader, id=f"seed=20-{count}-{loader}")
    for loader, count in FILES.items()
] + [
    pytest.param(21, 100_000, loader, id=f"seed=21-100000-{loader}", marks=pytest.mark.slow)
    for loader in READERS
]


@pytest.mark.parametrize(("seed", "count", "loader"), FUZZED)
def test_damaged_files_are_refused_or_right(
    seed: int, count: int, loader: str, tmp_path: Path
) -> None:
    rng = random.Random(f"{loader}-{seed}")
    originals = BUILDERS[loader].templates(loader)
    path = tmp_path / FILE_NAMES.get(loader, "f")
    hostile_own.surroundings(loader, tmp_path)
    outcomes = fuzz_outcomes(
        f"{loader}-{seed}",
        path,
        (BUILDERS[loader].mutate(rng, loader, originals) for _ in range(count)),
        READERS[loader],
        JUDGES[loader],
        NAMES.get(loader),
    )
    print(f"{loader} seed={seed}: {outcomes.most_common(12)}")
    # Neither a reader that refuses everything nor mutations that never pass the front door.
    assert count * 0.01 < outcomes["accepted"] < count * 0.9
    assert len(outcomes) >= 5


# ------------------------------------------------------------------------------------------------
# The judges go red


def _unpickling(path: Path) -> Any:
    with np.load(path, allow_pickle=True) as file:
        return {name: file[name] for name in file.files}


def _evaluating(path: Path) -> Any:
    text = Path(path).read_bytes().decode("latin-1")
    call = text[text.index("__import__") :].split(", }")[0]
    return eval(call)  # noqa: S307 - the planted fault


def _inflate_first_npz(path: Path) -> Any:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    raise FileError(path, f"{len(arrays)} arrays, none of them right")


def _torch_load(path: Path) -> Any:
    """What a reader must not do, and what the fence of torch.load leaves unchecked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(io.BytesIO(Path(path).read_bytes()), weights_only=False)


def _fenced(path: Path) -> Any:
    return torch.load(io.BytesIO(Path(path).read_bytes()), weights_only=True)


def _constructing(path: Path) -> Any:
    """A YAML reader that obeys tags, if only this one."""
    call = re.fullmatch(r"a: !!python/object/apply:os\.mkdir \[(.*)\]\n", Path(path).read_text())
    assert call is not None
    os.mkdir(json.loads(call[1]))
    raise FileError(path, "tags are not accepted")


def _ruamel(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(Path(path))


def _trusting(path: Path) -> Any:
    """The configuration in a network's file as another library reads it."""
    with np.load(path) as file:
        return YAML(typ="safe", pure=True).load("\n".join(file["config"].tolist()))


def _loose_table(path: Path) -> Any:
    rows = list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines()))
    return [[float(row["a"]), float(row["b"])] for row in rows]


def _own_card(path: Path) -> Any:
    """A loader that finds a fault in the wrong one of two files."""
    raise FileError(path, "no such card")


def _inflate_first_npz_of_own(path: Path) -> Any:
    with np.load(path) as file:
        rows = len(file["x"])
    raise FileError(path, f"{rows} rows, too many")


def _whole_rows(path: Path) -> Any:
    cells = Path(path).read_text(encoding="utf-8").split(",")
    raise FileError(path, f"{len(cells)} cells, too many")


def _inflate_first_pth(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        contents = [archive.read(member) for member in archive.namelist()]
    raise FileError(path, f"{len(contents)} members, none of them right")


def _inflate_first_idx(path: Path) -> Any:
    data = gzip.decompress(Path(path).read_bytes())
    raise FileError(path, f"{len(data)} bytes, too many")


def _writing(path: Path) -> Any:
    with Path(path).open("ab") as file:
        file.write(b"seen")
    raise FileError(path, "bad", field="W")


def _refusing(*, of: str | None = None, field: str | None = None) -> Reader:
    def read(path: Path) -> Any:
        raise FileError(of or path, "bad", field=field)

    return read


def _unescaped(path: Path) -> Any:
    error = FileError(path, "bad", field="W")
    error.args = (f"{path}: W: bad\nTraceback",)
    raise error


def _busy(path: Path) -> Any:
    end = time.process_time() + CPU_S + 0.05
    while time.process_time() < end:
        pass
    raise FileError(path, "bad", field="W")


PLANTED: dict[str, Reader] = {
    "inflate-first-npz": _inflate_first_npz,
    "inflate-first-idx": _inflate_first_idx,
    "inflate-first-pth": _inflate_first_pth,
    "inflate-first-own": _inflate_first_npz_of_own,
    "whole-rows": _whole_rows,
}


def _build(name: str, path: Path) -> Path:
    next(kind for _, kind in CASES if kind.name == name).build(path)
    return path


@pytest.mark.parametrize(
    ("read", "kind", "complaint"),
    [
        pytest.param(
            _unpickling, "npz-object-pickle", "code from the file was run", id="unpickles"
        ),
        pytest.param(_evaluating, "npz-header-calls-mkdir", "code from the file", id="evaluates"),
        pytest.param(_unpickling, "npz-inf", "accepted", id="accepts-anything"),
        pytest.param(_writing, "npz-inf", "the file was changed", id="writes"),
        pytest.param(_refusing(field="bias"), "npz-inf", "names field 'bias'", id="wrong-field"),
        pytest.param(_refusing(), "npz-inf", "names field None", id="no-field"),
        pytest.param(_refusing(of="f"), "npz-inf", "does not begin", id="no-file"),
        pytest.param(_unescaped, "npz-inf", "not one printable line", id="two-lines"),
        pytest.param(_busy, "npz-inf", "of processor time", id="slow"),
        pytest.param(_torch_load, "pth-payload-value", "code from the file", id="pth-unpickles"),
        pytest.param(_torch_load, "pth-payload-legacy", "code from the file", id="pth-legacy"),
        pytest.param(_fenced, "pth-nan", "accepted", id="pth-accepts-nan"),
        pytest.param(_fenced, "pth-pkl-stride-0-of-64MiB", "accepted", id="pth-expands"),
        pytest.param(_constructing, "yaml-payload", "code from the file", id="yaml-constructs"),
        pytest.param(_ruamel, "yaml-billion-laughs", "accepted", id="yaml-accepts-aliases"),
        pytest.param(_ruamel, "config-t_end-falls", "accepted", id="config-accepts-anything"),
        pytest.param(_ruamel, "card-alias", "accepted", id="card-accepts-aliases"),
        pytest.param(_ruamel, "card-fitted-turned", "accepted", id="card-accepts-anything"),
        pytest.param(_ruamel, "floatgate-yaml-low-inf", "accepted", id="floatgate-accepts-inf"),
        pytest.param(_ruamel, "int8-yaml-hidden-zero", "accepted", id="int8-accepts-zero"),
        pytest.param(_loose_table, "csv-number-nan", "accepted", id="csv-accepts-nan"),
        pytest.param(_loose_table, "csv-number-underscore", "accepted", id="csv-accepts-1_000"),
        pytest.param(_unpickling, "own-npz-pickle-x", "code from the file", id="own-unpickles"),
        pytest.param(_unpickling, "own-npz-x_test-nan", "accepted", id="own-accepts-nan"),
        pytest.param(
            _trusting, "own-floatgate-config-key-escape", "accepted", id="own-accepts-escapes"
        ),
        pytest.param(_trusting, "own-int8-hidden-other", "accepted", id="own-int8-accepts-sizes"),
        pytest.param(_trusting, "own-kirchhoff-nodes-7000", "accepted", id="own-accepts-nodes"),
    ],
)
def test_planted_reader_faults_are_caught(
    read: Reader, kind: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_refusal(read, _build(kind, tmp_path / "f"), "W")


def test_a_hanging_reader_is_caught() -> None:
    with pytest.raises(TooSlow), no_hang(0.05):
        time.sleep(60)


def test_a_reader_that_lets_library_errors_through_is_caught(tmp_path: Path) -> None:
    path = _build("npz-crc", tmp_path / "f")
    with pytest.raises(Exception, match="CRC") as caught:
        judge_refusal(_unpickling, path)
    assert not isinstance(caught.value, FileError)


@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        pytest.param("inflate-first-npz", "npz-bomb-honest", id="npz"),
        pytest.param("inflate-first-idx", "idx-gz-bomb", id="idx"),
        pytest.param("inflate-first-pth", "pth-bomb", id="pth"),
        pytest.param("inflate-first-own", "own-npz-bomb", id="own-npz"),
        pytest.param("whole-rows", "csv-row-48MiB-of-commas", id="csv"),
    ],
)
def test_inflating_before_checking_is_caught(reader: str, kind: str, tmp_path: Path) -> None:
    path = _build(kind, tmp_path / "f")
    assert path.stat().st_size < 400_000 or reader == "whole-rows"
    with pytest.raises(AssertionError, match="peak memory grew by"):
        judge_memory([(kind, reader, path)])


def owned_arrays() -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in hostile.valid_arrays().items()}


@pytest.mark.parametrize(
    ("name", "wrong", "complaint"),
    [
        pytest.param("W", np.full((4, 3), np.nan), "not finite", id="nan"),
        pytest.param("W", np.zeros((4, 2)), "shape", id="shape"),
        pytest.param("W", np.zeros((4, 3), ">f8"), "not native", id="big-endian"),
        pytest.param("W", np.zeros((5, 3))[1:], "borrows memory", id="view"),
        pytest.param("W", np.zeros((4, 3), order="F"), "not C-contiguous", id="fortran"),
        pytest.param("W", np.zeros((4, 3), "i8"), "type", id="type"),
        pytest.param("bias", np.full(4, 1.5), "outside", id="range"),
        pytest.param("bias", np.zeros(5), "shape", id="symbol"),
        pytest.param("steps", np.array(-1), "negative", id="negative"),
        pytest.param("mask", np.full(4, 2, np.uint8).view(bool), "neither", id="bool"),
    ],
)
def test_planted_values_are_caught(name: str, wrong: np.ndarray, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_arrays({**owned_arrays(), name: wrong})
    judge_arrays(owned_arrays())


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        pytest.param(np.full(3, np.inf), "not finite", id="inf"),
        pytest.param(np.zeros(3, np.float16), "type", id="half"),
        pytest.param(np.zeros(3, ">f4"), "not native", id="big-endian"),
        pytest.param(np.zeros((3, 2))[:, 0], "not C-contiguous", id="strided"),
        pytest.param(np.zeros(3)[1:], "borrows memory", id="view"),
        pytest.param(np.zeros(9 << 20), "tensors of", id="large"),
    ],
)
def test_planted_tensors_are_caught(wrong: np.ndarray, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_tensors({"p": wrong})


def test_a_loader_that_names_the_wrong_file_is_caught(tmp_path: Path) -> None:
    path = _build("floatgate-training-card-nowhere", tmp_path / "f.yaml")
    with pytest.raises(AssertionError, match="does not begin"):
        judge_refusal(_own_card, path, None, "card.yaml")
    with pytest.raises(AssertionError, match="does not begin"):
        judge_refusal(_refusing(of="/etc/passwd"), path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"train_x": np.full((2, 1), np.nan)}, "not finite", id="nan"),
        pytest.param({"train_x": np.full((2, 1), 2.0)}, "not scaled", id="scale"),
        pytest.param({"train_x": np.zeros((2, 2))}, "shape", id="shape"),
        pytest.param({"train_x": np.zeros((2, 1), "f4")}, "type", id="type"),
        pytest.param({"test_y": np.array([2])}, "no class", id="label"),
        pytest.param({"train_y": np.array([0, 0])}, "never trained", id="never"),
        pytest.param({"classes": ("a", "a")}, "classes", id="twice"),
        pytest.param(
            {"test_x": np.zeros((0, 1)), "test_y": np.zeros(0, np.int64)}, "held out", id="none"
        ),
    ],
)
def test_planted_data_are_caught(changes: dict[str, Any], complaint: str) -> None:
    scaling = Scaling(np.zeros(1), np.ones(1))
    good = Dataset("d", "classification", ("a",), ("0", "1"), np.zeros((2, 1)), np.array([0, 1]),
                   np.zeros((1, 1)), np.array([1]), scaling, scaling, ("0" * 64,))  # fmt: skip
    judge_dataset(good)
    with pytest.raises(AssertionError, match=complaint):
        judge_dataset(replace(good, **changes))


@pytest.mark.parametrize("loader", hostile_own.FILES)
def test_planted_networks_are_caught(loader: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(hostile_own.templates(loader)[0])
    value = READERS[loader](path)
    JUDGES[loader](value)
    if loader == "own-floatgate":
        for change, complaint in (
            ({"labels": value.labels + 2}, "no class"),
            ({"v": value.v[:, :1]}, "shape"),
            ({"v": value.v * float("inf")}, "not finite"),
        ):
            with pytest.raises(AssertionError, match=complaint):
                judge_floatgate(replace(value, **change))
    elif loader == "own-int8":
        with pytest.raises(AssertionError):
            judge_int8(replace(value, own_images=replace(value.own_images, labels=np.full(4, 2))))
    else:
        with torch.no_grad():
            next(value.model.parameters()).fill_(float("nan"))
        with pytest.raises(AssertionError, match="not finite"):
            judge_kirchhoff(value)


def test_planted_cards_are_caught(tmp_path: Path) -> None:
    path = tmp_path / "card.yaml"
    path.write_bytes(hostile_own.templates("card")[0])
    good = load_card(os.fspath(path))
    judge_card(good)
    turned = good.programmable.model_copy(update={"w_max_A": 1e-14})
    for changes in ({"supply_V": float("nan")}, {"programmable": turned}, {"cell": None}):
        with pytest.raises((AssertionError, FileError, ValueError)):
            judge_card(good.model_copy(update=changes))


@pytest.mark.parametrize("base", list(hostile_own.BASES))
def test_no_place_takes_what_cannot_stand_there(base: str) -> None:
    check = {"card": card_of, "floatgate": floatgate.config_of, "int8": configuration.config_of}
    found = 0
    for path, name, value in hostile_own.wrong_values(base):
        blamed = refused_field(check[base], value)
        assert blamed is not None, f"{name} is accepted at {path}"
        part = re.split(r"[.[]", path)[0]
        assert blamed.startswith(part), f"{name} at {path} is blamed on {blamed}"
        found += 1
    assert found > 150


def refused_field(check: Callable[[Any, str], object], value: Any) -> str | None:
    """The field that is blamed for ``value``; None where it is accepted."""
    try:
        check(value, "f")
    except FileError as error:
        judge_message(error, Path("f"), None)
        return error.field or ""
    return None


def test_both_ends_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "f"
    for length, fits in ((4 << 20, True), ((4 << 20) + 1, False)):
        cells = [" " * 1000 + "1"] * 4000
        row = ",".join([" " * (length - 1002 * 4000 - 2) + "1", *cells]) + "\n"
        assert len(row) == length
        path.write_text(",".join(f"c{k}" for k in range(4001)) + "\n" + row)
        if fits:
            assert csv_table.read_csv(path, lambda names: (names, ())).numbers.shape == (1, 4001)
        else:
            with pytest.raises(FileError, match="line 2: has a row of more than 4194304"):
                csv_table.read_csv(path, lambda names: (names, ()))


class _Growing(io.BytesIO):
    """A file that gets longer as it is read, for ever."""

    def read(self, size: int | None = -1, /) -> bytes:
        place = self.tell()
        if place == len(self.getvalue()):
            self.write(b"1,2,up\n" * 5000)
            self.seek(place)
        return super().read(size)


def test_a_table_that_grows_while_it_is_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"a,b,kind\n" + b"1,2,up\n" * 9
    monkeypatch.setattr(csv_table, "open_bounded", lambda *_: ("f", _Growing(text), len(text)))
    with pytest.raises(FileError, match="became longer"), no_hang():
        csv_table.read_csv("f", lambda names: (names[:2], ()), max_bytes=1 << 20)


@pytest.mark.parametrize("value", [b"x", (1, 2), {1: 2}, {1}, np.float64(1.0)])
def test_planted_yaml_values_are_caught(value: Any) -> None:
    with pytest.raises(AssertionError):
        judge_plain({"a": [value]})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"t_end": (0.1, 0.5, 1.0)}, "starts late", id="t_end-start"),
        pytest.param({"t_end": (0.0, 1.0, 0.5)}, "t_end", id="t_end-falls"),
        pytest.param({"t_end": (0.0, 1.0)}, "t_end", id="t_end-short"),
        pytest.param({"min_step": 1.0}, "steps", id="min_step"),
    ],
)
def test_planted_configurations_are_caught(
    changes: dict[str, Any], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = parse_config(hostile_kirchhoff.yaml_of(hostile_kirchhoff.config()), "f")
    judge_config(good)
    simulation = good.simulation.model_copy(update=changes)
    wrong = good.model_copy(update={"simulation": simulation})
    # As if the reader had let it pass.
    monkeypatch.setattr(f"{__name__}.parse_config", lambda text, source: wrong)
    with pytest.raises(AssertionError, match=complaint):
        judge_config(wrong)


@pytest.mark.parametrize("value", [float("nan"), "\ud800"], ids=["nan", "half-character"])
def test_planted_json_values_are_caught(value: Any) -> None:
    with pytest.raises(ValueError, match=r"compliant|surrogates"):
        judge_json([value])


def test_an_outcome_other_than_refusal_or_value_is_caught(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"{")
    with pytest.raises(json.JSONDecodeError):
        judge_outcome(lambda p: json.loads(p.read_bytes()), judge_json, path)
    with pytest.raises(AssertionError, match="the file was changed"):
        judge_outcome(_writing, judge_json, path)
    wrong = {**hostile.valid_arrays(), "W": np.full((4, 3), np.inf)}
    with pytest.raises(AssertionError, match="W: not finite"):
        judge_outcome(lambda p: wrong, judge_arrays, path)
