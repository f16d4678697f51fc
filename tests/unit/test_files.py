"""What reading and saving promise for good files, and what saving refuses."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import pickle
import re
import stat
import string
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import DtypeError, FileError, OhmbenchError, RangeError, ShapeError, one_line
from ohmbench.files import (
    ArraySpec,
    atomic_write,
    check_writable,
    npz_fields,
    read_bytes,
    read_idx,
    read_json,
    read_npz,
    read_text,
    schema,
    sha256_file,
    temporary,
    write_json,
    write_npz,
)

W = ArraySpec("W", ("hidden", 3), ("float64",))
ARRAYS = {"W": np.arange(12.0).reshape(4, 3)}


def writing(text: bytes) -> Callable[[Any], None]:
    return lambda file: file.write(text)


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".ohmbench-")]


# ------------------------------------------------------------------------------------------------
# Round trips

NUMBERS = st.sampled_from([name for name in sorted(schema.PLAIN_DTYPES) if name not in "US"])
FIELDS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@st.composite
def any_array(draw: st.DrawFn) -> np.ndarray:
    if draw(st.booleans()):
        texts = st.text(CHARACTERS, max_size=8)
        array = draw(hnp.arrays(np.dtype("U8"), draw(SHAPES), elements=texts))
    else:
        array = draw(hnp.arrays(np.dtype(draw(NUMBERS)), draw(SHAPES)))
    order = draw(st.sampled_from("CF"))
    return array.astype(array.dtype.newbyteorder(draw(st.sampled_from("<>"))), order=order)


def spec_of(name: str, array: np.ndarray) -> ArraySpec:
    kind = "U" if array.dtype.kind == "U" else array.dtype.name
    return ArraySpec(name, array.shape, (kind,), finite=False)


def same_bits(found: np.ndarray, expected: np.ndarray) -> bool:
    native = expected.astype(expected.dtype.newbyteorder("="))
    return found.dtype == native.dtype and found.tobytes() == native.tobytes()


@pytest.mark.parametrize("writer", ["write_npz", "savez", "savez_compressed"])
@given(arrays=st.dictionaries(FIELDS, any_array(), min_size=1, max_size=4))
def test_npz_round_trip(
    writer: str, arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.npz"
    if writer == "write_npz":
        write_npz(path, arrays, overwrite=True)
    else:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", 8 if "_" in writer else 0) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array)
        path.write_bytes(stream.getvalue())
    found = read_npz(path, [spec_of(name, array) for name, array in arrays.items()])
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].shape == array.shape
        assert same_bits(found[name], array), name
        assert found[name].flags.c_contiguous
        assert found[name].flags.owndata
        assert found[name].flags.writeable


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {**ARRAYS, "names": np.array(["tau", "κ"])})
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found["W"].tolist() == ARRAYS["W"].tolist()
        assert found["names"].tolist() == ["tau", "κ"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(CHARACTERS, max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(value=JSON_VALUES)
def test_json_round_trip(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_json(path, value, overwrite=True)
    assert read_json(path) == value
    assert path.read_bytes().endswith(b"\n")


def test_json_is_sorted_and_indented(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1], "a": "κ"})
    expected = '{\n  "a": "κ",\n  "b": [\n    1\n  ]\n}\n'
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    "value",
    ["01" * 1000, 10**398, -(10**398), 0.1, 5e-324, 1.7976931348623157e308],
    ids=["digits-in-a-string", "digits", "minus-digits", "tenth", "smallest", "largest"],
)
def test_json_values_at_the_limits(value: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [value])
    assert read_json(tmp_path / "a.json") == [value]


@pytest.mark.parametrize("depth", [1, 64])
def test_json_depth_that_is_accepted(depth: int, tmp_path: Path) -> None:
    text = "[" * (depth - 1) + '["]]]\\"[[[[\\\\"]' + "]" * (depth - 1)
    (tmp_path / "a.json").write_text(text)
    assert read_json(tmp_path / "a.json") == json.loads(text)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)))
def test_idx_round_trip(
    packed: bool, array: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.idx"
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    data = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)
    found = read_idx(path, ndim=array.ndim)
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "f") == expected


# ------------------------------------------------------------------------------------------------
# Same arrays, same bytes


def test_bytes_depend_on_the_arrays_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"b": np.arange(5), "a": np.ones((2, 3)), "names": np.array(["x"])}
    write_npz(tmp_path / "1.npz", arrays)
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    turned = {
        name: np.asfortranarray(arrays[name]).astype(arrays[name].dtype.newbyteorder(">"))
        for name in reversed(arrays)
    }
    write_npz(tmp_path / "2.npz", turned)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    # Pinned, so that a change of Python or numpy that breaks every recorded sha256 is noticed.
    expected = "888b1fb165fef5db84a01507b0ce014688461ba72d2de7626625d91b207f6a1d"
    assert sha256_file(tmp_path / "1.npz") == expected


# ------------------------------------------------------------------------------------------------
# Schemas


def refusal(path: Path, *specs: ArraySpec, **options: Any) -> FileError:
    with pytest.raises(FileError) as caught:
        read_npz(path, specs, **options)
    return caught.value


def test_symbols_bind_once(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, {**ARRAYS, "b": np.zeros(4), "c": np.zeros((5, 5))})
    b, c = ArraySpec("b", ("hidden",), ("float64",)), ArraySpec("c", ("n", "n"), ("float64",))
    assert set(read_npz(path, [W, b, c])) == {"W", "b", "c"}
    clash = refusal(path, W, b, ArraySpec("c", ("hidden", "n"), ("float64",)))
    assert clash.field == "c"
    assert "shape (5, 5), expected (hidden=4 as in W, n)" in str(clash)
    write_npz(path, {"c": np.zeros((5, 6))}, overwrite=True)
    assert "shape (5, 6), expected (n, n)" in str(refusal(path, c))


def test_symbols_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "_MAX_SYMBOL", 3)
    write_npz(tmp_path / "a.npz", ARRAYS)
    assert "with hidden from 1 to 3" in str(refusal(tmp_path / "a.npz", W))


def test_messages_name_file_field_expectation_and_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    wrong = ArraySpec("W", (4, 3), ("float32", "int8"))
    assert str(refusal(path, wrong)) == (
        f"{path}: W: element type float64, expected float32 or int8; convert the array"
    )
    whole = ArraySpec("W", (4, 3), ("int8",))
    assert str(refusal(path, whole)).endswith(
        "expected int8; store whole numbers from -128 to 127 as int8"
    )
    assert "W: element [3, 2] is 11.0, expected at most 10.5" in str(
        refusal(path, ArraySpec("W", (4, 3), ("float64",), high=10.5))
    )
    assert "b: is missing; found W" in str(refusal(path, W, ArraySpec("b", (), ("int8",))))
    assert "W: unexpected; expected b" in str(
        refusal(path, ArraySpec("b", (), ("int8",), optional=True))
    )


def test_optional_and_extra_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, {**ARRAYS, "more": np.zeros(2)})
    optional = ArraySpec("mask", ("hidden",), ("bool",), optional=True)
    assert list(read_npz(path, [W, optional], allow_extra=True)) == ["W"]
    assert refusal(path, W, optional).field == "more"


def test_nan_is_accepted_only_on_request(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.array([0.0, np.nan])})
    found = read_npz(
        tmp_path / "a.npz", [ArraySpec("x", (2,), ("float64",), finite=False, low=0.0)]
    )
    assert np.isnan(found["x"][1])
    assert refusal(tmp_path / "a.npz", ArraySpec("x", (2,), ("float64",))).field == "x"


def test_size_limits_hold_for_file_and_content(tmp_path: Path) -> None:
    zeros = ArraySpec("z", ("n",), ("float64",))
    np.savez_compressed(tmp_path / "packed.npz", z=np.zeros(10_000))
    write_npz(tmp_path / "plain.npz", {"z": np.zeros(10_000)})
    assert "would unpack to" in str(refusal(tmp_path / "packed.npz", zeros, max_bytes=50_000))
    assert "at most 50000 are accepted" in str(
        refusal(tmp_path / "plain.npz", zeros, max_bytes=50_000)
    )
    assert read_npz(tmp_path / "packed.npz", [zeros], max_bytes=90_000)["z"].size == 10_000


def test_whole_files_as_bytes_and_as_text(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes("1 µA\r\n2\r3\n".encode())
    assert read_bytes(path) == path.read_bytes()
    assert read_text(path) == path.read_text(encoding="utf-8") == "1 µA\n2\n3\n"
    path.write_bytes(b"\xff")
    assert read_bytes(path) == b"\xff"
    with pytest.raises(FileError, match=r"report: is not text in UTF-8$"):
        read_text(path)
    os.mkfifo(tmp_path / "pipe")
    for wrong, said in (("gone", "cannot open: no such file"), ("pipe", "is a pipe")):
        for read in (read_bytes, read_text):
            with pytest.raises(FileError, match=f"{wrong}: {said}"):
                read(tmp_path / wrong)


def test_the_schema_makes_room_for_the_arrays_whose_sizes_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large network's file is read by its schema; what only the file calls large is not."""
    monkeypatch.setattr("ohmbench.files.npz_reading.MAX_BYTES", 2000)
    path = tmp_path / "large.npz"
    write_npz(path, {"w": np.zeros((100, 100)), "s": np.array(7)})
    known = ArraySpec("w", (100, 100), ("float32", "float64"))
    small = ArraySpec("s", (), ("int64",))
    assert read_npz(path, [known, small])["w"].shape == (100, 100)
    assert read_npz(path, [small], allow_extra=True)["s"] == 7
    assert sorted(npz_fields(path)) == ["s", "w"]
    # The sizes of a symbol, and the lengths of texts, are the file's own word.
    assert "at most 2008 are accepted" in str(
        refusal(path, replace(known, shape=("n", "n")), small)
    )
    write_npz(tmp_path / "text.npz", {"t": np.array("x" * 1000)})
    text = ArraySpec("t", (), ("U",))
    assert "at most 2000 are accepted" in str(refusal(tmp_path / "text.npz", text))
    # More than the schema knows and the rest may take is refused, wherever it hides.
    write_npz(tmp_path / "more.npz", {"w": np.zeros((100, 100)), "x": np.zeros(300)})
    extra = ArraySpec("x", ("n",), ("float64",))
    assert "are accepted" in str(refusal(tmp_path / "more.npz", known, extra))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("a/b", (), ("int8",)), id="name"),
        pytest.param(("a", (), ("object",)), id="object"),
        pytest.param(("a", (), ()), id="no-dtype"),
        pytest.param(("a", (-1,), ("int8",)), id="negative"),
    ],
)
def test_wrong_specs_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="ArraySpec"):
        ArraySpec(*arguments)


def test_a_schema_that_names_a_field_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        read_npz(tmp_path / "a.npz", [W, W])


# ------------------------------------------------------------------------------------------------
# What cannot be saved


@pytest.mark.parametrize(
    ("arrays", "kind"),
    [
        pytest.param({}, ShapeError, id="nothing"),
        pytest.param({"a/b": np.zeros(1)}, RangeError, id="name"),
        pytest.param({"": np.zeros(1)}, RangeError, id="name-empty"),
        pytest.param({"a": np.array([{}])}, DtypeError, id="object"),
        pytest.param({"a": np.zeros(1, "f4,f4")}, DtypeError, id="record"),
        pytest.param({"a": np.zeros(1, "M8[s]")}, DtypeError, id="date"),
        pytest.param({"a": np.array(["\ud800"])}, RangeError, id="half-character"),
        pytest.param({"a": np.array(["x" * 70_000])}, RangeError, id="long-text"),
    ],
)
def test_arrays_that_no_reader_takes_are_not_saved(
    arrays: dict[str, np.ndarray], kind: type[OhmbenchError], tmp_path: Path
) -> None:
    with pytest.raises(kind):
        write_npz(tmp_path / "a.npz", arrays)
    assert list(tmp_path.iterdir()) == []


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth > 1 else []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(float("nan"), RangeError, id="nan"),
        pytest.param("\ud800", RangeError, id="half-character"),
        pytest.param({1: 2}, DtypeError, id="number-key"),
        pytest.param({"a": {(1, 2): 3}}, DtypeError, id="tuple-key"),
        pytest.param(np.zeros(2), DtypeError, id="array"),
        pytest.param(10**400, RangeError, id="401-digits"),
        pytest.param(nested(65), RangeError, id="65-deep"),
    ],
)
def test_values_that_json_lacks_are_not_saved(
    value: Any, kind: type[OhmbenchError], tmp_path: Path
) -> None:
    with pytest.raises(kind):
        write_json(tmp_path / "a.json", value)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------
# Where can be saved

SAVES: dict[str, Callable[..., None]] = {
    "npz": lambda path, **options: write_npz(path, ARRAYS, **options),
    "json": lambda path, **options: write_json(path, [1], **options),
    "bytes": lambda path, **options: atomic_write(path, writing(b"new"), **options),
    "check": check_writable,
}
every_save = pytest.mark.parametrize("save", SAVES.values(), ids=SAVES.keys())


@every_save
def test_existing_results_are_kept(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"old")
    with pytest.raises(FileError) as caught:
        save(path)
    assert str(caught.value) == f"{path}: exists already; choose another name or pass --force"
    assert path.read_bytes() == b"old"
    save(path, overwrite=True)
    assert (path.read_bytes() == b"old") == (save is check_writable)
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


@every_save
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        pytest.param("missing/result", "the folder does not exist", id="folder-missing"),
        pytest.param("file/result", "a part of the path is not a folder", id="below-a-file"),
        pytest.param("folder", "is a folder", id="folder"),
        pytest.param("folder/", "names a folder", id="trailing-slash"),
        pytest.param("x" * 300, "too long", id="name-too-long"),
        pytest.param("a\0b", "not a possible file name", id="nul"),
        pytest.param("half\ud800", "not a possible file name", id="half-character"),
        pytest.param("loop/result", "form a loop", id="link-loop"),
    ],
)
def test_impossible_places_are_refused(
    save: Callable[..., None], overwrite: bool, place: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileError, match=reason) as caught:
        save(f"{tmp_path}/{place}", overwrite=overwrite)
    assert str(caught.value).isprintable()
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_bytes() == b"old"


@every_save
def test_the_empty_name_is_refused(save: Callable[..., None]) -> None:
    with pytest.raises(FileError, match="the file name is empty"):
        save("")


@every_save
def test_folders_without_permission_are_refused(save: Callable[..., None], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("running as root, whom permissions do not bind")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(FileError, match="permission denied"):
            save(tmp_path / "result")
    finally:
        tmp_path.chmod(0o700)


@every_save
def test_files_without_permission_are_refused(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same refusal as above for root too, at the call where the system would give it.
    real = os.open

    def denied(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(FileError, match="permission denied; change the permissions"):
        save(tmp_path / "result")


@every_save
def test_folders_that_take_no_files_are_not_called_missing(
    save: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def like_proc(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_CREAT:
            raise FileNotFoundError(2, "No such file or directory")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", like_proc)
    said = "cannot be written there: No such file or directory; choose another place$"
    with pytest.raises(FileError, match=said):
        save(tmp_path / "result")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_regular_files_are_replaced(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(FileError, match=f"is a {kind}, not a regular file"):
        atomic_write(path, writing(b"new"), overwrite=True)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_relative_names_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_npz("a.npz", ARRAYS)
    assert read_npz("a.npz", [W])["W"].shape == (4, 3)
    assert leftovers(tmp_path) == []


def test_the_longest_name_works(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    atomic_write(path, writing(b"new"))
    assert path.read_bytes() == b"new"


def test_links_are_followed_only_when_overwriting(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "latest").symlink_to("store/run1")
    with pytest.raises(FileError, match="exists already"):
        atomic_write(tmp_path / "latest", writing(b"new"))
    atomic_write(tmp_path / "latest", writing(b"new"), overwrite=True)
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "store" / "run1").read_bytes() == b"new"
    assert leftovers(tmp_path) == leftovers(tmp_path / "store") == []


def test_permissions_are_kept_or_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "new", writing(b"new"))
    plain = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == plain
    (tmp_path / "new").chmod(0o600)
    atomic_write(tmp_path / "new", writing(b"newer"), overwrite=True)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


# ------------------------------------------------------------------------------------------------
# Races


def test_a_file_that_appears_while_writing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "result"

    def write(file: Any) -> None:
        file.write(b"mine")
        path.write_bytes(b"theirs")

    with pytest.raises(FileError, match="exists already"):
        atomic_write(path, write)
    assert path.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == []


_RACER = """
import sys
from ohmbench.errors import FileError
from ohmbench.files import atomic_write
sys.stdin.read(1)
try:
    atomic_write(sys.argv[1], lambda file: file.write(sys.argv[2].encode() * 100_000))
    print("won")
except FileError as error:
    print("lost" if "exists already" in str(error) else error)
"""


def test_of_several_racing_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "result"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for name in "abc"
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("g")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].strip() for racer in racers]
    assert sorted(said) == ["lost", "lost", "won"]
    assert path.read_bytes() == b"abc"[said.index("won") :][:1] * 100_000
    assert leftovers(tmp_path) == []


# ------------------------------------------------------------------------------------------------
# Sweeping


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=60)
    return process.pid


def leave(target: Path, pid: int, *, node: str | None = None, age_s: float = 0.0) -> Path:
    """What a writer of ``target`` with this process number leaves when it is killed."""
    node = temporary._node() if node is None else node
    key = temporary._temporary_key(str(target))
    left = target.parent / f".ohmbench-{key}-{node}-{pid}-0123abcd.part"
    left.write_bytes(b"half")
    os.utime(left, (time.time() - age_s,) * 2)
    return left


def test_leftovers_are_named_as_the_sweep_expects(tmp_path: Path) -> None:
    name = temporary.temporary_name(str(tmp_path / "result"))
    match = temporary._TEMPORARY.match(Path(name).name)
    assert match is not None
    assert match["key"] == temporary._temporary_key("result")
    assert int(match["pid"]) == os.getpid()


@pytest.mark.parametrize(
    ("pid", "node", "age_s", "swept"),
    [
        pytest.param("dead", None, 0.0, True, id="dead"),
        pytest.param("alive", None, 3600.0, False, id="alive"),
        pytest.param("alive", None, 2e5, True, id="number-given-out-anew"),
        pytest.param("dead", "00000000", 3600.0, False, id="other-machine"),
        pytest.param("dead", "00000000", 2e5, True, id="other-machine-long-ago"),
    ],
)
def test_sweep(pid: str, node: str | None, age_s: float, swept: bool, tmp_path: Path) -> None:
    target = tmp_path / "result"
    number = dead_process() if pid == "dead" else os.getppid()
    left = leave(target, number, node=node, age_s=age_s)
    atomic_write(target, writing(b"new"))
    assert left.exists() != swept


def test_sweep_leaves_a_running_writer_of_another_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that may not be signalled is there."""

    def refuse(pid: int, sign: int) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    target = tmp_path / "result"
    left = leave(target, 4242)
    monkeypatch.setattr(os, "kill", refuse)
    atomic_write(target, writing(b"new"))
    assert left.exists()


def test_all_is_written_before_the_file_is_flushed_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still in the process when the disk is asked is lost in a power cut."""
    sizes = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            sizes.append(os.fstat(fd).st_size)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    atomic_write(tmp_path / "result", writing(b"12345"))
    assert sizes == [5]


def test_sweep_leaves_other_targets_and_strangers_alone(tmp_path: Path) -> None:
    others = [leave(tmp_path / "other", dead_process()), tmp_path / ".ohmbench-notes"]
    others += [tmp_path / f".ohmbench-{temporary._temporary_key('result')}-x.part"]
    for other in others[1:]:
        other.write_bytes(b"mine")
    atomic_write(tmp_path / "result", writing(b"new"))
    assert all(other.exists() for other in others)


def test_a_leftover_that_cannot_be_removed_does_not_stop_a_save(tmp_path: Path) -> None:
    left = leave(tmp_path / "result", dead_process())
    left.unlink()
    left.mkdir()
    atomic_write(tmp_path / "result", writing(b"new"))
    assert (tmp_path / "result").read_bytes() == b"new"


# ------------------------------------------------------------------------------------------------
# Errors


@given(parts=st.lists(st.text(min_size=1), min_size=4, max_size=4))
def test_messages_are_one_line(parts: list[str]) -> None:
    path, field, reason, remedy = parts
    error = FileError(path, reason, field=field, remedy=remedy)
    assert str(error).isprintable()
    assert (error.path, error.field, error.reason, error.remedy) == (path, field, reason, remedy)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(again), again.__dict__) == (str(error), error.__dict__)


def test_long_names_are_shortened() -> None:
    text = str(FileError("p" * 5000, "bad", field="f" * 5000))
    assert len(text) < 1000
    assert re.fullmatch(r"p+\.\.\.p+: f+\.\.\.f+: bad", text)
    assert one_line("short") == "short"
